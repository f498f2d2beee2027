//! Matrix products: the one inner loop ([`product`]) below convolutions and dense layers, and the plain product.
//!
//! Why not the crate `matrixmultiply`: it chooses its instruction set by itself, whatever `HOMONYM_ISA` says, and the inner
//! loop is needed anyway for patches. Percent of peak FMA, ours / its (0.3.11), one thread of a Zen 3 with AVX2:
//! 120 × 128 × 256 84 / 76, 192 × 256 × 512 88 / 84, 96 × 512 × 1024 82 / 73, 1024³ 74 / 74. It is ahead where B is transposed
//! and A has few rows to pay for its packing (48 × 64 × 128: 53 / 65).

mod pack;
mod product;

pub(crate) use pack::pack;
pub(crate) use product::{BLOCK, Column, Depth, Product, Row, columns};

use crate::buffer::Buffer;
use crate::isa::Isa;

/// Steps of the inner dimension, and columns, that are packed at a time: 256 KiB, half of a small L2 cache.
const DEPTH: usize = 256;
const COLUMNS: usize = 256;

/// A matrix in a slice: value `(i, j)` at `i · row_stride + j · col_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows × cols`, row-major.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "rows × columns");
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transposed matrix, without a copy.
    pub fn transposed(self) -> Self {
        let Self { data, rows, cols, row_stride, col_stride } = self;
        Self { data, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// The rows from `first` on, at most `count`.
    pub(crate) fn rows(self, first: usize, count: usize) -> Self {
        let data = &self.data[first * self.row_stride..];
        Self { data, rows: count.min(self.rows - first), ..self }
    }

    /// The columns from `first` on, at most `count`.
    pub(crate) fn cols(self, first: usize, count: usize) -> Self {
        self.transposed().rows(first, count).transposed()
    }
}

/// Room for packed operands; reusable between calls of any size.
#[derive(Clone, Debug, Default)]
pub struct GemmScratch {
    a: Buffer,
    b: Buffer,
}

/// `C += A·B` for `c` = m × n, row-major.
pub fn gemm(isa: Isa, a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], scratch: &mut GemmScratch) {
    assert_eq!(a.cols, b.rows, "inner dimensions");
    assert_eq!(c.len(), a.rows * b.cols, "m × n");
    for k in (0..a.cols).step_by(DEPTH) {
        let (a, b) = (a.cols(k, DEPTH), b.rows(k, DEPTH));
        let packed_a = PackedRows::new(a, &mut scratch.a);
        let rows: Vec<_> = (0..a.rows).map(|i| Row { a: packed_a.row(i), c: i * b.cols }).collect();
        for j in (0..b.cols).step_by(COLUMNS) {
            let piece = b.cols(j, COLUMNS);
            let packed_b = scratch.b.at_least(piece.cols.next_multiple_of(BLOCK) * piece.rows);
            pack(piece, packed_b);
            Product {
                a: packed_a.values,
                b: packed_b,
                c,
                depth: Depth { runs: 1, run: a.cols, stride: 0, step: packed_a.step },
                block: piece.rows * BLOCK,
                rows: &rows,
                columns: &columns(j, piece.cols),
                add: true,
            }
            .multiply(isa);
        }
    }
}

/// A piece of A, close together: rows of contiguous values stay such rows, others become blocks of 16.
struct PackedRows<'a> {
    values: &'a [f32],
    depth: usize,
    step: usize,
}

impl<'a> PackedRows<'a> {
    fn new(a: Matrix<'_>, room: &'a mut Buffer) -> Self {
        if a.col_stride == 1 {
            let mut packed = Self { values: &[], depth: a.cols, step: 1 };
            let values = room.at_least(packed.row(a.rows));
            for i in 0..a.rows {
                values[packed.row(i)..][..a.cols].copy_from_slice(&a.data[i * a.row_stride..][..a.cols]);
            }
            packed.values = values;
            packed
        } else {
            let values = room.at_least(a.rows.next_multiple_of(BLOCK) * a.cols);
            pack(a.transposed(), values);
            Self { values, depth: a.cols, step: BLOCK }
        }
    }

    /// Where row `i` begins; contiguous rows are an odd number of lines apart, or they would fight for cache sets.
    fn row(&self, i: usize) -> usize {
        if self.step == 1 {
            i * (self.depth.next_multiple_of(2 * BLOCK) + BLOCK)
        } else {
            i / BLOCK * self.depth * BLOCK + i % BLOCK
        }
    }
}
