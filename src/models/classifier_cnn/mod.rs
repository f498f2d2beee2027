//! The baseline's network (Park et al. 2018): one-dimensional convolutions over time on the normalised log-mel spectrogram,
//! each with batch normalisation, ReLU and max-pooling. Its embedding is the mean over time of the last block.
//!
//! ```text
//! frames × bands ─ log10(1 + 10·x), normalised ─ 128, k4, pool 4 ─ 128, k4, pool 4 ─ 128, k4, pool 4 ─ 128, k2, pool 2 ─ 256, k1 ─ mean
//!    129 × 128                                     32 × 128          8 × 128           2 × 128           1 × 128          1 × 256   256
//! ```
//! The bands are the channels of the first convolution; padding is TensorFlow's "same". A batch is normalised as a whole in
//! training and by running statistics afterwards, which are parameters that no gradient reaches.

mod pass;

use std::ops::Range;

use homonym_kernels as kernels;
use kernels::{BatchNorm, Conv2d, Conv2dScratch, Conv2dWeights, Grid, Isa, MaxPool, Padding};
use pass::Pass;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::input::Input;
use super::{
    Arithmetic, LARGEST_EMBEDDING, Layer, Network, Segments, Standardisation, TrainingPass, f32_only, lasting,
    moments_over_time, read_out,
};
use crate::frontend::Recipe;
use crate::nn::{Init, ParamTable, Pool};
use crate::{Error, Result};

/// Output channels, kernel and pool of the blocks before the last.
const BLOCKS: [(usize, usize, usize); 4] = [(128, 4, 4), (128, 4, 4), (128, 4, 4), (128, 2, 2)];
/// Frames of a segment at least: what all pools together make one of.
const LEAST_FRAMES: usize = 128;
/// Factors within and before the natural logarithm: `log10(1 + 10·x)`.
const COMPRESSION: (f32, f32) = (10.0, std::f32::consts::LOG10_E);

/// Settings of the network; the defaults are the published ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierCnnSpec {
    /// Values of an embedding: channels of the last block.
    pub dims: usize,
    /// Share of the old in the running statistics of the batch normalisation.
    pub momentum: f32,
    /// Added to variances before the root.
    pub epsilon: f32,
}

impl Default for ClassifierCnnSpec {
    fn default() -> Self {
        Self { dims: 256, momentum: 0.99, epsilon: 1e-3 }
    }
}

impl ClassifierCnnSpec {
    fn validate(&self) -> Result<()> {
        let checks = [
            ((1..=LARGEST_EMBEDDING).contains(&self.dims), "dims", "must be within 1..=65536"),
            ((0.0..1.0).contains(&self.momentum), "momentum", "must be within 0..1"),
            (self.epsilon > 0.0 && self.epsilon.is_finite(), "epsilon", "must be positive"),
        ];
        match checks.into_iter().find(|(good, ..)| !good) {
            Some((_, name, problem)) => Err(Error::setting(name, problem)),
            None => Ok(()),
        }
    }

    /// The map that brings all values of the compressed `segments` together to mean 0 and deviation 1.
    pub(super) fn fit_input(&self, segments: &dyn Segments, frames: usize, bands: usize) -> Result<Standardisation> {
        Ok(Input::new(Isa::chosen()?, COMPRESSION, frames, bands).fit(segments))
    }

    /// Refuses features that are not magnitudes.
    pub(super) fn check_front_end(&self, recipe: &Recipe) -> Result<()> {
        if recipe.power == 1.0 {
            return Ok(());
        }
        let found = format!("magnitudes to the power of {}", recipe.power);
        let advice = "extract a store of its own for it with `homonym extract --preset classifier`";
        Err(Error::input("the features for the classifier's network", "magnitudes (power 1)", found, advice))
    }
}

/// One block: where its parameters are, and the shapes of its steps.
struct Block {
    conv: Conv2d,
    /// None in the last block.
    pool: Option<MaxPool>,
    weight: Range<usize>,
    bias: Range<usize>,
    gain: Range<usize>,
    shift: Range<usize>,
    mean: Range<usize>,
    variance: Range<usize>,
}

