//! ReLU, tanh and the projection onto the unit sphere, each with its gradient.

use super::math;
use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// The smallest sum of squares that [`normalise`] divides by (Keras' `l2_normalize`).
pub const SMALLEST_SQUARE: f32 = 1e-12;

/// `x ← max(x, 0)`.
pub fn relu(isa: Isa, x: &mut [f32]) {
    struct Relu<'a>(&'a mut [f32]);
    impl Kernel for Relu<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            simd::update(simd, self.0, |x| simd.max(x, simd.splat(0.0)));
        }
    }
    isa.run(Relu(x));
}

/// `dx ← dx` where `y = relu(x) > 0`, else 0.
pub fn relu_grad(isa: Isa, y: &[f32], dx: &mut [f32]) {
    struct ReluGrad<'a>(&'a [f32], &'a mut [f32]);
    impl Kernel for ReluGrad<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let zero = simd.splat(0.0);
            simd::update_with(simd, self.0, self.1, |y, dx| simd.select_gt(y, zero, dx, zero));
        }
    }
    isa.run(ReluGrad(y, dx));
}

/// `x ← tanh x`, absolute error ≤ 3e-7.
pub fn tanh(isa: Isa, x: &mut [f32]) {
    struct Tanh<'a>(&'a mut [f32]);
    impl Kernel for Tanh<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            simd::update(simd, self.0, |x| tanh_of(simd, x));
        }
    }
    isa.run(Tanh(x));
}

/// `tanh x = sign(x)·(1 − 2/(e^{2|x|} + 1))`, with |x| cut at 20, where f32 has reached 1.
#[inline(always)]
fn tanh_of<S: Simd>(simd: S, x: S::F) -> S::F {
    let (zero, one, two) = (simd.splat(0.0), simd.splat(1.0), simd.splat(2.0));
    let size = simd.max(x, simd.sub(zero, x));
    let size = simd.select_gt(size, simd.splat(20.0), simd.splat(20.0), size);
    let positive = simd.sub(one, simd.div(two, simd.add(math::exp(simd, simd.mul(two, size)), one)));
    simd.select_gt(zero, x, simd.sub(zero, positive), positive)
}

/// `dx ← dx·(1 − y²)` for `y = tanh x`.
pub fn tanh_grad(isa: Isa, y: &[f32], dx: &mut [f32]) {
    struct TanhGrad<'a>(&'a [f32], &'a mut [f32]);
    impl Kernel for TanhGrad<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let one = simd.splat(1.0);
            simd::update_with(simd, self.0, self.1, |y, dx| simd.mul(dx, simd.sub(one, simd.mul(y, y))));
        }
    }
    isa.run(TanhGrad(y, dx));
}

/// `x ← x / ‖x‖`, a zero vector stays zero; returns `1 / ‖x‖`, which [`normalise_grad`] needs.
pub fn normalise(isa: Isa, x: &mut [f32]) -> f32 {
    let square = dot(isa, x, x);
    let inverse = 1.0 / square.max(SMALLEST_SQUARE).sqrt();
    scale(isa, inverse, x);
    inverse
}

/// `dx ← (dx − y·⟨y, dx⟩) / ‖x‖` for `y = x / ‖x‖`; below [`SMALLEST_SQUARE`] the divisor is a constant and the second
/// term falls away.
pub fn normalise_grad(isa: Isa, y: &[f32], inverse_norm: f32, dx: &mut [f32]) {
    struct NormaliseGrad<'a>(&'a [f32], f32, f32, &'a mut [f32]);
    impl Kernel for NormaliseGrad<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let (along, inverse) = (simd.splat(-self.1), simd.splat(self.2));
            simd::update_with(simd, self.0, self.3, |y, dx| simd.mul(simd.mul_add(y, along, dx), inverse));
        }
    }
    let constant = inverse_norm * inverse_norm >= 1.0 / SMALLEST_SQUARE;
    let along = if constant { 0.0 } else { dot(isa, y, dx) };
    isa.run(NormaliseGrad(y, along, inverse_norm, dx));
}

/// `⟨a, b⟩`.
pub fn dot(isa: Isa, a: &[f32], b: &[f32]) -> f32 {
    struct Dot<'a>(&'a [f32], &'a [f32]);
    impl Kernel for Dot<'_> {
        type Output = f32;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> f32 {
            simd::reduce(simd, self.0, self.1, |a, b, total| simd.mul_add(a, b, total))
        }
    }
    isa.run(Dot(a, b))
}

/// `x ← factor·x`.
pub fn scale(isa: Isa, factor: f32, x: &mut [f32]) {
    struct Scale<'a>(f32, &'a mut [f32]);
    impl Kernel for Scale<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let factor = simd.splat(self.0);
            simd::update(simd, self.1, |x| simd.mul(x, factor));
        }
    }
    isa.run(Scale(factor, x));
}
