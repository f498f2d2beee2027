//! One update of the weights from one batch.

use serde::Serialize;

use super::config::TrainConfig;
use super::state::Weights;
use crate::loss::triplet_loss;
use crate::mining::{BatchLabels, MiningSpec, Selection, mine};
use crate::models::{Layer, Network, Segments, TrainingPass};
use crate::optim::RmsProp;
use crate::random::Random;

/// Purpose of the miner's random stream.
const MINING: u64 = 3;

/// What one update did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Mean loss of the kept triplets.
    pub loss: f32,
    /// Kept triplets over positive pairs.
    pub active: f64,
    /// Norm of the mean embedding of the batch: 1 when all are equal.
    pub mean_norm: f64,
}

/// The weights of a network in training, and how one batch changes them: the loop of [`train`](super::train()) without
/// store, early stopping and checkpoints.
pub struct Updater<'n> {
    pub(super) network: &'n dyn Network,
    pass: Box<dyn TrainingPass + 'n>,
    mining: MiningSpec,
    margin: f32,
    optimizer: RmsProp,
    seed: u64,
    averaging: f32,
    pub(super) weights: Weights,
    grads: Vec<f32>,
}

impl<'n> Updater<'n> {
    /// Starts from `params`.
    pub fn new(network: &'n dyn Network, config: &TrainConfig, params: Vec<f32>) -> Self {
        let size = params.len();
        Self {
            network,
            pass: network.training_pass(),
            mining: config.mining.clone(),
            margin: config.margin,
            optimizer: config.optimizer.clone(),
            seed: config.seed,
            averaging: config.averaging,
            weights: Weights::new(params),
            grads: vec![0.0; size],
        }
    }

    /// One update: forward, mining, loss, backward, optimiser.
    pub fn update(&mut self, segments: &dyn Segments, labels: &BatchLabels, step: u64) -> Step {
        let mut random = Random::keyed(self.seed, &[MINING, step]);
        let Weights { params, previous, average, squares } = &mut self.weights;
        let dims = self.network.dims();
        let stale = matches!(self.mining.selection, Selection::Previous)
            .then(|| self.network.embed(previous, segments, Layer::Embedding));
        let embeddings = self.pass.forward(params, segments, (self.seed, step));
        let chooser = stale.as_deref().unwrap_or(embeddings);
        let triplets = mine(&self.mining, chooser, labels, self.margin, &mut random);
        let mut d_embeddings = vec![0.0; embeddings.len()];
        let loss = triplet_loss(self.margin, embeddings, dims, &triplets, &mut d_embeddings);
        let active = triplets.len() as f64 / labels.pairs().max(1) as f64;
        let mean_norm = mean_norm(embeddings, dims);
        self.grads.fill(0.0);
        self.pass.backward(params, segments, &d_embeddings, &mut self.grads);
        previous.copy_from_slice(params);
        self.optimizer.step(params, &self.grads, squares);
        // The average forgets the first steps faster than the later ones.
        let keep = self.averaging.min((1 + step) as f32 / (10 + step) as f32);
        average.iter_mut().zip(params).for_each(|(mean, w)| *mean = keep * *mean + (1.0 - keep) * *w);
        Step { loss, active, mean_norm }
    }
}

fn mean_norm(points: &[f32], dims: usize) -> f64 {
    let mut mean = vec![0.0f64; dims];
    for point in points.chunks_exact(dims) {
        mean.iter_mut().zip(point).for_each(|(mean, &x)| *mean += f64::from(x));
    }
    mean.iter().map(|x| x * x).sum::<f64>().sqrt() / (points.len() / dims).max(1) as f64
}
