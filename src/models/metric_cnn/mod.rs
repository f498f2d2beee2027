//! The paper's network (Royo-Letelier et al. 2018, Table 1): three 3x3 convolutions with ReLU and max-pooling on the
//! compressed mel-spectrogram, pooling over time, Gaussian dropout, a dense layer with tanh, projection onto the sphere.
//!
//! ```text
//! frames × bands ─ compress ─ conv 16, pool 2 ─ conv 32, pool 3 ─ conv 64, pool 3 ─ mean over time ─ dropout ─ dense ─ tanh ─ ‖·‖
//!    388 × 128                  194 × 64 × 16      64 × 21 × 32       21 × 7 × 64           448                 d
//! ```

mod pass;

use std::ops::Range;

use homonym_kernels as kernels;
use kernels::{Buffer, Compression, ConvGradScratch, ConvPool, ConvWeights, Image, Isa, Tiles};
use pass::Pass;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::model::Moments;
use super::{
    Arithmetic, LARGEST_EMBEDDING, Layer, Network, Segments, Standardisation, TrainingPass, moments_over_time,
};
use crate::nn::{Init, ParamTable, Pool};
use crate::{Error, Result};

/// Output channels of the three convolutions.
const CHANNELS: [usize; 3] = [16, 32, 64];
/// Pool sizes behind them.
const POOLS: [usize; 3] = [2, 3, 3];
/// Values of a segment at most; 10 min of 128 bands are a fifth.
const LARGEST_SEGMENT: usize = 1 << 24;

/// The two readings of the table's dynamic compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Squash {
    /// `ln(1 + gain·x)`, the usual form of the field.
    Log1p,
    /// `ln(1 + 10ˣ)`, as printed.
    Literal,
}

/// The two readings of the table's temporal pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemporalPooling {
    /// The text: channels × bands (448) are kept, time is averaged; any length of segment gives as many features.
    #[serde(rename = "448")]
    OverTime,
    /// The table: time × bands (147 for 9 s) are kept, channels are averaged.
    #[serde(rename = "147")]
    OverChannels,
}

/// Settings of the network; the defaults are the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricCnnSpec {
    /// Values of an embedding (`d`), 32 or 256 in the paper.
    pub dims: usize,
    /// Dynamic compression.
    pub compression: Squash,
    /// Gain of `log1p`.
    pub gain: f32,
    /// Temporal pooling.
    pub temporal_pooling: TemporalPooling,
    /// Rate of the Gaussian dropout: the features are multiplied by noise of mean 1 and variance rate / (1 − rate).
    pub dropout: f32,
}

impl Default for MetricCnnSpec {
    fn default() -> Self {
        Self {
            dims: 32,
            compression: Squash::Log1p,
            gain: 1e4,
            temporal_pooling: TemporalPooling::OverTime,
            dropout: 0.2,
        }
    }
}

impl MetricCnnSpec {
    /// Checks the ranges.
    fn validate(&self) -> Result<()> {
        let Self { dims, gain, dropout, .. } = self;
        let checks = [
            ((1..=LARGEST_EMBEDDING).contains(dims), "dims", format!("{dims} is not in 1..={LARGEST_EMBEDDING}")),
            (*gain > 0.0 && gain.is_finite(), "gain", format!("{gain} is not a positive number")),
            ((0.0..1.0).contains(dropout), "dropout", format!("{dropout} is not in 0..1")),
        ];
        match checks.into_iter().find(|(good, ..)| !good) {
            Some((_, name, problem)) => Err(Error::setting(name, problem)),
            None => Ok(()),
        }
    }

    fn compression(&self) -> Compression {
        match self.compression {
            Squash::Log1p => Compression::Log1p { gain: self.gain },
            Squash::Literal => Compression::Literal,
        }
    }

    /// The per-band map that brings the compressed `segments` to mean 0 and deviation 1.
    pub(super) fn fit_input(&self, segments: &dyn Segments, frames: usize, bands: usize) -> Result<Standardisation> {
        let isa = Isa::chosen()?;
        let image = Image::new(frames, bands, 1);
        let identity = Standardisation::identity(bands);
        let mut moments = Moments::new(segments.count() * frames, bands);
        let mut segment = vec![0.0; frames * bands];
        let mut compressed = Buffer::zeros(image.len());
        for index in 0..segments.count() {
            segments.read(index, &mut segment);
            let Standardisation { scale, shift } = &identity;
            kernels::compress(isa, self.compression(), image, &segment, scale, shift, &mut compressed);
            (0..frames).for_each(|row| moments.add(&compressed[image.at(row, 0)..][..bands]));
        }
        Ok(moments.standardisation())
    }
}

/// The network for one size of segment.
pub struct MetricCnn {
    spec: MetricCnnSpec,
    isa: Isa,
    /// Where the second and third convolution are computed in bf16 on the way forward.
    tiles: Option<Tiles>,
    input: Image,
    standardisation: Standardisation,
    layers: [ConvPool; 3],
    params: ParamTable,
    weights: [Range<usize>; 3],
    biases: [Range<usize>; 3],
    dense: Range<usize>,
    dense_bias: Range<usize>,
    rooms: Pool<Room>,
}

