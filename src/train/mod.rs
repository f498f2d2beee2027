//! Training: the one place that wires store, sampling, network, mining, loss and optimiser together.

mod config;
mod log;
mod state;
mod trainer;
mod updater;
mod validation;

pub use config::{PRESETS, Preset, TrainConfig, Validation};
pub use trainer::{End, Report, train};
pub use validation::triplet_error;

#[doc(hidden)] // for the benchmark and the trajectory test: one update without store or checkpoint
pub use updater::{Step, Updater};
