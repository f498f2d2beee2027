//! Gradients of [`conv_relu_pool`](super::conv_relu_pool): sparse, because behind ReLU and max-pool at most one of
//! a window's `P²` positions carries gradient for a channel, and none where the pooled value is 0.
//!
//! ```text
//! for each pooled row:
//!     lists: for each output channel, the live (position of the maximum, dy) of the row
//!     weight gradient: for each channel, 9·C accumulators += dy · x[position + taps]
//!     input gradient:  for each channel, dx[position + taps] += dy · 9·C weights
//! ```
//! 1. Weights as output × 3 × 3 × input channels: the taps of a kernel row and their channels are one run of `3·C` values
//!    in the weights and in the image, so both passes are axpys of whole runs.
//! 2. Three runs of up to six vectors stay in registers while a channel's list of a row is walked (32 registers); longer
//!    runs go in pieces of 12, 6, 3, 1 vectors.
//! 3. The lists of one pooled row keep the `P + 2` image rows that they touch in the L1 cache for both passes.
//! 4. One input channel (the spectrogram) has runs of 3: there lanes are output channels and the mask of the argmax takes
//!    the place of the list.
//!
//! Given up: one pass for both gradients (too many registers), the dense transposed convolution (4 to 9 times the work).

use super::shape::{ConvPool, DEAD};
use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// Room for the lists of one pooled row; reusable between calls of any shape.
#[derive(Clone, Debug, Default)]
pub struct ConvGradScratch {
    /// Live entries of each output channel.
    counts: Vec<u32>,
    /// Channel by channel, `cols` places each: where in the image the window of taps begins, and dy.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    taps: u32,
    dy: f32,
}

/// What both gradients read.
#[derive(Clone, Copy, Debug)]
pub struct ConvGradInput<'a> {
    /// The geometry.
    pub shape: &'a ConvPool,
    /// The argmax that the forward pass kept: `shape.argmax()`.
    pub argmax: &'a [u8],
    /// Gradient of the pooled output, laid out as the output image (border not read): `shape.output.len()`.
    pub dy: &'a [f32],
}

impl ConvGradInput<'_> {
    fn check(&self) {
        assert_eq!(self.argmax.len(), self.shape.argmax(), "argmax");
        assert_eq!(self.dy.len(), self.shape.output.len(), "gradient of the output image");
        assert!(u32::try_from(self.shape.input.len()).is_ok(), "an image of less than 2³² values");
        // DEAD + 1 wraps to 0; a maximum instead of `all`, because that vectorises.
        let last = self.argmax.iter().fold(0, |last: u8, &at| last.max(at.wrapping_add(1)));
        assert!(usize::from(last) <= self.shape.pool * self.shape.pool, "positions in the window");
    }
}

/// Weight and bias gradient: `dw[o, taps, c] += Σ dy·x`, `db[o] += Σ dy` over live positions.
///
/// `x`: the input image, `shape.input.len()`; `dw`: output channels × 3 × 3 × input channels; `db`: output channels.
pub fn conv_weight_grad(
    isa: Isa,
    input: ConvGradInput<'_>,
    x: &[f32],
    dw: &mut [f32],
    db: &mut [f32],
    scratch: &mut ConvGradScratch,
) {
    input.check();
    let shape = input.shape;
    assert_eq!(x.len(), shape.input.len(), "input image");
    assert_eq!(dw.len(), shape.weights(), "weight gradient");
    assert_eq!(db.len(), shape.output.channels, "bias gradient");
    if shape.input.channels == 1 {
        isa.run(MaskedWeightGrad { input, x, dw, db });
    } else {
        isa.run(WeightGrad { input, x, dw, db, scratch });
    }
}

/// Input gradient: `dx[position + taps, c] = Σ dy·w[o, taps, c]` over live positions.
///
/// `w`: output channels × 3 × 3 × input channels; `dx`: `shape.input.len()`, overwritten; its border collects what falls
/// outside the image and means nothing.
pub fn conv_input_grad(isa: Isa, input: ConvGradInput<'_>, w: &[f32], dx: &mut [f32], scratch: &mut ConvGradScratch) {
    input.check();
    assert_eq!(w.len(), input.shape.weights(), "weights");
    assert_eq!(dx.len(), input.shape.input.len(), "gradient of the input image");
    dx.fill(0.0);
    isa.run(InputGrad { input, w, dx, scratch });
}

