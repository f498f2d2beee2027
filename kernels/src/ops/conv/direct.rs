//! 3x3 "same" convolution, bias, ReLU and max-pooling in one pass, channels last.
//!
//! ```text
//! for each pooled row i, group of output channels, pooled column j:        one tile = one pool window
//!     best = −∞
//!     for each pass over `R` rows of the window:                           R·P pixels × V vectors of accumulators
//!         acc[pixel][v] = Σ over 9 taps × input channels of x[pixel + tap, c] · w[v, tap, c]
//!         best, at = max over the pixels                                   bias and ReLU commute with the maximum
//!     y[i, j] = max(best + bias, 0)
//!     argmax[i, j] = at, or DEAD where y = 0
//! ```
//! 1. Lanes are output channels; an input value is broadcast and meets every accumulator of its pixel, a weight vector
//!    every pixel of the window. The un-pooled activation never leaves the registers.
//! 2. In a channels-last row the three taps of a kernel row lie next to each other, so taps × channels is one run of
//!    `3·C` values, and three such runs make a pixel.
//! 3. The border of zeros is part of the buffer: no edge code. Pixels that no whole window covers are not computed.
//! 4. Weights are packed in blocks of 16 output channels, [`ConvWeights`]; a vector is a whole or half block, so one
//!    packing serves every instruction set.
//!
//! Shapes that allow it go to [`winograd`](super::winograd) instead, which pools in the same way.
//!
//! Given up: lanes along pixels (wastes lanes at the ends of rows and needs shuffles for the pool), im2col (nine times
//! the memory traffic).

use super::shape::{BLOCK, Conv, ConvPool, TAPS};
use crate::ops::image::Image;
use crate::simd::{Kernel, Simd};

/// The direct kernel.
pub(super) struct Direct<'a, const KEEP: bool>(pub(super) Conv<'a, KEEP>);

impl<const KEEP: bool> Kernel for Direct<'_, KEEP> {
    type Output = ();

    /// Chooses the tile that fills the registers: rows per pass × pool width × vectors.
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        match (self.0.shape.pool, S::REGISTERS) {
            (2, 32..) => self.channels::<S, 2, 2, 4>(simd),
            (2, 16..) => self.channels::<S, 2, 2, 2>(simd),
            (2, _) => self.channels::<S, 2, 2, 1>(simd),
            (_, 32..) => self.channels::<S, 3, 3, 2>(simd),
            (_, 16..) => self.channels::<S, 3, 3, 1>(simd),
            (_, _) => self.channels::<S, 1, 3, 1>(simd),
        }
    }
}

impl<const KEEP: bool> Direct<'_, KEEP> {
    /// Walks the pooled rows and, for each, the output channels in groups of `V` vectors, the rest one by one.
    #[inline(always)]
    fn channels<S: Simd, const R: usize, const P: usize, const V: usize>(&mut self, simd: S) {
        let vectors = self.0.shape.output.channels.div_ceil(S::LANES);
        for row in 0..self.0.shape.output.rows {
            let whole = vectors / V * V;
            for vector in (0..whole).step_by(V) {
                self.row::<S, R, P, V>(simd, row, vector);
            }
            for vector in whole..vectors {
                self.row::<S, R, P, 1>(simd, row, vector);
            }
        }
    }

    /// One pooled row of `V` vectors of output channels.
    #[inline(always)]
    fn row<S: Simd, const R: usize, const P: usize, const V: usize>(&mut self, simd: S, row: usize, vector: usize) {
        let ConvPool { input, output, .. } = *self.0.shape;
        let depth = TAPS * input.channels;
        let first = vector * S::LANES;
        let mut weights = [self.0.packed.as_ptr(); V];
        for v in 0..V {
            let channel = first + v * S::LANES;
            // SAFETY: a vector lies within one block of 16 (LANES divides it), and there are blocks for all channels.
            weights[v] = unsafe { weights[v].add(channel / BLOCK * depth * BLOCK + channel % BLOCK) };
        }
        for col in 0..output.cols {
            // The window's top-left tap: the pixel above and left of its first pixel, which may lie in the border.
            let window = ((row * P) * input.pitch + col * P) * input.channels;
            // SAFETY: window rows `row·P .. row·P + P + 2` and columns likewise lie within the bordered input, because
            // `output.rows · P ≤ input.rows`; its length was checked on entry.
            let (best, place) =
                unsafe { tile::<S, R, P, V, KEEP>(simd, &input, self.0.x.as_ptr().add(window), &weights) };
            for v in 0..V {
                self.0.write(simd, row, col, first + v * S::LANES, best[v], place[v]);
            }
        }
    }
}

/// The maxima of one pool window before bias and ReLU, and, if `KEEP`, their positions.
///
/// # Safety
/// `x` must point to a window of `P + 2` rows and columns of the bordered input, `weights[v]` to 9·C vectors of a block.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const P: usize, const V: usize, const KEEP: bool>(
    simd: S,
    input: &Image,
    x: *const f32,
    weights: &[*const f32; V],
) -> ([S::F; V], [S::F; V]) {
    let run = 3 * input.channels;
    let (mut best, mut place) = ([simd.splat(0.0); V], [simd.splat(0.0); V]);
    for pass in (0..P).step_by(R) {
        let mut sums = [[[simd.splat(0.0); V]; P]; R];
        for tap_row in 0..3 {
            // SAFETY: rows `pass + r + tap_row < P + 2`, columns `p + 3 ≤ P + 2` of the window; `tap_row·run + step < 9·C`.
            unsafe {
                let mut rows = [x; R];
                for r in 0..R {
                    rows[r] = x.add((pass + r + tap_row) * input.stride());
                }
                for step in 0..run {
                    let mut w = [simd.splat(0.0); V];
                    for v in 0..V {
                        w[v] = simd.load(weights[v].add((tap_row * run + step) * BLOCK));
                    }
                    for r in 0..R {
                        for p in 0..P {
                            let value = simd.splat(*rows[r].add(p * input.channels + step));
                            for v in 0..V {
                                sums[r][p][v] = simd.mul_add(value, w[v], sums[r][p][v]);
                            }
                        }
                    }
                }
            }
        }
        for r in 0..R {
            for p in 0..P {
                for v in 0..V {
                    if pass + r + p == 0 {
                        best[v] = sums[0][0][v];
                        continue;
                    }
                    if KEEP {
                        let here = simd.splat(((pass + r) * P + p) as f32);
                        place[v] = simd.select_gt(sums[r][p][v], best[v], here, place[v]);
                    }
                    best[v] = simd.max(best[v], sums[r][p][v]);
                }
            }
        }
    }
    (best, place)
}
