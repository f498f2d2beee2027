//! `homonym split`: the tracks under each name, split into artists.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::{Console, Outcome};
use crate::Result;
use crate::catalogue::groups::{Groups, numbered};
use crate::catalogue::list::keys;
use crate::catalogue::table::Table;
use crate::disambiguate::{
    Calibration, Constraints, Decision, Label, Labels, NameSplit, Rules, SURE, Standing, apply, read_decisions, split,
    stability,
};
use crate::matrix::Matrix;
use crate::monitor::Monitor as _;
use crate::store::embeddings::Embeddings;
use crate::store::npy;

/// Split the tracks under each name into the artists behind it.
///
/// With a calibration, confidences are probabilities and every track is marked `sure` or `unsure`. Earlier labels and human
/// decisions are kept: tracks that have them stay together and apart as they are, new tracks join or found an artist.
#[derive(clap::Args)]
pub(crate) struct Split {
    /// The embeddings: PREFIX.npy and PREFIX.csv.
    prefix: PathBuf,
    #[command(flatten)]
    cut: Cut,
    /// Where to write the labels: columns `track_id,name,cluster,confidence`.
    #[arg(long, value_name = "LABELS.csv")]
    out: PathBuf,
    /// The column with the names to split.
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    name_column: String,
    /// Where to write what is known of each name: artists, confidence, how far the cut may move.
    #[arg(long, value_name = "NAMES.csv")]
    names: Option<PathBuf>,
    /// Decisions to respect, as the review report exports them (JSON Lines).
    #[arg(long, value_name = "DECISIONS.jsonl")]
    decisions: Option<PathBuf>,
    /// Points from other segments, as `embed --resamples` wrote them: adds how stable the company of each track is.
    #[arg(long, value_name = "PREFIX.resampled.npy")]
    resampled: Option<PathBuf>,
    /// Tracks of one name with the same value of this column (album) are one artist's.
    #[arg(long, value_name = "COLUMN")]
    together: Option<String>,
    /// Labels of an earlier split: its tracks keep their clusters and numbers, only new ones are placed.
    #[arg(long, value_name = "LABELS.csv")]
    previous: Option<PathBuf>,
    /// Where to write what changed since `--previous` (JSON Lines).
    #[arg(long, value_name = "CHANGES.jsonl", requires = "previous")]
    changes: Option<PathBuf>,
}

/// Where to cut.
#[derive(clap::Args)]
pub(super) struct Cut {
    /// Tracks whose Ward distance is at most this are one artist's [default: the calibration's].
    #[arg(long, value_name = "T", required_unless_present = "calibration")]
    distance: Option<f64>,
    /// What the distances mean, as `calibrate` wrote it.
    #[arg(long, value_name = "FILE.json")]
    calibration: Option<PathBuf>,
}

impl Cut {
    /// The calibration, checked against the embeddings, and the distance.
    pub(super) fn open(&self, embeddings: &Embeddings, subject: &Path) -> Result<(Option<Calibration>, f64)> {
        let calibration = self.calibration.as_deref().map(Calibration::open).transpose()?;
        if let Some(calibration) = &calibration {
            calibration.check(embeddings, subject)?;
        }
        let distance = self.distance.or(calibration.as_ref().map(|calibration| calibration.threshold));
        Ok((calibration, distance.expect("the parser asks for one of them")))
    }
}

/// The result: `homonym.split/1`.
#[derive(Serialize)]
pub(super) struct Summary {
    names: usize,
    names_split: usize,
    tracks: usize,
    clusters: usize,
    tracks_without_name: usize,
    distance: f64,
    /// Tracks below the level of certainty; none without a calibration.
    unsure: Option<usize>,
}