impl Block {
    /// What the convolution writes.
    fn wide(&self) -> Grid {
        self.conv.output()
    }

    /// What the block writes.
    fn output(&self) -> Grid {
        self.pool.as_ref().map_or(self.wide(), MaxPool::output)
    }

    fn norm<'p>(&self, params: &'p [f32], mean: &'p [f32], inverse: &'p [f32]) -> BatchNorm<'p> {
        BatchNorm { mean, inverse, gain: &params[self.gain.clone()], shift: &params[self.shift.clone()] }
    }
}

/// The network for one size of segment.
pub struct ClassifierCnn {
    spec: ClassifierCnnSpec,
    isa: Isa,
    frames: usize,
    bands: usize,
    standardisation: Standardisation,
    blocks: Vec<Block>,
    params: ParamTable,
    rooms: Pool<Room>,
}

impl ClassifierCnn {
    /// The network for segments of `frames × bands`.
    pub fn new(spec: ClassifierCnnSpec, frames: usize, bands: usize, standardisation: Standardisation) -> Result<Self> {
        if frames < LEAST_FRAMES {
            let problem =
                format!("{frames} frames are too few for the pools of the network; use at least {LEAST_FRAMES}");
            return Err(Error::setting("segment", problem));
        }
        spec.validate()?;
        assert_eq!(standardisation.scale.len(), bands, "one scale a band");
        let mut params = ParamTable::default();
        let mut input = Grid { rows: frames, cols: 1, channels: bands };
        let last = (spec.dims, 1, 1);
        let mut blocks: Vec<Block> = Vec::new();
        for (index, &(outputs, kernel, pool)) in BLOCKS.iter().chain([&last]).enumerate() {
            let padding = Padding::same(input, [kernel, 1], [1, 1]);
            let conv = Conv2d::new(input, outputs, [kernel, 1], [1, 1], padding);
            let mut add =
                |name: &str, shape: &[usize], init| params.add(&format!("block{}.{name}", index + 1), shape, init);
            let fan_in = kernel * input.channels;
            let block = Block {
                conv,
                pool: (pool > 1).then(|| MaxPool::new(conv.output(), [pool, 1], [pool, 1])),
                weight: add("weight", &[outputs, kernel, input.channels], Init::He { fan_in }),
                bias: add("bias", &[outputs], Init::Zero),
                gain: add("gain", &[outputs], Init::One),
                shift: add("shift", &[outputs], Init::Zero),
                mean: add("mean", &[outputs], Init::Zero),
                variance: add("variance", &[outputs], Init::One),
            };
            input = block.output();
            blocks.push(block);
        }
        let isa = Isa::chosen()?;
        Ok(Self { spec, isa, frames, bands, standardisation, blocks, params, rooms: Pool::new() })
    }

    fn last(&self) -> Grid {
        self.blocks[self.blocks.len() - 1].output()
    }

    /// The last block that still has several moments in time, and what it puts out.
    fn lasting(&self) -> (usize, Grid) {
        lasting(self.blocks.iter().map(Block::output))
    }

    fn pack(&self, params: &[f32]) -> Vec<Conv2dWeights> {
        let pack = |block: &Block| {
            Conv2dWeights::pack(self.isa, &block.conv, &params[block.weight.clone()], &params[block.bias.clone()])
        };
        self.blocks.iter().map(pack).collect()
    }

    fn inverse(&self, variance: f64) -> f32 {
        (1.0 / (variance + f64::from(self.spec.epsilon)).sqrt()) as f32
    }
}

impl Network for ClassifierCnn {
    fn params(&self) -> &ParamTable {
        &self.params
    }

    fn input(&self) -> (usize, usize) {
        (self.frames, self.bands)
    }

    fn dims(&self) -> usize {
        self.spec.dims
    }

    /// As many as of the embedding: the maximum over time of the last block instead of its mean.
    fn features(&self) -> usize {
        self.spec.dims
    }

    fn moments(&self) -> usize {
        2 * self.lasting().1.channels
    }