impl MetricCnn {
    /// The network for segments of `frames × bands`.
    pub fn new(spec: MetricCnnSpec, frames: usize, bands: usize, standardisation: Standardisation) -> Result<Self> {
        let (rows, cols) = POOLS.iter().fold((frames, bands), |(rows, cols), pool| (rows / pool, cols / pool));
        if rows == 0 || cols == 0 {
            return Err(Error::setting(
                "segment",
                format!(
                    "{frames} frames × {bands} bands are too few for the three pools of the network; use at least 18 × 18"
                ),
            ));
        }
        if frames.saturating_mul(bands) > LARGEST_SEGMENT {
            let problem = format!("{frames} frames × {bands} bands are more than {LARGEST_SEGMENT} values");
            return Err(Error::setting("segment", problem));
        }
        spec.validate()?;
        assert_eq!(standardisation.scale.len(), bands, "one scale a band");
        let isa = Isa::chosen()?;
        let input = Image::new(frames, bands, 1);
        let first = ConvPool::new(input, CHANNELS[0], POOLS[0]);
        let second = ConvPool::new(first.output, CHANNELS[1], POOLS[1]);
        let third = ConvPool::new(second.output, CHANNELS[2], POOLS[2]);
        let layers = [first, second, third];
        let features = features(&spec, &third.output);
        let mut params = ParamTable::default();
        let mut conv = |index: usize| {
            let (inputs, outputs) = (layers[index].input.channels, layers[index].output.channels);
            let init = Init::Glorot { fan_in: 9 * inputs, fan_out: 9 * outputs };
            let weight = params.add(&format!("conv{}.weight", index + 1), &[outputs, 3, 3, inputs], init);
            (weight, params.add(&format!("conv{}.bias", index + 1), &[outputs], Init::Zero))
        };
        let [(w1, b1), (w2, b2), (w3, b3)] = [conv(0), conv(1), conv(2)];
        let init = Init::Glorot { fan_in: features, fan_out: spec.dims };
        let dense = params.add("dense.weight", &[features, spec.dims], init);
        let dense_bias = params.add("dense.bias", &[spec.dims], Init::Zero);
        let (weights, biases) = ([w1, w2, w3], [b1, b2, b3]);
        let rooms = Pool::new();
        let tiles = None;
        Ok(Self { spec, isa, tiles, input, standardisation, layers, params, weights, biases, dense, dense_bias, rooms })
    }

    /// The weights in f32, or, with `tiles`, in bf16 but for the first layer, whose nine inputs a tile is too long for.
    fn pack(&self, params: &[f32], tiles: Option<Tiles>) -> [ConvWeights; 3] {
        [0, 1, 2].map(|index| {
            let (w, b) = (&params[self.weights[index].clone()], &params[self.biases[index].clone()]);
            match tiles {
                Some(tiles) if index > 0 => ConvWeights::pack_bf16(tiles, &self.layers[index], w, b),
                _ => ConvWeights::pack(&self.layers[index], w, b),
            }
        })
    }

    /// Reads a segment and runs the layers that the backward pass runs again: compression and the first convolution.
    fn first_layer(&self, packed: &ConvWeights, segments: &dyn Segments, index: usize, room: &mut Room, keep: bool) {
        segments.read(index, &mut room.segment);
        let compression = self.spec.compression();
        let Standardisation { scale, shift } = &self.standardisation;
        kernels::compress(self.isa, compression, self.input, &room.segment, scale, shift, &mut room.input);
        let argmax = keep.then_some(&mut room.argmax1[..]);
        kernels::conv_relu_pool(self.isa, &self.layers[0], packed, &room.input, &mut room.pooled1, argmax);
    }

    /// Mean over time (or channels) of the last pooled image.
    fn pool_features(&self, pooled: &[f32], features: &mut [f32]) {
        let image = &self.layers[2].output;
        features.fill(0.0);
        for row in 0..image.rows {
            let pixels = &pooled[image.at(row, 0)..][..image.cols * image.channels];
            match self.spec.temporal_pooling {
                TemporalPooling::OverTime => features.iter_mut().zip(pixels).for_each(|(sum, x)| *sum += x),
                TemporalPooling::OverChannels => {
                    for (col, pixel) in pixels.chunks_exact(image.channels).enumerate() {
                        features[row * image.cols + col] = pixel.iter().sum();
                    }
                }
            }
        }
        kernels::scale(self.isa, 1.0 / self.pooled_over(), features);
    }

    /// Means and deviations over time of the last two pooled images.
    fn pool_moments(&self, pooled: [&Buffer; 2], out: &mut [f32]) {
        let mut rest = out;
        for (layer, pooled) in self.layers[1..].iter().zip(pooled) {
            let image = &layer.output;
            let width = image.cols * image.channels;
            let (own, later) = rest.split_at_mut(2 * width);
            moments_over_time((0..image.rows).map(|row| &pooled[image.at(row, 0)..][..width]), own);
            rest = later;
        }
    }

