//! `Xᵀ·X` of f32 rows, in f64: for eigenvectors, where what hardly varies matters as much as what does.
//!
//! ```text
//! for each piece of the rows:                               its f64 copy stays in the L2 cache
//!     P ← the piece, in blocks of 8 columns
//!     for each block of columns i, each j ≤ i:              both stay in the L1 cache
//!         tile[i][j] += P[i]ᵀ·P[j]                          R·V accumulators
//! ```
//! 1. Tiles on and below the diagonal only: half of the work.
//! 2. Values are made f64 once a piece, not once a product.

use crate::isa::Isa;
use crate::simd::{Kernel, Simd};

/// Columns of a block.
const BLOCK: usize = 8;
/// Rows of a piece.
const ROWS: usize = 128;

/// `Xᵀ·X`, `cols × cols`, for `x` = rows × `cols`. Products are exact; sums are made in the order of the rows.
pub fn gram(isa: Isa, x: &[f32], cols: usize) -> Vec<f64> {
    assert!(cols > 0 && x.len().is_multiple_of(cols), "rows × columns");
    let blocks = cols.div_ceil(BLOCK);
    let mut tiles = vec![0.0; blocks * (blocks + 1) / 2 * BLOCK * BLOCK];
    let mut packed = vec![0.0; blocks * ROWS * BLOCK];
    isa.run(Gram { x, cols, packed: &mut packed, tiles: &mut tiles });
    let value = |at: usize| {
        let (low, high) = ((at / cols).min(at % cols), (at / cols).max(at % cols));
        tiles[tile(high / BLOCK, low / BLOCK) + high % BLOCK * BLOCK + low % BLOCK]
    };
    (0..cols * cols).map(value).collect()
}

/// Where the products of two blocks of columns are, `j ≤ i`: column of i × column of j.
fn tile(i: usize, j: usize) -> usize {
    (i * (i + 1) / 2 + j) * BLOCK * BLOCK
}

struct Gram<'a> {
    x: &'a [f32],
    cols: usize,
    /// Blocks × rows of a piece × columns of a block; columns past the last stay 0.
    packed: &'a mut [f64],
    tiles: &'a mut [f64],
}

impl Kernel for Gram<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for piece in self.x.chunks(ROWS * self.cols) {
            self.pack(piece);
            let rows = piece.len() / self.cols;
            match S::REGISTERS {
                32.. => self.multiply::<S, 8, 1>(simd, rows),
                16.. => self.multiply::<S, 4, 2>(simd, rows),
                _ => self.multiply::<S, 2, 2>(simd, rows),
            }
        }
    }
}

impl Gram<'_> {
    #[inline(always)]
    fn pack(&mut self, piece: &[f32]) {
        for (row, x) in piece.chunks_exact(self.cols).enumerate() {
            for (block, x) in x.chunks(BLOCK).enumerate() {
                let to = &mut self.packed[(block * ROWS + row) * BLOCK..][..BLOCK];
                to.iter_mut().zip(x).for_each(|(to, &x)| *to = f64::from(x));
            }
        }
    }

    /// Adds the products of a piece; `V` wide vectors are a block, `R` divides it.
    #[inline(always)]
    fn multiply<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, rows: usize) {
        let blocks = self.cols.div_ceil(BLOCK);
        assert!(V * S::LANES / 2 == BLOCK && BLOCK.is_multiple_of(R) && rows <= ROWS);
        assert!(self.packed.len() >= blocks * ROWS * BLOCK && self.tiles.len() >= tile(blocks, 0));
        for i in 0..blocks {
            for j in 0..=i {
                for first in (0..BLOCK).step_by(R) {
                    // SAFETY: blocks `i` and `j` of `packed` hold ROWS ≥ rows steps of BLOCK values, the tile BLOCK rows
                    // of as many: asserted above.
                    unsafe {
                        let a = self.packed.as_ptr().add(i * ROWS * BLOCK + first);
                        let b = self.packed.as_ptr().add(j * ROWS * BLOCK);
                        add_products::<S, R, V>(
                            simd,
                            rows,
                            a,
                            b,
                            self.tiles.as_mut_ptr().add(tile(i, j) + first * BLOCK),
                        );
                    }
                }
            }
        }
    }
}

/// `c[r][v] += Σ_k a[k][r] · b[k][v]`: a step of `a` and `b` is BLOCK values on, and so is a row of `c`.
///
/// # Safety
/// `a` must be valid for reading `R`, `b` for `BLOCK` values at each of `rows` steps, `c` for reading and writing `R` rows.
#[inline(always)]
unsafe fn add_products<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: usize,
    a: *const f64,
    b: *const f64,
    c: *mut f64,
) {
    let mut sums = [[simd.splat_wide(0.0); V]; R];
    // SAFETY: the caller's promise.
    unsafe {
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = simd.load_wide(c.add(r * BLOCK + v * S::LANES / 2));
            }
        }
        for k in 0..rows {
            let mut y = [simd.splat_wide(0.0); V];
            for v in 0..V {
                y[v] = simd.load_wide(b.add(k * BLOCK + v * S::LANES / 2));
            }
            for r in 0..R {
                let x = simd.splat_wide(*a.add(k * BLOCK + r));
                for v in 0..V {
                    sums[r][v] = simd.mul_add_wide(x, y[v], sums[r][v]);
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                simd.store_wide(c.add(r * BLOCK + v * S::LANES / 2), sums[r][v]);
            }
        }
    }
}
