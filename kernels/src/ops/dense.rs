//! A fully connected layer, on one vector and on a batch, which is a matrix product.

use super::columns::add_column_sums;
use super::gemm::{GemmScratch, Matrix, gemm};
use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// `y[o] = b[o] + Σ_i x[i]·w[i, o]`; `x`: inputs, `w`: inputs × outputs row-major, `b`, `y`: outputs.
pub fn dense(isa: Isa, x: &[f32], w: &[f32], b: &[f32], y: &mut [f32]) {
    check(x, w, y);
    y.copy_from_slice(b);
    isa.run(Dense { x, w, y });
}

fn check(x: &[f32], w: &[f32], y: &[f32]) {
    assert_eq!(w.len(), x.len() * y.len(), "inputs × outputs");
}

struct Dense<'a> {
    x: &'a [f32],
    w: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Dense<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let outputs = self.y.len();
        for start in (0..outputs).step_by(S::LANES) {
            let lanes = S::LANES.min(outputs - start);
            // SAFETY: row `i` of `w` and `y` hold `outputs ≥ start + lanes` values from `start` on.
            unsafe {
                let mut total = simd::load_first(simd, self.y.as_ptr().add(start), lanes);
                for (i, &x) in self.x.iter().enumerate() {
                    let row = self.w.as_ptr().add(i * outputs + start);
                    total = simd.mul_add(simd.splat(x), simd::load_first(simd, row, lanes), total);
                }
                simd::store_first(simd, self.y.as_mut_ptr().add(start), total, lanes);
            }
        }
    }
}

/// Gradients of [`dense`]: `dw[i, o] += x[i]·dy[o]`, `db[o] += dy[o]`, `dx[i] = Σ_o w[i, o]·dy[o]`.
pub fn dense_grad(isa: Isa, x: &[f32], w: &[f32], dy: &[f32], dw: &mut [f32], db: &mut [f32], dx: &mut [f32]) {
    check(x, w, dy);
    assert!(dw.len() == w.len() && db.len() == dy.len() && dx.len() == x.len(), "gradients have the shapes of values");
    isa.run(DenseGrad { x, w, dy, dw, dx });
    for (db, dy) in db.iter_mut().zip(dy) {
        *db += dy;
    }
}

struct DenseGrad<'a> {
    x: &'a [f32],
    w: &'a [f32],
    dy: &'a [f32],
    dw: &'a mut [f32],
    dx: &'a mut [f32],
}

impl Kernel for DenseGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let outputs = self.dy.len();
        for (i, &x) in self.x.iter().enumerate() {
            let row = i * outputs..(i + 1) * outputs;
            self.dx[i] = simd::reduce(simd, &self.w[row.clone()], self.dy, |w, dy, total| simd.mul_add(w, dy, total));
            for (dw, dy) in self.dw[row].iter_mut().zip(self.dy) {
                *dw += x * dy;
            }
        }
    }
}

/// [`dense`] on a batch: `x`: n × inputs, `w`: inputs × outputs, `b`: outputs, `y`: n × outputs.
pub fn dense_batch(isa: Isa, x: &[f32], w: &[f32], b: &[f32], y: &mut [f32], scratch: &mut GemmScratch) {
    let (n, inputs, outputs) = batch(x, w, b, y);
    y.chunks_exact_mut(outputs).for_each(|y| y.copy_from_slice(b));
    gemm(isa, Matrix::new(x, n, inputs), Matrix::new(w, inputs, outputs), y, scratch);
}

/// The sizes of a batch: n, inputs, outputs.
fn batch(x: &[f32], w: &[f32], b: &[f32], y: &[f32]) -> (usize, usize, usize) {
    let (inputs, outputs) = (w.len() / b.len(), b.len());
    let n = y.len() / outputs;
    assert_eq!(w.len(), inputs * outputs, "inputs × outputs");
    assert!(y.len() == n * outputs && x.len() == n * inputs, "n × inputs and n × outputs");
    (n, inputs, outputs)
}

/// Gradients of [`dense_batch`]: `dw += xᵀ·dy`, `db += Σ dy`, `dx = dy·wᵀ`, overwritten.
#[allow(clippy::too_many_arguments)] // three inputs, three gradients
pub fn dense_batch_grad(
    isa: Isa,
    x: &[f32],
    w: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    db: &mut [f32],
    dx: &mut [f32],
    scratch: &mut GemmScratch,
) {
    let (n, inputs, outputs) = batch(x, w, db, dy);
    assert!(dw.len() == w.len() && dx.len() == x.len(), "gradients have the shapes of values");
    let dy_matrix = Matrix::new(dy, n, outputs);
    gemm(isa, Matrix::new(x, n, inputs).transposed(), dy_matrix, dw, scratch);
    dx.fill(0.0);
    gemm(isa, dy_matrix, Matrix::new(w, inputs, outputs).transposed(), dx, scratch);
    add_column_sums(isa, dy, db);
}
