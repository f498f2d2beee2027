//! Tracks of known artists in a store.

use std::collections::HashMap;
use std::ops::Range;

use super::segments::{linear_starts, random_start, read_segment};
use super::training_set::TrackList;
use crate::catalogue::groups::{Groups, tags};
use crate::catalogue::samples::Samples;
use crate::catalogue::table::Table;
use crate::frontend::Recipe;
use crate::hash::digits;
use crate::models::Segments;
use crate::random::Random;
use crate::similarity::Oracle;
use crate::store::{Frames, Store};
use crate::{Error, Result};

/// A track with what training knows about it.
#[derive(Clone)]
pub(super) struct Track<'s> {
    pub(super) frames: Frames<'s>,
    pub(super) tags: Vec<u32>,
    /// None where any part of the track may be used.
    samples: Option<Samples>,
    /// What it is to the oracle, where there is one.
    item: Option<usize>,
    /// Its place in the list that it came from.
    row: usize,
    /// Of two kinds.
    pub(super) kind: usize,
}

/// Tracks of known artists in a store, with their tags.
pub struct LabelledTracks<'s> {
    pub(super) tracks: Vec<Track<'s>>,
    /// Tracks of each artist: places in `tracks`.
    pub(super) artists: Vec<Vec<usize>>,
    recipe: Recipe,
    /// What says which tracks are alike, where something does.
    oracle: Option<&'s Oracle>,
    /// Comparisons of tracks (anchor, positive, negative), where batches are drawn from those.
    pub(super) triplets: Vec<[usize; 3]>,
    /// Whether tracks are of two kinds, compared only with those of the other.
    pub(super) has_kinds: bool,
    /// The values of each track, which are the artists, where it may have several; else empty.
    pub(super) values: Vec<Vec<u32>>,
}

impl<'s> LabelledTracks<'s> {
    /// Tracks of a store, grouped by `artist_column`; rows without an artist are left out.
    pub fn new(store: &'s Store, part: &TrackList, artist_column: &str, tag_column: Option<&str>) -> Result<Self> {
        let table = &part.table;
        let artist = table.require(artist_column, "artist column")?;
        let known: Vec<usize> = (0..table.rows.len()).filter(|&row| !table.rows[row][artist].is_empty()).collect();
        let tags = numbered_tags(table, tag_column, "tag column", &known)?;
        Self::of_known(store, part, by_cell(table, artist, &known), &known, tags)
    }

    /// Some `rows` of a list, grouped by the values of a column, of which a cell holds several apart by `;`: a track belongs to
    /// each of its values as to an artist, a negative shares none of them. Tracks without a value are in no group.
    pub fn by_value(
        store: &'s Store,
        part: &TrackList,
        column: &str,
        tag_column: Option<&str>,
        rows: &[usize],
    ) -> Result<Self> {
        let table = &part.table;
        let values = numbered_tags(table, Some(column), "notion's column", rows)?;
        let tags = numbered_tags(table, tag_column, "tag column", rows)?;
        let pairs =
            values.iter().enumerate().flat_map(|(track, values)| values.iter().map(move |&value| (track, value)));
        Ok(Self { values: values.clone(), ..Self::of_known(store, part, Groups::of(pairs).members, rows, tags)? })
    }

    /// The tracks of a store that have some of the given tags in a column: a cell as a whole is one, or its parts between `;`
    /// are several. Tags have the numbers given.
    pub fn tagged(
        store: &'s Store,
        part: &TrackList,
        artist_column: &str,
        tag_column: &str,
        numbers: &HashMap<&str, u32>,
    ) -> Result<Self> {
        let table = &part.table;
        let artist = table.require(artist_column, "artist column")?;
        let column = table.require(tag_column, "tag column")?;
        let of_cell = |cell: &str| match numbers.get(cell) {
            Some(&number) => vec![number],
            None => sorted(tags(cell).filter_map(|tag| numbers.get(tag).copied()).collect()),
        };
        let tagged = table.rows.iter().enumerate().map(|(row, cells)| (row, of_cell(&cells[column])));
        let tagged = tagged.filter(|(row, tags)| !tags.is_empty() && !table.rows[*row][artist].is_empty());
        let (known, tags): (Vec<usize>, Vec<Vec<u32>>) = tagged.unzip();
        Self::of_known(store, part, by_cell(table, artist, &known), &known, tags)
    }

    /// The tracks, to be drawn by comparisons of them.
    pub fn with_triplets(self, triplets: &[[usize; 3]]) -> Self {
        Self { triplets: triplets.to_vec(), ..self }
    }

    /// The tracks as of two kinds: which each row of their list is of.
    pub fn with_kinds(mut self, kinds: &[usize]) -> Self {
        self.has_kinds = true;
        self.tracks.iter_mut().for_each(|track| track.kind = kinds[track.row]);
        self
    }

