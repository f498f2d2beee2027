//! A training step of the residual network: forward and backward, segment by segment.

use std::ops::Range;

use homonym_kernels as kernels;
use kernels::{Conv2dGradWeights, Conv2dScratch};
use rayon::prelude::*;

use super::{Conv, Packed, ResidualCnn, Room};
use crate::models::{Network as _, Segments, TrainingPass};

/// Segments whose gradients one thread sums before the sums are added in order: fixed, so that the result does not depend on
/// the thread count.
const SHARD: usize = 4;

/// All that a segment becomes on its way through the network.
pub(super) struct Trace {
    /// What the stem reads and writes.
    pub(super) x: Vec<f32>,
    stem: Vec<f32>,
    blocks: Vec<BlockTrace>,
    /// The mean over time of what the last block writes.
    pub(super) features: Vec<f32>,
}

/// What a block reads, has between its convolutions and writes.
struct BlockTrace {
    argmax: Vec<u32>,
    x: Vec<f32>,
    hidden: Vec<f32>,
    y: Vec<f32>,
}

impl Trace {
    pub(super) fn new(network: &ResidualCnn) -> Self {
        let block = |convs: &[Conv; 2]| {
            let size = convs[0].shape.output().len();
            let [x, hidden, y] = [(); 3].map(|()| vec![0.0; size]);
            BlockTrace { argmax: vec![0; size], x, hidden, y }
        };
        Self {
            x: vec![0.0; network.frames * network.bands],
            stem: vec![0.0; network.stem.shape.output().len()],
            blocks: network.blocks.iter().map(block).collect(),
            features: vec![0.0; network.spec.channels],
        }
    }
}

impl Trace {
    /// What the last block wrote: frames × channels.
    pub(super) fn last(&self) -> &[f32] {
        &self.blocks[self.blocks.len() - 1].y
    }
}

impl ResidualCnn {
    /// From what stands in `trace.x` to the features.
    pub(super) fn run(&self, packed: &Packed, trace: &mut Trace, scratch: &mut Conv2dScratch) {
        let Trace { x, stem, blocks, features } = trace;
        kernels::conv2d(self.isa, &packed.stem, x, stem, scratch);
        kernels::relu(self.isa, stem);
        let mut before: &[f32] = stem;
        for ((block, pool), packed) in blocks.iter_mut().zip(&self.pools).zip(&packed.blocks) {
            let BlockTrace { argmax, x, hidden, y } = block;
            kernels::max_pool(self.isa, pool, before, x, Some(argmax));
            kernels::conv2d(self.isa, &packed[0], x, hidden, scratch);
            kernels::relu(self.isa, hidden);
            kernels::conv2d(self.isa, &packed[1], hidden, y, scratch);
            y.iter_mut().zip(x.iter()).for_each(|(y, x)| *y += x);
            kernels::relu(self.isa, y);
            before = y;
        }
        kernels::mean_pool(self.isa, self.last(), before, features);
    }
}

/// What the backward pass of a segment needs.
struct Stash {
    trace: Trace,
    inverse_norm: f32,
}

/// The forward and backward pass of a batch.
pub(super) struct Pass<'a> {
    network: &'a ResidualCnn,
    stashes: Vec<Stash>,
    embeddings: Vec<f32>,
    /// Gradient sums of the shards, each as long as the parameters.
    shards: Vec<f32>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(network: &'a ResidualCnn) -> Self {
        Self { network, stashes: Vec::new(), embeddings: Vec::new(), shards: Vec::new() }
    }
}

