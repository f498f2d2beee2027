//! Pooling over time that learns what it is: a mean, a maximum or a minimum (McFee, Salamon and Bello, "Adaptive Pooling
//! Operators for Weakly Labeled Sound Event Detection", 2018).
//!
//! ```text
//! s[t, c] = softmax over t of α[c]·x[t, c],   y[c] = Σ_t s[t, c]·x[t, c]
//! dx[t, c] = dy[c]·s[t, c]·(1 + α[c]·(x[t, c] − y[c]))
//! dα[c]   += dy[c]·Σ_t s[t, c]·x[t, c]·(x[t, c] − y[c])
//! ```
//!
//! α = 0 is the mean, 1 the softmax-weighted mean, large α the maximum, large −α the minimum.
//!
//! The exponents are taken relative to the largest of them, so no α overflows.

use super::math;
use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// `y`: n × channels from `x`: n × `times` × channels, with `alpha` of each channel.
pub fn auto_pool(isa: Isa, times: usize, alpha: &[f32], x: &[f32], y: &mut [f32]) {
    assert!(times > 0 && x.len() == y.len() * times && y.len().is_multiple_of(alpha.len()), "times rows for one");
    isa.run(Forward { times, alpha, x, y });
}

/// Gradients of [`auto_pool`]: `dalpha` is added to, `dx` overwritten; `y` is what it gave.
#[allow(clippy::too_many_arguments)] // four inputs, two gradients
pub fn auto_pool_grad(
    isa: Isa,
    times: usize,
    alpha: &[f32],
    x: &[f32],
    y: &[f32],
    dy: &[f32],
    dalpha: &mut [f32],
    dx: &mut [f32],
) {
    assert!(times > 0 && x.len() == y.len() * times && y.len().is_multiple_of(alpha.len()), "times rows for one");
    assert!(dy.len() == y.len() && dalpha.len() == alpha.len() && dx.len() == x.len(), "gradients like their values");
    isa.run(Backward { times, alpha, x, y, dy, dalpha, dx });
}

struct Forward<'a> {
    times: usize,
    alpha: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

struct Backward<'a> {
    times: usize,
    alpha: &'a [f32],
    x: &'a [f32],
    y: &'a [f32],
    dy: &'a [f32],
    dalpha: &'a mut [f32],
    dx: &'a mut [f32],
}

/// The largest α·x of some channels, and the sum of all exponentials relative to it.
///
/// # Safety
/// `x` must be valid for reading `lanes` values at each of `times` steps of `channels`.
#[inline(always)]
unsafe fn scale<S: Simd>(
    simd: S,
    alpha: S::F,
    x: *const f32,
    (times, channels, lanes): (usize, usize, usize),
) -> (S::F, S::F) {
    let mut top = simd.splat(f32::NEG_INFINITY);
    for time in 0..times {
        // SAFETY: the caller vouches for the values.
        top = simd.max(top, simd.mul(alpha, unsafe { simd::load_first(simd, x.add(time * channels), lanes) }));
    }
    let mut total = simd.splat(0.0);
    for time in 0..times {
        // SAFETY: as above.
        let x = unsafe { simd::load_first(simd, x.add(time * channels), lanes) };
        total = simd.add(total, math::exp(simd, simd.sub(simd.mul(alpha, x), top)));
    }
    (top, total)
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { times, alpha, x, y } = self;
        let channels = alpha.len();
        for (x, y) in x.chunks_exact(times * channels).zip(y.chunks_exact_mut(channels)) {
            for at in (0..channels).step_by(S::LANES) {
                let lanes = S::LANES.min(channels - at);
                // SAFETY: `at + lanes ≤ channels` values of alpha, of y and of each of `times` rows of x.
                unsafe {
                    let x = x.as_ptr().add(at);
                    let alpha = simd::load_first(simd, alpha.as_ptr().add(at), lanes);
                    let (top, total) = scale(simd, alpha, x, (times, channels, lanes));
                    let mut sum = simd.splat(0.0);
                    for time in 0..times {
                        let x = simd::load_first(simd, x.add(time * channels), lanes);
                        sum = simd.mul_add(x, math::exp(simd, simd.sub(simd.mul(alpha, x), top)), sum);
                    }
                    simd::store_first(simd, y.as_mut_ptr().add(at), simd.div(sum, total), lanes);
                }
            }
        }
    }
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { times, alpha, x, y, dy, dalpha, dx } = self;
        let (channels, one) = (alpha.len(), simd.splat(1.0));
        let images = x.chunks_exact(times * channels).zip(dx.chunks_exact_mut(times * channels));
        for ((x, dx), (y, dy)) in images.zip(y.chunks_exact(channels).zip(dy.chunks_exact(channels))) {
            for at in (0..channels).step_by(S::LANES) {
                let lanes = S::LANES.min(channels - at);
                // SAFETY: `at + lanes ≤ channels` values of alpha, y, dy, dalpha and of each of `times` rows of x and dx.
                unsafe {
                    let (x, dx) = (x.as_ptr().add(at), dx.as_mut_ptr().add(at));
                    let load = |from: &[f32]| simd::load_first(simd, from.as_ptr().add(at), lanes);
                    let (alpha, y, dy) = (load(alpha), load(y), load(dy));
                    let (top, total) = scale(simd, alpha, x, (times, channels, lanes));
                    let share = simd.div(dy, total);
                    let mut slope = load(dalpha);
                    for time in 0..times {
                        let x = simd::load_first(simd, x.add(time * channels), lanes);
                        let s = simd.mul(share, math::exp(simd, simd.sub(simd.mul(alpha, x), top)));
                        let far = simd.sub(x, y);
                        slope = simd.mul_add(simd.mul(s, x), far, slope);
                        let d = simd.mul(s, simd.mul_add(alpha, far, one));
                        simd::store_first(simd, dx.add(time * channels), d, lanes);
                    }
                    simd::store_first(simd, dalpha.as_mut_ptr().add(at), slope, lanes);
                }
            }
        }
    }
}
