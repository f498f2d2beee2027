//! From segments to the vectors of tracks (paper, section 4.1): linearly spaced segments, their mean, back onto the
//! sphere.
//!
//! A track shorter than a segment is repeated from its beginning until the segment is full; it then has one segment
//! only, and its vector is that segment's embedding.

mod checkpoint;
mod pairs;
mod prototypes;
mod statistics;
mod vectors;

use std::path::Path;

use homonym_kernels::Isa;
use rayon::prelude::*;

pub use pairs::LearntDistances;
pub use prototypes::{By, prototypes};
pub use statistics::Statistics;
pub use vectors::project;

use crate::hash::fnv1a;
use crate::linear::LinearMap;
use crate::matrix::Matrix;
use crate::models::{Model, TrackMap, TrackVector, notion_part};
use crate::random::Random;
use crate::sampling::TrackSegments;
use crate::sampling::segments::linear_starts;
use crate::store::Store;
use crate::store::embeddings::{Destination, Embeddings, NOTIONS, Origin, TAGS};
use crate::{Error, Monitor, Result, output};
use checkpoint::Checkpoint;

/// Tracks that each thread embeds between two entries of a checkpoint.
const BLOCK: usize = 16;

/// What makes points of tracks.
#[derive(Clone, Copy)]
pub enum Embedder<'a> {
    /// A trained network.
    Model(&'a Model),
    /// Plain statistics.
    Statistics(Statistics),
}

impl Embedder<'_> {
    /// The points of some rows of a store, with their rows and what made them.
    ///
    /// # Errors
    /// As [`embed_tracks`].
    pub fn embed(self, store: &Store, rows: &[usize], monitor: &dyn Monitor) -> Result<Embeddings> {
        self.embed_from(store, rows, None, monitor)
    }

    /// As [`embed`](Self::embed), for work that may be stopped: the points, behind a map where one is given, are written to
    /// the files of `prefix`, and what a network had embedded is kept in `PREFIX.checkpoint` until then, to go on from.
    ///
    /// # Errors
    /// As [`embed_tracks`], and for files that cannot be written.
    pub fn embed_to(
        self,
        store: &Store,
        rows: &[usize],
        map: Option<&LinearMap>,
        prefix: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Embeddings> {
        let destination = Destination::create(prefix)?;
        let checkpoint = output::beside(prefix, ".checkpoint");
        let mut embeddings = self.embed_from(store, rows, Some(&checkpoint), monitor)?;
        if let Some(map) = map {
            embeddings = map.apply_to(embeddings, store.folder())?;
        }
        destination.write(&embeddings)?;
        output::remove(&checkpoint)?;
        Ok(embeddings)
    }

    fn embed_from(
        self,
        store: &Store,
        rows: &[usize],
        checkpoint: Option<&Path>,
        monitor: &dyn Monitor,
    ) -> Result<Embeddings> {
        let mut rest = serde_json::Map::new();
        let (points, model) = match self {
            Self::Model(model) => {
                rest.insert("arithmetic".to_owned(), serde_json::json!(model.arithmetic));
                if let Some(tags) = model.header.training.get(TAGS) {
                    rest.insert(TAGS.to_owned(), tags.clone());
                }
                rest.extend(parts_of_notions(model)?);
                (means_of_tracks(store, rows, model, checkpoint, monitor)?, model.hash()?)
            }
            Self::Statistics(statistics) => (statistics.of_tracks(store, rows, monitor)?, statistics.name().to_owned()),
        };
        let origin = Origin { model, frontend: store.recipe_hash().to_owned(), rest };
        let cols = points.len().checked_div(rows.len()).unwrap_or(0);
        let points = Matrix::new(rows.len(), cols, points);
        Embeddings::new(points, store.table()?.select(rows), Some(origin), store.folder())
    }
}

