//! A training step of the ranking network: forward and backward, block by block over the whole batch.

use homonym_kernels as kernels;
use kernels::{Conv2dGradWeights, Conv2dScratch, GemmScratch};
use rayon::prelude::*;

use super::{Block, RankCnn};
use crate::models::{Network as _, Segments, TrainingPass};

/// Values that a convolution writes at a time, about; one segment at least.
const AT_ONCE: usize = 1 << 23;
/// Shards of a batch, whose weight gradients are added in order, and values of all these gradients, at most: fixed, so that
/// the result does not depend on the thread count.
const SHARDS: usize = 8;
const SHARD_VALUES: usize = 1 << 25;

/// What the backward pass of a block needs of its forward pass, for the whole batch.
#[derive(Default)]
struct Stash {
    /// What the convolution read.
    x: Vec<f32>,
    /// Pixels of the maxima.
    argmax: Vec<u32>,
}

/// The forward and backward pass of a batch.
pub(super) struct Pass<'a> {
    network: &'a RankCnn,
    stashes: Vec<Stash>,
    /// What the last block wrote.
    last: Vec<f32>,
    /// Behind the dense layer, and behind its pooling where there is one.
    rows: Vec<f32>,
    pooled: Vec<f32>,
    embeddings: Vec<f32>,
    inverse_norms: Vec<f32>,
    scratch: GemmScratch,
}

impl<'a> Pass<'a> {
    pub(super) fn new(network: &'a RankCnn) -> Self {
        let [last, rows, pooled, embeddings, inverse_norms] = [(); 5].map(|()| Vec::new());
        let stashes = network.blocks.iter().map(|_| Stash::default()).collect();
        Self { network, stashes, last, rows, pooled, embeddings, inverse_norms, scratch: GemmScratch::default() }
    }
}

impl TrainingPass for Pass<'_> {
    fn forward(&mut self, params: &[f32], segments: &dyn Segments, _noise: (u64, u64)) -> &[f32] {
        let network = self.network;
        let packed = network.pack(params);
        let mut x = read(network, segments);
        for ((block, packed), stash) in network.blocks.iter().zip(&packed).zip(&mut self.stashes) {
            stash.x = x;
            let (read, wide, narrow) = block.sizes();
            let mut y = vec![0.0; segments.count() * narrow];
            stash.argmax.resize(y.len(), 0);
            let together = block.at_once();
            y.par_chunks_mut(together * narrow)
                .zip(stash.argmax.par_chunks_mut(together * narrow))
                .zip(stash.x.par_chunks(together * read))
                .for_each_init(Room::default, |Room { scratch, values }, ((y, argmax), x)| {
                    values.resize(x.len() / read * wide, 0.0);
                    kernels::conv2d(network.isa, packed, x, values, scratch);
                    kernels::max_pool(network.isa, &block.pool, values, y, Some(argmax));
                    kernels::relu(network.isa, y);
                });
            x = y;
        }
        self.last = x;
        (self.rows, self.pooled) = network.head(params, &self.last, &mut self.scratch);
        self.embeddings.clone_from(&self.pooled);
        self.inverse_norms = network.finish(&mut self.embeddings);
        &self.embeddings
    }

    fn backward(&mut self, params: &[f32], _segments: &dyn Segments, d_embeddings: &[f32], grads: &mut [f32]) {
        let network = self.network;
        assert_eq!(d_embeddings.len(), self.embeddings.len(), "one gradient for each embedding of the forward pass");
        let mut dy = self.head_grad(params, d_embeddings, grads);
        let mut y = &self.last;
        for (index, (block, stash)) in network.blocks.iter().zip(&self.stashes).enumerate().rev() {
            kernels::relu_grad(network.isa, y, &mut dy);
            dy = convolution_grad(network, block, params, stash, &dy, grads, index > 0);
            y = &stash.x;
        }
    }
}

