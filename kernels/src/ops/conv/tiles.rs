//! 3x3 convolution with bias, ReLU and max-pooling, as products of bf16 tiles summed in f32.
//!
//! ```text
//! for each pooled row:
//!     band = its P + 2 input rows, rounded to bf16                  two of them from the pooled row before
//!     for each group of 32 output channels:
//!         for each of the P rows, group of 32 pixels:
//!             sums[row][pixel][o] = Σ over 3 kernel rows, runs of 32 values: x[pixel's run] · w[run][o]
//!         maximum over each window → bias, ReLU, argmax
//! ```
//! 1. Channels last, the three taps of a kernel row are one run of `3·C` values; a tile takes 32 of them for each of up
//!    to 16 neighbouring pixels straight from the band, whose runs overlap. A run's end is filled up by weights of zero,
//!    which meet whatever lies behind it in the band.
//! 2. The last group of pixels overlaps its neighbour rather than being short; a row of fewer than 32 is split evenly
//!    between the two tiles.
//! 3. Band, sums and the weights of a group stay in the L1 cache; the image in bf16 is never written as a whole.
//!
//! Given up: Winograd, whose transformed inputs and weights would be rounded once more.

use super::shape::{Conv, ConvPool};
use crate::arch::amx::{Amx, Configured, OUTPUTS, Product, STEP};
use crate::buffer::Buffer;
use crate::simd::{Kernel, Simd};

/// Pixels of two tiles.
const PIXELS: usize = 32;

/// Output channels of a block of packed weights.
pub(super) const CHANNELS: usize = OUTPUTS;

/// Pairs of bf16 for each output channel: 3 kernel rows, filled up to whole tiles.
pub(super) fn depth(inputs: usize) -> usize {
    3 * steps(inputs) * STEP / 2
}

/// Tiles along a kernel row.
fn steps(inputs: usize) -> usize {
    (3 * inputs).div_ceil(STEP)
}

/// Packs output channel `output` of a block (`w`: 3 × 3 × inputs) as pairs of bf16 in the places of f32. A block is a
/// sequence of steps, a step two tiles of 16 outputs each, a tile 16 pairs × 16 outputs.
pub(super) fn pack(w: &[f32], output: usize, to: &mut [f32]) {
    let run = w.len() / 3;
    let steps = steps(run / 3);
    let at = |row: usize, value: usize| if value < run { u32::from(bf16(w[row * run + value])) } else { 0 };
    for row in 0..3 {
        for pair in 0..steps * STEP / 2 {
            let (step, line) = (row * steps + pair / 16, pair % 16);
            let place = ((step * 2 + output / 16) * 16 + line) * 16 + output % 16;
            to[place] = f32::from_bits(at(row, 2 * pair) | at(row, 2 * pair + 1) << 16);
        }
    }
}

/// The upper half of an f32, rounded to nearest, ties to even.
fn bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = if x.is_nan() { bits | 1 << 22 } else { bits + 0x7FFF + (bits >> 16 & 1) };
    (rounded >> 16) as u16
}

/// The kernel.
pub(super) struct OnTiles<'a, const KEEP: bool> {
    pub(super) conv: Conv<'a, KEEP>,
    pub(super) amx: Amx,
}

impl<const KEEP: bool> Kernel for OnTiles<'_, KEEP> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let ConvPool { output, pool, .. } = *self.conv.shape;
        let cols = output.cols * pool;
        let pixels = cols.min(PIXELS);
        let tiles = self.amx.configure([pixels.div_ceil(2), pixels / 2]);
        let mut band = Band::new(self.conv.shape);
        let mut sums = Buffer::zeros(pool * cols * OUTPUTS);
        for row in 0..output.rows {
            band.advance(self.amx, &self.conv, row);
            for block in 0..output.channels.div_ceil(CHANNELS) {
                self.multiply(&tiles, pixels, &band, block, &mut sums);
                self.pool_row(simd, row, block, &sums);
            }
        }
    }
}

