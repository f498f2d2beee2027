//! 3x3 convolution by Winograd's minimal filtering F(3x3, 3x3), with bias, ReLU and 3x3 max-pooling.
//!
//! ```text
//! for each group of `T` pools, across the ends of rows:
//!     V[p][t][c] = Bᵀ·d·B          5x5 window of each of the T pools, each input channel (lanes)
//!     for each group of output channels:
//!         M[p][t][o] = Σ_c V[p][t][c] · U[p][c][o]      25 products instead of 81
//!         Aᵀ·M·A → the 9 pixels of the pool → maximum → bias, ReLU, argmax
//! ```
//! 1. A 3x3 pool is exactly one output tile: pooling happens in the output transform, the activation is never written.
//! 2. The points are 0, 1, −1, 2, ∞: small integers, and no less accurate than the direct sum in f32.
//! 3. `T` pools at a time keep V and M (25 × T × 16 or 32 floats) in the L1 cache; U streams from L2 once per group.
//! 4. The last group overlaps its neighbour rather than being short.
//! 5. V lies in blocks of 16 input channels × `T` pools, so that every address in the product loop is a constant away.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016); matrices from the Toom–Cook
//! construction over these points. Given up: F(4x4, 3x3), whose tile is no pool.

use super::shape::{BLOCK, Conv, ConvPool};
use crate::buffer::Buffer;
use crate::simd::{Kernel, Simd};

/// Products of a tile.
pub(super) const PRODUCTS: usize = 25;

/// G, the transform of a filter's three taps to its values at the five points.
const G: [[f32; 3]; 5] = [
    [1.0 / 2.0, 0.0, 0.0],
    [-1.0 / 2.0, -1.0 / 2.0, -1.0 / 2.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 6.0, 2.0 / 6.0, 4.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// U = G·g·Gᵀ of one output channel (`w`: 3 × 3 × inputs), in f64, to every 16th place of `to`: products × inputs × 16.
pub(super) fn pack(w: &[f32], inputs: usize, to: &mut [f32]) {
    for c in 0..inputs {
        for p in 0..PRODUCTS {
            let (row, col) = (G[p / 5].map(f64::from), G[p % 5].map(f64::from));
            let tap = |tap: usize| row[tap / 3] * col[tap % 3] * f64::from(w[tap * inputs + c]);
            to[(p * inputs + c) * BLOCK] = (0..9).map(tap).sum::<f64>() as f32;
        }
    }
}

/// The kernel.
pub(super) struct Winograd<'a, const KEEP: bool>(pub(super) Conv<'a, KEEP>);

impl<const KEEP: bool> Kernel for Winograd<'_, KEEP> {
    type Output = ();

    /// Chooses pools × vectors of the product tile to fill the registers.
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        match S::REGISTERS {
            32.. => self.groups::<S, 7, 2>(simd),
            16.. => self.groups::<S, 6, 2>(simd),
            _ => self.groups::<S, 3, 1>(simd),
        }
    }
}

