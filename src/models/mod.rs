//! The papers' networks, built from `nn` and the kernels.
//!
//! A network is plain arithmetic on a flat buffer of parameters; it owns neither them nor the data. [`NetworkSpec`] is
//! what a configuration and a checkpoint say of it.

mod classifier_cnn;
mod head;
mod input;
mod metric_cnn;
mod model;
mod rank_cnn;
mod residual_cnn;
mod track;
mod twins;

use homonym_kernels::Grid;
use serde::{Deserialize, Serialize};

pub use classifier_cnn::{ClassifierCnn, ClassifierCnnSpec};
pub use head::{HeadSpec, PairHead, VectorTower};
pub use metric_cnn::{MetricCnn, MetricCnnSpec, Squash, TemporalPooling};
pub use model::{FORMAT, Header, Kinds, Layer, Model, Standardisation};
pub use rank_cnn::{RankCnn, RankCnnSpec, RankDesign};
pub use residual_cnn::{ResidualCnn, ResidualCnnSpec};
pub use track::{TrackMap, TrackVector};
pub use twins::Twins;

use crate::frontend::Recipe;
use crate::nn::ParamTable;
use crate::{Error, Result};

/// The values of an embedding that are a notion's where several share it: equal stretches, in their order.
pub fn notion_part(dims: usize, notions: usize, notion: usize) -> std::ops::Range<usize> {
    notion * dims / notions..(notion + 1) * dims / notions
}

/// Values of an embedding at most.
const LARGEST_EMBEDDING: usize = 1 << 16;

/// Where a network gets its input: `n` segments of `frames × bands` mel power, read on demand by the threads that need
/// them, so that a batch never lies in memory as a whole.
pub trait Segments: Sync {
    /// How many segments there are.
    fn count(&self) -> usize;
    /// Writes segment `index` into `out` (frames × bands, row-major).
    fn read(&self, index: usize, out: &mut [f32]);
    /// Of two kinds of audio that segment `index` is, where they are told apart.
    fn kind(&self, _index: usize) -> usize {
        0
    }
}

/// Segments that lie in memory one after the other: `n × frames × bands`.
pub struct InMemory<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Values of a segment.
    pub size: usize,
}

impl Segments for InMemory<'_> {
    fn count(&self) -> usize {
        self.values.len() / self.size
    }

    fn read(&self, index: usize, out: &mut [f32]) {
        out.copy_from_slice(&self.values[index * self.size..][..self.size]);
    }
}

/// How a network computes its convolutions on the way forward; gradients are always in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// Single precision, on any CPU.
    #[default]
    F32,
    /// Inputs and weights rounded to 8 significant bits, sums in single precision: faster, and within 5e-3 of `f32`. For
    /// CPUs with AMX.
    Bf16,
}

/// A network: features of a segment in, a point out.
pub trait Network: Send + Sync {
    /// Its parameters.
    fn params(&self) -> &ParamTable;
    /// Frames and bands of a segment.
    fn input(&self) -> (usize, usize);
    /// Values of an embedding.
    fn dims(&self) -> usize;
    /// Values of its other representation: below the last layer, or pooled in another way.
    fn features(&self) -> usize;
    /// Values of the means and deviations over time of its last images: [`Layer::Moments`].
    fn moments(&self) -> usize;
    /// Inference: `n ×` the width of the layer.
    fn embed(&self, params: &[f32], segments: &dyn Segments, layer: Layer) -> Vec<f32>;
    /// Chooses the arithmetic of [`embed`](Self::embed) and of the forward pass of training; f32 before.
    ///
    /// # Errors
    /// [`Error::Setting`] where this machine cannot compute so.
    fn compute_in(&mut self, arithmetic: Arithmetic) -> Result<()>;
    /// Fresh parameters.
    fn initial(&self, seed: u64) -> Vec<f32> {
        self.params().initial(seed)
    }
    /// Room for training steps; holds what the backward pass needs of the last forward pass.
    fn training_pass(&self) -> Box<dyn TrainingPass + '_>;
}

/// A forward pass with noise and its backward pass.
pub trait TrainingPass: Send {
    /// Embeddings, `n × dims`; `noise` keys the dropout of this step: (seed, step).
    fn forward(&mut self, params: &[f32], segments: &dyn Segments, noise: (u64, u64)) -> &[f32];
    /// Adds the gradient of the parameters to `grads`, given that of the embeddings of the last
    /// [`forward`](Self::forward) with the same `params` and `segments`.
    fn backward(&mut self, params: &[f32], segments: &dyn Segments, d_embeddings: &[f32], grads: &mut [f32]);
    /// Writes what the last forward pass has learnt beside gradients, such as running statistics, after an update.
    fn settle(&self, _params: &mut [f32]) {}
}

/// Refuses another arithmetic than f32 for `network`, which has no other.
fn f32_only(arithmetic: Arithmetic, network: &str) -> Result<()> {
    match arithmetic {
        Arithmetic::F32 => Ok(()),
        Arithmetic::Bf16 => Err(Error::setting("arithmetic", format!("{network} computes in f32 only"))),
    }
}