    /// Spreads the gradient of the features over the last pooled image.
    fn pool_features_grad(&self, d_features: &[f32], d_pooled: &mut [f32]) {
        let image = &self.layers[2].output;
        let share = 1.0 / self.pooled_over();
        for row in 0..image.rows {
            let pixels = &mut d_pooled[image.at(row, 0)..][..image.cols * image.channels];
            match self.spec.temporal_pooling {
                TemporalPooling::OverTime => pixels.iter_mut().zip(d_features).for_each(|(d, g)| *d = g * share),
                TemporalPooling::OverChannels => {
                    for (col, pixel) in pixels.chunks_exact_mut(image.channels).enumerate() {
                        pixel.fill(d_features[row * image.cols + col] * share);
                    }
                }
            }
        }
    }

    fn pooled_over(&self) -> f32 {
        match self.spec.temporal_pooling {
            TemporalPooling::OverTime => self.layers[2].output.rows as f32,
            TemporalPooling::OverChannels => self.layers[2].output.channels as f32,
        }
    }

    /// Dense, tanh, projection; `embedding` ends on the sphere, `activation` (where wanted) holds the tanh. Returns 1 / ‖tanh‖.
    fn head(&self, params: &[f32], features: &[f32], embedding: &mut [f32]) -> f32 {
        kernels::dense(self.isa, features, &params[self.dense.clone()], &params[self.dense_bias.clone()], embedding);
        kernels::tanh(self.isa, embedding);
        kernels::normalise(self.isa, embedding)
    }
}

/// Features behind the temporal pooling of the last image.
fn features(spec: &MetricCnnSpec, last: &Image) -> usize {
    match spec.temporal_pooling {
        TemporalPooling::OverTime => last.cols * last.channels,
        TemporalPooling::OverChannels => last.rows * last.cols,
    }
}

impl Network for MetricCnn {
    fn params(&self) -> &ParamTable {
        &self.params
    }

    fn input(&self) -> (usize, usize) {
        (self.input.rows, self.input.cols)
    }

    fn dims(&self) -> usize {
        self.spec.dims
    }

    fn features(&self) -> usize {
        features(&self.spec, &self.layers[2].output)
    }

    fn moments(&self) -> usize {
        self.layers[1..].iter().map(|layer| 2 * layer.output.cols * layer.output.channels).sum()
    }

    fn embed(&self, params: &[f32], segments: &dyn Segments, layer: Layer) -> Vec<f32> {
        let packed = self.pack(params, self.tiles);
        let width = layer.width(self);
        let mut out = vec![0.0; segments.count() * width];
        out.par_chunks_exact_mut(width).enumerate().for_each(|(index, out)| {
            self.rooms.with(
                || Room::new(self),
                |room| {
                    self.first_layer(&packed[0], segments, index, room, false);
                    let Room { pooled1, pooled2, pooled3, features, .. } = room;
                    kernels::conv_relu_pool(self.isa, &self.layers[1], &packed[1], pooled1, pooled2, None);
                    kernels::conv_relu_pool(self.isa, &self.layers[2], &packed[2], pooled2, pooled3, None);
                    match layer {
                        Layer::Features => self.pool_features(pooled3, out),
                        Layer::Moments => self.pool_moments([pooled2, pooled3], out),
                        Layer::Embedding | Layer::Both => {
                            self.pool_features(pooled3, features);
                            let (embedding, beside) = out.split_at_mut(self.spec.dims);
                            beside.copy_from_slice(&features[..beside.len()]);
                            self.head(params, features, embedding);
                        }
                    }
                },
            );
        });
        out
    }

    fn compute_in(&mut self, arithmetic: Arithmetic) -> Result<()> {
        self.tiles = match arithmetic {
            Arithmetic::F32 => None,
            Arithmetic::Bf16 => Some(Tiles::request()?),
        };
        Ok(())
    }

    fn training_pass(&self) -> Box<dyn TrainingPass + '_> {
        Box::new(Pass::new(self))
    }
}

/// What one thread needs at a time, about 3 MB for 9 s.
struct Room {
    segment: Vec<f32>,
    input: Buffer,
    pooled1: Buffer,
    argmax1: Vec<u8>,
    pooled2: Buffer,
    pooled3: Buffer,
    features: Vec<f32>,
    d_pooled1: Buffer,
    d_pooled2: Buffer,
    d_pooled3: Buffer,
    lists: ConvGradScratch,
}

impl Room {
    fn new(network: &MetricCnn) -> Self {
        let [first, second, third] = &network.layers;
        let image = |image: &Image| Buffer::zeros(image.len());
        Self {
            segment: vec![0.0; network.input.rows * network.input.cols],
            input: image(&network.input),
            pooled1: image(&first.output),
            argmax1: vec![0; first.argmax()],
            pooled2: image(&second.output),
            pooled3: image(&third.output),
            features: vec![0.0; network.features()],
            d_pooled1: image(&first.output),
            d_pooled2: image(&second.output),
            d_pooled3: image(&third.output),
            lists: ConvGradScratch::default(),
        }
    }
}