impl Split {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let embeddings = Embeddings::open(&self.prefix)?;
        let (calibration, threshold) = self.cut.open(&embeddings, &self.prefix)?;
        let previous = self.previous.as_deref().map(Labels::read).transpose()?;
        let constraints = self.constraints(&embeddings, previous.as_ref(), console)?;
        let placement = calibration.as_ref().map(|calibration| &calibration.placement);
        let rules = Rules { threshold, placement, constraints: Some(&constraints) };
        let resampled = self.resampled.as_deref().map(npy::read_finite::<f32>).transpose()?;
        let done = decide(&embeddings, &self.name_column, rules, resampled.as_ref(), &self.out, console)?;
        if let Some(path) = &self.names {
            done.names_table().write(path)?;
        }
        if let (Some(path), Some(previous)) = (&self.changes, &previous) {
            write_changes(path, previous, &done.labels)?;
        }
        console.remark(&format!("wrote {}", self.out.display()));
        console.result("homonym.split/1", &done.summary, || done.summary.to_string())?;
        Ok(Outcome::Done)
    }

    fn constraints(
        &self,
        embeddings: &Embeddings,
        previous: Option<&Labels>,
        console: &Console,
    ) -> Result<Constraints> {
        let table = &embeddings.table;
        let keys = keys(table, &self.prefix)?;
        let name = table.require(&self.name_column, "--name-column")?;
        let mut constraints = Constraints::default();
        let decisions = self.decisions.as_deref().map(read_decisions).transpose()?.unwrap_or_default();
        if let Some(previous) = previous {
            let mut decided = previous.clone();
            apply(&mut decided, &decisions)?;
            keep(&decided, &keys, table.values(name), &mut constraints);
        }
        let unknown = constraints.add(&decisions, &keys);
        if unknown > 0 {
            console.warn(&format!("{unknown} tracks of the decisions are not among the embeddings"));
        }
        if let Some(column) = &self.together {
            let column = table.require(column, "--together")?;
            let known = table.rows.iter().enumerate().filter(|(_, row)| !row[column].is_empty());
            let groups = Groups::of(known.map(|(place, row)| (place, (row[name].as_str(), row[column].as_str()))));
            for mut rows in groups.members {
                // Where an album lies across artists that are known, only its new tracks stay together.
                let home = rows.iter().find_map(|row| constraints.fixed.get(row)).copied();
                rows.retain(|row| constraints.fixed.get(row).is_none_or(|cluster| Some(*cluster) == home));
                constraints.together.push(rows);
            }
        }
        Ok(constraints)
    }
}

/// Keeps the tracks of an earlier split where they are, as far as their names are the same.
pub(super) fn keep<'a>(
    previous: &Labels,
    keys: &[&str],
    names: impl Iterator<Item = &'a str>,
    constraints: &mut Constraints,
) {
    let labels = previous.by_track();
    for (row, (key, name)) in keys.iter().zip(names).enumerate() {
        if let Some(label) = labels.get(key).filter(|label| label.name == name) {
            constraints.fixed.insert(row, label.cluster);
            if label.standing == Some(Standing::Human) {
                constraints.human.insert(row);
            }
        }
    }
}

/// What a split made.
pub(super) struct Done {
    pub(super) summary: Summary,
    pub(super) labels: Labels,
    names: Vec<NameSplit>,
}

/// Splits the tracks under each name and writes the labels to `out`.
pub(super) fn decide(
    embeddings: &Embeddings,
    name_column: &str,
    rules: Rules,
    resampled: Option<&Matrix<f32>>,
    out: &Path,
    console: &Console,
) -> Result<Done> {
    let Embeddings { points, table, .. } = embeddings;
    let name_column = table.require(name_column, "--name-column")?;
    let keys = keys(table, Path::new("the embeddings"))?;
    let names: Vec<&str> = table.values(name_column).collect();
    let (decisions, splits) = split(points, &names, rules, console)?;
    let stability =
        resampled.map(|resampled| stability(resampled, points.cols, &names, rules, &decisions, console)).transpose()?;
    let without_name = decisions.iter().filter(|decision| decision.is_none()).count();
    if without_name > 0 {
        console.warn(&format!("left out {without_name} tracks without a name"));
    }
    let is_human = |row: usize| rules.constraints.is_some_and(|constraints| constraints.human.contains(&row));
    let standing = |row: usize, confidence: f64| match rules.placement {
        _ if is_human(row) => Some(Standing::Human),
        Some(_) => Some(if confidence >= SURE { Standing::Sure } else { Standing::Unsure }),
        None => None,
    };
    let label = |(row, decision): (usize, &Option<Decision>)| {
        let Decision { cluster, confidence } = (*decision)?;
        Some(Label {
            track: keys[row].to_owned(),
            name: names[row].to_owned(),
            cluster,
            confidence,
            standing: standing(row, confidence),
            stability: stability.as_ref().and_then(|stability| stability[row]),
        })
    };
    let labels = Labels { rows: decisions.iter().enumerate().filter_map(label).collect() };
    labels.table().write(out)?;
    let summary = Summary {
        names: splits.len(),
        names_split: splits.iter().filter(|split| split.artists > 1).count(),
        tracks: labels.rows.len(),
        clusters: numbered(labels.rows.iter().map(|label| (label.name.as_str(), label.cluster))).1,
        tracks_without_name: without_name,
        distance: rules.threshold,
        unsure: rules.placement.map(|_| splits.iter().map(|split| split.unsure).sum()),
    };
    Ok(Done { summary, names: splits, labels })
}