/// Fills `out` with the numbers of a layer, each kind by its own writer; an embedding has `dims`.
fn read_out(
    layer: Layer,
    dims: usize,
    out: &mut [f32],
    embedding: impl FnOnce(&mut [f32]),
    features: impl FnOnce(&mut [f32]),
    moments: impl FnOnce(&mut [f32]),
) {
    match layer {
        Layer::Embedding => embedding(out),
        Layer::Features => features(out),
        Layer::Both => {
            let (first, beside) = out.split_at_mut(dims);
            embedding(first);
            features(beside);
        }
        Layer::Moments => moments(out),
    }
}

/// The last of the `outputs` of a network's blocks that still has several moments in time, and its place.
fn lasting(outputs: impl DoubleEndedIterator<Item = Grid> + ExactSizeIterator) -> (usize, Grid) {
    outputs.enumerate().rfind(|(_, grid)| grid.rows > 1).expect("the first block has many")
}

/// The mean and then the deviation over time of each value of `rows` that are `out.len() / 2` long.
fn moments_over_time<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]> + Clone, out: &mut [f32]) {
    let count = rows.len() as f32;
    let (means, deviations) = out.split_at_mut(out.len() / 2);
    means.fill(0.0);
    deviations.fill(0.0);
    rows.clone().for_each(|row| means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / count));
    for row in rows {
        let beside = deviations.iter_mut().zip(row).zip(&*means);
        beside.for_each(|((sum, x), mean)| *sum += (x - mean).powi(2) / count);
    }
    deviations.iter_mut().for_each(|variance| *variance = variance.sqrt());
}

/// A network of the table, with its settings: what `[network]` in a configuration and a checkpoint hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NetworkSpec {
    /// The paper's network ([`MetricCnn`]).
    MetricCnn(MetricCnnSpec),
    /// The baseline's network ([`ClassifierCnn`]).
    ClassifierCnn(ClassifierCnnSpec),
    /// The networks of learning to rank ([`RankCnn`]).
    RankCnn(RankCnnSpec),
    /// The tower of Triplet MatchNet ([`ResidualCnn`]).
    ResidualCnn(ResidualCnnSpec),
    /// A network with weights of its own for each of two kinds of audio ([`Twins`]).
    Twins {
        /// The network.
        tower: Box<NetworkSpec>,
    },
}

impl Default for NetworkSpec {
    fn default() -> Self {
        Self::MetricCnn(MetricCnnSpec::default())
    }
}

impl NetworkSpec {
    /// Builds the network for segments of `frames × bands`, with per-band `input` standardisation.
    pub fn build(&self, frames: usize, bands: usize, input: Standardisation) -> Result<Box<dyn Network>> {
        match self {
            Self::MetricCnn(spec) => Ok(Box::new(MetricCnn::new(spec.clone(), frames, bands, input)?)),
            Self::ClassifierCnn(spec) => Ok(Box::new(ClassifierCnn::new(spec.clone(), frames, bands, input)?)),
            Self::ResidualCnn(spec) => Ok(Box::new(ResidualCnn::new(spec.clone(), frames, bands, input)?)),
            Self::Twins { tower } => match **tower {
                Self::Twins { .. } => Err(Error::setting("network", "twins have a network of another kind")),
                _ => Ok(Box::new(Twins::new(tower.build(frames, bands, input)?))),
            },
            Self::RankCnn(spec) => Ok(Box::new(RankCnn::new(spec.clone(), frames, bands, input)?)),
        }
    }

    /// Whether an output is the likelihood of a tag.
    pub fn is_tagger(&self) -> bool {
        matches!(self, Self::RankCnn(spec) if spec.is_tagger())
    }

    /// The same network with so many outputs, where they are likelihoods of as many tags.
    pub fn for_tags(&self, tags: usize) -> Self {
        match self {
            Self::RankCnn(spec) if spec.is_tagger() => Self::RankCnn(RankCnnSpec { dims: tags, ..spec.clone() }),
            other => other.clone(),
        }
    }

    /// Refuses features that the network is not made for.
    pub fn check_front_end(&self, recipe: &Recipe) -> Result<()> {
        match self {
            Self::MetricCnn(_) | Self::ResidualCnn(_) => Ok(()),
            Self::ClassifierCnn(spec) => spec.check_front_end(recipe),
            Self::RankCnn(_) => RankCnnSpec::check_front_end(recipe),
            Self::Twins { tower } => tower.check_front_end(recipe),
        }
    }

    /// The input standardisation that brings the compressed `segments` to mean 0 and deviation 1: each band, or all values
    /// together, as the network wants it.
    pub fn fit_input(&self, segments: &dyn Segments, frames: usize, bands: usize) -> Result<Standardisation> {
        match self {
            Self::MetricCnn(spec) => spec.fit_input(segments, frames, bands),
            Self::ClassifierCnn(spec) => spec.fit_input(segments, frames, bands),
            Self::RankCnn(spec) => spec.fit_input(segments, frames, bands),
            Self::ResidualCnn(spec) => spec.fit_input(segments, frames, bands),
            Self::Twins { tower } => tower.fit_input(segments, frames, bands),
        }
    }
}
