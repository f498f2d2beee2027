//! The geometry of a convolution with its pooling, and the place where every formulation leaves its result.

use crate::ops::image::Image;
use crate::simd::{self, Simd};

/// Marks in an argmax that ReLU has cut the value: no gradient passes.
pub const DEAD: u8 = 255;

/// Taps of a 3x3 kernel.
pub(super) const TAPS: usize = 9;

/// Output channels of a block of packed weights.
pub(super) const BLOCK: usize = 16;

/// The geometry of a convolution with its pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvPool {
    /// The image read.
    pub input: Image,
    /// The pooled image written.
    pub output: Image,
    /// Height, width and stride of the pooling window: 2 or 3.
    pub pool: usize,
}

impl ConvPool {
    /// A convolution of `input` to `channels`, pooled `pool × pool`, floor (valid).
    ///
    /// # Panics
    /// Unless `pool` is 2 or 3 and at least one window fits.
    pub fn new(input: Image, channels: usize, pool: usize) -> Self {
        assert!(pool == 2 || pool == 3, "pooling 2x2 or 3x3");
        assert!(input.rows >= pool && input.cols >= pool, "at least one pooling window");
        let output = Image::new(input.rows / pool, input.cols / pool, channels);
        Self { input, output, pool }
    }

    /// Weights: output channels × 3 × 3 × input channels.
    pub fn weights(&self) -> usize {
        self.output.channels * TAPS * self.input.channels
    }

    /// Values of an argmax: pooled rows × pooled columns × output channels, no border.
    pub fn argmax(&self) -> usize {
        self.output.rows * self.output.cols * self.output.channels
    }

    /// Floating-point operations of the direct convolution, a multiply-add counted as two.
    pub fn flops(&self) -> usize {
        2 * self.weights() * self.output.rows * self.output.cols * self.pool * self.pool
    }
}

/// A convolution at work, its sizes checked.
pub(super) struct Conv<'a, const KEEP: bool> {
    pub(super) shape: &'a ConvPool,
    pub(super) packed: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) x: &'a [f32],
    pub(super) pooled: Pooled<'a, KEEP>,
}

/// Where the result goes; `KEEP`: whether the argmax is wanted.
pub(super) struct Pooled<'a, const KEEP: bool> {
    pub(super) y: &'a mut [f32],
    pub(super) argmax: &'a mut [u8],
}

impl<const KEEP: bool> Conv<'_, KEEP> {
    /// Bias, ReLU and the place of a pooled pixel's maximum: a vector of output channels from `channel` on.
    #[inline(always)]
    pub(super) fn write<S: Simd>(&mut self, simd: S, row: usize, col: usize, channel: usize, best: S::F, place: S::F) {
        let output = &self.shape.output;
        let lanes = S::LANES.min(output.channels - channel);
        // SAFETY: biases are padded to whole blocks; pixel `(row, col)` of the output has `channel + lanes` values.
        let value = unsafe {
            let bias = simd.load(self.bias.as_ptr().add(channel));
            let value = simd.max(simd.add(best, bias), simd.splat(0.0));
            simd::store_first(simd, self.pooled.y.as_mut_ptr().add(output.at(row, col) + channel), value, lanes);
            value
        };
        if KEEP {
            let at = (row * output.cols + col) * output.channels + channel;
            keep(simd, value, place, &mut self.pooled.argmax[at..at + lanes]);
        }
    }
}

/// Writes the positions of the maxima as bytes.
#[inline(always)]
fn keep<S: Simd>(simd: S, value: S::F, place: S::F, argmax: &mut [u8]) {
    let place = simd.select_gt(value, simd.splat(0.0), place, simd.splat(DEAD as f32));
    if argmax.len() == S::LANES {
        // SAFETY: there are LANES places.
        return unsafe { simd.store_u8(argmax.as_mut_ptr(), place) };
    }
    let mut places = [0; BLOCK];
    // SAFETY: `places` holds 16 ≥ LANES bytes.
    unsafe { simd.store_u8(places.as_mut_ptr(), place) };
    argmax.copy_from_slice(&places[..argmax.len()]);
}
