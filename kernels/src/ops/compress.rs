//! Dynamic compression of mel power, the first layer of the network, with the per-band affine map that may follow it.

use super::image::Image;
use super::math;
use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// How mel power becomes something like loudness (paper, Table 1; both readings).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compression {
    /// `ln(1 + c·x)`, the usual form of this field.
    Log1p {
        /// The gain `c` before the logarithm, 10⁴ by default.
        gain: f32,
    },
    /// `ln(1 + 10ˣ)`, as the table prints it.
    Literal,
}

/// Compresses `frames × bands` mel power into the interior of a one-channel image: `y = f(x)·scale[band] + shift[band]`.
///
/// `x`: `image.rows · image.cols`, finite and not negative; `scale`, `shift`: `image.cols`; `y`: `image.len()`, whose
/// border stays as it is. Absolute error of `f` ≤ 1e-6 or 3 ulp.
pub fn compress(isa: Isa, how: Compression, image: Image, x: &[f32], scale: &[f32], shift: &[f32], y: &mut [f32]) {
    assert_eq!(image.channels, 1, "a spectrogram has one channel");
    assert_eq!(x.len(), image.rows * image.cols, "frames × bands");
    assert_eq!(y.len(), image.len(), "the image");
    assert!(scale.len() == image.cols && shift.len() == image.cols, "one scale and shift a band");
    isa.run(Compress { how, image, x, scale, shift, y });
}

struct Compress<'a> {
    how: Compression,
    image: Image,
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Compress<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { how, image, x, scale, shift, y } = self;
        for (row, x) in x.chunks_exact(image.cols).enumerate() {
            let at = image.at(row, 0);
            let y = &mut y[at..at + image.cols];
            match how {
                Compression::Log1p { gain } => simd::map(simd, x, y, |x| log1p(simd, gain, x)),
                Compression::Literal => simd::map(simd, x, y, |x| literal(simd, x)),
            }
            for (y, (scale, shift)) in y.iter_mut().zip(scale.iter().zip(shift)) {
                *y = *y * scale + shift;
            }
        }
    }
}

#[inline(always)]
fn log1p<S: Simd>(simd: S, gain: f32, x: S::F) -> S::F {
    math::ln(simd, simd.mul_add(x, simd.splat(gain), simd.splat(1.0)))
}

/// `ln(1 + 10ˣ) = t + ln(1 + e⁻ᵗ)` with `t = x·ln 10 ≥ 0`: no overflow for any power.
#[inline(always)]
fn literal<S: Simd>(simd: S, x: S::F) -> S::F {
    let t = simd.mul(x, simd.splat(std::f32::consts::LN_10));
    let tail = math::exp(simd, simd.sub(simd.splat(0.0), t));
    simd.add(t, math::ln(simd, simd.add(tail, simd.splat(1.0))))
}