impl TrainingPass for Pass<'_> {
    fn forward(&mut self, params: &[f32], segments: &dyn Segments, _noise: (u64, u64)) -> &[f32] {
        let network = self.network;
        let packed = network.pack(params);
        self.stashes.resize_with(segments.count(), || Stash { trace: Trace::new(network), inverse_norm: 0.0 });
        self.embeddings.resize(segments.count() * network.dims(), 0.0);
        let jobs = self.stashes.par_iter_mut().zip(self.embeddings.par_chunks_exact_mut(network.dims()));
        jobs.enumerate().for_each(|(index, (Stash { trace, inverse_norm }, embedding))| {
            network.rooms.with(
                || Room::new(network),
                |room| {
                    trace.x.copy_from_slice(room.input.read(segments, index, &network.standardisation));
                    network.run(&packed, trace, &mut room.scratch);
                    *inverse_norm = network.head(params, &trace.features, embedding);
                },
            );
        });
        &self.embeddings
    }

    fn backward(&mut self, params: &[f32], _segments: &dyn Segments, d_embeddings: &[f32], grads: &mut [f32]) {
        let network = self.network;
        let dims = network.dims();
        assert_eq!(d_embeddings.len(), self.embeddings.len(), "one gradient for each embedding of the forward pass");
        let pack = |conv: &Conv| Conv2dGradWeights::pack(network.isa, &conv.shape, &params[conv.weight.clone()]);
        let packed: Vec<[Conv2dGradWeights; 2]> =
            network.blocks.iter().map(|convs| [0, 1].map(|at| pack(&convs[at]))).collect();
        let size = network.params.len();
        self.shards.clear();
        self.shards.resize(self.stashes.len().div_ceil(SHARD) * size, 0.0);
        self.shards.par_chunks_exact_mut(size).enumerate().for_each(|(shard, grads)| {
            let first = shard * SHARD;
            for index in first..(first + SHARD).min(self.stashes.len()) {
                let [embedding, slope] = [&self.embeddings, d_embeddings].map(|rows| &rows[index * dims..][..dims]);
                network.rooms.with(
                    || Room::new(network),
                    |room| {
                        let stash = &self.stashes[index];
                        network.backward_one((params, &packed), stash, (embedding, slope), &mut room.scratch, grads);
                    },
                );
            }
        });
        for shard in self.shards.chunks_exact(size) {
            grads.iter_mut().zip(shard).for_each(|(grad, part)| *grad += part);
        }
    }
}

impl ResidualCnn {
    fn backward_one(
        &self,
        (params, packed): (&[f32], &[[Conv2dGradWeights; 2]]),
        Stash { trace, inverse_norm }: &Stash,
        (embedding, slope): (&[f32], &[f32]),
        scratch: &mut Conv2dScratch,
        grads: &mut [f32],
    ) {
        let isa = self.isa;
        let mut d_head = slope.to_vec();
        kernels::normalise_grad(isa, embedding, *inverse_norm, &mut d_head);
        let activation: Vec<f32> = embedding.iter().map(|y| y / inverse_norm).collect();
        kernels::tanh_grad(isa, &activation, &mut d_head);
        let mut d_features = vec![0.0; self.spec.channels];
        let (dw, db) = two(grads, &self.dense, &self.dense_bias);
        kernels::dense_grad(isa, &trace.features, &params[self.dense.clone()], &d_head, dw, db, &mut d_features);
        let mut dy = vec![0.0; self.last().len()];
        kernels::mean_pool_grad(self.last(), &d_features, &mut dy);
        let mut weight_grad = |conv: &Conv, x: &[f32], dy: &[f32], scratch: &mut Conv2dScratch| {
            let (dw, db) = two(grads, &conv.weight, &conv.bias);
            kernels::conv2d_weight_grad(isa, &conv.shape, x, dy, dw, db, scratch);
        };
        for (((convs, packed), block), pool) in self.blocks.iter().zip(packed).zip(&trace.blocks).zip(&self.pools).rev()
        {
            let BlockTrace { argmax, x, hidden, y } = block;
            kernels::relu_grad(isa, y, &mut dy);
            weight_grad(&convs[1], hidden, &dy, scratch);
            let mut d_hidden = vec![0.0; hidden.len()];
            kernels::conv2d_input_grad(isa, &packed[1], &dy, &mut d_hidden, scratch);
            kernels::relu_grad(isa, hidden, &mut d_hidden);
            weight_grad(&convs[0], x, &d_hidden, scratch);
            let mut dx = vec![0.0; x.len()];
            kernels::conv2d_input_grad(isa, &packed[0], &d_hidden, &mut dx, scratch);
            dx.iter_mut().zip(&dy).for_each(|(dx, passed_on)| *dx += passed_on);
            dy = vec![0.0; pool.input().len()];
            kernels::max_pool_grad(pool, argmax, &dx, &mut dy);
        }
        kernels::relu_grad(isa, &trace.stem, &mut dy);
        weight_grad(&self.stem, &trace.x, &dy, scratch);
    }
}

/// A weight gradient and the bias gradient that follows it in the flat buffer.
fn two<'a>(grads: &'a mut [f32], weight: &Range<usize>, bias: &Range<usize>) -> (&'a mut [f32], &'a mut [f32]) {
    debug_assert_eq!(weight.end, bias.start, "a bias follows its weight");
    grads[weight.start..bias.end].split_at_mut(weight.len())
}
