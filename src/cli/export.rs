//! `homonym export`: labels beside the user's own columns.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use super::{Console, Outcome};
use crate::catalogue::list::keys;
use crate::catalogue::table::{Table, is_json_lines};
use crate::disambiguate::{Labels, numbered_names};
use crate::output::write_whole;
use crate::{Error, Result};

/// Write the catalogue with the artists found; its own columns stay as they are.
///
/// Adds `homonym_cluster` and `homonym_confidence`, empty for tracks without a label. The format follows the ending of the
/// output: .csv, .tsv or .jsonl; from .jsonl to .jsonl, numbers stay numbers.
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
    /// Add `homonym_name`: names of several artists with a number, as Discogs writes them: "Bill Evans", "Bill Evans (2)". A
    /// number that is in use as a name of the catalogue is left out.
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
        let table = Table::read(&self.catalogue)?;
        let labels = Labels::read(&self.labels)?;
        let added = self.added(&table, &labels)?;
        if let Some(column) = added.columns.iter().find(|column| table.column(column).is_some()) {
            let advice = "give the catalogue as it was before an export";
            return Err(Error::file(&self.catalogue, format!("no column `{column}`"), "one", advice));
        }
        let labelled = added.values(0).filter(|cluster| !cluster.is_empty()).count();
        let summary = Summary { tracks: table.rows.len(), labelled };
        if is_json_lines(&self.catalogue) && is_json_lines(&self.out) && !self.spreadsheet {
            let text = std::fs::read_to_string(&self.catalogue).map_err(Error::io(&self.catalogue))?;
            write_whole(&self.out, beside_objects(&text, &added).as_bytes())?;
        } else {
            let mut table = beside(table, added);
            if self.spreadsheet {
                table.disarm_formulas();
            }
            table.write(&self.out)?;
        }
        console.result("homonym.export/1", &summary, || {
            format!("{}: {} tracks, {labelled} with a label", self.out.display(), summary.tracks)
        })?;
        Ok(Outcome::Done)
    }

    /// The columns to add, a row for each of the catalogue.
    fn added(&self, table: &Table, labels: &Labels) -> Result<Table> {
        let mut columns = vec!["homonym_cluster".to_owned(), "homonym_confidence".to_owned()];
        columns.extend(self.numbered_names.then(|| "homonym_name".to_owned()));
        let (by_track, names) = (labels.by_track(), numbered_names(labels));
        let row = |key: &str| match by_track.get(key) {
            None => vec![String::new(); columns.len()],
            Some(label) => {
                let mut row = vec![label.cluster.to_string(), format!("{:.4}", label.confidence)];
                row.extend(self.numbered_names.then(|| names[&(label.name.as_str(), label.cluster)].clone()));
                row
            }
        };
        let rows = keys(table, &self.catalogue)?.into_iter().map(row).collect();
        Ok(Table { columns, rows })
    }
}

fn beside(mut table: Table, added: Table) -> Table {
    table.columns.extend(added.columns);
    table.rows.iter_mut().zip(added.rows).for_each(|(row, added)| row.extend(added));
    table
}

/// Adds members to the objects of JSON Lines, whose text stays as it is: numbers stay numbers, and are spelt as they were.
fn beside_objects(text: &str, added: &Table) -> String {
    let objects = text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty());
    let mut out = String::with_capacity(2 * text.len());
    for (object, row) in objects.zip(&added.rows) {
        let inner = object.strip_suffix('}').expect("the table was read from these objects").trim_end();
        let members = added.columns.iter().zip(row).map(|(column, value)| format!("\"{column}\":{}", json!(value)));
        let comma = if inner.ends_with('{') { "" } else { "," };
        out += &format!("{inner}{comma}{}}}\n", members.collect::<Vec<_>>().join(","));
    }
    out
}