    fn of_known(
        store: &'s Store,
        part: &TrackList,
        artists: Vec<Vec<usize>>,
        known: &[usize],
        tags: Vec<Vec<u32>>,
    ) -> Result<Self> {
        let samples = |row: usize| part.samples.as_ref().map(|samples| samples[row]);
        let track = |(&row, tags)| {
            let (frames, item) = (store.frames(part.rows[row])?, part.items.get(row).copied());
            Ok(Track { frames, tags, samples: samples(row), item, row, kind: 0 })
        };
        let tracks = known.iter().zip(tags).map(track).collect::<Result<_>>()?;
        Ok(Self {
            tracks,
            artists,
            recipe: store.recipe().clone(),
            oracle: None,
            triplets: Vec::new(),
            has_kinds: false,
            values: Vec::new(),
        })
    }

    /// The tracks, known to the oracle that their list was matched with.
    pub fn with_oracle(self, oracle: Option<&'s Oracle>) -> Self {
        Self { oracle: oracle.filter(|_| self.tracks.iter().all(|track| track.item.is_some())), ..self }
    }

    /// What says which tracks are alike, where something does.
    pub fn oracle(&self) -> Option<&'s Oracle> {
        self.oracle
    }

    /// The place of each track in the list that it came from.
    pub fn rows(&self) -> Vec<usize> {
        self.tracks.iter().map(|track| track.row).collect()
    }

    /// The values of a track, where they are told apart ([`by_value`](Self::by_value)).
    pub fn values(&self, track: usize) -> &[u32] {
        self.values.get(track).map_or(&[], Vec::as_slice)
    }

    /// What each track is to the oracle.
    pub fn items(&self) -> Vec<usize> {
        self.tracks.iter().filter_map(|track| track.item).collect()
    }

    /// How likely each tag is for a track, where the oracle knows tags.
    pub fn likelihoods(&self, track: usize) -> Option<&'s [f32]> {
        self.oracle?.likelihoods(self.tracks[track].item?)
    }

    /// Parts the artists in two at random; the second part gets `share` of them, rounded.
    pub fn part(self, share: f64, seed: u64) -> (Self, Self) {
        let mut order: Vec<usize> = (0..self.artists.len()).collect();
        Random::keyed(seed, &[PARTING]).shuffle(&mut order);
        let second = (share * order.len() as f64).round() as usize;
        let (held, kept) = order.split_at(second.min(order.len()));
        let only = |chosen: &[usize]| {
            let mut chosen = chosen.to_vec();
            chosen.sort_unstable();
            let tracks: Vec<usize> = chosen.iter().flat_map(|&artist| self.artists[artist].iter().copied()).collect();
            let mut place = 0;
            let mut count_off = |artist: &usize| {
                let first = place;
                place += self.artists[*artist].len();
                (first..place).collect()
            };
            Self {
                tracks: tracks.iter().map(|&track| self.tracks[track].clone()).collect(),
                artists: chosen.iter().map(&mut count_off).collect(),
                recipe: self.recipe.clone(),
                oracle: self.oracle,
                triplets: Vec::new(),
                has_kinds: self.has_kinds,
                values: Vec::new(),
            }
        };
        (only(kept), only(held))
    }

    /// How many artists there are.
    pub fn artists(&self) -> usize {
        self.artists.len()
    }

    /// How many tracks there are.
    pub fn tracks(&self) -> usize {
        self.tracks.len()
    }

    /// The artist of each track, numbered.
    pub fn artist_of_tracks(&self) -> Vec<usize> {
        let mut labels = vec![0; self.tracks()];
        for (artist, tracks) in self.artists.iter().enumerate() {
            tracks.iter().for_each(|&track| labels[track] = artist);
        }
        labels
    }

    /// The tags of a track.
    pub fn tags(&self, track: usize) -> &[u32] {
        &self.tracks[track].tags
    }

    /// Refuses segments longer than the samples of a dataset.
    pub fn check_segment(&self, seconds: f64) -> Result<()> {
        match self.tracks.iter().filter_map(|track| track.samples).find(|samples| samples.seconds + 0.01 < seconds) {
            Some(samples) => {
                let problem = format!("{seconds} s are longer than the dataset's samples of {} s", samples.seconds);
                Err(Error::setting("segment", problem))
            }
            None => Ok(()),
        }
    }

    /// How often a track counts in a pass: its draws, or as many segments as it holds side by side.
    pub(super) fn draws(&self, track: usize, segment_frames: usize) -> usize {
        let Track { frames, samples, .. } = &self.tracks[track];
        samples.map_or((frames.len() / segment_frames).max(1), |samples| samples.draws)
    }

    /// A random start of a segment in sample `draw` of a track.
    pub(super) fn start_in(&self, track: usize, draw: usize, segment_frames: usize, random: &mut Random) -> usize {
        match self.window(track, draw) {
            Some(window) => window.start + random_start(window.len(), segment_frames, random),
            None => {
                let length = self.tracks[track].frames.len();
                let starts = linear_starts(length, segment_frames, self.draws(track, segment_frames));
                starts[draw]
            }
        }
    }

    /// A random start of a segment anywhere in a track, or in any of its samples.
    pub(super) fn start(&self, track: usize, segment_frames: usize, random: &mut Random) -> usize {
        match self.tracks[track].samples {
            Some(samples) => self.start_in(track, random.below(samples.draws), segment_frames, random),
            None => random_start(self.tracks[track].frames.len(), segment_frames, random),
        }
    }

    fn window(&self, track: usize, draw: usize) -> Option<Range<usize>> {
        let Track { frames, samples, .. } = &self.tracks[track];
        Some((*samples)?.place(draw, frames.len(), |seconds| self.recipe.seconds_to_frames(seconds)))
    }

    /// At most `count` tracks that stand for all, artist by artist: of no artist many more than of another, but at least
    /// two where there are as many, because an artist with one track has nothing to be compared with.
    pub fn spread(&self, count: usize) -> Vec<usize> {
        if self.tracks() <= count {
            return self.artists.concat();
        }
        let each = (count / self.artists()).max(2);
        let every = (each * self.artists()).div_ceil(count);
        let of_artist = |tracks: &Vec<usize>| {
            let step = tracks.len().div_ceil(each);
            tracks.iter().copied().step_by(step).collect::<Vec<_>>()
        };
        self.artists.iter().step_by(every).flat_map(of_artist).take(count).collect()
    }

    /// `count` linearly spaced segments of each of some tracks, of its samples where it has some; track by track.
    pub fn survey(&self, tracks: &[usize], segment_frames: usize, count: usize) -> TrackSegments<'s> {
        let starts = |&track: &usize| {
            let Track { frames, samples, kind, .. } = &self.tracks[track];
            let starts = match samples {
                Some(samples) => (0..count)
                    .filter_map(|place| self.window(track, place * samples.positions / count))
                    .map(|window| window.start + window.len().saturating_sub(segment_frames) / 2)
                    .collect(),
                None => linear_starts(frames.len(), segment_frames, count),
            };
            starts.into_iter().map(|start| (*frames, start, *kind)).collect::<Vec<_>>()
        };
        TrackSegments { segments: tracks.iter().flat_map(starts).collect() }
    }

    /// Sixteen hexadecimal digits that tell other data apart: who has tracks of which lengths, under which tags, with which
    /// samples.
    pub fn fingerprint(&self) -> String {
        let track = |&track: &usize| {
            let Track { frames, tags, samples, .. } = &self.tracks[track];
            (frames.len(), tags, samples.map(|samples| samples.cells()))
        };
        let artists: Vec<Vec<_>> = self.artists.iter().map(|tracks| tracks.iter().map(track).collect()).collect();
        let mut json = serde_json::to_vec(&artists).expect("lengths, tags and samples are plain data");
        if self.has_kinds {
            let kinds: Vec<usize> = self.tracks.iter().map(|track| track.kind).collect();
            json.extend(serde_json::to_vec(&kinds).expect("numbers are plain data"));
        }
        if !self.triplets.is_empty() {
            json.extend(serde_json::to_vec(&self.triplets).expect("numbers are plain data"));
        }
        digits(&json)
    }
}

