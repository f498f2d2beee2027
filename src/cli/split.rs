//! `homonym split`: the tracks under each name, split into artists.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, Outcome};
use crate::catalogue::groups::numbered;
use crate::catalogue::table::Table;
use crate::disambiguate::{Decision, split};
use crate::monitor::Monitor as _;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// Split the tracks under each name into the artists behind it.
#[derive(clap::Args)]
pub(crate) struct Split {
    /// The embeddings: PREFIX.npy and PREFIX.csv.
    prefix: PathBuf,
    /// Tracks whose Ward distance is at most this are one artist's.
    #[arg(long, value_name = "T")]
    distance: f64,
    /// Where to write the decisions: columns `track_id,name,cluster,confidence`.
    #[arg(long, value_name = "LABELS.csv")]
    out: PathBuf,
    /// The column with the names to split.
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    name_column: String,
}

/// The result: `homonym.split/1`.
#[derive(Serialize)]
pub(super) struct Summary {
    names: usize,
    names_split: usize,
    tracks: usize,
    clusters: usize,
    tracks_without_name: usize,
}

impl Split {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let embeddings = Embeddings::open(&self.prefix)?;
        let summary = decide(&embeddings, &self.name_column, self.distance, &self.out, console)?;
        console.remark(&format!("wrote {}", self.out.display()));
        console.result("homonym.split/1", &summary, || summary.to_string())?;
        Ok(Outcome::Done)
    }
}

/// Splits the tracks under each name and writes the decisions to `out`.
pub(super) fn decide(
    embeddings: &Embeddings,
    name_column: &str,
    distance: f64,
    out: &Path,
    console: &Console,
) -> Result<Summary> {
    let Embeddings { points, table, .. } = embeddings;
    let name_column = table.require(name_column, "--name-column")?;
    let Some(id_column) = table.column("track_id").or_else(|| table.column("path")) else {
        let columns = table.columns.join(", ");
        return Err(Error::input(
            "the embeddings",
            "a column `track_id` or `path`",
            columns,
            "add one that names tracks",
        ));
    };
    let names: Vec<&str> = table.values(name_column).collect();
    let decisions = split(points, &names, distance, console)?;
    let summary = Summary::of(&names, &decisions);
    if summary.tracks_without_name > 0 {
        console.warn(&format!("left out {} tracks without a name", summary.tracks_without_name));
    }
    let tracks = table.values(id_column).zip(names).zip(decisions);
    let rows = tracks.filter_map(|((id, name), decision)| {
        let Decision { cluster, confidence } = decision?;
        Some(vec![id.to_owned(), name.to_owned(), cluster.to_string(), format!("{confidence:.4}")])
    });
    let columns = ["track_id", "name", "cluster", "confidence"].map(str::to_owned).to_vec();
    Table { columns, rows: rows.collect() }.write(out)?;
    Ok(summary)
}

impl Summary {
    fn of(names: &[&str], decisions: &[Option<Decision>]) -> Self {
        let decided =
            names.iter().zip(decisions).filter_map(|(&name, decision)| Some((name, decision.as_ref()?.cluster)));
        let decided: Vec<(&str, usize)> = decided.collect();
        Self {
            names: numbered(decided.iter().map(|&(name, _)| name)).1,
            names_split: numbered(decided.iter().filter(|&&(_, cluster)| cluster == 2).map(|&(name, _)| name)).1,
            tracks: decided.len(),
            clusters: numbered(decided.iter().copied()).1,
            tracks_without_name: names.len() - decided.len(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, names_split, tracks, clusters, .. } = self;
        write!(f, "{tracks} tracks under {names} names: {clusters} artists; {names_split} names are split")
    }
}
