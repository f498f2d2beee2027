//! Sums of products over all rows.

use homonym_kernels::{GemmScratch, Isa, Matrix, gemm};
use rayon::prelude::*;

/// Rows whose products [`cross`] adds in f32; sums of shards are added in f64.
const SHARD: usize = 256;
/// Parts of the rows that threads share; sums do not depend on their number.
const PARTS: usize = 8;

/// `Xᵀ·X` in f64, for eigenvectors: what hardly varies matters as much as what does. `x`: rows × `cols`.
pub(super) fn products(x: &[f32], cols: usize) -> Vec<f64> {
    const ROWS: usize = 4; // at a time: sums are read and written once for all
    let part = (x.len() / cols).div_ceil(PARTS).next_multiple_of(ROWS).max(ROWS) * cols;
    let sums = |x: &[f32]| {
        let (mut sums, mut wide) = (vec![0.0f64; cols * cols], vec![0.0; ROWS * cols]);
        for rows in x.chunks(ROWS * cols) {
            wide.fill(0.0);
            wide.iter_mut().zip(rows).for_each(|(wide, &x)| *wide = f64::from(x));
            let [a, b, c, d] = [0, 1, 2, 3].map(|row| &wide[row * cols..(row + 1) * cols]);
            for i in 0..cols {
                let sums = &mut sums[i * cols..i * cols + i + 1];
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum += a[i] * a[j] + b[i] * b[j] + c[i] * c[j] + d[i] * d[j];
                }
            }
        }
        sums
    };
    let parts: Vec<Vec<f64>> = x.par_chunks(part).map(sums).collect();
    let mut total = add_up(parts, cols * cols);
    for i in 0..cols {
        (0..i).for_each(|j| total[j * cols + i] = total[i * cols + j]);
    }
    total
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
