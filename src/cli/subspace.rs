//! `homonym subspace`: embeddings by one notion alone.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome};
use crate::Result;
use crate::store::embeddings::Embeddings;

/// Take from embeddings the values of one notion, where the model learnt several (`train --notions`).
///
/// What is written are embeddings like any others, near each other where the tracks are alike in that notion.
#[derive(clap::Args)]
pub(super) struct Subspace {
    /// The embeddings: PREFIX.npy, PREFIX.csv and PREFIX.json.
    prefix: PathBuf,
    /// The notion: the column that it was learnt by.
    notion: String,
    /// Where to write.
    #[arg(long, short, value_name = "PREFIX")]
    out: PathBuf,
}

/// The result: `homonym.subspace/1`.
#[derive(Serialize)]
struct Summary<'a> {
    notion: &'a str,
    tracks: usize,
    dims: usize,
}

impl Subspace {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let part = Embeddings::open(&self.prefix)?.subspace(&self.notion, &self.prefix)?;
        part.write(&self.out)?;
        let summary = Summary { notion: &self.notion, tracks: part.points.rows, dims: part.points.cols };
        console.result("homonym.subspace/1", &summary, || {
            let Summary { notion, tracks, dims } = summary;
            format!("{}.npy: {tracks} tracks × {dims}, by {notion}", self.out.display())
        })?;
        Ok(Outcome::Done)
    }
}
