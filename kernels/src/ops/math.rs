//! Exponential and logarithm of a vector: exact range reduction, then the Taylor series, cut where f32 no longer sees it.

use crate::simd::Simd;

/// ln x for positive, normal, finite x; error ≤ 3 ulp, or 1e-7 near x = 1.
///
/// With `x = m·2^e` and `m` moved to `[√½, √2)`: `ln x = e·ln 2 + 2·artanh(s)`, `s = (m−1)/(m+1)`, |s| < 0.172, so that
/// the series `s + s³/3 + … + s⁹/9` leaves out less than 1e-9.
#[inline(always)]
pub(super) fn ln<S: Simd>(simd: S, x: S::F) -> S::F {
    let one = simd.splat(1.0);
    let (exponent, mantissa) = simd.split_exponent(x);
    let root = simd.splat(std::f32::consts::SQRT_2);
    let exponent = simd.select_gt(mantissa, root, simd.add(exponent, one), exponent);
    let mantissa = simd.select_gt(mantissa, root, simd.mul(mantissa, simd.splat(0.5)), mantissa);
    let s = simd.div(simd.sub(mantissa, one), simd.add(mantissa, one));
    let square = simd.mul(s, s);
    let mut series = simd.splat(2.0 / 9.0);
    for coefficient in [2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0] {
        series = simd.mul_add(series, square, simd.splat(coefficient));
    }
    simd.mul_add(exponent, simd.splat(std::f32::consts::LN_2), simd.mul(series, s))
}

/// eˣ for −87 ≤ x ≤ 88, clamped below; relative error ≤ 3e-7.
///
/// `x = n·ln 2 + r`, |r| ≤ ln 2 / 2, then seven terms of the series of `eʳ`, which leave out less than 6e-9.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::F) -> S::F {
    const LN_2_HIGH: f32 = 0.693_359_4; // 12 bits of ln 2, so that n · LN_2_HIGH is exact
    const LN_2_LOW: f32 = (std::f64::consts::LN_2 - LN_2_HIGH as f64) as f32;
    let x = simd.max(x, simd.splat(-87.0));
    let n = simd.round(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)));
    let r = simd.mul_add(n, simd.splat(-LN_2_HIGH), x);
    let r = simd.mul_add(n, simd.splat(-LN_2_LOW), r);
    let mut series = simd.splat(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = simd.mul_add(series, r, simd.splat(coefficient));
    }
    simd.mul(series, simd.pow2(n))
}
