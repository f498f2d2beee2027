//! The networks of learning to rank (Prétet, Richard and Peeters, ICASSP 2020, Table 1): five 3x3 convolutions with ReLU and
//! max-pooling on the logarithm of the constant-Q power, then a dense layer.
//!
//! ```text
//! frames × bands ─ ln(1 + gain·x) ─ conv, ReLU, pool ─ … ─ conv, ReLU, pool ─ dense ─ [auto-pool over time] ─ output
//!   at, tl         512 × 96         128 × 48 × 128         1 × 1 × 2048       m or d                           1
//!   tl-autopool    512 × 96         256 × 48 × 64         32 × 1 × 1024      32 × d      d
//! ```
//! The output of the auto-tagger is a likelihood for each tag, that of the others a point on the sphere. What the paper leaves
//! to its code is as Keras has it: "same" convolutions, Glorot's initialisation, no dropout, no normalisation of batches.

mod pass;

use std::ops::Range;

use homonym_kernels as kernels;
use kernels::{Conv2d, Conv2dScratch, Conv2dWeights, GemmScratch, Grid, Isa, MaxPool, Padding};
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

/// A column of Table 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RankDesign {
    /// The auto-tagger.
    At,
    /// The triplet-loss network.
    #[default]
    Tl,
    /// The triplet-loss network with auto-pooling.
    TlAutopool,
}

/// What the table says of a design.
struct Column {
    /// Channels of each convolution, and the rows (time) and columns (bands) of the pool behind it.
    blocks: [(usize, [usize; 2]); 5],
    /// Whether time is pooled behind the dense layer.
    autopool: bool,
    /// Whether the output is likelihoods instead of a point on the sphere.
    likelihoods: bool,
}

const WIDE: [(usize, [usize; 2]); 5] = [(128, [4, 2]), (256, [4, 2]), (512, [4, 2]), (1024, [3, 3]), (2048, [2, 4])];
const LONG: [(usize, [usize; 2]); 5] = [(64, [2, 2]), (128, [2, 2]), (256, [2, 2]), (512, [2, 2]), (1024, [1, 6])];

impl RankDesign {
    fn column(self) -> Column {
        match self {
            Self::At => Column { blocks: WIDE, autopool: false, likelihoods: true },
            Self::Tl => Column { blocks: WIDE, autopool: false, likelihoods: false },
            Self::TlAutopool => Column { blocks: LONG, autopool: true, likelihoods: false },
        }
    }
}

/// Settings of the network; the defaults are the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RankCnnSpec {
    /// Which of the paper's networks.
    pub design: RankDesign,
    /// Values of the output: the embedding (`d`), or the number of tags (`m`) of the auto-tagger.
    pub dims: usize,
    /// Factor of all numbers of channels, for small machines.
    pub width: f32,
    /// Gain within the logarithm.
    pub gain: f32,
}

impl Default for RankCnnSpec {
    fn default() -> Self {
        Self { design: RankDesign::default(), dims: 128, width: 1.0, gain: 1e4 }
    }
}

impl RankCnnSpec {
    /// Whether its output is a likelihood for each tag.
    pub(super) fn is_tagger(&self) -> bool {
        self.design.column().likelihoods
    }

    fn validate(&self) -> Result<()> {
        let checks = [
            ((1..=LARGEST_EMBEDDING).contains(&self.dims), "dims", "must be within 1..=65536"),
            (self.width > 0.0 && self.width <= 4.0, "width", "must be within 0..=4"),
            (self.gain > 0.0 && self.gain.is_finite(), "gain", "must be positive"),
        ];
        match checks.into_iter().find(|(good, ..)| !good) {
            Some((_, name, problem)) => Err(Error::setting(name, problem)),
            None => Ok(()),
        }
    }

    /// The map that brings all values of the compressed `segments` together to mean 0 and deviation 1.
    pub(super) fn fit_input(&self, segments: &dyn Segments, frames: usize, bands: usize) -> Result<Standardisation> {
        Ok(Input::new(Isa::chosen()?, (self.gain, 1.0), frames, bands).fit(segments))
    }

    /// Refuses features that are no constant-Q transform.
    pub(super) fn check_front_end(recipe: &Recipe) -> Result<()> {
        if recipe.kind == "cqt" {
            return Ok(());
        }
        let advice = "extract a store of its own for it with `homonym extract --front-end cqt`";
        Err(Error::input("the features for the ranking network", "a constant-Q transform", &recipe.kind, advice))
    }
}

/// One block: its shapes, and where its parameters are.
struct Block {
    conv: Conv2d,
    pool: MaxPool,
    weight: Range<usize>,
    bias: Range<usize>,
}

/// The network for one size of segment.
pub struct RankCnn {
    spec: RankCnnSpec,
    isa: Isa,
    frames: usize,
    bands: usize,
    standardisation: Standardisation,
    blocks: Vec<Block>,
    dense: Range<usize>,
    dense_bias: Range<usize>,
    /// The exponents of the auto-pooling.
    alpha: Option<Range<usize>>,
    params: ParamTable,
    rooms: Pool<Room>,
}

