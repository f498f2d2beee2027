//! Averages over seeds, with how far they can be trusted.

use serde::Serialize;

use super::cell::{CellResult, Scores};
use crate::catalogue::groups::Groups;
use crate::catalogue::table::Table;

/// A figure of the tasks.
pub(super) struct Measure {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) of: fn(&Scores) -> f64,
    /// Whether a smaller figure is the better one.
    pub(super) falls: bool,
}

/// All figures.
pub(super) static MEASURES: [Measure; 4] = [
    Measure { name: "eer", title: "Equal error rate", of: |scores| scores.eer, falls: true },
    Measure { name: "accuracy", title: "Accuracy", of: |scores| scores.accuracy, falls: false },
    Measure { name: "ami", title: "Mean AMI", of: |scores| scores.ami, falls: false },
    Measure { name: "ari", title: "Mean ARI", of: |scores| scores.ari, falls: false },
];

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Its 95 % interval by Student's t, where there is more than one value.
    pub interval: Option<[f64; 2]>,
    /// How many values.
    pub count: usize,
}

/// 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

impl Interval {
    /// Of some values, at least one.
    pub fn of(values: &[f64]) -> Self {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let interval = (count > 1).then(|| {
            let freedom = count - 1;
            let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / freedom as f64;
            let reach = STUDENT.get(freedom - 1).copied().unwrap_or(1.96) * (square / count as f64).sqrt();
            [mean - reach, mean + reach]
        });
        Self { mean, interval, count }
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3}", self.mean)?;
        match self.interval {
            Some([low, high]) => write!(f, " ({low:.3} to {high:.3})"),
            None => Ok(()),
        }
    }
}

/// The figures of the tasks, each averaged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Averages {
    /// Equal error rate.
    pub eer: Interval,
    /// Accuracy.
    pub accuracy: Interval,
    /// AMI.
    pub ami: Interval,
    /// ARI.
    pub ari: Interval,
}

impl Averages {
    fn of(scores: &[Scores]) -> Self {
        let [eer, accuracy, ami, ari] =
            MEASURES.each_ref().map(|measure| Interval::of(&scores.iter().map(measure.of).collect::<Vec<_>>()));
        Self { eer, accuracy, ami, ari }
    }

    /// In the order of [`MEASURES`].
    pub(super) fn all(&self) -> [Interval; 4] {
        [self.eer, self.accuracy, self.ami, self.ari]
    }
}

/// Cells that differ in their seed only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The kind of dataset; empty for what is not trained.
    pub dataset: String,
    /// The system, and what is varied.
    pub label: String,
    /// The system.
    pub system: String,
    /// Mean number of artists trained on.
    pub trained_artists: f64,
    /// Mean minutes of training.
    pub train_minutes: f64,
    /// The tasks.
    pub scores: Averages,
    /// The tasks across albums.
    pub across: Option<Averages>,
}

/// The groups, in the order of the plan.
pub(super) fn groups(results: &[CellResult]) -> Vec<Group> {
    let keys: Vec<(String, String)> =
        results.iter().map(|result| (result.cell.dataset.clone(), result.cell.label())).collect();
    let of = |members: &Vec<usize>| {
        let members: Vec<&CellResult> = members.iter().map(|&place| &results[place]).collect();
        let mean = |part: fn(&CellResult) -> f64| members.iter().map(|r| part(r)).sum::<f64>() / members.len() as f64;
        let across: Vec<Scores> = members.iter().filter_map(|result| result.across).collect();
        Group {
            dataset: members[0].cell.dataset.clone(),
            label: members[0].cell.label(),
            system: members[0].cell.system.clone(),
            trained_artists: mean(|result| result.trained_artists as f64),
            train_minutes: mean(|result| result.train_seconds / 60.0),
            scores: Averages::of(&members.iter().map(|result| result.scores).collect::<Vec<_>>()),
            across: (!across.is_empty()).then(|| Averages::of(&across)),
        }
    };
    let keys = keys.iter().map(|(dataset, label)| (dataset.as_str(), label.as_str()));
    Groups::of(keys.enumerate()).members.iter().map(of).collect()
}

/// One row a cell.
pub(super) fn table(results: &[CellResult]) -> Table {
    let fixed =
        ["cell", "dataset", "system", "artists", "p", "seed", "trained_artists", "steps", "best_step", "minutes"];
    let mut columns: Vec<String> = fixed.map(str::to_owned).to_vec();
    for prefix in ["", "across_"] {
        columns.extend(MEASURES.iter().map(|measure| format!("{prefix}{}", measure.name)));
    }
    let row = |result: &CellResult| {
        let cell = &result.cell;
        let mut row = vec![
            cell.id(),
            cell.dataset.clone(),
            cell.system.clone(),
            cell.artists.map_or(String::new(), |artists| artists.to_string()),
            cell.p.map_or(String::new(), |p| p.to_string()),
            cell.seed.to_string(),
            result.trained_artists.to_string(),
            result.steps.to_string(),
            result.best_step.to_string(),
            format!("{:.3}", result.train_seconds / 60.0),
        ];
        for scores in [Some(result.scores), result.across] {
            let cell =
                |measure: &Measure| scores.map_or(String::new(), |scores| format!("{:.6}", (measure.of)(&scores)));
            row.extend(MEASURES.iter().map(cell));
        }
        row
    };
    Table { columns, rows: results.iter().map(row).collect() }
}
