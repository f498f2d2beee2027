//! One update of the weights from one batch.

use homonym_kernels::Isa;
use serde::Serialize;

use super::config::TrainConfig;
use super::objective::{Objective, Points, Verdict};
use super::state::Weights;
use crate::Result;
use crate::mining::{BatchLabels, Selection};
use crate::models::{HeadSpec, Layer, Network, Segments, TrainingPass};

/// What one update did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The loss of the batch: of triplets, the mean over the kept ones.
    pub loss: f32,
    /// The share of the batch that still teaches: kept triplets of all positive pairs, rows taken for another artist,
    /// negatives within the margin.
    pub active: f64,
    /// Norm of the mean direction of the batch's embeddings: 1 when all are equal.
    pub mean_norm: f64,
}

/// The weights of a network in training, and how one batch changes them: the loop of [`train`](super::train()) without
/// store, early stopping and checkpoints.
pub struct Updater<'n> {
    pub(super) network: &'n dyn Network,
    pass: Box<dyn TrainingPass + 'n>,
    objective: Objective,
    config: TrainConfig,
    pub(super) weights: Weights,
    grads: Vec<f32>,
}

impl<'n> Updater<'n> {
    /// Starts from `params`: the network's; behind them may be the objective's own, for so many `artists`, which else start
    /// afresh.
    pub fn new(network: &'n dyn Network, config: &TrainConfig, artists: usize, mut params: Vec<f32>) -> Result<Self> {
        let objective = Objective::new(config, Isa::chosen()?, network.dims(), artists)?;
        if params.len() == network.params().len() {
            params.extend(objective.params().initial(config.seed ^ OBJECTIVE));
        }
        let grads = vec![0.0; params.len()];
        let weights = Weights::new(params, &config.optimizer);
        Ok(Self { network, pass: network.training_pass(), objective, config: config.clone(), weights, grads })
    }

    /// One update: forward, mining, loss, backward, optimiser.
    pub fn update(&mut self, segments: &dyn Segments, labels: &BatchLabels, step: u64) -> Step {
        let TrainConfig { seed, averaging, l2, .. } = self.config;
        let own = self.network.params().len();
        let Weights { params, previous, average, state } = &mut self.weights;
        let stale = self.config.objective.mines() && matches!(self.config.mining.selection, Selection::Previous);
        let stale = stale.then(|| self.network.embed(&previous[..own], segments, Layer::Embedding));
        let embeddings = self.pass.forward(&params[..own], segments, (seed, step));
        let points = Points { embeddings, chooser: stale.as_deref().unwrap_or(embeddings), labels, step };
        let mut d_embeddings = vec![0.0; embeddings.len()];
        self.grads.fill(0.0);
        let (d_network, d_objective) = self.grads.split_at_mut(own);
        let Verdict { loss, active } = self.objective.judge(&points, &params[own..], &mut d_embeddings, d_objective);
        let mean_norm = mean_norm(embeddings, self.network.dims());
        self.pass.backward(&params[..own], segments, &d_embeddings, d_network);
        if l2 > 0.0 {
            for (table, first) in [(self.network.params(), 0), (self.objective.params(), own)] {
                for kernel in table.iter().filter(|param| param.is_kernel()).map(|param| param.range()) {
                    let range = kernel.start + first..kernel.end + first;
                    self.grads[range.clone()].iter_mut().zip(&params[range]).for_each(|(g, w)| *g += 2.0 * l2 * w);
                }
            }
        }
        previous.copy_from_slice(params);
        self.config.optimizer.step(params, &self.grads, state, step);
        self.pass.settle(&mut params[..own]);
        // The average forgets the first steps faster than the later ones.
        let keep = averaging.min((1 + step) as f32 / (10 + step) as f32);
        average.iter_mut().zip(params).for_each(|(mean, w)| *mean = keep * *mean + (1.0 - keep) * *w);
        Step { loss, active, mean_norm }
    }

    /// All parameters, the network's first.
    pub fn params(&self) -> &[f32] {
        &self.weights.params
    }

    /// The network's part of the averaged parameters: what is evaluated and kept.
    pub(super) fn kept(&self) -> &[f32] {
        &self.weights.average[..self.network.params().len()]
    }

    /// The head that is kept beside it, and its averaged parameters; none of objectives that are needed no more.
    pub(super) fn kept_head(&self) -> (Option<HeadSpec>, &[f32]) {
        match self.objective.head() {
            Some(head) => (Some(head.clone()), &self.weights.average[self.network.params().len()..]),
            None => (None, &[]),
        }
    }
}

/// Sets the seed of the objective's parameters apart from the network's.
const OBJECTIVE: u64 = 0x6F62_6A65_6374_6976;

fn mean_norm(points: &[f32], dims: usize) -> f64 {
    let mut mean = vec![0.0f64; dims];
    for point in points.chunks_exact(dims) {
        let norm = point.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let inverse = if norm == 0.0 { 0.0 } else { 1.0 / norm };
        mean.iter_mut().zip(point).for_each(|(mean, &x)| *mean += f64::from(x) * inverse);
    }
    mean.iter().map(|x| x * x).sum::<f64>().sqrt() / (points.len() / dims).max(1) as f64
}
