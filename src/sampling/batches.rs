//! Batches: drawn anew for every step, the same for the same seed and step.

use serde::{Deserialize, Serialize};

use super::augment::Augmentation;
use super::proximity::Places;
use super::ranked::RankedTriplets;
use super::segments::read_segment;
use super::tracks::LabelledTracks;
use crate::mining::BatchLabels;
use crate::models::Segments;
use crate::random::Random;
use crate::store::Frames;
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

/// How the segments of a batch are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// `N` artists × `n` segments (paper, section 3.2).
    ByArtist,
    /// `N` places in tracks × `n` segments, where an artist is a track.
    ByPlace(Places),
    /// `N·n` segments of passes over all samples, each pass in an order of its own.
    Passes,
    /// `N·n` anchors of such passes, each followed by another segment of its artist and by segments of other artists.
    Tuples {
        /// Segments of other artists.
        negatives: usize,
    },
    /// `N·n` anchors of passes over all triplets from ranked lists, each followed by a positive and by some of its negatives.
    Ranked {
        /// Which triplets.
        triplets: RankedTriplets,
        /// Negatives that are taken at a time.
        together: usize,
    },
    /// `N` comparisons of passes over all of them: `n` segments each of anchor, positive and negative.
    Compared,
}

impl BatchSpec {
    /// Checks that a batch has something to compare, and adapts it to fewer artists than wanted.
    pub fn fit(self, drawing: Drawing, artists: usize) -> Result<Self> {
        let Self { artists: wanted, samples } = self;
        match drawing {
            Drawing::ByArtist | Drawing::ByPlace(_) if wanted < 2 || samples < 2 => {
                let problem = format!("{wanted} artists × {samples} samples make no triplets; use at least 2 × 2");
                return Err(Error::setting("batch", problem));
            }
            Drawing::Passes if wanted * samples < 2 => {
                return Err(Error::setting("batch", "needs at least 2 samples"));
            }
            Drawing::Tuples { .. } | Drawing::Ranked { .. } | Drawing::Compared if wanted * samples < 1 => {
                return Err(Error::setting("batch", "needs at least 1 sample"));
            }
            _ => {}
        }
        if artists < 2 {
            return Err(Error::Failed(format!("training needs tracks of at least 2 artists, there are {artists}")));
        }
        match drawing {
            Drawing::ByArtist | Drawing::ByPlace(_) => Ok(Self { artists: wanted.min(artists), ..self }),
            Drawing::Passes | Drawing::Tuples { .. } | Drawing::Ranked { .. } | Drawing::Compared => Ok(self),
        }
    }
}

/// Draws the batches of a run.
pub struct Drawer<'t, 's> {
    tracks: &'t LabelledTracks<'s>,
    drawing: Drawing,
    size: BatchSpec,
    change: Augmentation,
    segment_frames: usize,
    seed: u64,
    artist_of: Vec<usize>,
    /// Track and draw of every sample; anchor and positive of every pair.
    samples: Vec<(u32, u32)>,
    /// The order of the samples in a pass, and the number of the pass.
    order: (Option<u64>, Vec<u32>),
}

/// Purposes of random streams.
const DRAWING: u64 = 2;
const CHANGING: u64 = 4;
const ORDER: u64 = 6;

impl<'t, 's> Drawer<'t, 's> {
    /// Batches of `size`, which must fit the tracks, of segments of so many frames, changed at random.
    pub fn new(
        tracks: &'t LabelledTracks<'s>,
        (drawing, size): (Drawing, BatchSpec),
        change: Augmentation,
        segment_frames: usize,
        seed: u64,
    ) -> Self {
        let draws = |track: usize| match drawing {
            Drawing::Ranked { triplets, .. } => 0..triplets.positives as u32,
            _ => 0..tracks.draws(track, segment_frames) as u32,
        };
        let samples = match drawing {
            Drawing::ByArtist | Drawing::ByPlace(_) => Vec::new(),
            Drawing::Compared => (0..tracks.triplets.len() as u32).map(|triplet| (triplet, 0)).collect(),
            _ => (0..tracks.tracks()).flat_map(|track| draws(track).map(move |draw| (track as u32, draw))).collect(),
        };
        let artist_of = tracks.artist_of_tracks();
        Self { tracks, drawing, size, change, segment_frames, seed, artist_of, samples, order: (None, Vec::new()) }
    }

