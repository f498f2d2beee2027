//! Files of numbers: the feature store, NumPy arrays, embeddings, and how files are replaced as a whole.

pub mod embeddings;
pub mod features;
pub mod npy;
pub(crate) mod seal;
pub(crate) mod tensors;

pub use features::{Encoded, Encoder, Frames, Keys, Precision, Replacement, Spec, Store, Writer};