impl RankCnn {
    /// The network for segments of `frames × bands`.
    pub fn new(spec: RankCnnSpec, frames: usize, bands: usize, standardisation: Standardisation) -> Result<Self> {
        spec.validate()?;
        assert_eq!(standardisation.scale.len(), bands, "one scale a band");
        let column = spec.design.column();
        let shrunk = |size, axis: usize| column.blocks.iter().fold(size, |size: usize, (_, pool)| size / pool[axis]);
        let (times, rest) = (shrunk(frames, 0), shrunk(bands, 1));
        if rest != 1 || times == 0 || (times > 1 && !column.autopool) || frames.saturating_mul(bands) > LARGEST_SEGMENT
        {
            let problem = format!("the pools make {times} × {rest} pixels of {frames} frames × {bands} bands");
            let wanted = if column.autopool { "1 band of at least 16" } else { "a single pixel, as of 512" };
            return Err(Error::setting("segment", format!("{problem}; the network needs {wanted} frames × 96 bands")));
        }
        let mut params = ParamTable::default();
        let mut input = Grid { rows: frames, cols: bands, channels: 1 };
        let mut blocks: Vec<Block> = Vec::new();
        for (number, (channels, pool)) in (1..).zip(column.blocks) {
            let outputs = ((channels as f32 * spec.width).round() as usize).max(1);
            let conv = Conv2d::new(input, outputs, [3, 3], [1, 1], Padding::same(input, [3, 3], [1, 1]));
            let pool = MaxPool::new(conv.output(), pool, pool);
            let init = Init::Glorot { fan_in: 9 * input.channels, fan_out: 9 * outputs };
            let weight = params.add(&format!("conv{number}.weight"), &[outputs, 3, 3, input.channels], init);
            let bias = params.add(&format!("conv{number}.bias"), &[outputs], Init::Zero);
            input = pool.output();
            blocks.push(Block { conv, pool, weight, bias });
        }
        let init = Init::Glorot { fan_in: input.channels, fan_out: spec.dims };
        let dense = params.add("dense.weight", &[input.channels, spec.dims], init);
        let dense_bias = params.add("dense.bias", &[spec.dims], Init::Zero);
        let alpha = column.autopool.then(|| params.add("autopool.alpha", &[spec.dims], Init::Zero));
        let (isa, rooms) = (Isa::chosen()?, Pool::new());
        Ok(Self { spec, isa, frames, bands, standardisation, blocks, dense, dense_bias, alpha, params, rooms })
    }

    /// What the last block writes: one band.
    fn last(&self) -> Grid {
        self.blocks[self.blocks.len() - 1].pool.output()
    }

    /// The last block that still has several moments in time, and what it puts out.
    fn lasting(&self) -> (usize, Grid) {
        lasting(self.blocks.iter().map(|block| block.pool.output()))
    }

    fn pack(&self, params: &[f32]) -> Vec<Conv2dWeights> {
        let pack = |block: &Block| {
            Conv2dWeights::pack(self.isa, &block.conv, &params[block.weight.clone()], &params[block.bias.clone()])
        };
        self.blocks.iter().map(pack).collect()
    }

    fn input(&self) -> Input {
        Input::new(self.isa, (self.spec.gain, 1.0), self.frames, self.bands)
    }

    /// The dense layer on each time of the last blocks `x`, then its pooling: n × times × dims and n × dims.
    fn head(&self, params: &[f32], x: &[f32], scratch: &mut GemmScratch) -> (Vec<f32>, Vec<f32>) {
        let Grid { rows: times, channels, .. } = self.last();
        let mut rows = vec![0.0; x.len() / channels * self.spec.dims];
        let (w, b) = (&params[self.dense.clone()], &params[self.dense_bias.clone()]);
        kernels::dense_batch(self.isa, x, w, b, &mut rows, scratch);
        let Some(alpha) = &self.alpha else { return (Vec::new(), rows) };
        let mut pooled = vec![0.0; rows.len() / times];
        kernels::auto_pool(self.isa, times, &params[alpha.clone()], &rows, &mut pooled);
        (rows, pooled)
    }

    /// The output in place: likelihoods, or points on the sphere; returns 1 / ‖x‖ of each.
    fn finish(&self, points: &mut [f32]) -> Vec<f32> {
        if self.spec.is_tagger() {
            // The sigmoid is ½ + ½·tanh(x/2).
            kernels::scale(self.isa, 0.5, points);
            kernels::tanh(self.isa, points);
            points.iter_mut().for_each(|x| *x = 0.5 + 0.5 * *x);
            return Vec::new();
        }
        points.chunks_exact_mut(self.spec.dims).map(|point| kernels::normalise(self.isa, point)).collect()
    }
}

/// Values of a segment at most; four minutes of 96 bands at 43 frames a second are a sixteenth.
const LARGEST_SEGMENT: usize = 1 << 24;

impl Network for RankCnn {
    fn params(&self) -> &ParamTable {
        &self.params
    }

    fn input(&self) -> (usize, usize) {
        (self.frames, self.bands)
    }

    fn dims(&self) -> usize {
        self.spec.dims
    }

