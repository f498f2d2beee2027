//! Distances to soft neighbours.

use super::math;
use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// Differences beyond which a weight is 0: e⁻⁸⁰ times any count of points is nothing in f32, and no weight is subnormal.
const FARTHEST: f32 = -80.0;

/// `x_j ← e^(−x_j) / Σ_i e^(−x_i)`; relative error ≤ 1e-6, weights below e⁻⁸⁰ of the largest are 0. Infinite values get
/// weight 0; one must be finite.
pub fn softmin(isa: Isa, x: &mut [f32]) {
    isa.run(Softmin(x));
}

struct Softmin<'a>(&'a mut [f32]);

impl Kernel for Softmin<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (body, end) = self.0.split_at_mut(self.0.len() / S::LANES * S::LANES);
        // The ragged end, filled up by what has no weight.
        let mut last = [f32::INFINITY; simd::MAX_LANES];
        last[..end.len()].copy_from_slice(end);
        let last = &mut last[..S::LANES];
        let least = simd.splat(f32::min(least(simd, body), least(simd, last)));
        let total = weigh(simd, least, body) + weigh(simd, least, last);
        end.copy_from_slice(&last[..end.len()]);
        let share = simd.splat(1.0 / total);
        simd::update(simd, self.0, |x| simd.mul(x, share));
    }
}

/// The least of whole vectors.
#[inline(always)]
fn least<S: Simd>(simd: S, x: &[f32]) -> f32 {
    let mut least = simd.splat(f32::INFINITY);
    for x in x.chunks_exact(S::LANES) {
        // SAFETY: `x` holds LANES values.
        least = simd.min(least, unsafe { simd.load(x.as_ptr()) });
    }
    simd.least(least)
}

/// `x ← e^(least − x)`, whole vectors; returns the sum.
#[inline(always)]
fn weigh<S: Simd>(simd: S, least: S::F, x: &mut [f32]) -> f32 {
    let mut total = simd.splat(0.0);
    for x in x.chunks_exact_mut(S::LANES) {
        // SAFETY: `x` holds LANES values.
        unsafe {
            let above = simd.sub(least, simd.load(x.as_ptr()));
            let weight = simd.select_gt(above, simd.splat(FARTHEST), math::exp(simd, above), simd.splat(0.0));
            total = simd.add(total, weight);
            simd.store(x.as_mut_ptr(), weight);
        }
    }
    simd.sum(total)
}
