//! The five linear maps of F(4x4, 3x3) at the points 0, ±√½, ±√2, ∞, in one dimension; applied twice they do two.
//!
//! From the Toom–Cook construction: with `a = √½`, `b = √2`, of which `ab = 1`, the polynomials that vanish at all points but
//! one give Bᵀ, powers of the points Aᵀ, and both divided by the polynomials' values G. Points ±x share their even and odd
//! parts. These points halve the rounding of the usual ±1, ±2 (relative L2 of 512 channels 1.4e-6 for 2.9e-6).

use std::f32::consts::{FRAC_1_SQRT_2 as A, SQRT_2 as B};

use crate::simd::Simd;

/// Values of a window or tile at the six points, products of a line.
pub(super) const POINTS: usize = 6;

/// A linear map of `N` to `M` neighbouring values.
pub(super) trait Transform<const N: usize, const M: usize> {
    fn apply<S: Simd>(simd: S, x: [S::F; N]) -> [S::F; M];
}

/// Bᵀ: six inputs at the points.
pub(super) struct Input;

/// G: three weights at the points.
pub(super) struct Weights;

/// Aᵀ: four outputs from the products.
pub(super) struct Output;

/// A: the gradient of the products from that of the outputs.
pub(super) struct OutputGrad;

/// Gᵀ: the gradient of the weights from that at the points.
pub(super) struct WeightsGrad;

/// `(even + odd, even − odd)`.
#[inline(always)]
fn pair<S: Simd>(simd: S, even: S::F, odd: S::F) -> (S::F, S::F) {
    (simd.add(even, odd), simd.sub(even, odd))
}

/// `x·x_factor + y·y_factor`.
#[inline(always)]
fn blend<S: Simd>(simd: S, x: S::F, x_factor: f32, y: S::F, y_factor: f32) -> S::F {
    simd.mul_add(x, simd.splat(x_factor), simd.mul(y, simd.splat(y_factor)))
}

/// `x·factor + y`.
#[inline(always)]
fn plus<S: Simd>(simd: S, y: S::F, x: S::F, factor: f32) -> S::F {
    simd.mul_add(x, simd.splat(factor), y)
}

impl Transform<6, 6> for Input {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, d: [S::F; 6]) -> [S::F; 6] {
        let (near, near_negative) = pair(simd, plus(simd, d[4], d[2], -2.0), blend(simd, d[3], A, d[1], -B));
        let (far, far_negative) = pair(simd, plus(simd, d[4], d[2], -0.5), blend(simd, d[3], B, d[1], -A));
        [
            plus(simd, simd.add(d[0], d[4]), d[2], -2.5),
            near,
            near_negative,
            far,
            far_negative,
            plus(simd, simd.add(d[1], d[5]), d[3], -2.5),
        ]
    }
}

impl Transform<3, 6> for Weights {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, g: [S::F; 3]) -> [S::F; 6] {
        let near_even = blend(simd, g[0], -2.0 / 3.0, g[2], -1.0 / 3.0);
        let far_even = blend(simd, g[0], 1.0 / 6.0, g[2], 1.0 / 3.0);
        let (near, near_negative) = pair(simd, near_even, simd.mul(g[1], simd.splat(-2.0 / 3.0 * A)));
        let (far, far_negative) = pair(simd, far_even, simd.mul(g[1], simd.splat(B / 6.0)));
        [g[0], near, near_negative, far, far_negative, g[2]]
    }
}

impl Transform<6, 4> for Output {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, m: [S::F; 6]) -> [S::F; 4] {
        let (near_even, near_odd) = pair(simd, m[1], m[2]);
        let (far_even, far_odd) = pair(simd, m[3], m[4]);
        [
            simd.add(simd.add(m[0], near_even), far_even),
            blend(simd, near_odd, A, far_odd, B),
            blend(simd, near_even, 0.5, far_even, 2.0),
            simd.add(blend(simd, near_odd, A / 2.0, far_odd, B * 2.0), m[5]),
        ]
    }
}

impl Transform<4, 6> for OutputGrad {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, y: [S::F; 4]) -> [S::F; 6] {
        let (near, near_negative) = pair(simd, plus(simd, y[0], y[2], 0.5), blend(simd, y[1], A, y[3], A / 2.0));
        let (far, far_negative) = pair(simd, plus(simd, y[0], y[2], 2.0), blend(simd, y[1], B, y[3], B * 2.0));
        [y[0], near, near_negative, far, far_negative, y[3]]
    }
}

impl Transform<6, 3> for WeightsGrad {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, u: [S::F; 6]) -> [S::F; 3] {
        let (near_even, near_odd) = pair(simd, u[1], u[2]);
        let (far_even, far_odd) = pair(simd, u[3], u[4]);
        [
            simd.add(blend(simd, near_even, -2.0 / 3.0, far_even, 1.0 / 6.0), u[0]),
            blend(simd, near_odd, -2.0 / 3.0 * A, far_odd, B / 6.0),
            simd.add(blend(simd, near_even, -1.0 / 3.0, far_even, 1.0 / 3.0), u[5]),
        ]
    }
}

/// The map along columns, then along rows: `N × N` values from `load(row, col)`, `M × M` to `store(row, col, value)`.
#[inline(always)]
pub(super) fn twice<S: Simd, T: Transform<N, M>, const N: usize, const M: usize>(
    simd: S,
    load: impl Fn(usize, usize) -> S::F,
    mut store: impl FnMut(usize, usize, S::F),
) {
    let zero = simd.splat(0.0);
    let mut half = [[zero; N]; M];
    for col in 0..N {
        let mut column = [zero; N];
        for row in 0..N {
            column[row] = load(row, col);
        }
        let column = T::apply(simd, column);
        for row in 0..M {
            half[row][col] = column[row];
        }
    }
    for row in 0..M {
        let line = T::apply(simd, half[row]);
        for col in 0..M {
            store(row, col, line[col]);
        }
    }
}
