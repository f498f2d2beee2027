//! What a model's distances mean, learned from names whose artists are known: where to cut, what that brings, and how
//! likely a track at some distance is an artist's.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ball::{Ball, Reach};
use super::membership::{Membership, Pair};
use crate::catalogue::groups::Groups;
use crate::eval::protocols::{Name, Objective, Options, Spread, clustering, names};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::output::write_whole;
use crate::store::embeddings::{Embeddings, Origin};
use crate::store::seal::{self, Seal};
use crate::{Error, Result};

/// The schema of calibration files.
const SCHEMA: &str = "homonym.calibration/1";

/// A calibration as it is kept.
#[derive(Serialize, Deserialize)]
struct File<C> {
    schema: String,
    #[serde(flatten)]
    calibration: C,
}

/// A figure and its 95 % interval (bootstrap over names).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// Where it lies with 95 % confidence.
    pub interval: [f64; 2],
}

/// What the distances of a model mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The model and front end it holds for; none where the embeddings did not say.
    pub origin: Option<Origin>,
    /// What the threshold was chosen by.
    pub objective: Objective,
    /// The Ward distance to cut at.
    pub threshold: f64,
    /// Adjusted mutual information on names not used for the choice.
    pub ami: Figure,
    /// Adjusted Rand index on these.
    pub ari: Figure,
    /// Share of the pairs put together that belong together, on these.
    pub precision: Figure,
    /// Share of the pairs that belong together that are put together, on these.
    pub recall: Figure,
    /// How likely a track is an artist's.
    pub membership: Membership,
    /// Names used, over all repeats.
    pub names: usize,
    /// Tracks under them.
    pub tracks: usize,
}

/// Learns from labelled embeddings of artists unseen in training. Names are made by grouping artists, or come from a
/// column, as in the clustering protocol, which also chooses the threshold (the mean over folds and repeats).
///
/// # Errors
/// Those of the protocol: options that cannot be used, too few names.
pub fn calibrate(embeddings: &Embeddings, options: &Options, monitor: &dyn Monitor) -> Result<Calibration> {
    let report = clustering(embeddings, options, monitor)?;
    let (mut pairs, mut spreads) = (Vec::new(), Vec::new());
    for repeat in 0..options.repeats as u64 {
        let (names, _) = names(&embeddings.table, options, repeat)?;
        for (number, name) in names.iter().enumerate() {
            pairs_of(&embeddings.points, name, number % options.folds, &mut pairs, &mut spreads);
        }
    }
    let figure = |value, spread: &Spread| Figure { value, interval: spread.interval };
    Ok(Calibration {
        origin: embeddings.origin.clone(),
        objective: options.objective,
        threshold: report.threshold,
        ami: figure(report.ami, &report.ami_spread),
        ari: figure(report.ari, &report.ari_spread),
        precision: figure(report.precision, &report.precision_spread),
        recall: figure(report.recall, &report.recall_spread),
        membership: Membership::learn(&pairs, &spreads, options.folds),
        names: report.names,
        tracks: report.tracks,
    })
}

/// Every track under a name with every artist there who has a spread, its own with its other tracks; and the spreads.
fn pairs_of(points: &Matrix<f32>, name: &Name, fold: usize, pairs: &mut Vec<Pair>, spreads: &mut Vec<f64>) {
    let artists = Groups::of(name.truth.iter().copied().enumerate());
    for (artist, members) in artists.iter() {
        let rows: Vec<usize> = members.iter().map(|&member| name.rows[member]).collect();
        let ball = Ball::around(points, &rows);
        spreads.extend(ball.reach(points.row(rows[0])).spread);
        for (&row, &own) in name.rows.iter().zip(&name.truth) {
            let point = points.row(row);
            let reach = if own == artist { ball.reach_within(point) } else { Some(ball.reach(point)) };
            if let Some(Reach { distance, spread: Some(spread) }) = reach {
                pairs.push(Pair { ratio: distance / spread.max(f64::MIN_POSITIVE), own: own == artist, fold });
            }
        }
    }
}

impl Calibration {
    /// Where the calibration of a model is kept: beside it.
    pub fn path_beside(model: &Path) -> PathBuf {
        model.with_extension("calibration.json")
    }

    /// Reads a calibration.
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(path).map(|(calibration, _)| calibration)
    }

    fn read(path: &Path) -> Result<(Self, Seal)> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let advice = "make it with `homonym calibrate`";
        let wrong = |found: String| Error::file(path, format!("a calibration ({SCHEMA})"), found, advice);
        let not_json = |error: serde_json::Error| wrong(format!("JSON where {error}"));
        let mut value: Value = serde_json::from_str(&text).map_err(not_json)?;
        let seal = seal::take(&mut value);
        let file: File<Self> = serde_json::from_value(value).map_err(not_json)?;
        if file.schema != SCHEMA {
            return Err(wrong(file.schema));
        }
        seal.check(path)?;
        Ok((file.calibration, seal))
    }

    /// [`open`](Self::open), and refuses one without a checksum.
    ///
    /// # Errors
    /// As there.
    pub fn verify(path: &Path) -> Result<()> {
        Self::read(path)?.1.require(path)
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        let file = File { schema: SCHEMA.to_owned(), calibration: self };
        write_whole(path, seal::to_text(&file).as_bytes())
    }

    /// Refuses embeddings that another model or front end made.
    pub fn check(&self, embeddings: &Embeddings, subject: &Path) -> Result<()> {
        match (&self.origin, &embeddings.origin) {
            (Some(own), Some(other)) if (&own.model, &own.frontend) != (&other.model, &other.frontend) => {
                let expected = format!("embeddings of model {} (front end {})", own.model, own.frontend);
                let found = format!("those of model {} (front end {})", other.model, other.frontend);
                Err(Error::file(subject, expected, found, "calibrate the model that made these embeddings"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, interval: [low, high] } = self;
        write!(f, "{value:.3} (95 %: {low:.3} to {high:.3})")
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threshold, ami, ari, precision, recall, membership, names, tracks, .. } = self;
        writeln!(
            f,
            "cut at distance {threshold:.4}, judged on {names} names with {tracks} tracks not used for the choice:"
        )?;
        writeln!(f, "AMI        {ami}")?;
        writeln!(f, "ARI        {ari}")?;
        writeln!(f, "precision  {precision} of pairs put together")?;
        writeln!(f, "recall     {recall} of pairs that belong together")?;
        let Membership { pairs, brier, calibration_error, .. } = membership;
        writeln!(
            f,
            "probability of a track to be an artist's, from {pairs} pairs: Brier score {brier:.3}, off by {calibration_error:.3}"
        )?;
        if let Some(rate) = membership.rate(super::SURE) {
            write!(f, "accepting at {:.2}: {:.1} % of own tracks, ", rate.probability, 100.0 * rate.own)?;
            write!(f, "{:.1} % of others'", 100.0 * rate.others)?;
        }
        Ok(())
    }
}
