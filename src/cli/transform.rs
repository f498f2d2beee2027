//! `homonym transform`: points through a linear map.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome};
use crate::Result;
use crate::linear::LinearMap;
use crate::store::embeddings::{Embeddings, Origin};

/// Map points by what `fit` has learnt.
#[derive(clap::Args)]
pub(super) struct Transform {
    /// The map.
    #[arg(value_name = "MAP.safetensors")]
    map: PathBuf,
    /// The points: PREFIX.npy and PREFIX.csv, or a matrix X.npy alone.
    #[arg(value_name = "PREFIX|X.npy")]
    points: PathBuf,
    /// Where to write.
    #[arg(long, short, value_name = "PREFIX")]
    out: PathBuf,
}

/// The result: `homonym.transform/1`.
#[derive(Serialize)]
struct Summary {
    tracks: usize,
    dims: usize,
    origin: Option<Origin>,
}

impl Transform {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let map = LinearMap::open(&self.map)?;
        let mapped = map.apply_to(Embeddings::open(&self.points)?, &self.points)?;
        mapped.write(&self.out)?;
        let summary = Summary { tracks: mapped.points.rows, dims: mapped.points.cols, origin: mapped.origin };
        console.result("homonym.transform/1", &summary, || {
            format!("{}.npy: {} tracks × {}", self.out.display(), summary.tracks, summary.dims)
        })?;
        Ok(Outcome::Done)
    }
}