/// Where the notions of a model lie in its vectors, for [`Embeddings::subspace`].
fn parts_of_notions(model: &Model) -> Result<Option<(String, serde_json::Value)>> {
    let notions = &model.header.notions;
    if notions.is_empty() {
        return Ok(None);
    }
    let dims = model.network()?.dims();
    let part = |(number, name): (usize, &String)| {
        let part = notion_part(dims, notions.len(), number);
        (name.clone(), serde_json::json!([part.start, part.end]))
    };
    let parts: serde_json::Map<_, _> = notions.iter().enumerate().map(part).collect();
    Ok(Some((NOTIONS.to_owned(), parts.into())))
}

/// The vectors of some tracks of a store under a model: rows × width, in the order of `rows`.
///
/// # Errors
/// [`Error::Input`] where the store's front end is not the model's, or its frames are damaged.
pub fn embed_tracks(store: &Store, rows: &[usize], model: &Model, monitor: &dyn Monitor) -> Result<Vec<f32>> {
    means_of_tracks(store, rows, model, None, monitor)
}

fn means_of_tracks(
    store: &Store,
    rows: &[usize],
    model: &Model,
    checkpoint: Option<&Path>,
    monitor: &dyn Monitor,
) -> Result<Vec<f32>> {
    each_track(store, rows, model, 1, checkpoint, monitor, |_, embedded, width| {
        average(embedded, width, embedded.len() / width)
    })
}

/// As [`embed_tracks`], but every track `draws` times from segments drawn with replacement: rows × draws × width. How far
/// these differ says how much of a vector is the choice of segments.
pub fn resample_tracks(
    store: &Store,
    rows: &[usize],
    model: &Model,
    draws: usize,
    seed: u64,
    monitor: &dyn Monitor,
) -> Result<Vec<f32>> {
    each_track(store, rows, model, draws, None, monitor, |(row, draw), embedded, width| {
        let mut random = Random::keyed(seed, &[row as u64, draw as u64]);
        let segments: Vec<&[f32]> = embedded.chunks_exact(width).collect();
        let drawn: Vec<f32> =
            (0..segments.len()).flat_map(|_| segments[random.below(segments.len())]).copied().collect();
        average(&drawn, width, segments.len())
    })
}

/// Embeds the segments of each track and lets `join` make its mean vector of them, `times` times: it gets (row, time), the
/// segments and their width.
fn each_track(
    store: &Store,
    rows: &[usize],
    model: &Model,
    times: usize,
    checkpoint: Option<&Path>,
    monitor: &dyn Monitor,
    join: impl Fn((usize, usize), &[f32], usize) -> Vec<f32> + Sync,
) -> Result<Vec<f32>> {
    let header = &model.header;
    check_front_end(store, model)?;
    let network = model.network()?;
    let track = header.track;
    let parts = track.layer.parts(&*network);
    let (width, mapped) = (parts.iter().sum(), model.output.width());
    let stride = times * mapped;
    let kinds = match &header.kinds {
        Some(kinds) => kinds.of_rows(&store.table()?.select(rows), store.folder())?,
        None => vec![0; rows.len()],
    };
    let open = |path| Checkpoint::open(path, fingerprint(store, rows, model)?, rows.len(), stride);
    let checkpoint = checkpoint.map(open).transpose()?;
    let (mut checkpoint, mut points) = checkpoint.map_or((None, Vec::new()), |(file, points)| (Some(file), points));
    let mut done = points.len() / stride;
    points.resize(rows.len() * stride, 0.0);
    let block = checkpoint.as_ref().map_or(rows.len(), |_| BLOCK * rayon::current_num_threads()).max(1);
    monitor.begin("embedding", Some(rows.len() as u64));
    monitor.advance(done as u64);
    for (points, rows) in points[done * stride..].chunks_mut(block * stride).zip(rows[done..].chunks(block)) {
        points
            .par_chunks_exact_mut(stride)
            .zip(rows.par_iter().zip(&kinds[done..]))
            .try_for_each(|(points, (&row, &kind))| {
                if monitor.interrupted() {
                    return Err(Error::Interrupted("stopped while embedding".to_owned()));
                }
                let frames = store.frames(row)?;
                let starts = starts(track, frames.len(), header.frames);
                let segments = TrackSegments::new(frames, &starts, kind);
                let embedded = network.embed(&model.params, &segments, track.layer);
                for (time, point) in points.chunks_exact_mut(mapped).enumerate() {
                    let mean = join((row, time), &embedded, width);
                    point.copy_from_slice(&finish(&model.output, track.sphere, &parts, mean));
                }
                monitor.advance(1);
                Ok(())
            })
            .map_err(|error| match error {
                Error::Interrupted(why) if checkpoint.is_some() => {
                    Error::Interrupted(format!("{why}; {done} tracks are kept, run it again to go on"))
                }
                error => error,
            })?;
        checkpoint.as_mut().map_or(Ok(()), |checkpoint| checkpoint.append(points))?;
        done += rows.len();
    }
    monitor.end();
    Ok(points)
}

