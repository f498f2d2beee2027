//! SIMD kernels of the homonym engine: forward and backward, for every instruction set, chosen at run time.
//!
//! A kernel takes an [`Isa`] first: the proof that the CPU has the instruction set, from [`Isa::chosen`] (the best, or
//! what the environment variable `HOMONYM_ISA` names). Sizes are checked on entry; a wrong size is a bug of the caller
//! and panics. All `unsafe` code of the project is here.

mod arch;
mod buffer;
mod isa;
#[cfg(unix)]
mod lost_pages;
pub mod map;
mod ops;
mod simd;
mod tiles;

pub use buffer::Buffer;
pub use isa::{ISA_VARIABLE, Isa, UnavailableIsa};
pub use ops::activation::{SMALLEST_SQUARE, dot, normalise, normalise_grad, relu, relu_grad, scale, tanh, tanh_grad};
pub use ops::auto_pool::{auto_pool, auto_pool_grad};
pub use ops::batch_norm::{BatchNorm, Moments, batch_norm, batch_norm_grad, batch_norm_sums};
pub use ops::compress::{Compression, compress};
pub use ops::conv::{
    ConvGradInput, ConvGradOutput, ConvGradScratch, ConvPool, ConvWeights, DEAD, conv_grad, conv_relu_pool,
};
pub use ops::conv2d::{
    Conv2d, Conv2dGradWeights, Conv2dScratch, Conv2dWeights, Grid, Padding, conv2d, conv2d_input_grad,
    conv2d_weight_grad,
};
pub use ops::dense::{dense, dense_batch, dense_batch_grad, dense_grad};
pub use ops::distance::{squared_distance_grad, squared_distances};
pub use ops::fold::{FoldedFilters, fold};
pub use ops::gemm::{GemmScratch, Matrix, gemm};
pub use ops::gram::gram;
pub use ops::image::Image;
pub use ops::nearest::{Neighbour, WeightedPairs, WeightedPoints};
pub use ops::peak::peak;
pub use ops::pool::{MaxPool, max_pool, max_pool_grad, mean_pool, mean_pool_grad};
pub use ops::softmin::softmin;
pub use ops::sparse::{add_rows, least, places_below};
pub use ops::spectrum::{Bands, HalfTransform, band_sums, power_spectrum, spectrum};
pub use tiles::{NoTiles, Tiles};
