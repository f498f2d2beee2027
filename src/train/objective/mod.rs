//! What a batch is asked for: the loss on its embeddings, with the parameters that a loss has beside the network's.

mod classes;
mod pairs;
mod spec;
mod towers;
mod triplets;

use homonym_kernels::{GemmScratch, Isa};

use super::config::TrainConfig;
use crate::Result;
use crate::loss::{binary_cross_entropy, contrastive, cosine_hinge, normalised_softmax, nt_xent, prototypical};
use crate::matrix::Matrix;
use crate::mining::BatchLabels;
use crate::models::{HeadSpec, notion_part};
use crate::nn::{Init, ParamTable};

pub use spec::{NamedObjective, OBJECTIVES, ObjectiveSpec};

/// Purposes of random streams.
const MINING: u64 = 3;
const DROPOUT: u64 = 5;

/// An objective at work on embeddings of `dims` values by some artists.
pub(super) struct Objective {
    config: TrainConfig,
    isa: Isa,
    dims: usize,
    /// Parameters of the classification: dims × artists, and biases.
    params: ParamTable,
    head: Option<HeadSpec>,
    /// Of two towers: rows × width.
    vectors: Matrix<f32>,
    scratch: GemmScratch,
}

/// The embeddings of a batch and what is known about them.
pub(super) struct Points<'a> {
    /// rows × dims.
    pub(super) embeddings: &'a [f32],
    /// Those that choose triplets.
    pub(super) chooser: &'a [f32],
    /// Who is who.
    pub(super) labels: &'a BatchLabels,
    /// Updates before this one.
    pub(super) step: u64,
}

/// What an objective says of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Verdict {
    pub(super) loss: f32,
    /// The share that still teaches: kept triplets of all pairs, rows taken for another class, tags taken for the contrary,
    /// negatives within the margin.
    pub(super) active: f64,
}

impl Objective {
    pub(super) fn new(config: &TrainConfig, isa: Isa, dims: usize, artists: usize) -> Result<Self> {
        let vectors = config.objective.vectors()?.map_or_else(Matrix::default, |vectors| vectors.points);
        let head = match config.objective {
            ObjectiveSpec::MatchNet { hidden } => Some(HeadSpec::Pair { hidden }),
            ObjectiveSpec::TwoTowers { .. } => Some(HeadSpec::Vectors { width: vectors.cols }),
            _ => None,
        };
        let mut params = head.as_ref().map_or_else(ParamTable::default, |head| head.params(dims));
        if matches!(config.objective, ObjectiveSpec::Classification { .. } | ObjectiveSpec::Joint { .. }) {
            params.add("classifier.weight", &[dims, artists], Init::He { fan_in: dims });
            params.add("classifier.bias", &[artists], Init::Zero);
        }
        if matches!(config.objective, ObjectiveSpec::NormalisedClassification { .. }) {
            params.add("classifier.centroids", &[artists, dims], Init::He { fan_in: dims });
        }
        let scratch = GemmScratch::default();
        Ok(Self { config: config.clone(), isa, dims, params, head, vectors, scratch })
    }

    /// What its parameters are to the model, where they are more than a help in learning.
    pub(super) fn head(&self) -> Option<&HeadSpec> {
        self.head.as_ref()
    }

    /// Its own parameters, which lie behind the network's.
    pub(super) fn params(&self) -> &ParamTable {
        &self.params
    }

    /// The loss of a batch. Adds the gradients of the embeddings and of its own parameters.
    pub(super) fn judge(
        &mut self,
        points: &Points<'_>,
        params: &[f32],
        d_embeddings: &mut [f32],
        d_params: &mut [f32],
    ) -> Verdict {
        let (embeddings, dims, size) = (points.embeddings, self.dims, points.labels.per_artist);
        let verdict = |(loss, active)| Verdict { loss, active };
        match self.config.objective {
            ObjectiveSpec::Triplet if points.labels.compared => self.compared(points, d_embeddings),
            ObjectiveSpec::Triplet => self.triplets(points, 0..dims, d_embeddings),
            ObjectiveSpec::MatchNet { hidden } => self.pairs(points, hidden, params, d_embeddings, d_params),
            ObjectiveSpec::TwoTowers { margin, .. } => self.towers(points, margin, params, d_embeddings, d_params),
            ObjectiveSpec::Masks { ref notions } => {
                let part = notion_part(dims, notions.len(), self.config.objective.notion(points.step));
                self.triplets(points, part, d_embeddings)
            }
            ObjectiveSpec::Classification { dropout } => {
                self.classes(points, (1.0, dropout), params, d_embeddings, d_params)
            }
            ObjectiveSpec::Siamese { negatives, margin } => {
                verdict(cosine_hinge(margin, embeddings, dims, 2 + negatives, d_embeddings))
            }
            ObjectiveSpec::Contrastive { margin } => verdict(contrastive(margin, embeddings, dims, size, d_embeddings)),
            ObjectiveSpec::NormalisedClassification { temperature } => {
                let labelled = (embeddings, &points.labels.artists[..]);
                verdict(normalised_softmax(temperature, labelled, params, dims, d_embeddings, d_params))
            }
            ObjectiveSpec::Prototypical { shots } => verdict(prototypical(shots, embeddings, dims, size, d_embeddings)),
            ObjectiveSpec::NtXent { temperature } => {
                verdict(nt_xent(temperature, embeddings, dims, size, d_embeddings))
            }
            ObjectiveSpec::Joint { weight, dropout } => {
                let triplets = self.triplets(points, 0..dims, d_embeddings);
                let classes = self.classes(points, (weight, dropout), params, d_embeddings, d_params);
                Verdict { loss: triplets.loss + weight * classes.loss, active: triplets.active }
            }
            ObjectiveSpec::Ranked { together, .. } => self.ranked(embeddings, together, d_embeddings),
            ObjectiveSpec::Tagging { threshold } => {
                let tagged = |&likelihood: &f32| f32::from(likelihood >= threshold);
                let targets: Vec<f32> = points.labels.targets.iter().map(tagged).collect();
                verdict(binary_cross_entropy(embeddings, dims, &targets, d_embeddings))
            }
        }
    }
}