    /// The batch of a step.
    pub fn batch(&mut self, step: u64) -> Batch<'s> {
        let mut random = Random::keyed(self.seed, &[DRAWING, step]);
        let mut batch = Batch {
            segments: Vec::new(),
            change: self.change,
            key: (self.seed, step),
            labels: BatchLabels { per_artist: 1, ..BatchLabels::default() },
        };
        match self.drawing {
            Drawing::ByArtist => self.by_artist(&mut random, &mut batch),
            Drawing::ByPlace(places) => self.by_place(places, &mut random, &mut batch),
            Drawing::Passes => {
                for place in self.places(step) {
                    let (track, draw) = self.sample(place);
                    self.add(&mut batch, track, Some(draw), &mut random);
                    batch.labels.targets.extend(self.tracks.likelihoods(track).unwrap_or_default());
                }
            }
            Drawing::Tuples { negatives } => {
                for place in self.places(step) {
                    let (track, draw) = self.sample(place);
                    self.add(&mut batch, track, Some(draw), &mut random);
                    self.add(&mut batch, self.companion(track, &mut random), None, &mut random);
                    for _ in 0..negatives {
                        self.add(&mut batch, self.stranger(track, &mut random), None, &mut random);
                    }
                }
            }
            Drawing::Ranked { triplets, together } => {
                for place in self.places(step) {
                    let pass = place / self.samples.len() as u64;
                    let pair = self.sample(place);
                    for track in self.tracks.tuple(triplets, pair, (pass, together), self.seed) {
                        self.add(&mut batch, track, None, &mut random);
                    }
                }
            }
            Drawing::Compared => {
                (batch.labels.per_artist, batch.labels.compared) = (self.size.samples, true);
                let count = self.size.artists as u64;
                for place in step * count..(step + 1) * count {
                    let (triplet, _) = self.sample(place);
                    for track in self.tracks.triplets[triplet] {
                        for _ in 0..self.size.samples {
                            self.add(&mut batch, track, None, &mut random);
                        }
                    }
                }
            }
        }
        batch
    }

    fn by_artist(&self, random: &mut Random, batch: &mut Batch<'s>) {
        let BatchSpec { artists, samples } = self.size;
        batch.labels.per_artist = samples;
        for artist in random.sample(self.tracks.artists(), artists) {
            let tracks = &self.tracks.artists[artist];
            let mut order = Vec::new();
            while order.len() < samples {
                order.extend(random.sample(tracks.len(), samples - order.len()));
            }
            order.into_iter().for_each(|place| self.add(batch, tracks[place], None, random));
        }
    }

    fn by_place(&self, places: Places, random: &mut Random, batch: &mut Batch<'s>) {
        let BatchSpec { artists: mut left, samples } = self.size;
        batch.labels.per_artist = samples;
        for track in random.sample(self.tracks.tracks(), left) {
            let last = self.tracks.tracks[track].frames.len().saturating_sub(self.segment_frames);
            for starts in places.draw(last, left, random) {
                left -= 1;
                for _ in 0..samples {
                    self.add_at(batch, track, starts.start() + random.below(starts.end() - starts.start() + 1));
                }
            }
            if left == 0 {
                return;
            }
        }
    }

    /// The places of a step's samples in the endless row of passes.
    fn places(&self, step: u64) -> std::ops::Range<u64> {
        let count = (self.size.artists * self.size.samples) as u64;
        step * count..(step + 1) * count
    }

    /// The sample at a place of the endless row of passes.
    fn sample(&mut self, place: u64) -> (usize, usize) {
        let total = self.samples.len() as u64;
        let pass = place / total;
        if self.order.0 != Some(pass) {
            let mut order: Vec<u32> = (0..total as u32).collect();
            Random::keyed(self.seed, &[ORDER, pass]).shuffle(&mut order);
            self.order = (Some(pass), order);
        }
        let (track, draw) = self.samples[self.order.1[(place % total) as usize] as usize];
        (track as usize, draw as usize)
    }

    /// Another track of the same artist, where there is one.
    fn companion(&self, track: usize, random: &mut Random) -> usize {
        let tracks = &self.tracks.artists[self.artist_of[track]];
        let others: Vec<usize> = tracks.iter().copied().filter(|&other| other != track).collect();
        if others.is_empty() { track } else { others[random.below(others.len())] }
    }

    /// A track of another artist.
    fn stranger(&self, track: usize, random: &mut Random) -> usize {
        loop {
            let other = random.below(self.tracks.tracks());
            if self.artist_of[other] != self.artist_of[track] {
                return other;
            }
        }
    }

    /// Appends a segment of a track: of one of its samples, or of any.
    fn add(&self, batch: &mut Batch<'s>, track: usize, draw: Option<usize>, random: &mut Random) {
        let start = match draw {
            Some(draw) => self.tracks.start_in(track, draw, self.segment_frames, random),
            None => self.tracks.start(track, self.segment_frames, random),
        };
        self.add_at(batch, track, start);
    }

    fn add_at(&self, batch: &mut Batch<'s>, track: usize, start: usize) {
        batch.segments.push((self.tracks.tracks[track].frames, start));
        batch.labels.tags.push(self.tracks.tags(track).to_vec());
        batch.labels.artists.push(self.artist_of[track] as u32);
        batch.labels.values.extend(self.tracks.values.get(track).cloned());
        if self.tracks.has_kinds {
            batch.labels.kinds.push(self.tracks.tracks[track].kind);
        }
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

    fn kind(&self, index: usize) -> usize {
        self.labels.kinds.get(index).copied().unwrap_or(0)
    }
}
