//! What a model's distances mean, learned from names whose artists are known: where to cut, what that brings, how likely a
//! track is where it was put, and how likely it is an artist's.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SURE;
use super::levels::Levels;
use super::membership::Membership;
use super::placement::{Placement, Reliability};
use crate::eval::protocols::Objective;
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
    /// Values of a point.
    pub dims: usize,
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
    /// How likely a track is where a split put it.
    pub placement: Placement,
    /// Where the gate accepts and rejects.
    pub gate: Levels,
    /// Names used, over all repeats.
    pub names: usize,
    /// Tracks under them.
    pub tracks: usize,
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

    /// Refuses embeddings that another model or front end made, as far as both say.
    pub fn check(&self, embeddings: &Embeddings, subject: &Path) -> Result<()> {
        if embeddings.points.cols != self.dims {
            let expected = format!("points of {} values, as those calibrated", self.dims);
            let advice = "calibrate the model that made these embeddings";
            return Err(Error::file(subject, expected, embeddings.points.cols, advice));
        }
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
        let Self { threshold, ami, ari, precision, recall, names, tracks, .. } = self;
        writeln!(
            f,
            "cut at distance {threshold:.4}, judged on {names} names with {tracks} tracks not used for the choice:"
        )?;
        writeln!(f, "AMI        {ami}")?;
        writeln!(f, "ARI        {ari}")?;
        writeln!(f, "precision  {precision} of pairs put together")?;
        writeln!(f, "recall     {recall} of pairs that belong together")?;
        let Reliability { right, sure, sure_right, brier, error, .. } = &self.placement.reliability;
        writeln!(
            f,
            "confidence of tracks, of which {:.1} % are where they belong: off by {error:.3}, Brier score {brier:.3}",
            100.0 * right
        )?;
        match *sure > 0.0 {
            true => writeln!(
                f,
                "  at {SURE} or more {:.1} % are sure, and {:.1} % of these right",
                100.0 * sure,
                100.0 * sure_right
            )?,
            false => writeln!(f, "  never {SURE} or more: nothing would be sure")?,
        }
        writeln!(f, "checking tracks that are credited to an artist of a name:")?;
        for level in &self.gate.artist {
            writeln!(f, "  error rate {:.2}: {}", level.error, level.describe())?;
        }
        Ok(())
    }
}
