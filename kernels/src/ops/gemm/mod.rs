//! Matrix products: the one inner loop ([`product`]) below convolutions and dense layers, and the plain product.

mod pack;
mod product;

pub(crate) use pack::pack;
pub(crate) use product::{BLOCK, Column, Depth, Product, Row, columns};

use crate::buffer::Buffer;
use crate::isa::Isa;

/// Steps of the inner dimension, and columns, that are packed at a time: 512 KiB, which stays in the L2 cache.
const DEPTH: usize = 256;
const COLUMNS: usize = 512;

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
        // Rows that are contiguous are read where they are; others as blocks of 16, like the columns of B.
        let in_place = a.col_stride == 1;
        let packed = scratch.a.at_least(if in_place { 0 } else { a.rows.next_multiple_of(BLOCK) * a.cols });
        if !in_place {
            pack(a.transposed(), packed);
        }
        let place = |i: usize| if in_place { i * a.row_stride } else { i / BLOCK * a.cols * BLOCK + i % BLOCK };
        let rows: Vec<_> = (0..a.rows).map(|i| Row { a: place(i), c: i * b.cols }).collect();
        let depth = Depth { runs: 1, run: a.cols, stride: 0, step: if in_place { 1 } else { BLOCK } };
        for j in (0..b.cols).step_by(COLUMNS) {
            let piece = b.cols(j, COLUMNS);
            let packed_b = scratch.b.at_least(piece.cols.next_multiple_of(BLOCK) * piece.rows);
            pack(piece, packed_b);
            Product {
                a: if in_place { a.data } else { packed },
                b: packed_b,
                c,
                depth,
                block: piece.rows * BLOCK,
                rows: &rows,
                columns: &columns(j, piece.cols),
                add: true,
            }
            .multiply(isa);
        }
    }
}