impl<const KEEP: bool> OnTiles<'_, KEEP> {
    /// The convolution at the pixels of one pooled row for a block of output channels, with tiles for `pixels` pixels.
    fn multiply(&self, tiles: &Configured, pixels: usize, band: &Band, block: usize, sums: &mut [f32]) {
        let ConvPool { input, output, pool } = *self.conv.shape;
        let cols = output.cols * pool;
        let depth = depth(input.channels);
        let w = &self.conv.packed[block * CHANNELS * depth..][..CHANNELS * depth];
        assert_eq!(sums.len(), pool * cols * OUTPUTS);
        for row in 0..pool {
            for group in 0..cols.div_ceil(pixels) {
                let col = (group * pixels).min(cols - pixels);
                // SAFETY: pixels `col .. col + pixels` lie within the image, so that their windows end at most a step behind
                // the band's last row, which has room for it; `w` holds 32 · 3 · steps · 16 pairs, `sums` P × cols × 32
                // values.
                unsafe {
                    tiles.multiply(&Product {
                        x: band.values().as_ptr().add(row * band.stride + col * input.channels),
                        pixel: input.channels,
                        row: band.stride,
                        steps: steps(input.channels),
                        w: w.as_ptr().cast(),
                        y: sums.as_mut_ptr().add((row * cols + col) * OUTPUTS),
                    });
                }
            }
        }
    }

    /// The maximum of each window of a pooled row.
    #[inline(always)]
    fn pool_row<S: Simd>(&mut self, simd: S, row: usize, block: usize, sums: &[f32]) {
        let ConvPool { output, pool, .. } = *self.conv.shape;
        assert_eq!(sums.len(), pool * pool * output.cols * OUTPUTS);
        let last = output.channels.min((block + 1) * CHANNELS);
        for channel in (block * CHANNELS..last).step_by(S::LANES) {
            for col in 0..output.cols {
                let (mut best, mut place) = (simd.splat(f32::NEG_INFINITY), simd.splat(0.0));
                for at in 0..pool * pool {
                    let pixel = (at / pool * output.cols + col) * pool + at % pool;
                    // SAFETY: `pixel` is less than P · P · cols, and LANES divides the 32 values of each.
                    let sum = unsafe { simd.load(sums.as_ptr().add(pixel * OUTPUTS + channel % CHANNELS)) };
                    if KEEP {
                        place = simd.select_gt(sum, best, simd.splat(at as f32), place);
                    }
                    best = simd.max(best, sum);
                }
                self.conv.write(simd, row, col, channel, best, place);
            }
        }
    }
}

/// The input rows of one pooled row in bf16, without pitch, with room for a step behind the last.
struct Band {
    /// Pairs of bf16 in the places of f32, because a `Buffer` begins on a cache line.
    pairs: Buffer,
    /// Values of a row, border included.
    stride: usize,
    rows: usize,
}

impl Band {
    fn new(shape: &ConvPool) -> Self {
        let stride = (shape.input.cols + 2) * shape.input.channels;
        let rows = shape.pool + 2;
        Self { pairs: Buffer::zeros((rows * stride + STEP).div_ceil(2)), stride, rows }
    }

    fn values(&self) -> &[u16] {
        // SAFETY: an f32 has the room of two u16 and a stricter alignment; all bits are valid.
        unsafe { std::slice::from_raw_parts(self.pairs.as_ptr().cast(), 2 * self.pairs.len()) }
    }

    fn values_mut(&mut self) -> &mut [u16] {
        // SAFETY: as in `values`; the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.pairs.as_mut_ptr().cast(), 2 * self.pairs.len()) }
    }

    /// Brings the rows of pooled row `row`; they are asked for one after the other.
    fn advance<const KEEP: bool>(&mut self, amx: Amx, conv: &Conv<'_, KEEP>, row: usize) {
        let Self { stride, rows, .. } = *self;
        let ConvPool { input, pool, .. } = *conv.shape;
        let kept = if row == 0 { 0 } else { 2 };
        let values = self.values_mut();
        values.copy_within((rows - kept) * stride..rows * stride, 0);
        for r in kept..rows {
            let from = &conv.x[(row * pool + r) * input.stride()..][..stride];
            amx.round(from, &mut values[r * stride..][..stride]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bf16;

    #[test]
    fn rounding_is_to_nearest_and_ties_go_to_even() {
        // 1 + k/256: a bf16 has steps of 1/128 there.
        for (x, want) in [(1.0, 0x3F80), (1.0 + 1.0 / 256.0, 0x3F80), (1.0 + 3.0 / 256.0, 0x3F82), (-0.0, 0x8000)] {
            assert_eq!(bf16(x), want, "{x}");
        }
        assert_eq!(bf16(1.0 + 1.0 / 256.0 + 1e-6), 0x3F81);
        assert_eq!(bf16(f32::MAX), 0x7F80, "beyond the largest: infinity");
        assert_eq!([f32::INFINITY, f32::NEG_INFINITY].map(bf16), [0x7F80, 0xFF80]);
        assert!(f32::from_bits(u32::from(bf16(f32::NAN)) << 16).is_nan());
    }
}
