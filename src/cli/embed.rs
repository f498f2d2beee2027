//! `homonym embed`: the tracks of a store as points.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome};
use crate::Result;
use crate::catalogue::filter::{Filter, matching};
use crate::embed::{Embedder, Statistics, resample_tracks};
use crate::linear::LinearMap;
use crate::matrix::Matrix;
use crate::models::{Arithmetic, Model};
use crate::output::beside;
use crate::store::embeddings::Origin;
use crate::store::npy;

/// Turn the tracks of a feature store into points, one a track.
///
/// Writes PREFIX.npy (tracks × values, f32), PREFIX.csv (the catalogue's rows in the same order) and PREFIX.json (what
/// made the points). Stopped and run again, it goes on from PREFIX.checkpoint.
#[derive(clap::Args)]
pub(super) struct Embed {
    /// The feature store.
    store: PathBuf,
    /// The model to embed with.
    #[arg(long, value_name = "MODEL.safetensors", required_unless_present = "statistics")]
    model: Option<PathBuf>,
    /// No model: mean and deviation of log-mel bands, or of cepstral coefficients, the plain baselines.
    #[arg(long, value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "mel",
        conflicts_with = "model")]
    statistics: Option<Statistics>,
    /// Map the points by what `fit` has learnt.
    #[arg(long, value_name = "MAP.safetensors")]
    linear: Option<PathBuf>,
    /// Where to write.
    #[arg(long, short, value_name = "PREFIX")]
    out: PathBuf,
    /// Linearly spaced segments of a track [default: the model's].
    #[arg(long, value_name = "N", conflicts_with = "statistics")]
    segments: Option<std::num::NonZeroUsize>,
    /// How the convolutions compute.
    #[arg(long, value_enum, default_value = "f32", conflicts_with = "statistics")]
    arithmetic: Arithmetic,
    /// Also write PREFIX.resampled.npy: every track so many times from segments drawn with replacement, for the stability of
    /// splits.
    #[arg(long, value_name = "N", conflicts_with = "statistics")]
    resamples: Option<std::num::NonZeroUsize>,
    /// Embed rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
}

#[derive(Serialize)]
pub(super) struct Summary {
    tracks: usize,
    dims: usize,
    seconds: f64,
    origin: Origin,
}

impl Embed {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let store = super::open_store(&self.store, console)?;
        let rows = matching(store.table()?, &self.filters)?;
        let mut model = self.model.as_deref().map(Model::open).transpose()?;
        if let Some(model) = &mut model {
            model.arithmetic = self.arithmetic;
            if let Some(segments) = self.segments {
                model.header.track.segments = segments.get();
            }
        }
        let clock = std::time::Instant::now();
        let embedder =
            model.as_ref().map_or(Embedder::Statistics(self.statistics.unwrap_or_default()), Embedder::Model);
        let map = self.linear.as_deref().map(LinearMap::open).transpose()?;
        let embeddings = embedder.embed_to(&store, &rows, map.as_ref(), &self.out, console)?;
        if let (Some(model), Some(draws)) = (&model, self.resamples) {
            let points = resample_tracks(&store, &rows, model, draws.get(), 0, console)?;
            let times = rows.len() * draws.get();
            let mut points = Matrix::new(times, points.len().checked_div(times).unwrap_or(0), points);
            if let Some(map) = &map {
                points = map.apply(&points, &self.store)?;
            }
            let width = draws.get() * embeddings.points.cols;
            npy::write(&beside(&self.out, ".resampled.npy"), &Matrix::new(rows.len(), width, points.data))?;
        }
        let summary = Summary {
            tracks: rows.len(),
            dims: embeddings.points.cols,
            seconds: clock.elapsed().as_secs_f64(),
            origin: embeddings.origin.expect("embed records the origin"),
        };
        console.result("homonym.embed/1", &summary, || {
            let Summary { tracks, dims, seconds, .. } = &summary;
            format!("{}.npy: {tracks} tracks × {dims} in {seconds:.1} s", self.out.display())
        })?;
        Ok(Outcome::Done)
    }
}