impl ConvGradScratch {
    /// Lists the live entries of a pooled row, channel by channel.
    #[inline(always)]
    fn list(&mut self, input: &ConvGradInput<'_>, row: usize) {
        let ConvPool { input: image, output, pool } = *input.shape;
        self.counts.clear();
        self.counts.resize(output.channels, 0);
        self.entries.resize(output.channels * output.cols, Entry::default());
        let mut offsets = [0u32; 9];
        for (at, offset) in offsets[..pool * pool].iter_mut().enumerate() {
            *offset = ((at / pool) * image.stride() + at % pool * image.channels) as u32;
        }
        for col in 0..output.cols {
            let window = ((row * pool * image.pitch + col * pool) * image.channels) as u32;
            let argmax = &input.argmax[(row * output.cols + col) * output.channels..][..output.channels];
            let dy = &input.dy[output.at(row, col)..][..output.channels];
            for (channel, (&at, &dy)) in argmax.iter().zip(dy).enumerate() {
                if at != DEAD {
                    let count = &mut self.counts[channel];
                    self.entries[channel * output.cols + *count as usize] =
                        Entry { taps: window + offsets[usize::from(at)], dy };
                    *count += 1;
                }
            }
        }
    }

    /// The list of one output channel.
    #[inline(always)]
    fn channel(&self, channel: usize, cols: usize) -> &[Entry] {
        &self.entries[channel * cols..][..self.counts[channel] as usize]
    }
}

/// A walk over the `3 runs × 3·C` taps of a channel in pieces that fit the registers.
trait Pieces {
    /// `T` consecutive runs, of each `K` vectors of `lanes` values from value `at` of run `run` on.
    fn piece<S: Simd, const T: usize, const K: usize>(&mut self, simd: S, run: usize, at: usize, lanes: usize);
}

#[inline(always)]
fn in_pieces<S: Simd>(simd: S, run_length: usize, walk: &mut impl Pieces) {
    match (S::REGISTERS, run_length / S::LANES, run_length % S::LANES) {
        (32.., 3, 0) => walk.piece::<S, 3, 3>(simd, 0, 0, S::LANES),
        (32.., 6, 0) => walk.piece::<S, 3, 6>(simd, 0, 0, S::LANES),
        (_, vectors, ragged) => {
            for run in 0..3 {
                let mut at = 0;
                while vectors - at / S::LANES >= 12 && S::REGISTERS >= 16 {
                    walk.piece::<S, 1, 12>(simd, run, at, S::LANES);
                    at += 12 * S::LANES;
                }
                while vectors - at / S::LANES >= 6 && S::REGISTERS >= 16 {
                    walk.piece::<S, 1, 6>(simd, run, at, S::LANES);
                    at += 6 * S::LANES;
                }
                while vectors - at / S::LANES >= 3 {
                    walk.piece::<S, 1, 3>(simd, run, at, S::LANES);
                    at += 3 * S::LANES;
                }
                while at < vectors * S::LANES {
                    walk.piece::<S, 1, 1>(simd, run, at, S::LANES);
                    at += S::LANES;
                }
                if ragged > 0 {
                    walk.piece::<S, 1, 1>(simd, run, at, ragged);
                }
            }
        }
    }
}

struct WeightGrad<'a> {
    input: ConvGradInput<'a>,
    x: &'a [f32],
    dw: &'a mut [f32],
    db: &'a mut [f32],
    scratch: &'a mut ConvGradScratch,
}

impl Kernel for WeightGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ConvPool { input: image, output, .. } = *self.input.shape;
        let run_length = 3 * image.channels;
        for row in 0..output.rows {
            self.scratch.list(&self.input, row);
            for channel in 0..output.channels {
                let entries = self.scratch.channel(channel, output.cols);
                if entries.is_empty() {
                    continue;
                }
                self.db[channel] += entries.iter().map(|entry| entry.dy).sum::<f32>();
                let dw = &mut self.dw[channel * 3 * run_length..][..3 * run_length];
                in_pieces(simd, run_length, &mut WeightPieces { entries, x: self.x, stride: image.stride(), dw });
            }
        }
    }
}

struct WeightPieces<'a> {
    entries: &'a [Entry],
    x: &'a [f32],
    stride: usize,
    dw: &'a mut [f32],
}

impl Pieces for WeightPieces<'_> {
    #[inline(always)]
    fn piece<S: Simd, const T: usize, const K: usize>(&mut self, simd: S, run: usize, at: usize, lanes: usize) {
        let run_length = self.dw.len() / 3;
        let mut sums = [[simd.splat(0.0); K]; T];
        // SAFETY: runs `run..run + T ≤ 3` of the weights hold `at + (K − 1)·LANES + lanes` values; an entry's taps are the
        // top-left corner of three runs of the image, because positions were checked to lie in their window.
        unsafe {
            let dw = self.dw.as_mut_ptr().add(run * run_length + at);
            let x = self.x.as_ptr().add(run * self.stride + at);
            for entry in self.entries {
                let dy = simd.splat(entry.dy);
                let x = x.add(entry.taps as usize);
                for t in 0..T {
                    for k in 0..K {
                        let x = simd::load_first(simd, x.add(t * self.stride + k * S::LANES), lanes);
                        sums[t][k] = simd.mul_add(dy, x, sums[t][k]);
                    }
                }
            }
            for t in 0..T {
                for k in 0..K {
                    let place = dw.add(t * run_length + k * S::LANES);
                    let sum = simd.add(simd::load_first(simd, place, lanes), sums[t][k]);
                    simd::store_first(simd, place, sum, lanes);
                }
            }
        }
    }
}

