//! Batches for metric learning: `N` artists × `n` segments, drawn anew for every step (paper, section 3.2).

use serde::{Deserialize, Serialize};

use super::augment::Augmentation;
use super::segments::{linear_starts, random_start, read_segment};
use crate::catalogue::groups::Groups;
use crate::catalogue::table::Table;
use crate::mining::BatchLabels;
use crate::models::Segments;
use crate::random::Random;
use crate::store::{Frames, Store};
use crate::{Error, Result};

/// The size of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSpec {
    /// Artists in a batch (`N`).
    pub artists: usize,
    /// Segments of each (`n`), from different tracks where the artist has as many.
    pub samples: usize,
}

impl Default for BatchSpec {
    fn default() -> Self {
        Self { artists: 24, samples: 4 }
    }
}

/// Tracks of known artists in a store, with their tags.
pub struct LabelledTracks<'s> {
    frames: Vec<Frames<'s>>,
    tags: Vec<Vec<u32>>,
    /// Tracks of each artist: places in `frames`.
    artists: Vec<Vec<usize>>,
}

impl<'s> LabelledTracks<'s> {
    /// The given rows of a store, grouped by `artist_column`; rows without an artist are left out.
    pub fn new(store: &'s Store, rows: &[usize], artist_column: &str, tag_column: Option<&str>) -> Result<Self> {
        let table = store.table()?;
        let artist = table.require(artist_column, "artist column")?;
        let known: Vec<usize> = rows.iter().copied().filter(|&row| !table.rows[row][artist].is_empty()).collect();
        let names = known.iter().map(|&row| table.rows[row][artist].as_str());
        let artists = Groups::of(names.enumerate()).members;
        let tags = match tag_column {
            Some(column) => tags(table, table.require(column, "tag column")?, &known),
            None => vec![Vec::new(); known.len()],
        };
        let frames = known.iter().map(|&row| store.frames(row)).collect::<Result<_>>()?;
        Ok(Self { frames, tags, artists })
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
                frames: tracks.iter().map(|&track| self.frames[track]).collect(),
                tags: tracks.iter().map(|&track| self.tags[track].clone()).collect(),
                artists: chosen.iter().map(&mut count_off).collect(),
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
        self.frames.len()
    }

    /// The artist of each track, numbered.
    pub fn artist_of_tracks(&self) -> Vec<usize> {
        let mut labels = vec![0; self.tracks()];
        for (artist, tracks) in self.artists.iter().enumerate() {
            tracks.iter().for_each(|&track| labels[track] = artist);
        }
        labels
    }

    /// The tags of each track.
    pub fn tags(&self) -> &[Vec<u32>] {
        &self.tags
    }

    /// Draws the batch of a step: the same for the same seed and step.
    pub fn batch(
        &self,
        size: BatchSpec,
        change: Augmentation,
        segment_frames: usize,
        seed: u64,
        step: u64,
    ) -> Batch<'s> {
        let mut random = Random::keyed(seed, &[DRAWING, step]);
        let chosen = random.sample(self.artists.len(), size.artists);
        let mut batch = Batch {
            segments: Vec::with_capacity(chosen.len() * size.samples),
            change,
            key: (seed, step),
            labels: BatchLabels { per_artist: size.samples, tags: Vec::new() },
        };
        for artist in chosen {
            let tracks = &self.artists[artist];
            let mut order = Vec::new();
            while order.len() < size.samples {
                order.extend(random.sample(tracks.len(), size.samples - order.len()));
            }
            for place in order {
                let track = tracks[place];
                let start = random_start(self.frames[track].len(), segment_frames, &mut random);
                batch.segments.push((self.frames[track], start));
                batch.labels.tags.push(self.tags[track].clone());
            }
        }
        batch
    }

    /// `count` linearly spaced segments of each of at most `tracks` tracks, track by track.
    pub fn survey(&self, tracks: usize, segment_frames: usize, count: usize) -> TrackSegments<'s> {
        let step = self.tracks().div_ceil(tracks).max(1);
        TrackSegments::new(self.frames.iter().copied().step_by(step), segment_frames, count)
    }
}

/// Purposes of random streams.
const PARTING: u64 = 1;
const DRAWING: u64 = 2;
const CHANGING: u64 = 4;

/// Tags of each row as sorted numbers; a cell holds several apart by `;`.
fn tags(table: &Table, column: usize, rows: &[usize]) -> Vec<Vec<u32>> {
    let mut numbers = std::collections::HashMap::new();
    let mut of_cell = |cell: &str| {
        let tags = cell.split(';').map(str::trim).filter(|tag| !tag.is_empty());
        let mut tags: Vec<u32> = tags
            .map(|tag| {
                let next = numbers.len() as u32;
                *numbers.entry(tag.to_owned()).or_insert(next)
            })
            .collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    };
    rows.iter().map(|&row| of_cell(&table.rows[row][column])).collect()
}

impl BatchSpec {
    /// Checks that a batch has pairs and negatives, and adapts it to fewer artists than wanted.
    pub fn fit(self, artists: usize) -> Result<Self> {
        if self.artists < 2 || self.samples < 2 {
            return Err(Error::setting(
                "batch",
                format!("{} artists × {} samples make no triplets; use at least 2 × 2", self.artists, self.samples),
            ));
        }
        if artists < 2 {
            return Err(Error::Failed(format!("training needs tracks of at least 2 artists, there are {artists}")));
        }
        Ok(Self { artists: self.artists.min(artists), ..self })
    }
}

/// The segments of one training step: views into the store, changed as they are read.
pub struct Batch<'s> {
    segments: Vec<(Frames<'s>, usize)>,
    change: Augmentation,
    key: (u64, u64),
    /// Who is who.
    pub labels: BatchLabels,
}

impl Segments for Batch<'_> {
    fn count(&self) -> usize {
        self.segments.len()
    }

    fn read(&self, index: usize, out: &mut [f32]) {
        let (frames, start) = self.segments[index];
        read_segment(frames, start, out);
        let mut random = Random::keyed(self.key.0, &[CHANGING, self.key.1, index as u64]);
        self.change.apply(out, frames.bands(), &mut random);
    }
}

/// Linearly spaced segments of some tracks, track by track.
pub struct TrackSegments<'s> {
    segments: Vec<(Frames<'s>, usize)>,
}

impl<'s> TrackSegments<'s> {
    /// `count` segments of each track.
    pub fn new(tracks: impl Iterator<Item = Frames<'s>>, segment_frames: usize, count: usize) -> Self {
        let of_track = |frames: Frames<'s>| {
            linear_starts(frames.len(), segment_frames, count).into_iter().map(move |start| (frames, start))
        };
        Self { segments: tracks.flat_map(of_track).collect() }
    }
}

impl Segments for TrackSegments<'_> {
    fn count(&self) -> usize {
        self.segments.len()
    }

    fn read(&self, index: usize, out: &mut [f32]) {
        let (frames, start) = self.segments[index];
        read_segment(frames, start, out);
    }
}
