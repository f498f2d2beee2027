//! Sums of products over all rows.

use homonym_kernels::{GemmScratch, Isa, Matrix, gemm};
use rayon::prelude::*;

/// Rows whose products are added in f32; sums of shards are added in f64.
const SHARD: usize = 256;
/// Parts of the rows that threads share; sums do not depend on their number.
const PARTS: usize = 8;

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
    parts
        .into_iter()
        .reduce(|mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        })
        .unwrap_or_else(|| vec![0.0; p * q])
}