struct InputGrad<'a> {
    input: ConvGradInput<'a>,
    w: &'a [f32],
    dx: &'a mut [f32],
    scratch: &'a mut ConvGradScratch,
}

impl Kernel for InputGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ConvPool { input: image, output, .. } = *self.input.shape;
        let run_length = 3 * image.channels;
        for row in 0..output.rows {
            self.scratch.list(&self.input, row);
            for channel in 0..output.channels {
                let entries = self.scratch.channel(channel, output.cols);
                let w = &self.w[channel * 3 * run_length..][..3 * run_length];
                in_pieces(simd, run_length, &mut InputPieces { entries, w, stride: image.stride(), dx: self.dx });
            }
        }
    }
}

struct InputPieces<'a> {
    entries: &'a [Entry],
    w: &'a [f32],
    stride: usize,
    dx: &'a mut [f32],
}

impl Pieces for InputPieces<'_> {
    #[inline(always)]
    fn piece<S: Simd, const T: usize, const K: usize>(&mut self, simd: S, run: usize, at: usize, lanes: usize) {
        let run_length = self.w.len() / 3;
        let mut w = [[simd.splat(0.0); K]; T];
        // SAFETY: as in `WeightPieces::piece`, with weights read and the image written.
        unsafe {
            for t in 0..T {
                for k in 0..K {
                    let place = self.w.as_ptr().add((run + t) * run_length + at + k * S::LANES);
                    w[t][k] = simd::load_first(simd, place, lanes);
                }
            }
            let dx = self.dx.as_mut_ptr().add(run * self.stride + at);
            for entry in self.entries {
                let dy = simd.splat(entry.dy);
                let dx = dx.add(entry.taps as usize);
                for t in 0..T {
                    for k in 0..K {
                        let place = dx.add(t * self.stride + k * S::LANES);
                        let sum = simd.mul_add(dy, w[t][k], simd::load_first(simd, place, lanes));
                        simd::store_first(simd, place, sum, lanes);
                    }
                }
            }
        }
    }
}

/// One input channel: lanes are output channels, nine accumulators for the whole image.
struct MaskedWeightGrad<'a> {
    input: ConvGradInput<'a>,
    x: &'a [f32],
    dw: &'a mut [f32],
    db: &'a mut [f32],
}

impl Kernel for MaskedWeightGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for channel in (0..self.input.shape.output.channels).step_by(S::LANES) {
            match self.input.shape.pool {
                2 => self.channels::<S, 2>(simd, channel),
                _ => self.channels::<S, 3>(simd, channel),
            }
        }
    }
}

impl MaskedWeightGrad<'_> {
    #[inline(always)]
    fn channels<S: Simd, const P: usize>(&mut self, simd: S, channel: usize) {
        let ConvPool { input: image, output, .. } = *self.input.shape;
        let lanes = S::LANES.min(output.channels - channel);
        let zero = simd.splat(0.0);
        let mut sums = [[zero; 3]; 3];
        let mut bias = zero;
        for row in 0..output.rows {
            for col in 0..output.cols {
                let at = (row * output.cols + col) * output.channels + channel;
                // SAFETY: pixel `(row, col)` has `channel + lanes` values in dy and in the argmax; the window's `P + 2` rows
                // and columns lie within the bordered image.
                unsafe {
                    let dy = simd::load_first(simd, self.input.dy.as_ptr().add(output.at(row, col) + channel), lanes);
                    let places = positions(simd, &self.input.argmax[at..at + lanes]);
                    let window = self.x.as_ptr().add(row * P * image.pitch + col * P);
                    bias = simd.add(bias, simd.select_gt(simd.splat(f32::from(DEAD)), places, dy, zero));
                    for r in 0..P {
                        for p in 0..P {
                            let here = simd.select_eq(places, simd.splat((r * P + p) as f32), dy, zero);
                            for t in 0..3 {
                                for k in 0..3 {
                                    let x = simd.splat(*window.add((r + t) * image.pitch + p + k));
                                    sums[t][k] = simd.mul_add(x, here, sums[t][k]);
                                }
                            }
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
                self.dw[(channel + lane) * 9 + tap] += values[lane];
            }
        }
        let values = to_array(simd, bias);
        for lane in 0..lanes {
            self.db[channel + lane] += values[lane];
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
