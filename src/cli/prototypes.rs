//! `homonym prototypes`: points of albums, artists and tags.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome};
use crate::Result;
use crate::catalogue::filter::{Filter, matching};
use crate::embed::{By, prototypes};
use crate::monitor::Monitor as _;
use crate::store::embeddings::Embeddings;

/// Make a point of all tracks of an album, an artist or a tag: the direction of their mean.
///
/// What is written are embeddings like any others, whose `track_id` is the album, artist or tag, to be searched among by a
/// track or to search tracks by.
#[derive(clap::Args)]
pub(super) struct Prototypes {
    /// The embeddings: PREFIX.npy and PREFIX.csv.
    prefix: PathBuf,
    /// A prototype for each value of a column, or of several (`artist,album`).
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', required_unless_present = "tags")]
    by: Vec<String>,
    /// A prototype for each tag of a column, whose cells hold several apart by `;`.
    #[arg(long, value_name = "COLUMN", conflicts_with = "by")]
    tags: Option<String>,
    /// Make them of rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
    /// Where to write.
    #[arg(long, short, value_name = "PREFIX")]
    out: PathBuf,
}

/// The result: `homonym.prototypes/1`.
#[derive(Serialize)]
struct Summary {
    prototypes: usize,
    tracks: usize,
    tracks_without_value: usize,
}

impl Prototypes {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let mut embeddings = Embeddings::open(&self.prefix)?;
        if !self.filters.is_empty() {
            embeddings = embeddings.select(&matching(&embeddings.table, &self.filters)?);
        }
        let by = self.tags.as_deref().map_or(By::Columns(&self.by), By::Tags);
        let (made, without) = prototypes(&embeddings, by, &self.prefix)?;
        made.write(&self.out)?;
        if without > 0 {
            console.warn(&format!("{without} tracks without a value were left out"));
        }
        let tracks = embeddings.points.rows - without;
        let summary = Summary { prototypes: made.points.rows, tracks, tracks_without_value: without };
        console.result("homonym.prototypes/1", &summary, || {
            format!("{}.npy: {} prototypes of {tracks} tracks", self.out.display(), summary.prototypes)
        })?;
        Ok(Outcome::Done)
    }
}
