//! From stored tracks to what a network sees: segments, and batches of them.

mod augment;
mod batches;
pub mod segments;

pub use augment::Augmentation;
pub use batches::{Batch, BatchSpec, LabelledTracks, TrackSegments};
