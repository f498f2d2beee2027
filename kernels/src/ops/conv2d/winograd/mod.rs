//! 3x3 convolution of stride 1 by Winograd's minimal filtering F(4x4, 3x3), and its gradients.
//!
//! ```text
//! for some hundred tiles of 4x4 outputs, over all images:
//!     V[p][t][c] = Bᵀ·d·B            the 6x6 inputs of each tile
//!     M[p][t][o] = Σ_c V[p][t][c] · U[p][c][o]      36 products instead of 144, each a matrix product
//!     y = Aᵀ·M·A + bias
//! weights:  dU[p][o][c] = Σ_t (A·dy·Aᵀ)[p][t][o] · V[p][t][c],   dw += Gᵀ·dU·G
//! input:    the convolution of dy with the weights rotated by half a turn, inputs and outputs exchanged
//! ```
//! 1. All lies in blocks of 16 channels × tiles × 16: for a product V is A (runs of 16 along the inputs), for the weight
//!    gradient the same V is B, and dM, read across, A. Nothing is packed twice, no rows fight for a cache set.
//! 2. Tiles are counted over the batch: small images share a product, and large weights are read once for many images.
//! 3. Edges are windows of pointers, some of them to zeros: no copy of the input with its padding.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016); points as in [`transform`].
//! Given up: F(2x2, 3x3), which wastes less on images of 2 rows but multiplies 1.8 times as much elsewhere. Not tried: F(6x6,
//! 3x3), whose points lie further apart and round more.

mod tiles;
mod transform;
mod weights;

use std::marker::PhantomData;

use super::{Conv2d, Conv2dScratch, Grid};
use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::ops::columns::add_column_sums;
use crate::ops::gemm::{BLOCK, Depth, Product, Row, columns};
use tiles::{FromImages, TILE, Tiles, ToImages};
use transform::{Input, OutputGrad, POINTS};
use weights::{Pack, UnpackGrad};

/// Products of a tile.
const PRODUCTS: usize = POINTS * POINTS;

/// The fewest channels, in and out, for which the products outweigh the transforms.
const FEWEST: usize = 16;

/// Values that the tiles of a pass may fill, inputs and outputs together: 2 MiB, between the L2 and L3 caches.
const VALUES: usize = 1 << 19;

/// Tiles that share a reading of the weights, however many channels there are.
const FEWEST_TILES: usize = 192;

/// Outputs whose weight gradient is taken from the products before the next: what lies in between stays in the cache.
const OUTPUTS: usize = 96;

/// Taps of a kernel.
const TAPS: usize = 9;

/// A 3x3 convolution of stride 1.
#[derive(Clone, Copy)]
pub(super) struct Winograd {
    input: Grid,
    output: Grid,
    top: usize,
    left: usize,
    /// Whether this is the way back of a convolution, which has its weights.
    rotated: bool,
}

impl Winograd {
    /// `shape`, if this formulation does it.
    pub(super) fn of(shape: &Conv2d) -> Option<Self> {
        let Conv2d { input, output, kernel, stride, padding } = *shape;
        let near = padding.top <= 2 && padding.bottom <= 2 && padding.left <= 2 && padding.right <= 2;
        let pays = input.channels >= FEWEST && output.channels >= FEWEST;
        (kernel == [3, 3] && stride == [1, 1] && near && pays).then_some(Self {
            input,
            output,
            top: padding.top,
            left: padding.left,
            rotated: false,
        })
    }

    /// The convolution that carries gradients back.
    pub(super) fn backward(self) -> Self {
        Self { input: self.output, output: self.input, top: 2 - self.top, left: 2 - self.left, rotated: true }
    }

    /// Values of the weights of a product, a line more than they are: see [`Tiles::slab`].
    fn slab(&self) -> usize {
        self.input.channels.next_multiple_of(BLOCK) * self.output.channels.next_multiple_of(BLOCK) + BLOCK
    }

    /// Transforms and packs the weights; `to` is new or holds weights of the same shape.
    pub(super) fn pack(&self, isa: Isa, w: &[f32], to: &mut Buffer) {
        let slab = self.slab();
        let to = to.at_least(PRODUCTS * slab);
        let (inputs, outputs) = (self.input.channels, self.output.channels);
        isa.run(Pack { inputs, outputs, w, rotated: self.rotated, to, slab });
    }

