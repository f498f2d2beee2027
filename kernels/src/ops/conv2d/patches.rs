//! Convolution of any shape as a product with the matrix of patches, which is never written down.
//!
//! ```text
//! P[pixel] = the inputs under the kernel at an output pixel:  kernel rows × (kernel columns · channels)
//! y  = P · Wᵀ + bias            dW += dYᵀ · P            dP = dY · W, added up where patches overlap
//! ```
//! 1. Channels last, a row of the kernel is one run of memory, and so P is a table of where its rows begin; padding is made
//!    real by one copy of the input, a hundredth of the work. A kernel as wide as the padded image (a sequence) is one run
//!    as a whole.
//! 2. The product takes its rows from anywhere (see [`product`](crate::ops::gemm)), and leaves them anywhere: the input
//!    gradient scatters from the registers. Strides cost nothing.
//! 3. The weight gradient's depth is the pixels: they are packed some hundreds at a time, dY as A, patches as B. Patches of a
//!    few values, a first layer's, exchange the parts.
//!
//! Given up: more for one input channel; reading or writing the activation takes longer than its multiplications.

use super::{Conv2d, Conv2dScratch};
use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::ops::columns::add_column_sums;
use crate::ops::gemm::{BLOCK, Column, Depth, Matrix, Product, Row, columns, pack};

/// Output pixels of a product: enough rows for what is packed or fetched once for all of them.
const PIXELS: usize = 768;

/// Output pixels of a product whose depth they are.
const DEPTH: usize = 256;

/// Columns of patches that are packed at a time, with [`DEPTH`] rows 256 KiB, half of a small L2 cache.
const COLUMNS: usize = 256;

/// The largest patch that is too small for lanes of its own.
const FEW: usize = 32;

pub(super) struct Patches<'a>(pub(super) &'a Conv2d);

