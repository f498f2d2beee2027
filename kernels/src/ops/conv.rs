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

use super::image::Image;
use super::winograd;
use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// Marks in an argmax that ReLU has cut the value: no gradient passes.
pub const DEAD: u8 = 255;

/// Taps of a 3x3 kernel.
const TAPS: usize = 9;

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

/// The weights of a convolution in the order in which the forward kernel reads them, in blocks of 16 output channels;
/// channels past the last are zero.
#[derive(Clone, Debug)]
pub struct ConvWeights {
    formulation: Formulation,
    /// Blocks × depth × 16, where the depth is taps (direct) or products (Winograd) × input channels.
    packed: Buffer,
    /// Blocks × 16.
    bias: Buffer,
}

/// How a shape is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Formulation {
    /// This file.
    Direct,
    /// [`winograd`], a third of the multiplications.
    Winograd,
}

impl Formulation {
    /// Winograd's transforms run along the input channels and give 3x3 pixels: whole vectors and 3x3 pools only.
    fn of(shape: &ConvPool) -> Self {
        let whole = shape.input.channels.is_multiple_of(BLOCK);
        if shape.pool == 3 && whole { Self::Winograd } else { Self::Direct }
    }

    /// Weights of a pair of an input and an output channel.
    fn steps(self) -> usize {
        match self {
            Self::Direct => TAPS,
            Self::Winograd => winograd::PRODUCTS,
        }
    }
}

impl ConvWeights {
    /// Packs `w` (output channels × 3 × 3 × input channels) and `bias` (output channels).
    pub fn pack(shape: &ConvPool, w: &[f32], bias: &[f32]) -> Self {
        assert_eq!(w.len(), shape.weights(), "weights");
        let (inputs, outputs) = (shape.input.channels, shape.output.channels);
        assert_eq!(bias.len(), outputs, "biases");
        let formulation = Formulation::of(shape);
        let depth = formulation.steps() * inputs;
        let blocks = outputs.div_ceil(BLOCK);
        let mut packed = Buffer::zeros(blocks * depth * BLOCK);
        for (output, w) in w.chunks_exact(TAPS * inputs).enumerate() {
            let block = &mut packed[output / BLOCK * depth * BLOCK..][..depth * BLOCK];
            match formulation {
                Formulation::Direct => {
                    w.iter().enumerate().for_each(|(step, &w)| block[step * BLOCK + output % BLOCK] = w);
                }
                Formulation::Winograd => winograd::pack(w, inputs, &mut block[output % BLOCK..]),
            }
        }
        let mut padded = Buffer::zeros(blocks * BLOCK);
        padded[..outputs].copy_from_slice(bias);
        Self { formulation, packed, bias: padded }
    }
}

/// Convolves, adds the bias, applies ReLU and max-pools.
///
/// `x`: `shape.input.len()` with zeros in the border; `y`: `shape.output.len()`, whose border stays as it is; `argmax`,
/// where wanted: `shape.argmax()`, the position in its window (`row · pool + col`, the first of equals) of each maximum,
/// or [`DEAD`].
pub fn conv_relu_pool(
    isa: Isa,
    shape: &ConvPool,
    weights: &ConvWeights,
    x: &[f32],
    y: &mut [f32],
    argmax: Option<&mut [u8]>,
) {
    assert_eq!(x.len(), shape.input.len(), "input image");
    assert_eq!(y.len(), shape.output.len(), "output image");
    assert_eq!(weights.formulation, Formulation::of(shape), "weights of this shape");
    assert_eq!(weights.bias.len(), shape.output.channels.next_multiple_of(BLOCK), "weights of this shape");
    let depth = weights.formulation.steps() * shape.input.channels;
    assert_eq!(weights.packed.len(), weights.bias.len() * depth, "weights of this shape");
    match argmax {
        Some(argmax) => {
            assert_eq!(argmax.len(), shape.argmax(), "argmax");
            forward(isa, shape, weights, x, Pooled::<true> { y, argmax });
        }
        None => forward(isa, shape, weights, x, Pooled::<false> { y, argmax: &mut [] }),
    }
}

fn forward<const KEEP: bool>(isa: Isa, shape: &ConvPool, weights: &ConvWeights, x: &[f32], pooled: Pooled<'_, KEEP>) {
    let ConvWeights { formulation, packed, bias } = weights;
    let conv = Conv { shape, packed, bias, x, pooled };
    match formulation {
        Formulation::Direct => isa.run(Direct(conv)),
        Formulation::Winograd => isa.run(winograd::Winograd(conv)),
    }
}

/// A convolution at work, its sizes checked.
pub(super) struct Conv<'a, const KEEP: bool> {
    pub(super) shape: &'a ConvPool,
    pub(super) packed: &'a [f32],
    bias: &'a [f32],
    pub(super) x: &'a [f32],
    pooled: Pooled<'a, KEEP>,
}

/// Where the result goes; `KEEP`: whether the argmax is wanted.
struct Pooled<'a, const KEEP: bool> {
    y: &'a mut [f32],
    argmax: &'a mut [u8],
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

/// The direct kernel.
struct Direct<'a, const KEEP: bool>(Conv<'a, KEEP>);

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
    let mut best = [simd.splat(f32::NEG_INFINITY); V];
    let mut place = [simd.splat(0.0); V];
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