    fn embed(&self, params: &[f32], segments: &dyn Segments, layer: Layer) -> Vec<f32> {
        let packed = self.pack(params);
        let inverses = |block: &Block| {
            params[block.variance.clone()].iter().map(|&variance| self.inverse(f64::from(variance))).collect()
        };
        let inverses: Vec<Vec<f32>> = self.blocks.iter().map(inverses).collect();
        let width = layer.width(self);
        let mut out = vec![0.0; segments.count() * width];
        out.par_chunks_exact_mut(width).enumerate().for_each(|(index, out)| {
            self.rooms.with(
                || Room::new(self),
                |room| {
                    let Room { input, scratch, convolved, wide, narrow } = room;
                    let mut x: &[f32] = input.read(segments, index, &self.standardisation);
                    for (((block, packed), inverse), (wide, narrow)) in
                        self.blocks.iter().zip(&packed).zip(&inverses).zip(wide.iter_mut().zip(narrow.iter_mut()))
                    {
                        let convolved = &mut convolved[..wide.len()];
                        kernels::conv2d(self.isa, packed, x, convolved, scratch);
                        let norm = block.norm(params, &params[block.mean.clone()], inverse);
                        kernels::batch_norm(self.isa, &norm, convolved, wide);
                        match &block.pool {
                            Some(pool) => kernels::max_pool(self.isa, pool, wide, narrow, None),
                            None => narrow.copy_from_slice(wide),
                        }
                        kernels::relu(self.isa, narrow);
                        x = narrow;
                    }
                    self.read_out(narrow, layer, out);
                },
            );
        });
        out
    }

    fn compute_in(&mut self, arithmetic: Arithmetic) -> Result<()> {
        f32_only(arithmetic, "the classifier's network")
    }

    fn training_pass(&self) -> Box<dyn TrainingPass + '_> {
        Box::new(Pass::new(self))
    }
}

impl ClassifierCnn {
    /// Mean and maximum over time of the last block, or the moments of one before it, whichever the layer asks for.
    fn read_out(&self, blocks: &[Vec<f32>], layer: Layer, out: &mut [f32]) {
        let (grid, x) = (self.last(), &blocks[blocks.len() - 1][..]);
        read_out(
            layer,
            self.spec.dims,
            out,
            |mean| kernels::mean_pool(self.isa, grid, x, mean),
            |largest| {
                let whole = MaxPool::new(grid, [grid.rows, 1], [1, 1]);
                kernels::max_pool(self.isa, &whole, x, largest, None);
            },
            |moments| {
                let (index, grid) = self.lasting();
                moments_over_time(blocks[index].chunks_exact(grid.channels), moments);
            },
        );
    }
}

/// What one thread needs at a time for inference.
struct Room {
    input: Input,
    scratch: Conv2dScratch,
    /// What a convolution writes: as much as the largest.
    convolved: Vec<f32>,
    /// Behind the normalisation of each block, and behind its pool.
    wide: Vec<Vec<f32>>,
    narrow: Vec<Vec<f32>>,
}

impl Room {
    fn new(network: &ClassifierCnn) -> Self {
        let largest = network.blocks.iter().map(|block| block.wide().len()).max().unwrap_or(0);
        Self {
            input: Input::new(network.isa, COMPRESSION, network.frames, network.bands),
            scratch: Conv2dScratch::default(),
            convolved: vec![0.0; largest],
            wide: network.blocks.iter().map(|block| vec![0.0; block.wide().len()]).collect(),
            narrow: network.blocks.iter().map(|block| vec![0.0; block.output().len()]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trunk_has_the_published_number_of_parameters() {
        let network =
            ClassifierCnn::new(ClassifierCnnSpec::default(), 129, 128, Standardisation::identity(128)).unwrap();
        assert_eq!(network.params().len(), 265_984);
        assert_eq!(network.last().rows, 1);
        let error = ClassifierCnn::new(ClassifierCnnSpec::default(), 127, 128, Standardisation::identity(128));
        assert!(error.err().unwrap().to_string().contains("127 frames"));
    }
}