    /// The tiles of `images`, in passes of equal size.
    fn passes(&self, images: usize) -> impl Iterator<Item = Tiles> {
        let channels = self.input.channels + self.output.channels;
        let (down, across) = (self.output.rows.div_ceil(TILE), self.output.cols.div_ceil(TILE));
        let whole = images * down * across;
        let most = (VALUES / (PRODUCTS * channels)).max(FEWEST_TILES);
        let count = whole.div_ceil(whole.div_ceil(most).max(1)).next_multiple_of(6).min(whole).max(1);
        (0..whole).step_by(count).map(move |first| Tiles { down, across, first, count: count.min(whole - first) })
    }

    pub(super) fn convolve(
        &self,
        isa: Isa,
        packed: &[f32],
        bias: Option<&[f32]>,
        x: &[f32],
        y: &mut [f32],
        scratch: &mut Conv2dScratch,
    ) {
        let (inputs, outputs) = (self.input.channels, self.output.channels);
        let Conv2dScratch { a, b: m, c: biases, .. } = scratch;
        let biases = biases.at_least(outputs.next_multiple_of(BLOCK));
        match bias {
            Some(bias) => biases[..outputs].copy_from_slice(bias),
            None => biases.fill(0.0),
        }
        for tiles in self.passes(self.input.images(x)) {
            let (slab_v, slab_m) = (tiles.slab(inputs), tiles.slab(outputs));
            let (v, m) = (a.at_least(PRODUCTS * slab_v), m.at_least(PRODUCTS * slab_m));
            self.transform_input(isa, tiles, x, v);
            let rows: Vec<_> = (0..tiles.count).map(|t| Row { a: t * BLOCK, c: t * BLOCK }).collect();
            let mut columns = columns(0, outputs.next_multiple_of(BLOCK));
            columns.iter_mut().for_each(|column| column.at *= tiles.count);
            let blocks = inputs.div_ceil(BLOCK);
            for p in 0..PRODUCTS {
                Product {
                    a: &v[p * slab_v..][..slab_v],
                    b: &packed[p * self.slab()..][..self.slab()],
                    c: &mut m[p * slab_m..][..slab_m],
                    depth: Depth { runs: blocks, run: BLOCK, stride: tiles.count * BLOCK, step: 1 },
                    block: blocks * BLOCK * BLOCK,
                    rows: &rows,
                    columns: &columns,
                    add: false,
                }
                .multiply(isa);
            }
            isa.run(ToImages { grid: self.output, tiles, from: m, bias: biases, y });
        }
    }

    fn transform_input(&self, isa: Isa, tiles: Tiles, x: &[f32], to: &mut [f32]) {
        let Self { input, top, left, .. } = *self;
        isa.run(FromImages::<Input, 6> { grid: input, top, left, tiles, x, to, transform: PhantomData });
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
        add_column_sums(isa, dy, db);
        let (inputs, outputs) = (self.input.channels, self.output.channels);
        let Conv2dScratch { a, b, c, .. } = scratch;
        for tiles in self.passes(self.input.images(x)) {
            let (slab_v, slab_m) = (tiles.slab(inputs), tiles.slab(outputs));
            let (v, dm) = (b.at_least(PRODUCTS * slab_v), a.at_least(PRODUCTS * slab_m));
            self.transform_input(isa, tiles, x, v);
            let grid = self.output;
            let transform = PhantomData;
            isa.run(FromImages::<OutputGrad, 4> { grid, top: 0, left: 0, tiles, x: dy, to: dm, transform });
            let columns = columns(0, inputs);
            for (first, dw) in (0..outputs).step_by(OUTPUTS).zip(dw.chunks_mut(OUTPUTS * TAPS * inputs)) {
                let place = |o: usize| o / BLOCK * tiles.count * BLOCK + o % BLOCK;
                let here = dw.len() / TAPS / inputs;
                let slab = here * inputs + BLOCK;
                let rows: Vec<_> = (0..here).map(|o| Row { a: place(first + o), c: o * inputs }).collect();
                let du = c.at_least(PRODUCTS * slab);
                for p in 0..PRODUCTS {
                    Product {
                        a: &dm[p * slab_m..][..slab_m],
                        b: &v[p * slab_v..][..slab_v],
                        c: &mut du[p * slab..][..slab],
                        depth: Depth { runs: 1, run: tiles.count, stride: 0, step: BLOCK },
                        block: tiles.count * BLOCK,
                        rows: &rows,
                        columns: &columns,
                        add: false,
                    }
                    .multiply(isa);
                }
                isa.run(UnpackGrad { inputs, from: du, slab, dw });
            }
        }
    }
}