impl Done {
    /// What is known of each name, in the order of a review: most tracks likely misplaced first.
    pub(super) fn names_table(&self) -> Table {
        let columns =
            ["name", "tracks", "artists", "confidence", "unsure", "impact", "made", "not_made", "margin", "stability"];
        let mut names: Vec<&NameSplit> = self.names.iter().collect();
        names.sort_by(|a, b| b.impact().total_cmp(&a.impact()).then(a.name.cmp(&b.name)));
        let mut stability: HashMap<&str, f64> = HashMap::new();
        for label in &self.labels.rows {
            *stability.entry(&label.name).or_default() += label.stability.unwrap_or(f64::NAN);
        }
        let row = |split: &&NameSplit| {
            let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.4}"));
            let NameSplit { name, tracks, artists, made, not_made, margin, confidence, unsure } = split;
            let stability = stability[name.as_str()] / *tracks as f64;
            vec![
                name.clone(),
                tracks.to_string(),
                artists.to_string(),
                number(Some(*confidence)),
                unsure.to_string(),
                number(Some(split.impact())),
                number(*made),
                number(*not_made),
                number(*margin),
                number(Some(stability).filter(|stability| stability.is_finite())),
            ]
        };
        Table { columns: columns.map(str::to_owned).to_vec(), rows: names.iter().map(row).collect() }
    }
}

/// One line for every track that is new, gone, or elsewhere than before.
pub(super) fn write_changes(path: &Path, previous: &Labels, labels: &Labels) -> Result<()> {
    let (before, after) = (previous.by_track(), labels.by_track());
    let artists: HashSet<(&str, usize)> =
        previous.rows.iter().map(|label| (label.name.as_str(), label.cluster)).collect();
    let mut text = String::new();
    let mut line = |change: &str, label: &Label, from: Option<&Label>| {
        let from = from.map(|from| json!({"name": from.name, "cluster": from.cluster}));
        let Label { track, name, cluster, confidence, .. } = label;
        let value = json!({"change": change, "track_id": track, "name": name, "cluster": cluster,
            "confidence": (confidence * 1e4).round() / 1e4, "from": from});
        text += &format!("{value}\n");
    };
    for label in &labels.rows {
        match before.get(label.track.as_str()).copied() {
            None if artists.contains(&(label.name.as_str(), label.cluster)) => line("joined", label, None),
            None => line("founded", label, None),
            Some(from) if (&from.name, from.cluster) != (&label.name, label.cluster) => {
                line("moved", label, Some(from))
            }
            Some(_) => {}
        }
    }
    for label in previous.rows.iter().filter(|label| !after.contains_key(label.track.as_str())) {
        line("gone", label, None);
    }
    crate::output::write_whole(path, text.as_bytes())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, names_split, tracks, clusters, .. } = self;
        write!(f, "{tracks} tracks under {names} names: {clusters} artists; {names_split} names are split")?;
        match self.unsure {
            Some(unsure) => write!(f, "; {unsure} tracks are unsure"),
            None => Ok(()),
        }
    }
}
