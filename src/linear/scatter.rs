//! Sums of products over all rows.

use homonym_kernels::{GemmScratch, Isa, Matrix, gemm, gram};
use rayon::prelude::*;

/// Rows whose products [`cross`] adds in f32; sums of shards are added in f64.
const SHARD: usize = 256;
/// Parts of the rows that threads share; sums do not depend on their number.
const PARTS: usize = 8;

/// `Xᵀ·X` in f64, for eigenvectors: what hardly varies matters as much as what does. `x`: rows × `cols`.
pub(super) fn products(isa: Isa, x: &[f32], cols: usize) -> Vec<f64> {
    let part = (x.len() / cols).div_ceil(PARTS).max(SHARD) * cols;
    let parts = x.par_chunks(part).map(|x| gram(isa, x, cols)).collect();
    add_up(parts, cols * cols)
}

/// Sums of parts, in their order.
fn add_up(parts: Vec<Vec<f64>>, size: usize) -> Vec<f64> {
    let mut total = vec![0.0; size];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(total, x)| *total += x);
    }
    total
}

/// `Aᵀ·B` of matrices with equally many rows, of `p` and `q` columns: p × q.
pub(super) fn cross(isa: Isa, a: &[f32], p: usize, b: &[f32], q: usize) -> Vec<f64> {
    let rows = a.len() / p;
    let part = rows.div_ceil(PARTS).next_multiple_of(SHARD).max(SHARD);
    let parts: Vec<Vec<f64>> = a
        .par_chunks(part * p)
        .zip(b.par_chunks(part * q))
        .map(|(a, b)| {
            let (mut total, mut products) = (vec![0.0; p * q], vec![0.0; p * q]);
            let mut scratch = GemmScratch::default();
            for (a, b) in a.chunks(SHARD * p).zip(b.chunks(SHARD * q)) {
                let rows = a.len() / p;
                products.fill(0.0);
                let (a, b) = (Matrix::new(a, rows, p).transposed(), Matrix::new(b, rows, q));
                gemm(isa, a, b, &mut products, &mut scratch);
                total.iter_mut().zip(&products).for_each(|(total, &x)| *total += f64::from(x));
            }
            total
        })
        .collect();
    add_up(parts, p * q)
}
