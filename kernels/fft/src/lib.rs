//! Fourier transforms of the homonym engine: rustfft's.
//!
//! rustfft is generic over the type of the samples, so whatever plans a transform compiles all of them. Planned here, they are
//! compiled once, and not whenever the engine changes: that was half of the engine's compilation.

use std::sync::Arc;

pub use rustfft::Fft;
use rustfft::FftPlanner;

/// A transform of `length` complex samples, unscaled: `X_k = Σ x_n·e^(−2πi·kn/length)`.
#[must_use]
pub fn forward(length: usize) -> Arc<dyn Fft<f32>> {
    FftPlanner::new().plan_fft_forward(length)
}

/// Its inverse, unscaled: `x_n = Σ X_k·e^(2πi·kn/length)`.
#[must_use]
pub fn inverse(length: usize) -> Arc<dyn Fft<f32>> {
    FftPlanner::new().plan_fft_inverse(length)
}

/// [`forward`] in double precision, for tables that are made once.
#[must_use]
pub fn forward_f64(length: usize) -> Arc<dyn Fft<f64>> {
    FftPlanner::new().plan_fft_forward(length)
}
