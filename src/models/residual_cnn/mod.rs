//! The tower of Triplet MatchNet (Lu, Wu, Duan and Zhang, ICASSP 2017): residual blocks of one-dimensional convolutions over
//! the few frames of a patch. The slides name no sizes; these are settings.
//!
//! ```text
//! frames × bands ─ log, normalised ─ conv 3, ReLU, pool 2 ─ [ x + conv 3(ReLU(conv 3(x))), ReLU, pool 2 ] × blocks ─ mean over time ─ dense ─ tanh ─ ‖·‖
//!    43 × 128                          21 × 64                10 × 64 … 2 × 64                              64            d
//! ```
//! The bands are the channels of the first convolution; there is no pool behind the last block.

mod pass;

use std::ops::Range;

use homonym_kernels as kernels;
use kernels::{Conv2d, Conv2dScratch, Conv2dWeights, Grid, Isa, MaxPool, Padding};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::input::Input;
use super::{
    Arithmetic, LARGEST_EMBEDDING, Layer, Network, Segments, Standardisation, TrainingPass, f32_only,
    moments_over_time, read_out,
};
use crate::nn::{Init, ParamTable, Pool};
use crate::{Error, Result};
use pass::{Pass, Trace};

/// Frames that a kernel sees.
const KERNEL: [usize; 2] = [3, 1];
/// Frames that a pool makes one of.
const POOL: [usize; 2] = [2, 1];
/// Factors within and before the logarithm: `ln(1 + 10⁴·x)`.
const COMPRESSION: (f32, f32) = (1e4, 1.0);

/// Settings of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResidualCnnSpec {
    /// Values of an embedding.
    pub dims: usize,
    /// Channels of all convolutions.
    pub channels: usize,
    /// Residual blocks.
    pub blocks: usize,
}

impl Default for ResidualCnnSpec {
    fn default() -> Self {
        Self { dims: 32, channels: 64, blocks: 3 }
    }
}

