//! The kernels, one idea a file: forward beside backward, shapes in the first line of their docs.

pub(crate) mod activation;
pub(crate) mod auto_pool;
pub(crate) mod batch_norm;
mod columns;
pub(crate) mod compress;
pub(crate) mod conv;
pub(crate) mod conv2d;
pub(crate) mod dense;
pub(crate) mod distance;
pub(crate) mod fold;
pub(crate) mod gemm;
pub(crate) mod gram;
pub(crate) mod image;
mod math;
pub(crate) mod nearest;
pub(crate) mod peak;
pub(crate) mod pool;
pub(crate) mod softmin;
pub(crate) mod sparse;
pub(crate) mod spectrum;
