//! The kernels, one idea a file: forward beside backward, shapes in the first line of their docs.

pub(crate) mod activation;
pub(crate) mod compress;
pub(crate) mod conv;
pub(crate) mod dense;
pub(crate) mod distance;
pub(crate) mod image;
mod math;
