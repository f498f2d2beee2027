//! `homonym measure`: how well labels agree with the truth.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, Outcome};
use crate::catalogue::groups::{Groups, numbered};
use crate::catalogue::table::Table;
use crate::eval::measures::{adjusted_mutual_information, adjusted_rand_index};
use crate::monitor::Monitor as _;
use crate::{Error, Result};

/// Measure the agreement of two labelings: adjusted Rand index and adjusted mutual information.
///
/// Rows are matched by the first of `track_id` (that of the labels may be the truth's `path`), `path` and `row` that
/// both tables have, else by their order. Where LABELS has a column `name`, clusters are numbered within names: `ari`
/// and `ami` are then means over the names, and `pooled` holds the measures of all tracks at once, a cluster being a
/// name and its number.
#[derive(clap::Args)]
pub(crate) struct Measure {
    /// The truth: CSV, TSV or JSON Lines.
    truth: PathBuf,
    /// The labels, as written by `split` or `cluster`.
    labels: PathBuf,
    /// The column of TRUTH with the true classes.
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    truth_column: String,
    /// The column of LABELS with the clusters.
    #[arg(long, value_name = "COLUMN", default_value = "cluster")]
    label_column: String,
}

/// The two measures.
#[derive(Clone, Copy, Serialize)]
struct Agreement {
    ari: f64,
    ami: f64,
}

/// The result: `homonym.measure/1`.
#[derive(Serialize)]
struct Summary {
    /// Over all tracks, or the mean over names where LABELS has a column `name`.
    #[serde(flatten)]
    agreement: Agreement,
    /// Over all tracks.
    pooled: Agreement,
    /// Tracks measured.
    tracks: usize,
    /// The column that matched rows; `order` where there was none.
    matched_by: &'static str,
    /// Rows of TRUTH without a row in LABELS.
    truth_unmatched: usize,
    /// Rows of LABELS without a row in TRUTH.
    labels_unmatched: usize,
    /// Where LABELS has a column `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_name: Option<Vec<Name>>,
}

/// One name.
#[derive(Serialize)]
struct Name {
    name: String,
    tracks: usize,
    classes: usize,
    clusters: usize,
    #[serde(flatten)]
    agreement: Agreement,
}

/// Rows of both tables that belong together.
struct Matched {
    pairs: Vec<(usize, usize)>,
    by: &'static str,
    truth_unmatched: usize,
    labels_unmatched: usize,
}

impl Measure {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let (truth, labels) = (Table::read(&self.truth)?, Table::read(&self.labels)?);
        let class = truth.require(&self.truth_column, "--truth-column")?;
        let cluster = labels.require(&self.label_column, "--label-column")?;
        let matched = self.matched(&truth, &labels)?;
        if matched.truth_unmatched + matched.labels_unmatched > 0 {
            let (truth, labels, by) = (matched.truth_unmatched, matched.labels_unmatched, matched.by);
            console.warn(&format!("left out {truth} rows of the truth and {labels} of the labels: no equal `{by}`"));
        }
        let name = labels.column("name");
        let tracks: Vec<Track> = matched
            .pairs
            .iter()
            .map(|&(in_truth, in_labels)| Track {
                class: &truth.rows[in_truth][class],
                name: name.map_or("", |name| &labels.rows[in_labels][name]),
                cluster: &labels.rows[in_labels][cluster],
            })
            .collect();
        let summary = summary(&tracks, name.is_some(), &matched);
        console.result("homonym.measure/1", &summary, || summary.text())?;
        Ok(Outcome::Done)
    }

    fn matched(&self, truth: &Table, labels: &Table) -> Result<Matched> {
        for (by, other) in KEYS {
            if let (Some(in_truth), Some(in_labels)) = (truth.column(other), labels.column(by)) {
                let truth_rows = unique(truth, in_truth, &self.truth_column, &self.truth)?;
                let label_rows = unique(labels, in_labels, &self.label_column, &self.labels)?;
                let place: HashMap<&str, usize> = truth_rows.iter().copied().collect();
                let pairs = label_rows.iter().filter_map(|&(key, row)| Some((*place.get(key)?, row)));
                let pairs: Vec<_> = pairs.collect();
                let (truth_unmatched, labels_unmatched) =
                    (truth_rows.len() - pairs.len(), label_rows.len() - pairs.len());
                if pairs.is_empty() {
                    let found = format!("no `{by}` that is also a `{other}` of {}", self.truth.display());
                    return Err(Error::file(
                        &self.labels,
                        "rows of the truth",
                        found,
                        "compare files about the same tracks",
                    ));
                }
                return Ok(Matched { pairs, by, truth_unmatched, labels_unmatched });
            }
        }
        let (expected, found) = (truth.rows.len(), labels.rows.len());
        if expected != found {
            let expected = format!("{expected} rows, as many as the truth");
            let advice = "without a common `track_id`, `path` or `row`, rows are matched by their order";
            return Err(Error::file(&self.labels, expected, found, advice));
        }
        Ok(Matched {
            pairs: (0..found).map(|row| (row, row)).collect(),
            by: "order",
            truth_unmatched: 0,
            labels_unmatched: 0,
        })
    }
}

