//! How good embeddings are: pure measures, and the paper's protocols that apply them.

pub mod measures;
pub mod protocols;
