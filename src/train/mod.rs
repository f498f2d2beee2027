//! Training: the one place that wires store, sampling, network, mining, loss and optimiser together.

mod config;
mod log;
mod objective;
mod overlay;
mod state;
mod trainer;
mod updater;
mod validation;

pub use config::{PRESETS, Preset, TrainConfig, UNLIMITED, Validation, preset};
pub use objective::{NamedObjective, OBJECTIVES, ObjectiveSpec};
pub use overlay::overlay;
pub use state::path as state_path;
pub use trainer::{End, Report, train};
pub use updater::{Step, Updater};
pub use validation::{ranked_triplet_error, triplet_error};