    /// Channels of the last block, averaged over time.
    fn features(&self) -> usize {
        self.last().channels
    }

    fn moments(&self) -> usize {
        let (_, grid) = self.lasting();
        2 * grid.cols * grid.channels
    }

    fn embed(&self, params: &[f32], segments: &dyn Segments, layer: Layer) -> Vec<f32> {
        let packed = self.pack(params);
        let width = layer.width(self);
        let mut out = vec![0.0; segments.count() * width];
        out.par_chunks_exact_mut(width).enumerate().for_each(|(index, out)| {
            self.rooms.with(
                || Room::new(self),
                |room| {
                    let Room { input, scratch, gemm, convolved, pooled } = room;
                    let mut x: &[f32] = input.read(segments, index, &self.standardisation);
                    for ((block, packed), pooled) in self.blocks.iter().zip(&packed).zip(pooled.iter_mut()) {
                        let convolved = &mut convolved[..block.conv.output().len()];
                        kernels::conv2d(self.isa, packed, x, convolved, scratch);
                        kernels::max_pool(self.isa, &block.pool, convolved, pooled, None);
                        kernels::relu(self.isa, pooled);
                        x = pooled;
                    }
                    let x = &pooled[pooled.len() - 1][..];
                    read_out(
                        layer,
                        self.spec.dims,
                        out,
                        |embedding| {
                            embedding.copy_from_slice(&self.head(params, x, gemm).1);
                            self.finish(embedding);
                        },
                        |features| kernels::mean_pool(self.isa, self.last(), x, features),
                        |moments| {
                            let (index, grid) = self.lasting();
                            moments_over_time(pooled[index].chunks_exact(grid.cols * grid.channels), moments);
                        },
                    );
                },
            );
        });
        out
    }

    fn compute_in(&mut self, arithmetic: Arithmetic) -> Result<()> {
        f32_only(arithmetic, "the ranking network")
    }

    fn training_pass(&self) -> Box<dyn TrainingPass + '_> {
        Box::new(Pass::new(self))
    }
}

/// What one thread needs at a time for inference.
struct Room {
    input: Input,
    scratch: Conv2dScratch,
    gemm: GemmScratch,
    /// What a convolution writes: as much as the largest.
    convolved: Vec<f32>,
    /// Behind each block.
    pooled: Vec<Vec<f32>>,
}

impl Room {
    fn new(network: &RankCnn) -> Self {
        let largest = network.blocks.iter().map(|block| block.conv.output().len()).max().unwrap_or(0);
        Self {
            input: RankCnn::input(network),
            scratch: Conv2dScratch::default(),
            gemm: GemmScratch::default(),
            convolved: vec![0.0; largest],
            pooled: network.blocks.iter().map(|block| vec![0.0; block.pool.output().len()]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(design: RankDesign, frames: usize, bands: usize) -> Result<RankCnn> {
        RankCnn::new(RankCnnSpec { design, ..RankCnnSpec::default() }, frames, bands, Standardisation::identity(bands))
    }

    #[test]
    fn the_sizes_are_those_of_the_table() {
        let sizes = |network: &RankCnn| -> Vec<[usize; 3]> {
            let size = |block: &Block| (block.pool.output(), block.conv.output().channels);
            network.blocks.iter().map(size).map(|(grid, channels)| [grid.cols, grid.rows, channels]).collect()
        };
        let wide = [[48, 128, 128], [24, 32, 256], [12, 8, 512], [4, 2, 1024], [1, 1, 2048]];
        for design in [RankDesign::At, RankDesign::Tl] {
            let network = network(design, 512, 96).unwrap();
            assert_eq!(sizes(&network), wide);
            // Nine taps from 1 channel to 128 and on to 2048, with biases; then 2048 → 128.
            let taps = 9 * (128 + 32_768 + 131_072 + 524_288 + 2_097_152);
            assert_eq!(network.params().len(), taps + 3968 + 2049 * 128);
        }
        let long = network(RankDesign::TlAutopool, 512, 96).unwrap();
        assert_eq!(sizes(&long), [[48, 256, 64], [24, 128, 128], [12, 64, 256], [6, 32, 512], [1, 32, 1024]]);
        assert_eq!(long.params().len(), 9 * (64 + 8192 + 32_768 + 131_072 + 524_288) + 1984 + 1025 * 128 + 128);
    }

    #[test]
    fn other_sizes_of_segments_are_refused() {
        for (design, frames, bands) in [
            (RankDesign::Tl, 383, 96),
            (RankDesign::Tl, 1024, 96),
            (RankDesign::Tl, 512, 48),
            (RankDesign::TlAutopool, 15, 96),
        ] {
            let error = network(design, frames, bands).err().unwrap().to_string();
            assert!(error.contains(&format!("{frames} frames × {bands} bands")), "{error}");
        }
        assert!(network(RankDesign::TlAutopool, 700, 96).is_ok(), "any time can be pooled");
        let mel = RankCnnSpec::check_front_end(&Recipe::default()).unwrap_err().to_string();
        assert!(mel.contains("constant-Q") && RankCnnSpec::check_front_end(&Recipe::cqt()).is_ok());
    }
}
