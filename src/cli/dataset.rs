//! `homonym dataset`: the paper's datasets as lists of tracks of one's own catalogue.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};
use serde::Serialize;

use super::{Console, Outcome};
use crate::catalogue::datasets::{KINDS, Options, Size, Source, kind};
use crate::catalogue::filter::{Filter, matching};
use crate::catalogue::table::Table;
use crate::{Error, Result};

/// Make one of the paper's datasets from a catalogue: lists of tracks, the same for the same seed.
///
/// Writes a CSV for each part (train, validation, …) with the catalogue's columns untouched, and dataset.json, which says
/// what made them. `homonym train STORE --dataset DIR` trains on it, `homonym evaluate … --list FILE` evaluates by it.
#[derive(clap::Args)]
pub(super) struct Dataset {
    /// What to make.
    #[arg(value_parser = kind_names())]
    kind: String,
    /// Table of the tracks (CSV, TSV or JSON Lines).
    catalogue: PathBuf,
    /// The folder to write to.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// What every random choice depends on.
    #[arg(long, value_name = "S", env = "HOMONYM_SEED", default_value_t = 0)]
    seed: u64,
    /// The column with the artist.
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    artist_column: String,
    /// Use only rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
    /// Leave out the artists of another list, such as those trained on; may be repeated.
    #[arg(long, value_name = "LIST.csv")]
    without: Vec<PathBuf>,
    /// Replace an existing dataset.
    #[arg(long)]
    force: bool,
    #[command(flatten, next_help_heading = "Sizes and columns")]
    options: Options,
}

fn kind_names() -> PossibleValuesParser {
    KINDS.iter().map(|kind| PossibleValue::new(kind.name).help(kind.help)).into()
}

#[derive(Serialize)]
struct Summary<'a> {
    kind: &'static str,
    folder: &'a Path,
    parts: &'a [Size],
    notes: &'a [String],
}

impl Dataset {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let kind = kind(&self.kind)?;
        if self.out.join("dataset.json").exists() && !self.force {
            let problem = format!("{} holds a dataset; --force replaces it", self.out.display());
            return Err(Error::setting("--out", problem));
        }
        let mut table = Table::read(&self.catalogue)?;
        table = table.select(&matching(&table, &self.filters)?);
        for other in &self.without {
            table = Source::without(&table, &self.artist_column, &Table::read(other)?, other)?;
        }
        let source =
            Source { table: &table, subject: &self.catalogue, artist_column: &self.artist_column, seed: self.seed };
        let dataset = kind.build(&source, &self.options)?;
        dataset.write(&self.out, kind, &source, &self.options)?;
        let parts = dataset.sizes(&self.artist_column);
        let summary = Summary { kind: kind.name, folder: &self.out, parts: &parts, notes: &dataset.notes };
        console.result("homonym.dataset/1", &summary, || describe(&summary))?;
        Ok(Outcome::Done)
    }
}

fn describe(summary: &Summary) -> String {
    let part = |size: &Size| {
        let samples = if size.samples > 0 { format!(", {} samples", size.samples) } else { String::new() };
        let file = summary.folder.join(format!("{}.csv", size.part));
        format!("{}: {} tracks of {} artists{samples}", file.display(), size.tracks, size.artists)
    };
    summary.parts.iter().map(part).chain(summary.notes.iter().cloned()).collect::<Vec<_>>().join("\n")
}
