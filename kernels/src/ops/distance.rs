//! Squared Euclidean distances between two sets of points.

use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// `out[i, j] = ‖a_i − b_j‖²` for `a`: n × d, `b`: m × d, `out`: n × m, all row-major. Differences are squared
/// directly, so near points keep their relative precision.
pub fn squared_distances(isa: Isa, a: &[f32], b: &[f32], d: usize, out: &mut [f32]) {
    assert!(d > 0 && a.len().is_multiple_of(d) && b.len().is_multiple_of(d), "whole points of {d} values");
    assert_eq!(out.len(), (a.len() / d) * (b.len() / d), "n × m");
    isa.run(SquaredDistances { a, b, d, out });
}

struct SquaredDistances<'a> {
    a: &'a [f32],
    b: &'a [f32],
    d: usize,
    out: &'a mut [f32],
}

impl Kernel for SquaredDistances<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { a, b, d, out } = self;
        if b.is_empty() {
            return;
        }
        for (a, out) in a.chunks_exact(d).zip(out.chunks_exact_mut(b.len() / d)) {
            for (b, out) in b.chunks_exact(d).zip(out) {
                *out = simd::reduce(simd, a, b, |a, b, total| {
                    let difference = simd.sub(a, b);
                    simd.mul_add(difference, difference, total)
                });
            }
        }
    }
}

/// Gradient of [`squared_distances`] at one pair: `da += 2·weight·(a − b)`, `db −= 2·weight·(a − b)`.
pub fn squared_distance_grad(weight: f32, a: &[f32], b: &[f32], da: &mut [f32], db: &mut [f32]) {
    for (((a, b), da), db) in a.iter().zip(b).zip(da).zip(db) {
        let slope = 2.0 * weight * (a - b);
        *da += slope;
        *db -= slope;
    }
}
