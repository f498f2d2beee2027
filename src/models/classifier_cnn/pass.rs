//! A training step of the classifier's network: forward and backward, block by block over the whole batch, because every
//! normalisation needs the moments of all segments.

use homonym_kernels as kernels;
use kernels::{BatchNorm, Conv2dGradWeights, Conv2dScratch, Moments};
use rayon::prelude::*;

use super::{Block, COMPRESSION, ClassifierCnn};
use crate::models::input::Input;
use crate::models::{Network as _, Segments, TrainingPass};

/// Segments that one thread takes at a time, whose moments and gradients are merged in order: fixed, so that the result
/// does not depend on the thread count.
const SHARD: usize = 4;

/// What the backward pass of a block needs of its forward pass, for the whole batch.
#[derive(Default)]
struct Stash {
    /// What the convolution read and wrote.
    x: Vec<f32>,
    z: Vec<f32>,
    /// Pixels of the maxima.
    argmax: Vec<u32>,
    mean: Vec<f32>,
    inverse: Vec<f32>,
    /// Moments of the batch.
    moments: Option<Moments>,
}

/// The forward and backward pass of a batch.
pub(super) struct Pass<'a> {
    network: &'a ClassifierCnn,
    stashes: Vec<Stash>,
    /// What the last block wrote.
    last: Vec<f32>,
    embeddings: Vec<f32>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(network: &'a ClassifierCnn) -> Self {
        let stashes = network.blocks.iter().map(|_| Stash::default()).collect();
        Self { network, stashes, last: Vec::new(), embeddings: Vec::new() }
    }
}

impl TrainingPass for Pass<'_> {
    fn forward(&mut self, params: &[f32], segments: &dyn Segments, _noise: (u64, u64)) -> &[f32] {
        let network = self.network;
        let count = segments.count();
        let packed = network.pack(params);
        let mut x = read(network, segments);
        for ((block, packed), stash) in network.blocks.iter().zip(&packed).zip(&mut self.stashes) {
            stash.x = x;
            let (read, wide, narrow) = (block.conv.input().len(), block.wide().len(), block.output().len());
            stash.z.resize(count * wide, 0.0);
            let moments: Vec<Moments> = stash
                .z
                .par_chunks_mut(SHARD * wide)
                .zip(stash.x.par_chunks(SHARD * read))
                .map_init(Conv2dScratch::default, |scratch, (z, x)| {
                    kernels::conv2d(network.isa, packed, x, z, scratch);
                    let mut moments = Moments::new(block.wide().channels);
                    moments.add(network.isa, z);
                    moments
                })
                .collect();
            let mut all = Moments::new(block.wide().channels);
            moments.iter().for_each(|shard| all.merge(shard));
            stash.mean = all.means().iter().map(|&mean| mean as f32).collect();
            stash.inverse = all.variances().map(|variance| network.inverse(variance)).collect();
            stash.moments = Some(all);
            let norm = block.norm(params, &stash.mean, &stash.inverse);
            let mut y = vec![0.0; count * narrow];
            stash.argmax.resize(if block.pool.is_some() { y.len() } else { 0 }, 0);
            match &block.pool {
                Some(pool) => y
                    .par_chunks_mut(SHARD * narrow)
                    .zip(stash.argmax.par_chunks_mut(SHARD * narrow))
                    .zip(stash.z.par_chunks(SHARD * wide))
                    .for_each_init(Vec::new, |normal, ((y, argmax), z)| {
                        normal.resize(z.len(), 0.0);
                        kernels::batch_norm(network.isa, &norm, z, normal);
                        kernels::max_pool(network.isa, pool, normal, y, Some(argmax));
                        kernels::relu(network.isa, y);
                    }),
                None => {
                    let shards = y.par_chunks_mut(SHARD * wide).zip(stash.z.par_chunks(SHARD * wide));
                    shards.for_each(|(y, z)| {
                        kernels::batch_norm(network.isa, &norm, z, y);
                        kernels::relu(network.isa, y);
                    });
                }
            }
            x = y;
        }
        self.last = x;
        self.embeddings.resize(count * network.dims(), 0.0);
        kernels::mean_pool(network.isa, network.last(), &self.last, &mut self.embeddings);
        &self.embeddings
    }

    fn backward(&mut self, params: &[f32], _segments: &dyn Segments, d_embeddings: &[f32], grads: &mut [f32]) {
        let network = self.network;
        assert_eq!(d_embeddings.len(), self.embeddings.len(), "one gradient for each embedding of the forward pass");
        let mut dy = vec![0.0; self.last.len()];
        kernels::mean_pool_grad(network.last(), d_embeddings, &mut dy);
        let mut y = &self.last;
        for (index, (block, stash)) in network.blocks.iter().zip(&self.stashes).enumerate().rev() {
            kernels::relu_grad(network.isa, y, &mut dy);
            let norm = block.norm(params, &stash.mean, &stash.inverse);
            let dz = normalisation_grad(network, block, stash, &norm, dy, grads);
            dy = convolution_grad(network, block, params, &stash.x, &dz, grads, index > 0);
            y = &stash.x;
        }
    }

    fn settle(&self, params: &mut [f32]) {
        let keep = self.network.spec.momentum;
        for (block, stash) in self.network.blocks.iter().zip(&self.stashes) {
            let Some(moments) = &stash.moments else { continue };
            let means = moments.means().iter().copied();
            blend(&mut params[block.mean.clone()], means, keep);
            blend(&mut params[block.variance.clone()], moments.variances(), keep);
        }
    }
}

