//! Between images and slabs: for each of the 36 products the values of all tiles, *blocks of 16 channels × tiles × 16*.

use std::marker::PhantomData;

use super::transform::{Output, POINTS, Transform, twice};
use crate::buffer::Buffer;
use crate::ops::conv2d::Grid;
use crate::ops::gemm::BLOCK;
use crate::simd::{self, Kernel, Simd};

/// Rows and columns of outputs of a tile.
pub(super) const TILE: usize = 4;

/// Some of the tiles of a batch, counted row by row over all images.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    /// Tiles of an image: downwards and across.
    pub(super) down: usize,
    pub(super) across: usize,
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Tiles {
    /// Image, row and column of tile `first + t`; rows and columns counted in tiles.
    #[inline(always)]
    fn place(&self, t: usize) -> (usize, usize, usize) {
        let (line, col) = ((self.first + t) / self.across, (self.first + t) % self.across);
        (line / self.down, line % self.down, col)
    }

    /// Values from one product's slab to the next; a line more than they hold, or the 36 would fight for one cache set.
    pub(super) fn slab(&self, channels: usize) -> usize {
        channels.next_multiple_of(BLOCK) * self.count + BLOCK
    }
}

/// Transforms the `N × N` window of each tile, which begins `top` and `left` of the tile; zeros outside the image.
pub(super) struct FromImages<'a, T, const N: usize> {
    pub(super) grid: Grid,
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) tiles: Tiles,
    pub(super) x: &'a [f32],
    /// 36 slabs.
    pub(super) to: &'a mut [f32],
    pub(super) transform: PhantomData<T>,
}

impl<T: Transform<N, POINTS>, const N: usize> Kernel for FromImages<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let tiles = self.tiles;
        let channels = self.grid.channels;
        let slab = tiles.slab(channels);
        assert!(self.to.len() >= POINTS * POINTS * slab, "36 slabs");
        let to = self.to.as_mut_ptr();
        let zeros = Buffer::zeros(channels);
        for t in 0..tiles.count {
            let window = self.window(t, &zeros);
            for channel in (0..channels.next_multiple_of(BLOCK)).step_by(S::LANES) {
                let lanes = S::LANES.min(channels.saturating_sub(channel));
                let at = (channel / BLOCK * tiles.count + t) * BLOCK + channel % BLOCK;
                // SAFETY: every pointer of the window begins a pixel of `channels` values, or as many zeros.
                let load = |row: usize, col: usize| unsafe {
                    simd::load_first(simd, window[row][col].wrapping_add(channel), lanes)
                };
                // SAFETY: a slab holds `count` tiles of 16 values for each block of channels; LANES divides 16.
                let store = |row: usize, col: usize, value| unsafe {
                    simd.store(to.add((row * POINTS + col) * slab + at), value);
                };
                twice::<S, T, N, POINTS>(simd, load, store);
            }
        }
    }
}

impl<T, const N: usize> FromImages<'_, T, N> {
    /// Where the pixels of a tile's window are.
    #[inline(always)]
    fn window(&self, t: usize, zeros: &[f32]) -> [[*const f32; N]; N] {
        let Grid { rows, cols, channels } = self.grid;
        let (image, down, across) = self.tiles.place(t);
        let mut window = [[zeros.as_ptr(); N]; N];
        for r in 0..N {
            // Rows above the image wrap to numbers that are no rows, too.
            let row = (down * TILE + r).wrapping_sub(self.top);
            for c in 0..N {
                let col = (across * TILE + c).wrapping_sub(self.left);
                if row < rows && col < cols {
                    window[r][c] = self.x[((image * rows + row) * cols + col) * channels..][..channels].as_ptr();
                }
            }
        }
        window
    }
}

/// Transforms the products of each tile to its outputs and adds the bias.
pub(super) struct ToImages<'a> {
    pub(super) grid: Grid,
    pub(super) tiles: Tiles,
    /// 36 slabs.
    pub(super) from: &'a [f32],
    /// A value for each channel, up to whole blocks.
    pub(super) bias: &'a [f32],
    pub(super) y: &'a mut [f32],
}

impl Kernel for ToImages<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { grid: Grid { rows, cols, channels }, tiles, .. } = self;
        let slab = tiles.slab(channels);
        assert!(self.from.len() >= POINTS * POINTS * slab, "36 slabs");
        assert!(self.bias.len() >= channels.next_multiple_of(BLOCK), "biases");
        let from = self.from.as_ptr();
        for t in 0..tiles.count {
            let (image, down, across) = tiles.place(t);
            let (first_row, first_col) = (down * TILE, across * TILE);
            let image = &mut self.y[image * rows * cols * channels..][..rows * cols * channels];
            for channel in (0..channels).step_by(S::LANES) {
                let lanes = S::LANES.min(channels - channel);
                let at = (channel / BLOCK * tiles.count + t) * BLOCK + channel % BLOCK;
                // SAFETY: as many biases as whole blocks of channels.
                let bias = unsafe { simd.load(self.bias.as_ptr().add(channel)) };
                // SAFETY: a slab holds `count` tiles of 16 values for each block of channels; LANES divides 16.
                let load = |row: usize, col: usize| unsafe { simd.load(from.add((row * POINTS + col) * slab + at)) };
                let store = |row: usize, col: usize, value| {
                    let (row, col) = (first_row + row, first_col + col);
                    if row < rows && col < cols {
                        // SAFETY: a pixel inside the image, whose `channels ≥ channel + lanes`.
                        unsafe {
                            let to = image.as_mut_ptr().add((row * cols + col) * channels + channel);
                            simd::store_first(simd, to, simd.add(value, bias), lanes);
                        }
                    }
                };
                twice::<S, Output, POINTS, TILE>(simd, load, store);
            }
        }
    }
}
