//! From embeddings and a threshold to decisions: which tracks under a name belong to which artist.

mod split;

pub use split::{Decision, split};
