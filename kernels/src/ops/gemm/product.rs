//! `C (+)= A·B`: the inner loop of every dense product.
//!
//! ```text
//! for each piece of the depth, group of rows:              the piece of A stays in the L2 cache
//!     for each V vectors of columns:                       the panel of B stays in the L1 cache
//!         for each R rows:                                 R·V accumulators
//!             acc[r][v] = Σ_k A[r][k] · B[k][v]            a value of A is broadcast, a vector of B loaded
//!             C[r][v] (+)= acc[r][v]                       row after row, so that rows of C may overlap
//! ```
//! 1. B is packed in blocks of 16 columns; a vector is a whole or half block, so one packing serves every set.
//! 2. A is not packed. Its rows lie anywhere in a slice, and a row is a few equally spaced runs of equally spaced values:
//!    patches of an image, rows of a matrix, columns of a packed one. An im2col is a table of places.
//! 3. Rows and columns of C are places, too: a product may scatter into overlapping patches.
//! 4. A tile of C is asked for before its sums begin: its rows are far apart, which the hardware does not foresee.
//! 5. Whatever is addressed is checked once per product, by its largest place.
//!
//! Given up: packing A, which is a transposition. Where rows would fight for cache sets, the caller copies them further apart.

use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// Columns of a block of B.
pub(crate) const BLOCK: usize = 16;

/// Rows whose piece of A is held in the L2 cache; and where the depth is so small that C is what counts, rows of which C is
/// held in the L1 cache.
const ROWS: usize = 192;
const SHALLOW: usize = 32;
const SHALLOW_ROWS: usize = 24;

/// Where the values of a row of A are: `runs` runs of `run` values; value `k` of run `r` is at
/// `row.a + r · stride + k · step`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth {
    pub(crate) runs: usize,
    pub(crate) run: usize,
    pub(crate) stride: usize,
    pub(crate) step: usize,
}

/// Where a row begins in A and in C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) a: usize,
    pub(crate) c: usize,
}

/// A block of at most 16 columns: where it is in a row of C, how many they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) at: usize,
    pub(crate) count: usize,
}

/// The blocks of `count` adjacent columns from place `at` on.
pub(crate) fn columns(at: usize, count: usize) -> Vec<Column> {
    (0..count).step_by(BLOCK).map(|first| Column { at: at + first, count: BLOCK.min(count - first) }).collect()
}

/// A product: `c[row.c + column.at + j] (+)= Σ a[row.a + …] · b[block][…][j]`.
pub(crate) struct Product<'a> {
    pub(crate) a: &'a [f32],
    /// Blocks × depth × 16.
    pub(crate) b: &'a [f32],
    pub(crate) c: &'a mut [f32],
    pub(crate) depth: Depth,
    /// Values from one block of B to the next.
    pub(crate) block: usize,
    pub(crate) rows: &'a [Row],
    /// One for each block of B.
    pub(crate) columns: &'a [Column],
    /// Whether the product is added to C or takes its place.
    pub(crate) add: bool,
}

impl Product<'_> {
    /// Checks every place and multiplies.
    pub(crate) fn multiply(self, isa: Isa) {
        let Self { depth, rows, columns, .. } = &self;
        let (Some(last_a), Some(last_c), Some(last_column)) = (
            rows.iter().map(|row| row.a).max(),
            rows.iter().map(|row| row.c).max(),
            columns.iter().map(|column| column.at + column.count).max(),
        ) else {
            return;
        };
        assert!(depth.runs > 0 && depth.run > 0, "a product over something");
        let last_step = (depth.runs - 1) * depth.stride + (depth.run - 1) * depth.step;
        assert!(last_a + last_step < self.a.len(), "rows of A");
        assert!(columns.iter().all(|column| column.count <= BLOCK), "columns of a block");
        assert!(last_c + last_column <= self.c.len(), "rows of C");
        let whole = depth.runs * depth.run * BLOCK;
        assert!((columns.len() - 1) * self.block + whole <= self.b.len(), "blocks of B");
        isa.run(self);
    }
}

impl Kernel for Product<'_> {
    type Output = ();

    /// Chooses the tile that fills the registers.
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        match S::REGISTERS {
            32.. => self.pieces::<S, 6, 4>(simd, 128),
            16.. => self.pieces::<S, 6, 2>(simd, 256),
            _ => self.pieces::<S, 2, 2>(simd, 256),
        }
    }
}

/// A piece of the depth: whole runs or a part of one, and where it begins in a row of A and a block of B.
#[derive(Clone, Copy)]
struct Piece {
    depth: Depth,
    a: usize,
    b: usize,
    add: bool,
}