/// All segments, compressed and normalised.
fn read(network: &ClassifierCnn, segments: &dyn Segments) -> Vec<f32> {
    let size = network.frames * network.bands;
    let mut x = vec![0.0; segments.count() * size];
    x.par_chunks_exact_mut(size).enumerate().for_each_init(
        || Input::new(network.isa, COMPRESSION, network.frames, network.bands),
        |input, (index, x)| x.copy_from_slice(input.read(segments, index, &network.standardisation)),
    );
    x
}

/// From the gradient behind the pool to that of what the convolution wrote.
fn normalisation_grad(
    network: &ClassifierCnn,
    block: &Block,
    stash: &Stash,
    norm: &BatchNorm<'_>,
    dy: Vec<f32>,
    grads: &mut [f32],
) -> Vec<f32> {
    let (wide, narrow, channels) = (block.wide().len(), block.output().len(), block.wide().channels);
    let mut dz = match &block.pool {
        Some(pool) => {
            let mut dz = vec![0.0; stash.z.len()];
            dz.par_chunks_mut(SHARD * wide)
                .zip(dy.par_chunks(SHARD * narrow))
                .zip(stash.argmax.par_chunks(SHARD * narrow))
                .for_each(|((dz, dy), argmax)| kernels::max_pool_grad(pool, argmax, dy, dz));
            dz
        }
        None => dy,
    };
    let shards = dz.par_chunks(SHARD * wide).zip(stash.z.par_chunks(SHARD * wide));
    let sums: Vec<[Vec<f64>; 2]> = shards
        .map(|(dz, z)| {
            let [mut dgain, mut dshift] = [(); 2].map(|()| vec![0.0; channels]);
            kernels::batch_norm_sums(network.isa, norm, z, dz, &mut dgain, &mut dshift);
            [dgain, dshift]
        })
        .collect();
    let total = |which: usize| {
        let mut total = vec![0.0; channels];
        sums.iter().for_each(|shard| total.iter_mut().zip(&shard[which]).for_each(|(total, sum)| *total += sum));
        total
    };
    let (dgain, dshift) = (total(0), total(1));
    for (range, sums) in [(&block.gain, &dgain), (&block.shift, &dshift)] {
        grads[range.clone()].iter_mut().zip(sums).for_each(|(grad, &sum)| *grad += sum as f32);
    }
    let rows = stash.z.len() / channels;
    dz.par_chunks_mut(SHARD * wide).zip(stash.z.par_chunks(SHARD * wide)).for_each(|(dz, z)| {
        kernels::batch_norm_grad(network.isa, norm, z, (&dgain, &dshift, rows), dz);
    });
    dz
}

/// Adds the gradients of a convolution's parameters; returns that of its input where `further` blocks need it.
fn convolution_grad(
    network: &ClassifierCnn,
    block: &Block,
    params: &[f32],
    x: &[f32],
    dz: &[f32],
    grads: &mut [f32],
    further: bool,
) -> Vec<f32> {
    let (read, wide) = (block.conv.input().len(), block.wide().len());
    let (weights, biases) = (block.weight.len(), block.bias.len());
    let size = weights + biases;
    let mut shards = vec![0.0; (dz.len() / wide).div_ceil(SHARD) * size];
    shards.par_chunks_exact_mut(size).zip(dz.par_chunks(SHARD * wide).zip(x.par_chunks(SHARD * read))).for_each_init(
        Conv2dScratch::default,
        |scratch, (shard, (dz, x))| {
            let (dw, db) = shard.split_at_mut(weights);
            kernels::conv2d_weight_grad(network.isa, &block.conv, x, dz, dw, db, scratch);
        },
    );
    for shard in shards.chunks_exact(size) {
        let (dw, db) = shard.split_at(weights);
        for (range, part) in [(&block.weight, dw), (&block.bias, db)] {
            grads[range.clone()].iter_mut().zip(part).for_each(|(grad, part)| *grad += part);
        }
    }
    if !further {
        return Vec::new();
    }
    let packed = Conv2dGradWeights::pack(network.isa, &block.conv, &params[block.weight.clone()]);
    let mut dx = vec![0.0; x.len()];
    let jobs = dx.par_chunks_mut(SHARD * read).zip(dz.par_chunks(SHARD * wide));
    jobs.for_each_init(Conv2dScratch::default, |scratch, (dx, dz)| {
        kernels::conv2d_input_grad(network.isa, &packed, dz, dx, scratch);
    });
    dx
}

/// `old ← keep·old + (1 − keep)·new`.
fn blend(old: &mut [f32], new: impl Iterator<Item = f64>, keep: f32) {
    old.iter_mut().zip(new).for_each(|(old, new)| *old = keep * *old + (1.0 - keep) * new as f32);
}