impl Patches<'_> {
    /// Packs the weights as blocks of 16 outputs.
    pub(super) fn pack(&self, w: &[f32], to: &mut Buffer) {
        let (outputs, patch) = (self.0.output.channels, self.0.patch());
        pack(Matrix::new(w, outputs, patch).transposed(), to.at_least(outputs.next_multiple_of(BLOCK) * patch));
    }

    /// Packs the weights as blocks of 16 values of a run of the patch, depth outputs.
    pub(super) fn pack_grad(&self, w: &[f32], to: &mut Buffer) {
        let (Depth { runs, run, .. }, outputs) = (self.depth(), self.0.output.channels);
        let length = run.next_multiple_of(BLOCK) * outputs;
        let w = Matrix::new(w, outputs, self.0.patch());
        for (r, to) in to.at_least(runs * length).chunks_exact_mut(length).enumerate() {
            pack(w.cols(r * run, run), to);
        }
    }

    pub(super) fn convolve(
        &self,
        isa: Isa,
        packed: &[f32],
        bias: &[f32],
        x: &[f32],
        y: &mut [f32],
        scratch: &mut Conv2dScratch,
    ) {
        let (outputs, depth) = (self.0.output.channels, self.depth());
        let x = self.padded(x, &mut scratch.image);
        let columns = columns(0, outputs);
        let mut corners = self.corners(self.0.output.images(y));
        for y in y.chunks_mut(PIXELS * outputs) {
            y.chunks_exact_mut(outputs).for_each(|y| y.copy_from_slice(bias));
            let places = (0..y.len()).step_by(outputs);
            let rows: Vec<_> = places.zip(&mut corners).map(|(c, a)| Row { a, c }).collect();
            let block = self.0.patch() * BLOCK;
            Product { a: x, b: packed, c: y, depth, block, rows: &rows, columns: &columns, add: true }.multiply(isa);
        }
    }

    pub(super) fn weight_grad(
        &self,
        isa: Isa,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        db: &mut [f32],
        scratch: &mut Conv2dScratch,
    ) {
        let (outputs, patch) = (self.0.output.channels, self.0.patch());
        let Conv2dScratch { image, a, b, .. } = scratch;
        let x = self.padded(x, image);
        if patch <= FEW {
            return self.few_weights_grad(isa, x, dy, (dw, db), a, b);
        }
        let taps = self.taps();
        let mut all = self.corners(self.0.output.images(dy));
        for dy in dy.chunks(DEPTH * outputs) {
            let pixels = dy.len() / outputs;
            add_column_sums(isa, dy, db);
            let corners: Vec<_> = all.by_ref().take(pixels).collect();
            let a = a.at_least(outputs.next_multiple_of(BLOCK) * pixels);
            pack(Matrix::new(dy, pixels, outputs), a);
            let rows: Vec<_> =
                (0..outputs).map(|o| Row { a: o / BLOCK * pixels * BLOCK + o % BLOCK, c: o * patch }).collect();
            for (first, taps) in (0..).step_by(COLUMNS).zip(taps.chunks(COLUMNS)) {
                let b = b.at_least(taps.len().next_multiple_of(BLOCK) * pixels);
                pack_patches(x, &corners, taps, b);
                Product {
                    a,
                    b,
                    c: dw,
                    depth: Depth { runs: 1, run: pixels, stride: 0, step: BLOCK },
                    block: pixels * BLOCK,
                    rows: &rows,
                    columns: &columns(first, taps.len()),
                    add: true,
                }
                .multiply(isa);
            }
        }
    }

    /// The weight gradient of small patches (a first layer), exchanged: lanes are outputs, rows the values of a patch, which
    /// stay where they are.
    fn few_weights_grad(
        &self,
        isa: Isa,
        x: &[f32],
        dy: &[f32],
        (dw, db): (&mut [f32], &mut [f32]),
        sums: &mut Buffer,
        b: &mut Buffer,
    ) {
        let Conv2d { input, output, stride, .. } = *self.0;
        let (outputs, patch) = (output.channels, self.0.patch());
        let sums = sums.at_least(patch * outputs);
        sums.fill(0.0);
        let rows: Vec<_> = self.taps().into_iter().zip(0..).map(|(a, k)| Row { a, c: k * outputs }).collect();
        let columns = columns(0, outputs);
        let lines = DEPTH.div_ceil(output.cols);
        let (next_row, next_col) = (stride[0] * self.pitch(), stride[1] * input.channels);
        for (x, dy) in x.chunks_exact(self.padded_len()).zip(dy.chunks_exact(output.len())) {
            for (chunk, dy) in dy.chunks(lines * output.cols * outputs).enumerate() {
                add_column_sums(isa, dy, db);
                let pixels = dy.len() / outputs;
                let b = b.at_least(outputs.next_multiple_of(BLOCK) * pixels);
                pack(Matrix::new(dy, pixels, outputs), b);
                let depth = if output.cols == 1 {
                    Depth { runs: 1, run: pixels, stride: 0, step: next_row }
                } else {
                    Depth { runs: pixels / output.cols, run: output.cols, stride: next_row, step: next_col }
                };
                let a = &x[chunk * lines * next_row..];
                let block = pixels * BLOCK;
                Product { a, b, c: sums, depth, block, rows: &rows, columns: &columns, add: true }.multiply(isa);
            }
        }
        for (o, dw) in dw.chunks_exact_mut(patch).enumerate() {
            dw.iter_mut().enumerate().for_each(|(k, dw)| *dw += sums[k * outputs + o]);
        }
    }

    pub(super) fn input_grad(&self, isa: Isa, packed: &[f32], dy: &[f32], dx: &mut [f32], scratch: &mut Conv2dScratch) {
        let outputs = self.0.output.channels;
        let Depth { runs, run, stride, .. } = self.depth();
        let columns: Vec<Column> = (0..runs).flat_map(|r| columns(r * stride, run)).collect();
        let images = self.0.input.images(dx);
        let pads = self.pads();
        let padded = if pads { scratch.image.at_least(images * self.padded_len()) } else { &mut *dx };
        padded.fill(0.0);
        let mut corners = self.corners(images);
        for dy in dy.chunks(PIXELS * outputs) {
            let places = (0..dy.len()).step_by(outputs);
            let rows: Vec<_> = places.zip(&mut corners).map(|(a, c)| Row { a, c }).collect();
            Product {
                a: dy,
                b: packed,
                c: padded,
                depth: Depth { runs: 1, run: outputs, stride: 0, step: 1 },
                block: outputs * BLOCK,
                rows: &rows,
                columns: &columns,
                add: true,
            }
            .multiply(isa);
        }
        if pads {
            self.lines(images, |inside, line| dx[inside..][..line.len()].copy_from_slice(&scratch.image[line]));
        }
    }

    fn pads(&self) -> bool {
        self.0.padding != super::Padding::VALID
    }

    /// Values of a row of the padded image.
    fn pitch(&self) -> usize {
        (self.0.input.cols + self.0.padding.left + self.0.padding.right) * self.0.input.channels
    }

    /// Values of a padded image.
    fn padded_len(&self) -> usize {
        (self.0.input.rows + self.0.padding.top + self.0.padding.bottom) * self.pitch()
    }

    /// Where the values of a patch are, from its corner on.
    fn depth(&self) -> Depth {
        let [rows, cols] = self.0.kernel;
        let (run, stride) = (cols * self.0.input.channels, self.pitch());
        if run == stride {
            Depth { runs: 1, run: rows * run, stride: 0, step: 1 }
        } else {
            Depth { runs: rows, run, stride, step: 1 }
        }
    }

    /// The same, value by value.
    fn taps(&self) -> Vec<usize> {
        let Depth { runs, run, stride, .. } = self.depth();
        (0..runs).flat_map(|r| (0..run).map(move |k| r * stride + k)).collect()
    }

    /// Where the patches of all output pixels begin in the padded images, image by image.
    fn corners(&self, images: usize) -> impl Iterator<Item = usize> {
        let Conv2d { input, output, stride, .. } = *self.0;
        let (image, row, col) = (self.padded_len(), stride[0] * self.pitch(), stride[1] * input.channels);
        (0..images).flat_map(move |i| {
            (0..output.rows).flat_map(move |r| (0..output.cols).map(move |c| i * image + r * row + c * col))
        })
    }

    /// Calls `f` with each row of the images: where it begins in the images, where it is in the padded ones.
    fn lines(&self, images: usize, mut f: impl FnMut(usize, std::ops::Range<usize>)) {
        let Conv2d { input, padding, .. } = self.0;
        let line = input.cols * input.channels;
        for image in 0..images {
            for row in 0..input.rows {
                let at = image * self.padded_len() + (padding.top + row) * self.pitch() + padding.left * input.channels;
                f((image * input.rows + row) * line, at..at + line);
            }
        }
    }

    /// The images with their padding.
    fn padded<'b>(&self, x: &'b [f32], to: &'b mut Buffer) -> &'b [f32] {
        if !self.pads() {
            return x;
        }
        let images = self.0.input.images(x);
        let to = to.at_least(images * self.padded_len());
        to.fill(0.0);
        self.lines(images, |inside, line| {
            let from = &x[inside..][..line.len()];
            to[line].copy_from_slice(from);
        });
        to
    }
}

/// Packs columns of the matrix of patches in blocks of 16: the values at `taps` from each of the `corners` on.
fn pack_patches(x: &[f32], corners: &[usize], taps: &[usize], to: &mut [f32]) {
    for (taps, to) in taps.chunks(BLOCK).zip(to.chunks_exact_mut(corners.len() * BLOCK)) {
        let one_run = taps.len() == BLOCK && taps[BLOCK - 1] == taps[0] + BLOCK - 1;
        for (&corner, to) in corners.iter().zip(to.chunks_exact_mut(BLOCK)) {
            if one_run {
                to.copy_from_slice(&x[corner + taps[0]..][..BLOCK]);
            } else {
                to[taps.len()..].fill(0.0);
                taps.iter().zip(to).for_each(|(tap, to)| *to = x[corner + tap]);
            }
        }
    }
}