/// Purpose of a random stream.
const PARTING: u64 = 1;

/// Rows with the same cell in a column.
fn by_cell(table: &Table, column: usize, rows: &[usize]) -> Vec<Vec<usize>> {
    Groups::of(rows.iter().map(|&row| table.rows[row][column].as_str()).enumerate()).members
}

/// Tags of each row as sorted numbers, none without a column; a cell holds several apart by `;`.
fn numbered_tags(table: &Table, column: Option<&str>, meaning: &str, rows: &[usize]) -> Result<Vec<Vec<u32>>> {
    let Some(column) = column else { return Ok(vec![Vec::new(); rows.len()]) };
    let column = table.require(column, meaning)?;
    let mut numbers = HashMap::new();
    let mut of_cell = |cell: &str| {
        let number = |tag: &str| {
            let next = numbers.len() as u32;
            *numbers.entry(tag.to_owned()).or_insert(next)
        };
        sorted(tags(cell).map(number).collect())
    };
    Ok(rows.iter().map(|&row| of_cell(&table.rows[row][column])).collect())
}

fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers
}

/// Segments of some tracks, track by track.
pub struct TrackSegments<'s> {
    /// The track's frames, where a segment begins, and which of two kinds it is.
    segments: Vec<(Frames<'s>, usize, usize)>,
}

impl<'s> TrackSegments<'s> {
    /// The segments of a track of some kind that begin at some frames.
    pub fn new(frames: Frames<'s>, starts: &[usize], kind: usize) -> Self {
        Self { segments: starts.iter().map(|&start| (frames, start, kind)).collect() }
    }
}

impl Segments for TrackSegments<'_> {
    fn count(&self) -> usize {
        self.segments.len()
    }

    fn read(&self, index: usize, out: &mut [f32]) {
        let (frames, start, _) = self.segments[index];
        read_segment(frames, start, out);
    }

    fn kind(&self, index: usize) -> usize {
        self.segments[index].2
    }
}
