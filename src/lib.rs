//! Tells music artists apart by ear.
//!
//! homonym learns from audio alone to place tracks of one artist close together on the unit sphere, then splits the
//! tracks under one name into the artists behind it, without knowing who or how many they are ("Disambiguating Music
//! Artists at Scale with Audio Metric Learning", ISMIR 2018).
//!
//! Plain data travels through the rooms of this crate:
//! `samples → frames → store → batch → embeddings → tuples → loss → gradients → parameters → model`, and
//! `store → embeddings → dendrogram → labels`.
//!
//! ```
//! use homonym::{cluster::linkage, frontend::Recipe, matrix::Matrix};
//!
//! # fn main() -> homonym::Result<()> {
//! // A second of samples becomes mel frames, whatever the sizes of the pieces it comes in.
//! let recipe = Recipe::default();
//! let (mut stream, mut frames) = (recipe.stream()?, Vec::new());
//! [0.1; 22_050].chunks(1000).for_each(|samples| stream.push(samples, &mut frames));
//! stream.finish(&mut frames);
//! assert_eq!(frames.len(), recipe.seconds_to_frames(1.0) * recipe.bands);
//!
//! // Points become a tree, and a cut of the tree tells who belongs together.
//! let tree = linkage(&Matrix::new(3, 1, vec![0.0, 0.1, 5.0]), &())?;
//! let labels = tree.cut(1.0);
//! assert!(labels[0] == labels[1] && labels[1] != labels[2]);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod audio;
pub mod catalogue;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cluster;
pub mod demo;
pub mod disambiguate;
pub mod embed;
pub mod eval;
pub mod experiment;
pub mod extract;
pub mod frontend;
pub mod linear;
pub mod loss;
pub mod matrix;
pub mod mining;
pub mod models;
pub mod monitor;
pub mod nn;
pub mod optim;
pub mod output;
pub mod parallel;
pub mod random;
pub mod sampling;
pub mod similarity;
pub mod store;
pub mod train;

mod error;
mod hash;

pub use error::{Error, Result};
pub use monitor::Monitor;
