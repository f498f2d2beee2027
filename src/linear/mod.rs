//! Linear maps of vectors.

mod pca;

pub use pca::Pca;
