//! Weight and bias gradient of a convolution of one input channel (the spectrogram) pooled 2x2.
//!
//! ```text
//! for each vector of output channels, pooled pixel:
//!     place = the position of each lane's maximum in its 2x2 window      its taps: 3x3 of the window's 4x4 values
//!     sums[t][k] += dy · value (t + place / 2, k + place % 2)             dy = 0 where dead
//! ```
//! 1. Runs of taps are only three values long here, so lanes are output channels and the sums of all nine taps stay in
//!    registers for the whole image.
//! 2. Lanes want different values of the window: two of its rows are one vector of eight, and a permutation picks.
//!
//! Given up: a mask for each of the four positions instead of the permutation (four times the multiply-adds).

use super::grad::{ConvGradInput, ConvGradOutput};
use super::shape::{ConvPool, DEAD};
use crate::simd::{self, Kernel, Simd};

/// The kernel.
pub(super) struct MonoGrad<'a> {
    pub(super) input: ConvGradInput<'a>,
    pub(super) output: ConvGradOutput<'a>,
}

impl Kernel for MonoGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for channel in (0..self.input.shape.output.channels).step_by(S::LANES) {
            self.channels(simd, channel);
        }
    }
}

impl MonoGrad<'_> {
    pub(super) fn suits(shape: &ConvPool) -> bool {
        shape.input.channels == 1 && shape.pool == 2
    }

    #[inline(always)]
    fn channels<S: Simd>(&mut self, simd: S, channel: usize) {
        let ConvPool { input: image, output, .. } = *self.input.shape;
        let lanes = S::LANES.min(output.channels - channel);
        let zero = simd.splat(0.0);
        let mut sums = [[zero; 3]; 3];
        let mut bias = zero;
        for row in 0..output.rows {
            for col in 0..output.cols {
                let at = (row * output.cols + col) * output.channels + channel;
                // SAFETY: pixel `(row, col)` has `channel + lanes` values in dy and in the argmax; the window's four rows
                // and columns lie within the bordered image.
                unsafe {
                    let dy = simd::load_first(simd, self.input.dy.as_ptr().add(output.at(row, col) + channel), lanes);
                    let place = positions(simd, &self.input.argmax[at..at + lanes]);
                    let dy = simd.select_gt(simd.splat(f32::from(DEAD)), place, dy, zero);
                    bias = simd.add(bias, dy);
                    // Positions 0, 1, 2, 3 begin at values 0, 1, 4, 5 of two rows of four.
                    let first = simd.select_gt(place, simd.splat(1.0), simd.add(place, simd.splat(2.0)), place);
                    let window = self.input.x.as_ptr().add(row * 2 * image.pitch + col * 2);
                    for t in 0..3 {
                        let (low, high) = (window.add(t * image.pitch), window.add((t + 1) * image.pitch));
                        for k in 0..3 {
                            let x = simd.pick(low, high, simd.add(first, simd.splat(k as f32)));
                            sums[t][k] = simd.mul_add(x, dy, sums[t][k]);
                        }
                    }
                }
            }
        }
        self.add(simd, channel, lanes, &sums, bias);
    }

    /// Adds sums whose lanes are output channels to gradients whose rows are output channels.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, channel: usize, lanes: usize, sums: &[[S::F; 3]; 3], bias: S::F) {
        for tap in 0..9 {
            let values = to_array(simd, sums[tap / 3][tap % 3]);
            for lane in 0..lanes {
                self.output.dw[(channel + lane) * 9 + tap] += values[lane];
            }
        }
        let values = to_array(simd, bias);
        for lane in 0..lanes {
            self.output.db[channel + lane] += values[lane];
        }
    }
}

#[inline(always)]
fn to_array<S: Simd>(simd: S, vector: S::F) -> [f32; 16] {
    let mut values = [0.0; 16];
    // SAFETY: `values` holds 16 ≥ LANES values.
    unsafe { simd.store(values.as_mut_ptr(), vector) };
    values
}

/// Bytes of an argmax as lanes; missing lanes are 0.
#[inline(always)]
fn positions<S: Simd>(simd: S, argmax: &[u8]) -> S::F {
    if argmax.len() == S::LANES {
        // SAFETY: there are LANES bytes.
        return unsafe { simd.load_u8(argmax.as_ptr()) };
    }
    let mut bytes = [0u8; 16];
    bytes[..argmax.len()].copy_from_slice(argmax);
    // SAFETY: `bytes` holds 16 ≥ LANES bytes.
    unsafe { simd.load_u8(bytes.as_ptr()) }
}
