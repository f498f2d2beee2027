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
//! 2. Pieces of all three runs, three or six vectors of each, stay in registers while a channel's list of a row is
//!    walked: nine or eighteen independent sums hide the latency of the multiply-add.
//! 3. One list serves both gradients; it is made without branches, since live and dead do not follow a pattern.
//! 4. A list holds every other column first: the windows of neighbours in it do not overlap, so the input gradient never
//!    waits for a value that it has just stored.
//! 5. The two passes of a pooled row follow each other rather than alternate: each keeps the `P + 2` image rows that it
//!    touches in the L1 cache.
//!
//! One input channel (the spectrogram) goes to [`mono`](super::mono). Given up: one pass for both gradients (too many
//! registers), the dense transposed convolution (4 to 9 times the work), sums over the channels that share a position
//! before they are stored (fewer stores, but the ends of short lists would be mispredicted; not measured).

use super::mono::MonoGrad;
use super::shape::{ConvPool, DEAD, TAPS};
use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// Room for the lists of one pooled row; reusable between calls of any shape.
#[derive(Clone, Debug, Default)]
pub struct ConvGradScratch {
    /// Live entries of each output channel.
    counts: Vec<u32>,
    /// Channel by channel, `cols` places each: where in the image the window of taps begins, and dy.
    entries: Vec<Entry>,
    /// Of one pooled pixel: where the taps of each channel begin.
    taps: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    taps: u32,
    dy: f32,
}

/// What the gradients read.
#[derive(Clone, Copy, Debug)]
pub struct ConvGradInput<'a> {
    /// The geometry.
    pub shape: &'a ConvPool,
    /// The argmax that the forward pass kept: `shape.argmax()`.
    pub argmax: &'a [u8],
    /// Gradient of the pooled output, laid out as the output image (border not read): `shape.output.len()`.
    pub dy: &'a [f32],
    /// The input image: `shape.input.len()`.
    pub x: &'a [f32],
    /// Output channels × 3 × 3 × input channels; read for the input gradient only.
    pub w: &'a [f32],
}

/// Where the gradients go.
#[derive(Debug)]
pub struct ConvGradOutput<'a> {
    /// `dw[o, taps, c] += Σ dy·x` over live positions: output channels × 3 × 3 × input channels.
    pub dw: &'a mut [f32],
    /// `db[o] += Σ dy` over live positions: output channels.
    pub db: &'a mut [f32],
    /// `dx[position + taps, c] = Σ dy·w[o, taps, c]` over live positions, overwritten: `shape.input.len()`; its border
    /// collects what falls outside the image and means nothing. `None` where nobody needs it.
    pub dx: Option<&'a mut [f32]>,
}

impl ConvGradInput<'_> {
    fn check(&self, output: &ConvGradOutput<'_>) {
        let shape = self.shape;
        assert_eq!(self.argmax.len(), shape.argmax(), "argmax");
        assert_eq!(self.dy.len(), shape.output.len(), "gradient of the output image");
        assert_eq!(self.x.len(), shape.input.len(), "input image");
        assert_eq!(self.w.len(), shape.weights(), "weights");
        assert_eq!(output.dw.len(), shape.weights(), "weight gradient");
        assert_eq!(output.db.len(), shape.output.channels, "bias gradient");
        if let Some(dx) = &output.dx {
            assert_eq!(dx.len(), shape.input.len(), "gradient of the input image");
        }
        assert!(u32::try_from(shape.input.len()).is_ok(), "an image of less than 2³² values");
        // DEAD + 1 wraps to 0; a maximum instead of `all`, because that vectorises.
        let last = self.argmax.iter().fold(0, |last: u8, &at| last.max(at.wrapping_add(1)));
        assert!(usize::from(last) <= shape.pool * shape.pool, "positions in the window");
    }
}

/// The gradients of a convolution with ReLU and pooling.
pub fn conv_grad(isa: Isa, input: ConvGradInput<'_>, mut output: ConvGradOutput<'_>, scratch: &mut ConvGradScratch) {
    input.check(&output);
    if let Some(dx) = &mut output.dx {
        dx.fill(0.0);
    }
    if MonoGrad::suits(input.shape) && output.dx.is_none() {
        isa.run(MonoGrad { input, output });
    } else {
        isa.run(SparseGrad { input, output, scratch });
    }
}