/// Refuses a store of another front end than the model's.
fn check_front_end(store: &Store, model: &Model) -> Result<()> {
    let front_end = &model.header.front_end;
    if store.recipe() == front_end {
        return Ok(());
    }
    Err(Error::file(
        store.folder(),
        format!("features of the model's front end ({})", front_end.hash()),
        format!("those of another ({})", store.recipe_hash()),
        "extract the catalogue with the model's front end, or train a model on this store",
    ))
}

/// What tells the points of some tracks under a model from all others, to the bit.
fn fingerprint(store: &Store, rows: &[usize], model: &Model) -> Result<u64> {
    let made_by = (model.hash()?, model.arithmetic, Isa::chosen()?.name(), store.recipe_hash());
    let made_by = serde_json::to_vec(&made_by).expect("names are plain data");
    Ok(fnv1a(&[made_by, store.fingerprints(rows)?].concat()))
}

/// The first frames of the segments of a track; one no longer than a segment has a single one.
fn starts(track: TrackVector, track_frames: usize, segment_frames: usize) -> Vec<usize> {
    if track_frames <= segment_frames {
        return vec![0];
    }
    if !track.consecutive {
        return linear_starts(track_frames, segment_frames, track.segments);
    }
    let count = track.segments.min(track_frames / segment_frames);
    let first = (track_frames - count * segment_frames) / 2;
    (0..count).map(|place| first + place * segment_frames).collect()
}

/// The means of each `count` consecutive rows.
pub(crate) fn average(rows: &[f32], width: usize, count: usize) -> Vec<f32> {
    let mut means = Vec::with_capacity(rows.len() / count);
    for track in rows.chunks_exact(width * count) {
        let sum = |value: usize| track.iter().skip(value).step_by(width).sum::<f32>();
        means.extend((0..width).map(|value| sum(value) / count as f32));
    }
    means
}

/// Maps a mean vector and projects it onto the `sphere`, as long as it has them part by part, and as a whole; portable,
/// because a vector a track is no work.
pub(crate) fn finish(map: &TrackMap, sphere: bool, parts: &[usize], mean: Vec<f32>) -> Vec<f32> {
    let mut point = map.apply(mean);
    if !sphere {
        return point;
    }
    let parts = if map.components.rows == 0 { parts } else { &[] };
    let mut rest = &mut point[..];
    for &part in parts {
        let (part, later) = rest.split_at_mut(part);
        homonym_kernels::normalise(homonym_kernels::Isa::PORTABLE, part);
        rest = later;
    }
    homonym_kernels::normalise(homonym_kernels::Isa::PORTABLE, &mut point);
    point
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_spread_or_side_by_side_in_the_middle() {
        let spread = TrackVector { segments: 3, ..TrackVector::default() };
        let side = TrackVector { consecutive: true, ..spread };
        assert_eq!(starts(spread, 50, 10), [0, 20, 40]);
        assert_eq!(starts(side, 50, 10), [10, 20, 30]);
        assert_eq!(starts(side, 27, 10), [3, 13]);
        assert_eq!([starts(spread, 9, 10), starts(side, 10, 10)], [[0], [0]]);
    }
}