impl<const KEEP: bool> Winograd<'_, KEEP> {
    #[inline(always)]
    fn groups<S: Simd, const T: usize, const V: usize>(&mut self, simd: S) {
        let ConvPool { input, output, .. } = *self.0.shape;
        let mut windows = Buffer::zeros(PRODUCTS * T * input.channels);
        let mut products = Buffer::zeros(PRODUCTS * T * V * S::LANES);
        let vectors = output.channels.div_ceil(S::LANES);
        let pools = output.rows * output.cols;
        for group in 0..pools.div_ceil(T) {
            let first = (group * T).min(pools.saturating_sub(T));
            let count = T.min(pools);
            for pool in 0..count {
                self.transform_window::<S, T>(simd, first + pool, pool, &mut windows);
            }
            let whole = vectors / V * V;
            for vector in (0..whole).step_by(V) {
                self.multiply::<S, T, V>(simd, vector, &windows, &mut products);
                self.pool_group::<S, T, V>(simd, first, count, vector, &products);
            }
            for vector in whole..vectors {
                self.multiply::<S, T, 1>(simd, vector, &windows, &mut products);
                self.pool_group::<S, T, 1>(simd, first, count, vector, &products);
            }
        }
    }

    /// V = Bᵀ·d·B of one pool's 5x5 window, vector by vector of input channels.
    #[inline(always)]
    fn transform_window<S: Simd, const T: usize>(&self, simd: S, at: usize, pool: usize, to: &mut [f32]) {
        let ConvPool { input, output, .. } = self.0.shape;
        let (row, col) = (at / output.cols, at % output.cols);
        let corner = (row * 3 * input.pitch + col * 3) * input.channels;
        let blocks = input.channels / BLOCK;
        for c in (0..input.channels).step_by(S::LANES) {
            let zero = simd.splat(0.0);
            let mut rows = [[zero; 5]; 5];
            for r in 0..5 {
                let mut window = [zero; 5];
                for k in 0..5 {
                    let at = corner + r * input.stride() + k * input.channels + c;
                    // SAFETY: rows `3·row + r` and columns `3·col + k`, `r`, `k` < 5, lie in the bordered image, because
                    // three times the pooled size fits it; LANES divides the channels.
                    window[k] = unsafe { simd.load(self.0.x.as_ptr().add(at)) };
                }
                rows[r] = input_transform(simd, window);
            }
            for k in 0..5 {
                let column = input_transform(simd, [rows[0][k], rows[1][k], rows[2][k], rows[3][k], rows[4][k]]);
                for r in 0..5 {
                    let at = (((r * 5 + k) * blocks + c / BLOCK) * T + pool) * BLOCK + c % BLOCK;
                    // SAFETY: `to` holds 25 × blocks × T × 16 values; product < 25, pool < T.
                    unsafe { simd.store(to.as_mut_ptr().add(at), column[r]) };
                }
            }
        }
    }

    /// M[p][t][o] = Σ_c V[p][t][c]·U[p][c][o] for `V` vectors of output channels: 25 small matrix products.
    #[inline(always)]
    fn multiply<S: Simd, const T: usize, const V: usize>(
        &self,
        simd: S,
        vector: usize,
        windows: &[f32],
        to: &mut [f32],
    ) {
        let inputs = self.0.shape.input.channels;
        for p in 0..PRODUCTS {
            let mut sums = [[simd.splat(0.0); V]; T];
            // SAFETY: `packed` holds 25 × inputs × 16 values for each block of output channels, and a vector lies in one
            // block; `windows` holds 25 × inputs / 16 × T × 16 values, `to` 25 × T × V vectors.
            unsafe {
                let mut weights = [self.0.packed.as_ptr(); V];
                for v in 0..V {
                    let channel = (vector + v) * S::LANES;
                    let block = channel / BLOCK * PRODUCTS + p;
                    weights[v] = weights[v].add(block * inputs * BLOCK + channel % BLOCK);
                }
                for block in 0..inputs / BLOCK {
                    let x = windows.as_ptr().add((p * (inputs / BLOCK) + block) * T * BLOCK);
                    for four in (0..BLOCK).step_by(4) {
                        for c in four..four + 4 {
                            let mut w = [simd.splat(0.0); V];
                            for v in 0..V {
                                w[v] = simd.load(weights[v].add((block * BLOCK + c) * BLOCK));
                            }
                            for t in 0..T {
                                let x = simd.splat(*x.add(t * BLOCK + c));
                                for v in 0..V {
                                    sums[t][v] = simd.mul_add(x, w[v], sums[t][v]);
                                }
                            }
                        }
                    }
                }
                for t in 0..T {
                    for v in 0..V {
                        simd.store(to.as_mut_ptr().add(((p * T + t) * V + v) * S::LANES), sums[t][v]);
                    }
                }
            }
        }
    }

    /// Aᵀ·M·A and the maximum of the nine pixels, for each pool of the group.
    #[inline(always)]
    fn pool_group<S: Simd, const T: usize, const V: usize>(
        &mut self,
        simd: S,
        first: usize,
        count: usize,
        vector: usize,
        products: &[f32],
    ) {
        let cols = self.0.shape.output.cols;
        for pool in 0..count {
            let (row, col) = ((first + pool) / cols, (first + pool) % cols);
            for v in 0..V {
                let zero = simd.splat(0.0);
                let mut rows = [[zero; 3]; 5];
                for r in 0..5 {
                    let mut product = [zero; 5];
                    for k in 0..5 {
                        let at = (((r * 5 + k) * T + pool) * V + v) * S::LANES;
                        // SAFETY: `products` holds 25 × T × V vectors.
                        product[k] = unsafe { simd.load(products.as_ptr().add(at)) };
                    }
                    rows[r] = output_transform(simd, product);
                }
                let mut pixels = [[zero; 3]; 3];
                for k in 0..3 {
                    let column = output_transform(simd, [rows[0][k], rows[1][k], rows[2][k], rows[3][k], rows[4][k]]);
                    for r in 0..3 {
                        pixels[r][k] = column[r];
                    }
                }
                let (mut best, mut place) = (pixels[0][0], zero);
                for at in 1..9 {
                    let pixel = pixels[at / 3][at % 3];
                    if KEEP {
                        place = simd.select_gt(pixel, best, simd.splat(at as f32), place);
                    }
                    best = simd.max(best, pixel);
                }
                self.0.write(simd, row, col, (vector + v) * S::LANES, best, place);
            }
        }
    }
}

/// Bᵀ·d: five neighbouring inputs at the five points.
#[inline(always)]
fn input_transform<S: Simd>(simd: S, d: [S::F; 5]) -> [S::F; 5] {
    let two = simd.splat(2.0);
    let outer = simd.sub(d[3], d[1]);
    [
        simd.mul_add(two, simd.sub(d[0], d[2]), outer),      // 2d₀ − d₁ − 2d₂ + d₃
        simd.sub(simd.sub(d[3], d[2]), simd.mul(two, d[1])), // −2d₁ − d₂ + d₃
        simd.add(simd.mul_add(simd.splat(-3.0), d[2], d[3]), simd.mul(two, d[1])), // 2d₁ − 3d₂ + d₃
        outer,                                               // −d₁ + d₃
        simd.sub(simd.sub(d[4], d[2]), simd.mul(two, outer)), // 2d₁ − d₂ − 2d₃ + d₄
    ]
}

/// Aᵀ·m: three neighbouring outputs from five products.
#[inline(always)]
fn output_transform<S: Simd>(simd: S, m: [S::F; 5]) -> [S::F; 3] {
    let sum = simd.add(m[1], m[2]);
    [
        simd.add(simd.add(m[0], m[3]), sum),                       // m₀ + m₁ + m₂ + m₃
        simd.mul_add(simd.splat(2.0), m[3], simd.sub(m[1], m[2])), // m₁ − m₂ + 2m₃
        simd.add(simd.mul_add(simd.splat(4.0), m[3], sum), m[4]),  // m₁ + m₂ + 4m₃ + m₄
    ]
}
