//! From stored tracks to what a network sees: segments, and batches of them.

mod augment;
mod batches;
mod proximity;
mod ranked;
pub mod segments;
mod tracks;
mod training_set;

pub use augment::Augmentation;
pub use batches::{Batch, BatchSpec, Drawer, Drawing};
pub use proximity::{Places, Proximity};
pub use ranked::{RankedTriplets, Strategy};
pub use tracks::{LabelledTracks, TrackSegments};
pub use training_set::{TrackList, TrainingSet};
