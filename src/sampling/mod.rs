//! From stored tracks to what a network sees: segments, and batches of them.

mod batches;
pub mod segments;

pub use batches::{Batch, BatchSpec, LabelledTracks, TrackSegments};
