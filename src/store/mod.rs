//! Files of numbers: NumPy arrays, embeddings, and how files are replaced as a whole.

pub mod embeddings;
pub mod npy;
pub mod output;
