//! `homonym export`: labels beside the user's own columns.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome};
use crate::catalogue::list::keys;
use crate::catalogue::table::Table;
use crate::disambiguate::Labels;
use crate::{Error, Result};

/// Write the catalogue with the artists found; its own columns stay as they are.
///
/// Adds `homonym_cluster` and `homonym_confidence`, empty for tracks without a label. The format follows the ending of the
/// output: .csv, .tsv or .jsonl.
#[derive(clap::Args)]
pub(super) struct Export {
    /// The table of the tracks.
    catalogue: PathBuf,
    /// Labels, as `split` or `apply` wrote them.
    #[arg(long, value_name = "LABELS.csv")]
    labels: PathBuf,
    /// Where to write.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Add `homonym_name`: names of several artists with a number, as Discogs writes them: "Bill Evans", "Bill Evans (2)".
    #[arg(long)]
    numbered_names: bool,
    /// Put an apostrophe before cells that a spreadsheet would run as formulas (=, +, -, @, tab or line end in front), numbers
    /// aside. Without this the catalogue's cells stay as they are.
    #[arg(long)]
    spreadsheet: bool,
}

/// The result: `homonym.export/1`.
#[derive(Serialize)]
struct Summary {
    tracks: usize,
    labelled: usize,
}

impl Export {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let mut table = Table::read(&self.catalogue)?;
        let labels = Labels::read(&self.labels)?;
        let labels = labels.by_track();
        let keys: Vec<String> = keys(&table, &self.catalogue)?.into_iter().map(str::to_owned).collect();
        let added: &[&str] = match self.numbered_names {
            true => &["homonym_cluster", "homonym_confidence", "homonym_name"],
            false => &["homonym_cluster", "homonym_confidence"],
        };
        for column in added {
            if table.column(column).is_some() {
                let advice = "give the catalogue as it was before an export";
                return Err(Error::file(&self.catalogue, format!("no column `{column}`"), "one", advice));
            }
            table.columns.push((*column).to_owned());
        }
        let mut labelled = 0;
        for (row, key) in table.rows.iter_mut().zip(&keys) {
            let label = labels.get(key.as_str());
            labelled += usize::from(label.is_some());
            row.push(label.map_or(String::new(), |label| label.cluster.to_string()));
            row.push(label.map_or(String::new(), |label| format!("{:.4}", label.confidence)));
            if self.numbered_names {
                row.push(label.map_or(String::new(), |label| match label.cluster {
                    1 => label.name.clone(),
                    cluster => format!("{} ({cluster})", label.name),
                }));
            }
        }
        if self.spreadsheet {
            table.disarm_formulas();
        }
        table.write(&self.out)?;
        let summary = Summary { tracks: table.rows.len(), labelled };
        console.result("homonym.export/1", &summary, || {
            format!("{}: {} tracks, {labelled} with a label", self.out.display(), summary.tracks)
        })?;
        Ok(Outcome::Done)
    }
}
