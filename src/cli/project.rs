//! `homonym project`: vectors of another kind among tracks.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome};
use crate::Result;
use crate::catalogue::filter::{Filter, matching};
use crate::embed::project;
use crate::models::Model;
use crate::store::embeddings::Embeddings;

/// Map vectors of words, lyrics or images to where the tracks lie that belong to them, by a model of two towers
/// (`train --vectors`).
///
/// What is written are embeddings like those of `embed` with the same model: each kind finds the other by distance, also
/// vectors that training did not know.
#[derive(clap::Args)]
pub(super) struct Project {
    /// The vectors: PREFIX.npy and PREFIX.csv, whose `track_id` names each.
    vectors: PathBuf,
    /// The model.
    #[arg(long, value_name = "MODEL.safetensors")]
    model: PathBuf,
    /// Where to write.
    #[arg(long, short, value_name = "PREFIX")]
    out: PathBuf,
    /// Map rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
}

/// The result: `homonym.project/1`.
#[derive(Serialize)]
struct Summary {
    vectors: usize,
    dims: usize,
}

impl Project {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let mut vectors = Embeddings::open(&self.vectors)?;
        if !self.filters.is_empty() {
            vectors = vectors.select(&matching(&vectors.table, &self.filters)?);
        }
        let points = project(&vectors, &Model::open(&self.model)?, &self.vectors)?;
        points.write(&self.out)?;
        let summary = Summary { vectors: points.points.rows, dims: points.points.cols };
        console.result("homonym.project/1", &summary, || {
            format!("{}.npy: {} vectors × {}", self.out.display(), summary.vectors, summary.dims)
        })?;
        Ok(Outcome::Done)
    }
}
