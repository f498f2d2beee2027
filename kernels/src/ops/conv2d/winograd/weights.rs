//! The weights at the 36 products, and the way back of their gradient.

use super::TAPS;
use super::transform::{POINTS, Weights, WeightsGrad, twice};
use crate::ops::gemm::BLOCK;
use crate::simd::{self, Kernel, Simd};

/// `U = G·g·Gᵀ` as B of 36 products: blocks of 16 outputs × inputs × 16.
pub(super) struct Pack<'a> {
    /// Input and output channels of the product.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Outputs × 3 × 3 × inputs; if `rotated`, the weights of which this is the transposed convolution: inputs × 3 × 3 ×
    /// outputs, taps last to first.
    pub(super) w: &'a [f32],
    pub(super) rotated: bool,
    /// 36 times `slab` values, zero where there is no input.
    pub(super) to: &'a mut [f32],
    pub(super) slab: usize,
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { inputs, outputs, slab, .. } = self;
        let depth = inputs.next_multiple_of(BLOCK);
        assert!(slab >= outputs.next_multiple_of(BLOCK) * depth && self.to.len() >= POINTS * POINTS * slab, "36 slabs");
        let to = self.to.as_mut_ptr();
        for first in (0..outputs).step_by(BLOCK) {
            for input in 0..inputs {
                let taps = self.taps(first, input);
                for lane in (0..BLOCK).step_by(S::LANES) {
                    // SAFETY: 16 values of each tap; LANES divides 16.
                    let load = |row: usize, col: usize| unsafe { simd.load(taps[row * 3 + col].as_ptr().add(lane)) };
                    // SAFETY: a slab holds 16 values for each of `depth` inputs in each block of outputs.
                    let store = |row: usize, col: usize, value| unsafe {
                        simd.store(to.add((row * POINTS + col) * slab + first * depth + input * BLOCK + lane), value);
                    };
                    twice::<S, Weights, 3, POINTS>(simd, load, store);
                }
            }
        }
    }
}

impl Pack<'_> {
    /// The kernels from one input to a block of outputs, zero past the last.
    #[inline(always)]
    fn taps(&self, first: usize, input: usize) -> [[f32; BLOCK]; TAPS] {
        let count = BLOCK.min(self.outputs - first);
        let mut taps = [[0.0; BLOCK]; TAPS];
        for tap in 0..TAPS {
            if self.rotated {
                let from = &self.w[(input * TAPS + TAPS - 1 - tap) * self.outputs + first..][..count];
                taps[tap][..count].copy_from_slice(from);
            } else {
                for j in 0..count {
                    taps[tap][j] = self.w[((first + j) * TAPS + tap) * self.inputs + input];
                }
            }
        }
        taps
    }
}

/// `dw += Gᵀ·dU·G`.
pub(super) struct UnpackGrad<'a> {
    pub(super) inputs: usize,
    /// 36 times outputs × inputs, `slab` values apart.
    pub(super) from: &'a [f32],
    pub(super) slab: usize,
    /// Outputs × 3 × 3 × inputs.
    pub(super) dw: &'a mut [f32],
}

impl Kernel for UnpackGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { inputs, slab, .. } = self;
        assert!(slab >= self.dw.len() / TAPS && self.from.len() >= POINTS * POINTS * slab, "36 slabs");
        for (output, dw) in self.dw.chunks_exact_mut(TAPS * inputs).enumerate() {
            for input in (0..inputs).step_by(S::LANES) {
                let lanes = S::LANES.min(inputs - input);
                let from = self.from[output * inputs + input..].as_ptr();
                // SAFETY: each of 36 slabs holds `inputs ≥ input + lanes` values for this output.
                let load = |row: usize, col: usize| unsafe {
                    simd::load_first(simd, from.add((row * POINTS + col) * slab), lanes)
                };
                // SAFETY: each of 9 taps holds `inputs ≥ input + lanes` values.
                let store = |row: usize, col: usize, value| unsafe {
                    let to = dw.as_mut_ptr().add((row * 3 + col) * inputs + input);
                    simd::store_first(simd, to, simd.add(simd::load_first(simd, to, lanes), value), lanes);
                };
                twice::<S, WeightsGrad, POINTS, 3>(simd, load, store);
            }
        }
    }
}