impl ResidualCnnSpec {
    fn validate(&self) -> Result<()> {
        let checks = [
            ((1..=LARGEST_EMBEDDING).contains(&self.dims), "dims", "must be within 1..=65536"),
            ((1..=4096).contains(&self.channels), "channels", "must be within 1..=4096"),
            ((1..=16).contains(&self.blocks), "blocks", "must be within 1..=16"),
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
}

/// A convolution, and where its parameters are.
struct Conv {
    shape: Conv2d,
    weight: Range<usize>,
    bias: Range<usize>,
}

impl Conv {
    fn new(params: &mut ParamTable, name: &str, input: Grid, outputs: usize, init: fn(usize, usize) -> Init) -> Self {
        let shape = Conv2d::new(input, outputs, KERNEL, [1, 1], Padding::same(input, KERNEL, [1, 1]));
        let init = init(KERNEL[0] * input.channels, KERNEL[0] * outputs);
        let weight = params.add(&format!("{name}.weight"), &[outputs, KERNEL[0], input.channels], init);
        Self { shape, weight, bias: params.add(&format!("{name}.bias"), &[outputs], Init::Zero) }
    }

    fn pack(&self, isa: Isa, params: &[f32]) -> Conv2dWeights {
        Conv2dWeights::pack(isa, &self.shape, &params[self.weight.clone()], &params[self.bias.clone()])
    }
}

/// The network for one size of segment.
pub struct ResidualCnn {
    spec: ResidualCnnSpec,
    isa: Isa,
    frames: usize,
    bands: usize,
    standardisation: Standardisation,
    stem: Conv,
    /// The two convolutions of each block.
    blocks: Vec<[Conv; 2]>,
    /// Behind the stem and each block but the last.
    pools: Vec<MaxPool>,
    params: ParamTable,
    dense: Range<usize>,
    dense_bias: Range<usize>,
    rooms: Pool<Room>,
}

impl ResidualCnn {
    /// The network for segments of `frames × bands`.
    pub fn new(spec: ResidualCnnSpec, frames: usize, bands: usize, standardisation: Standardisation) -> Result<Self> {
        spec.validate()?;
        if frames >> spec.blocks == 0 {
            let problem =
                format!("{frames} frames are too few for {} pools; use at least {}", spec.blocks, 1 << spec.blocks);
            return Err(Error::setting("segment", problem));
        }
        assert_eq!(standardisation.scale.len(), bands, "one scale a band");
        let he = |fan_in, _| Init::He { fan_in };
        // What a block adds begins small beside what it passes on.
        let glorot = |fan_in, fan_out| Init::Glorot { fan_in, fan_out };
        let mut params = ParamTable::default();
        let stem = Conv::new(&mut params, "stem", Grid { rows: frames, cols: 1, channels: bands }, spec.channels, he);
        let mut pools = Vec::new();
        let mut blocks = Vec::new();
        let mut grid = stem.shape.output();
        for block in 1..=spec.blocks {
            let pool = MaxPool::new(grid, POOL, POOL);
            grid = pool.output();
            pools.push(pool);
            let mut conv =
                |name: &str, init| Conv::new(&mut params, &format!("block{block}.{name}"), grid, spec.channels, init);
            blocks.push([conv("first", he), conv("second", glorot)]);
        }
        let init = Init::Glorot { fan_in: spec.channels, fan_out: spec.dims };
        let dense = params.add("dense.weight", &[spec.channels, spec.dims], init);
        let dense_bias = params.add("dense.bias", &[spec.dims], Init::Zero);
        let (isa, rooms) = (Isa::chosen()?, Pool::new());
        Ok(Self { spec, isa, frames, bands, standardisation, stem, blocks, pools, params, dense, dense_bias, rooms })
    }

    fn pack(&self, params: &[f32]) -> Packed {
        Packed {
            stem: self.stem.pack(self.isa, params),
            blocks: self.blocks.iter().map(|convs| [0, 1].map(|at| convs[at].pack(self.isa, params))).collect(),
        }
    }

    /// What the last block writes.
    fn last(&self) -> Grid {
        self.blocks[self.blocks.len() - 1][1].shape.output()
    }

    /// Dense, tanh, projection onto the sphere; returns 1 / ‖tanh‖.
    fn head(&self, params: &[f32], features: &[f32], embedding: &mut [f32]) -> f32 {
        kernels::dense(self.isa, features, &params[self.dense.clone()], &params[self.dense_bias.clone()], embedding);
        kernels::tanh(self.isa, embedding);
        kernels::normalise(self.isa, embedding)
    }
}

/// Weights as the kernels read them.
struct Packed {
    stem: Conv2dWeights,
    blocks: Vec<[Conv2dWeights; 2]>,
}

/// What one thread needs at a time.
struct Room {
    input: Input,
    scratch: Conv2dScratch,
    trace: Trace,
}

impl Room {
    fn new(network: &ResidualCnn) -> Self {
        let input = Input::new(network.isa, COMPRESSION, network.frames, network.bands);
        Self { input, scratch: Conv2dScratch::default(), trace: Trace::new(network) }
    }
}

impl Network for ResidualCnn {
    fn params(&self) -> &ParamTable {
        &self.params
    }

    fn input(&self) -> (usize, usize) {
        (self.frames, self.bands)
    }

    fn dims(&self) -> usize {
        self.spec.dims
    }

    fn features(&self) -> usize {
        self.spec.channels
    }

    /// Those of what the last block writes.
    fn moments(&self) -> usize {
        2 * self.spec.channels
    }

    fn embed(&self, params: &[f32], segments: &dyn Segments, layer: Layer) -> Vec<f32> {
        let packed = self.pack(params);
        let width = layer.width(self);
        let mut out = vec![0.0; segments.count() * width];
        out.par_chunks_exact_mut(width).enumerate().for_each(|(index, out)| {
            self.rooms.with(
                || Room::new(self),
                |Room { input, scratch, trace }| {
                    trace.x.copy_from_slice(input.read(segments, index, &self.standardisation));
                    self.run(&packed, trace, scratch);
                    read_out(
                        layer,
                        self.spec.dims,
                        out,
                        |embedding| {
                            self.head(params, &trace.features, embedding);
                        },
                        |features| features.copy_from_slice(&trace.features),
                        |moments| moments_over_time(trace.last().chunks_exact(self.spec.channels), moments),
                    );
                },
            );
        });
        out
    }

    fn compute_in(&mut self, arithmetic: Arithmetic) -> Result<()> {
        f32_only(arithmetic, "the residual network")
    }

    fn training_pass(&self) -> Box<dyn TrainingPass + '_> {
        Box::new(Pass::new(self))
    }
}