impl Pass<'_> {
    /// From the gradient of the embeddings to that of what the last block wrote.
    fn head_grad(&mut self, params: &[f32], d_embeddings: &[f32], grads: &mut [f32]) -> Vec<f32> {
        let (network, dims) = (self.network, self.network.dims());
        let mut d_rows = d_embeddings.to_vec();
        if self.inverse_norms.is_empty() {
            d_rows.iter_mut().zip(&self.embeddings).for_each(|(d, y)| *d *= y * (1.0 - y));
        } else {
            let points = d_rows.chunks_exact_mut(dims).zip(self.embeddings.chunks_exact(dims)).zip(&self.inverse_norms);
            points.for_each(|((d, y), &inverse)| kernels::normalise_grad(network.isa, y, inverse, d));
        }
        if let Some(alpha) = &network.alpha {
            let d_pooled = std::mem::replace(&mut d_rows, vec![0.0; self.rows.len()]);
            let (times, exponents) = (network.last().rows, &params[alpha.clone()]);
            let (x, y, d_alpha) = (&self.rows, &self.pooled, &mut grads[alpha.clone()]);
            kernels::auto_pool_grad(network.isa, times, exponents, x, y, &d_pooled, d_alpha, &mut d_rows);
        }
        let mut dx = vec![0.0; self.last.len()];
        let (w, [dw, db]) = (&params[network.dense.clone()], parts(grads, &network.dense, &network.dense_bias));
        kernels::dense_batch_grad(network.isa, &self.last, w, &d_rows, dw, db, &mut dx, &mut self.scratch);
        dx
    }
}

impl Block {
    /// Values of an image that the convolution reads, that it writes, and that the pool writes.
    fn sizes(&self) -> (usize, usize, usize) {
        (self.conv.input().len(), self.conv.output().len(), self.pool.output().len())
    }

    /// Segments that are convolved together.
    fn at_once(&self) -> usize {
        (AT_ONCE / self.conv.output().len()).max(1)
    }
}

/// What one thread needs at a time in training.
#[derive(Default)]
struct Room {
    scratch: Conv2dScratch,
    /// What a convolution writes, or its gradient.
    values: Vec<f32>,
}

/// All segments, compressed and mapped.
fn read(network: &RankCnn, segments: &dyn Segments) -> Vec<f32> {
    let size = network.frames * network.bands;
    let mut x = vec![0.0; segments.count() * size];
    x.par_chunks_exact_mut(size).enumerate().for_each_init(
        || RankCnn::input(network),
        |input, (index, x)| x.copy_from_slice(input.read(segments, index, &network.standardisation)),
    );
    x
}

/// The gradients of a layer's weights and biases, which lie one after the other.
fn parts<'g>(
    grads: &'g mut [f32],
    weights: &std::ops::Range<usize>,
    biases: &std::ops::Range<usize>,
) -> [&'g mut [f32]; 2] {
    grads.get_disjoint_mut([weights.clone(), biases.clone()]).expect("two parameters of the table")
}

/// From the gradient behind the pool to that of what the convolution read, where `further` blocks need it; adds those of the
/// parameters.
fn convolution_grad(
    network: &RankCnn,
    block: &Block,
    params: &[f32],
    stash: &Stash,
    dy: &[f32],
    grads: &mut [f32],
    further: bool,
) -> Vec<f32> {
    let (read, wide, narrow) = block.sizes();
    let (weights, count) = (block.weight.len(), dy.len() / narrow);
    let size = weights + block.bias.len();
    let shard = count.div_ceil((SHARD_VALUES / size).clamp(1, SHARDS));
    let packed = further.then(|| Conv2dGradWeights::pack(network.isa, &block.conv, &params[block.weight.clone()]));
    let mut dx = vec![0.0; if further { stash.x.len() } else { 0 }];
    // One for each shard, also where nothing further is wanted.
    let mut dx_shards: Vec<&mut [f32]> = dx.chunks_mut(shard * read).collect();
    dx_shards.resize_with(count.div_ceil(shard), Default::default);
    let mut shards = vec![0.0; count.div_ceil(shard) * size];
    shards
        .par_chunks_exact_mut(size)
        .zip(dx_shards)
        .zip(dy.par_chunks(shard * narrow).zip(stash.argmax.par_chunks(shard * narrow)))
        .zip(stash.x.par_chunks(shard * read))
        .for_each_init(Room::default, |Room { scratch, values }, (((grads, dx), (dy, argmax)), x)| {
            let (dw, db) = grads.split_at_mut(weights);
            let together = block.at_once();
            let jobs = dy.chunks(together * narrow).zip(argmax.chunks(together * narrow));
            let mut dx = dx.chunks_mut(together * read);
            for ((dy, argmax), x) in jobs.zip(x.chunks(together * read)) {
                values.resize(x.len() / read * wide, 0.0);
                kernels::max_pool_grad(&block.pool, argmax, dy, values);
                kernels::conv2d_weight_grad(network.isa, &block.conv, x, values, dw, db, scratch);
                if let (Some(packed), Some(dx)) = (&packed, dx.next()) {
                    kernels::conv2d_input_grad(network.isa, packed, values, dx, scratch);
                }
            }
        });
    for shard in shards.chunks_exact(size) {
        let (dw, db) = shard.split_at(weights);
        for (sum, part) in parts(grads, &block.weight, &block.bias).into_iter().zip([dw, db]) {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    }
    dx
}