impl ConvGradScratch {
    /// Lists the live entries of a pooled row, channel by channel, and adds them to `db`.
    #[inline(always)]
    fn list(&mut self, input: &ConvGradInput<'_>, row: usize, db: &mut [f32]) {
        let ConvPool { input: image, output, pool } = *input.shape;
        self.counts.clear();
        self.counts.resize(output.channels, 0);
        self.entries.resize(output.channels * output.cols, Entry::default());
        self.taps.resize(output.channels, 0);
        let (pool, stride, pixel) = (pool as u32, image.stride() as u32, image.channels as u32);
        for col in (0..output.cols).step_by(2).chain((1..output.cols).step_by(2)) {
            let window = (row as u32 * stride + col as u32 * pixel) * pool;
            let argmax = &input.argmax[(row * output.cols + col) * output.channels..][..output.channels];
            let dy = &input.dy[output.at(row, col)..][..output.channels];
            // What vectorises: a third is ·11/32 for positions of a window; the taps of the dead wrap and are not read.
            for (((&at, &dy), db), taps) in argmax.iter().zip(dy).zip(db.iter_mut()).zip(&mut self.taps) {
                let at = u32::from(at);
                let down = if pool == 2 { at / 2 } else { at * 11 / 32 };
                *taps =
                    (window.wrapping_add(down * stride)).wrapping_add(at.wrapping_sub(down * pool).wrapping_mul(pixel));
                *db += if at == u32::from(DEAD) { 0.0 } else { dy };
            }
            // What does not.
            let lists = self.counts.iter_mut().zip(self.entries.chunks_exact_mut(output.cols));
            for (((&at, &dy), &taps), (count, entries)) in argmax.iter().zip(dy).zip(&self.taps).zip(lists) {
                entries[*count as usize] = Entry { taps, dy };
                *count += u32::from(at != DEAD);
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

/// Pieces of three runs of six vectors, then of three, where the registers hold them; run by run otherwise.
#[inline(always)]
fn in_pieces<S: Simd>(simd: S, run_length: usize, walk: &mut impl Pieces) {
    let vectors = run_length / S::LANES;
    let mut at = 0;
    while S::REGISTERS >= 32 && vectors - at >= 6 {
        walk.piece::<S, 3, 6>(simd, 0, at * S::LANES, S::LANES);
        at += 6;
    }
    while S::REGISTERS >= 16 && vectors - at >= 3 {
        walk.piece::<S, 3, 3>(simd, 0, at * S::LANES, S::LANES);
        at += 3;
    }
    for run in 0..3 {
        let mut at = at;
        while vectors - at >= 3 {
            walk.piece::<S, 1, 3>(simd, run, at * S::LANES, S::LANES);
            at += 3;
        }
        for at in at..vectors {
            walk.piece::<S, 1, 1>(simd, run, at * S::LANES, S::LANES);
        }
        if !run_length.is_multiple_of(S::LANES) {
            walk.piece::<S, 1, 1>(simd, run, vectors * S::LANES, run_length % S::LANES);
        }
    }
}

struct SparseGrad<'a> {
    input: ConvGradInput<'a>,
    output: ConvGradOutput<'a>,
    scratch: &'a mut ConvGradScratch,
}

impl Kernel for SparseGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { input, output: ConvGradOutput { dw, db, mut dx }, scratch } = self;
        let ConvPool { input: image, output, .. } = *input.shape;
        let (stride, kernel) = (image.stride(), TAPS * image.channels);
        for row in 0..output.rows {
            scratch.list(&input, row, db);
            for (channel, dw) in dw.chunks_exact_mut(kernel).enumerate() {
                let entries = scratch.channel(channel, output.cols);
                in_pieces(simd, kernel / 3, &mut WeightPieces { entries, x: input.x, stride, dw });
            }
            if let Some(dx) = &mut dx {
                for (channel, w) in input.w.chunks_exact(kernel).enumerate() {
                    let entries = scratch.channel(channel, output.cols);
                    in_pieces(simd, kernel / 3, &mut InputPieces { entries, w, stride, dx });
                }
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
