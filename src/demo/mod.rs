//! A synthetic catalogue to try everything on: artists who share habits of composing and sounding as continuous
//! dimensions, tracks whose key, mix and mastering blur the mean spectrum, and names that several artists share.

mod artist;
mod catalogue;
mod character;
mod circle;
mod composer;
mod draw;
mod drums;
mod effects;
mod instrument;
mod mastering;
mod noise;

pub use catalogue::Catalogue;
pub use noise::noise_store;

use crate::train::{TrainConfig, Validation};

/// Samples per second.
const SAMPLE_RATE: f64 = 22_050.0;

impl Default for Catalogue {
    /// Enough to learn from in about a minute.
    fn default() -> Self {
        Self { training_artists: 80, shared_names: 14, tracks: 8, seconds: 8.0 }
    }
}

/// The training that suits the default catalogue.
pub fn training() -> TrainConfig {
    TrainConfig {
        steps: 700,
        segment: 3.0,
        standardise: true,
        validation: Validation { share: 0.1, ..Validation::default() },
        ..TrainConfig::default()
    }
}