/// Columns of the labels and of the truth by which rows are matched, the first that both have: `split` takes the `path`
/// for the `track_id` where a catalogue has none.
const KEYS: [(&str, &str); 4] = [("track_id", "track_id"), ("track_id", "path"), ("path", "path"), ("row", "row")];

/// What is known of a track.
struct Track<'a> {
    class: &'a str,
    name: &'a str,
    cluster: &'a str,
}

/// Every key with its first row. Rows that repeat a key must repeat its label.
fn unique<'a>(table: &'a Table, key: usize, label: &str, path: &Path) -> Result<Vec<(&'a str, usize)>> {
    let label = table.column(label).expect("checked before");
    let groups = Groups::of(table.values(key).enumerate());
    for (value, rows) in groups.iter() {
        if let Some(row) = rows.iter().find(|&&row| table.rows[row][label] != table.rows[rows[0]][label]) {
            let [one, other] = [rows[0], *row].map(|row| table.rows[row][label].as_str());
            let found = format!("`{one}` and `{other}` for `{value}`");
            return Err(Error::file(path, "one label for each track", found, "remove one of the rows"));
        }
    }
    Ok(groups.iter().map(|(value, rows)| (value, rows[0])).collect())
}

fn agreement(tracks: &[&Track]) -> Agreement {
    let truth: Vec<&str> = tracks.iter().map(|track| track.class).collect();
    let labels: Vec<(&str, &str)> = tracks.iter().map(|track| (track.name, track.cluster)).collect();
    Agreement { ari: adjusted_rand_index(&truth, &labels), ami: adjusted_mutual_information(&truth, &labels) }
}

fn summary(tracks: &[Track], has_names: bool, matched: &Matched) -> Summary {
    let pooled = agreement(&tracks.iter().collect::<Vec<_>>());
    let per_name: Option<Vec<Name>> = has_names.then(|| {
        let names = Groups::of(tracks.iter().map(|track| track.name).enumerate());
        names
            .iter()
            .map(|(name, members)| Name::of(name, members.iter().map(|&track| &tracks[track]).collect()))
            .collect()
    });
    let mean = |names: &Vec<Name>| {
        let mean_of = |part: fn(&Agreement) -> f64| {
            names.iter().map(|name| part(&name.agreement)).sum::<f64>() / names.len() as f64
        };
        Agreement { ari: mean_of(|agreement| agreement.ari), ami: mean_of(|agreement| agreement.ami) }
    };
    Summary {
        agreement: per_name.as_ref().filter(|names| !names.is_empty()).map_or(pooled, mean),
        pooled,
        tracks: tracks.len(),
        matched_by: matched.by,
        truth_unmatched: matched.truth_unmatched,
        labels_unmatched: matched.labels_unmatched,
        per_name,
    }
}

impl Name {
    fn of(name: &str, tracks: Vec<&Track>) -> Self {
        Self {
            name: name.to_owned(),
            tracks: tracks.len(),
            classes: numbered(tracks.iter().map(|track| track.class)).1,
            clusters: numbered(tracks.iter().map(|track| track.cluster)).1,
            agreement: agreement(&tracks),
        }
    }
}

impl Summary {
    fn text(&self) -> String {
        let Agreement { ari, ami } = self.agreement;
        let over = self.per_name.as_ref().map_or(String::new(), |names| format!(", mean over {} names", names.len()));
        let mut text =
            format!("ARI {ari:.4}\nAMI {ami:.4}\non {} tracks matched by {}{over}", self.tracks, self.matched_by);
        if self.per_name.is_some() {
            text += &format!("\npooled: ARI {:.4}, AMI {:.4}", self.pooled.ari, self.pooled.ami);
        }
        text
    }
}