impl Product<'_> {
    /// Cuts the depth in equal pieces of at most `most` steps, and the rows.
    #[inline(always)]
    fn pieces<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, most: usize) {
        let Depth { runs, run, stride, step } = self.depth;
        let runs_each = runs.div_ceil(runs.div_ceil((most / run).max(1)));
        let steps_each = run.div_ceil(run.div_ceil(most));
        let rows_each = if runs * run <= SHALLOW { SHALLOW_ROWS } else { ROWS };
        for first in (0..runs).step_by(runs_each) {
            for start in (0..run).step_by(steps_each) {
                let depth = Depth { runs: runs_each.min(runs - first), run: steps_each.min(run - start), stride, step };
                let add = self.add || first + start > 0;
                let piece = Piece { depth, a: first * stride + start * step, b: (first * run + start) * BLOCK, add };
                for rows in self.rows.chunks(rows_each) {
                    self.panels::<S, R, V>(simd, &piece, rows);
                }
            }
        }
    }

    /// The columns in groups of `V` vectors, what is left in halves.
    #[inline(always)]
    fn panels<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, piece: &Piece, rows: &[Row]) {
        let last = self.columns[self.columns.len() - 1].count;
        let vectors = (self.columns.len() - 1) * (BLOCK / S::LANES) + last.div_ceil(S::LANES);
        let mut vector = 0;
        while vector + V <= vectors {
            self.panel::<S, R, V>(simd, piece, rows, vector);
            vector += V;
        }
        while V > 2 && vector + 2 <= vectors {
            self.panel::<S, R, 2>(simd, piece, rows, vector);
            vector += 2;
        }
        while vector < vectors {
            self.panel::<S, R, 1>(simd, piece, rows, vector);
            vector += 1;
        }
    }

    /// `V` vectors of columns from vector `first` on.
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, piece: &Piece, rows: &[Row], first: usize) {
        let mut b = [self.b.as_ptr(); V];
        let mut columns = [Column { at: 0, count: 0 }; V];
        for v in 0..V {
            let (block, lane) = ((first + v) * S::LANES / BLOCK, (first + v) * S::LANES % BLOCK);
            // SAFETY: `multiply` has checked that there are blocks for all columns.
            b[v] = unsafe { b[v].add(block * self.block + piece.b + lane) };
            let Column { at, count } = self.columns[block];
            columns[v] = Column { at: at + lane, count: count.saturating_sub(lane).min(S::LANES) };
        }
        for rows in rows.chunks(R) {
            for row in rows {
                for v in 0..V {
                    simd.prefetch(self.c.as_ptr().wrapping_add(row.c + columns[v].at));
                }
            }
            // SAFETY: `multiply` has checked the places of all rows, runs and columns in A, B and C.
            unsafe {
                let sums = sum::<S, R, V>(simd, &piece.depth, self.a.as_ptr().add(piece.a), rows, b);
                for (row, sums) in rows.iter().zip(sums) {
                    for v in 0..V {
                        let to = self.c.as_mut_ptr().add(row.c + columns[v].at);
                        let before =
                            if piece.add { simd::load_first(simd, to, columns[v].count) } else { simd.splat(0.0) };
                        simd::store_first(simd, to, simd.add(before, sums[v]), columns[v].count);
                    }
                }
            }
        }
    }
}

/// `R × V` sums over the depth; rows that are missing repeat the last.
///
/// # Safety
/// `depth` must be valid from `a + row.a` on for each of the `rows` (at least one), `b[v]` for depth × 16 values but for
/// what lies behind the last vector.
#[inline(always)]
unsafe fn sum<S: Simd, const R: usize, const V: usize>(
    simd: S,
    depth: &Depth,
    a: *const f32,
    rows: &[Row],
    mut b: [*const f32; V],
) -> [[S::F; V]; R] {
    let mut x = [a; R];
    let mut sums = [[simd.splat(0.0); V]; R];
    // SAFETY: the caller's promise; after the last run pointers move on, but wrapping and unread.
    unsafe {
        for r in 0..R {
            x[r] = a.add(rows[r.min(rows.len() - 1)].a);
        }
        for _ in 0..depth.runs {
            for k in 0..depth.run {
                let mut w = [simd.splat(0.0); V];
                for v in 0..V {
                    w[v] = simd.load(b[v].add(k * BLOCK));
                }
                for r in 0..R {
                    let x = simd.splat(*x[r].add(k * depth.step));
                    for v in 0..V {
                        sums[r][v] = simd.mul_add(x, w[v], sums[r][v]);
                    }
                }
            }
            x = x.map(|x| x.wrapping_add(depth.stride));
            b = b.map(|b| b.wrapping_add(depth.run * BLOCK));
        }
    }
    sums
}
