//! SIMD kernels of the homonym engine.

pub mod map;
