//! The result of a cell: what the tasks say of its embeddings.

use serde::{Deserialize, Serialize};

use super::plan::{Cell, Plan};
use crate::catalogue::datasets::Size;
use crate::eval::protocols::{NameResult, Options, classification, clustering, verification};
use crate::store::embeddings::Embeddings;
use crate::{Monitor, Result};

/// What one cell gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CellResult {
    /// All that decided it, in short.
    pub key: String,
    /// The cell.
    pub cell: Cell,
    /// Its dataset's lists.
    pub dataset: Vec<Size>,
    /// Artists trained on.
    pub trained_artists: usize,
    /// Hash of the model.
    pub model: Option<String>,
    /// Seconds of training.
    pub train_seconds: f64,
    /// Updates.
    pub steps: u64,
    /// Updates behind the parameters that were kept.
    pub best_step: u64,
    /// The tasks.
    pub scores: Scores,
    /// The tasks across albums (or what else the plan names).
    pub across: Option<Scores>,
    /// Names and how well they were split.
    pub names: Vec<NameResult>,
}

/// Figures of the three tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Equal error rate of the verification.
    pub eer: f64,
    /// Accuracy of the classification.
    pub accuracy: f64,
    /// Mean adjusted mutual information of the clustering.
    pub ami: f64,
    /// Mean adjusted Rand index of the clustering.
    pub ari: f64,
    /// Artists with a model, of classification and verification.
    pub artists: usize,
    /// Names of the clustering.
    pub names: usize,
}

/// Does the tasks.
pub(super) struct Judge<'a> {
    pub(super) plan: &'a Plan,
    pub(super) seed: u64,
}

impl Judge<'_> {
    pub(super) fn judge(&self, embeddings: &Embeddings, result: &mut CellResult, monitor: &dyn Monitor) -> Result<()> {
        let (scores, names) = self.tasks(embeddings, None, monitor)?;
        result.scores = scores;
        result.names = names;
        if self.plan.across.is_some() {
            result.across = Some(self.tasks(embeddings, self.plan.across.clone(), monitor)?.0);
        }
        Ok(())
    }

    fn tasks(
        &self,
        points: &Embeddings,
        across: Option<String>,
        monitor: &dyn Monitor,
    ) -> Result<(Scores, Vec<NameResult>)> {
        let Plan { within, artist_column, tracks, name_folds, repeats, .. } = self.plan;
        let options = Options {
            artist_column: artist_column.clone(),
            within: within.clone(),
            across,
            tracks: *tracks,
            folds: *name_folds,
            repeats: *repeats,
            seed: self.seed,
            ..Options::default()
        };
        let classified = classification(points, &options, monitor)?;
        let verified = verification(points, &options, monitor)?;
        let clustered = clustering(points, &options, monitor)?;
        let scores = Scores {
            eer: verified.eer,
            accuracy: classified.accuracy,
            ami: clustered.ami,
            ari: clustered.ari,
            artists: classified.artists,
            names: clustered.names / repeats,
        };
        Ok((scores, clustered.per_name))
    }
}
