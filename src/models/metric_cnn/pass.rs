//! A training step of the network: forward with dropout, and backward.
//!
//! The backward pass recomputes the first layer, which costs less than keeping its 0.8 MB per segment.

use std::ops::Range;

use homonym_kernels::{self as kernels, Buffer, ConvGradInput, ConvGradOutput, ConvWeights};
use rayon::prelude::*;

use super::{MetricCnn, Room};
use crate::models::{Network as _, Segments, TrainingPass};
use crate::random::Random;

/// Segments whose gradients one thread sums before the sums are added in order: fixed, so that the result does not
/// depend on the thread count.
const SHARD: usize = 4;

/// What the backward pass of one segment needs of its forward pass: 0.25 MB for 9 s.
struct Stash {
    pooled2: Buffer,
    argmax2: Vec<u8>,
    argmax3: Vec<u8>,
    /// Dropout noise, then the noisy features.
    noise: Vec<f32>,
    features: Vec<f32>,
    inverse_norm: f32,
}

impl Stash {
    fn new(network: &MetricCnn) -> Self {
        let [_, second, third] = &network.layers;
        Self {
            pooled2: Buffer::zeros(second.output.len()),
            argmax2: vec![0; second.argmax()],
            argmax3: vec![0; third.argmax()],
            noise: vec![1.0; network.features()],
            features: vec![0.0; network.features()],
            inverse_norm: 0.0,
        }
    }
}

/// The forward and backward pass of a batch.
pub(super) struct Pass<'a> {
    network: &'a MetricCnn,
    stashes: Vec<Stash>,
    embeddings: Vec<f32>,
    /// Gradient sums of the shards, each as long as the parameters.
    shards: Vec<f32>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(network: &'a MetricCnn) -> Self {
        Self { network, stashes: Vec::new(), embeddings: Vec::new(), shards: Vec::new() }
    }
}

impl TrainingPass for Pass<'_> {
    fn forward(&mut self, params: &[f32], segments: &dyn Segments, noise: (u64, u64)) -> &[f32] {
        let network = self.network;
        let packed = network.pack(params, network.tiles);
        self.stashes.resize_with(segments.count(), || Stash::new(network));
        self.embeddings.resize(segments.count() * network.dims(), 0.0);
        let jobs = self.stashes.par_iter_mut().zip(self.embeddings.par_chunks_exact_mut(network.dims()));
        jobs.enumerate().for_each(|(index, (stash, embedding))| {
            network.rooms.with(
                || Room::new(network),
                |room| {
                    network.forward_one(params, &packed, segments, (noise.0, noise.1, index), room, stash, embedding)
                },
            );
        });
        &self.embeddings
    }

    fn backward(&mut self, params: &[f32], segments: &dyn Segments, d_embeddings: &[f32], grads: &mut [f32]) {
        let network = self.network;
        let dims = network.dims();
        assert_eq!(d_embeddings.len(), self.embeddings.len(), "one gradient for each embedding of the forward pass");
        let packed = network.pack(params, None);
        let size = network.params.len();
        self.shards.clear();
        self.shards.resize(self.stashes.len().div_ceil(SHARD) * size, 0.0);
        self.shards.par_chunks_exact_mut(size).enumerate().for_each(|(shard, grads)| {
            let first = shard * SHARD;
            for index in first..(first + SHARD).min(self.stashes.len()) {
                let d_embedding = &d_embeddings[index * dims..][..dims];
                if d_embedding.iter().all(|&slope| slope == 0.0) {
                    continue; // in no active triplet
                }
                let embedding = &self.embeddings[index * dims..][..dims];
                network.rooms.with(
                    || Room::new(network),
                    |room| {
                        network.first_layer(&packed[0], segments, index, room, true);
                        network.backward_one(params, &self.stashes[index], embedding, d_embedding, room, grads);
                    },
                );
            }
        });
        for shard in self.shards.chunks_exact(size) {
            grads.iter_mut().zip(shard).for_each(|(grad, part)| *grad += part);
        }
    }
}

impl MetricCnn {
    #[allow(clippy::too_many_arguments)] // the joints of one segment's forward pass, all needed
    fn forward_one(
        &self,
        params: &[f32],
        packed: &[ConvWeights; 3],
        segments: &dyn Segments,
        (seed, step, index): (u64, u64, usize),
        room: &mut Room,
        stash: &mut Stash,
        embedding: &mut [f32],
    ) {
        self.first_layer(&packed[0], segments, index, room, false);
        let [_, second, third] = &self.layers;
        let Stash { pooled2, argmax2, argmax3, noise, features, inverse_norm } = stash;
        kernels::conv_relu_pool(self.isa, second, &packed[1], &room.pooled1, pooled2, Some(argmax2));
        kernels::conv_relu_pool(self.isa, third, &packed[2], pooled2, &mut room.pooled3, Some(argmax3));
        self.pool_features(&room.pooled3, features);
        if self.spec.dropout > 0.0 {
            let deviation = f64::from(self.spec.dropout / (1.0 - self.spec.dropout)).sqrt();
            let mut random = Random::keyed(seed, &[step, index as u64]);
            for (noise, feature) in noise.iter_mut().zip(features.iter_mut()) {
                *noise = (1.0 + deviation * random.normal()) as f32;
                *feature *= *noise;
            }
        }
        *inverse_norm = self.head(params, features, embedding);
    }

    fn backward_one(
        &self,
        params: &[f32],
        stash: &Stash,
        embedding: &[f32],
        d_embedding: &[f32],
        room: &mut Room,
        grads: &mut [f32],
    ) {
        let isa = self.isa;
        let mut d_head = d_embedding.to_vec();
        kernels::normalise_grad(isa, embedding, stash.inverse_norm, &mut d_head);
        let activation: Vec<f32> = embedding.iter().map(|y| y / stash.inverse_norm).collect();
        kernels::tanh_grad(isa, &activation, &mut d_head);
        let (dw, db) = two(grads, &self.dense, &self.dense_bias);
        let w = &params[self.dense.clone()];
        kernels::dense_grad(isa, &stash.features, w, &d_head, dw, db, &mut room.features);
        room.features.iter_mut().zip(&stash.noise).for_each(|(slope, noise)| *slope *= noise);
        self.pool_features_grad(&room.features, &mut room.d_pooled3);

        let Room { input, pooled1, argmax1, d_pooled1, d_pooled2, d_pooled3, lists, .. } = room;
        let mut layer = |layer: usize, argmax: &[u8], dy: &[f32], x: &[f32], dx: Option<&mut [f32]>| {
            let (dw, db) = two(grads, &self.weights[layer], &self.biases[layer]);
            let w = &params[self.weights[layer].clone()];
            let input = ConvGradInput { shape: &self.layers[layer], argmax, dy, x, w };
            kernels::conv_grad(isa, input, ConvGradOutput { dw, db, dx }, lists);
        };
        layer(2, &stash.argmax3, d_pooled3, &stash.pooled2, Some(d_pooled2));
        layer(1, &stash.argmax2, d_pooled2, pooled1, Some(d_pooled1));
        layer(0, argmax1, d_pooled1, input, None);
    }
}

/// A weight gradient and the bias gradient that follows it in the flat buffer.
fn two<'a>(grads: &'a mut [f32], weight: &Range<usize>, bias: &Range<usize>) -> (&'a mut [f32], &'a mut [f32]) {
    debug_assert_eq!(weight.end, bias.start, "a bias follows its weight");
    grads[weight.start..bias.end].split_at_mut(weight.len())
}
