//! Layers over a batch, channels last, by their definitions.

/// A convolution: what it reads, its kernel and strides, the zeros above and left of the image, what it writes.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    pub images: usize,
    pub input: [usize; 3],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub before: [usize; 2],
    pub output: [usize; 3],
}

impl Conv {
    /// Calls `f(y, x, w)` with the indices of each product of the definition: `y[…] += x[…]·w[…]`.
    pub fn products(&self, mut f: impl FnMut(usize, usize, usize)) {
        let ([rows, cols, inputs], [out_rows, out_cols, outputs]) = (self.input, self.output);
        for y in 0..self.images * out_rows * out_cols * outputs {
            let (pixel, o) = (y / outputs, y % outputs);
            let (image, row, col) = (pixel / (out_rows * out_cols), pixel / out_cols % out_rows, pixel % out_cols);
            for tap in 0..self.kernel[0] * self.kernel[1] {
                let r = (row * self.stride[0] + tap / self.kernel[1]).checked_sub(self.before[0]);
                let c = (col * self.stride[1] + tap % self.kernel[1]).checked_sub(self.before[1]);
                if let (Some(r), Some(c)) = (r.filter(|&r| r < rows), c.filter(|&c| c < cols)) {
                    for i in 0..inputs {
                        let x = ((image * rows + r) * cols + c) * inputs + i;
                        f(y, x, (o * self.kernel[0] * self.kernel[1] + tap) * inputs + i);
                    }
                }
            }
        }
    }
}

/// Mean and variance of column `c`.
pub fn moments(x: &[f32], channels: usize, c: usize) -> (f64, f64) {
    let column: Vec<f64> = x.iter().skip(c).step_by(channels).map(|&x| f64::from(x)).collect();
    let mean = column.iter().sum::<f64>() / column.len() as f64;
    (mean, column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / column.len() as f64)
}

/// `A·B`, m × k by k × n.
pub fn product(a: &dyn Fn(usize, usize) -> f64, b: &dyn Fn(usize, usize) -> f64, [m, k, n]: [usize; 3]) -> Vec<f64> {
    (0..m * n).map(|at| (0..k).map(|l| a(at / n, l) * b(l, at % n)).sum()).collect()
}
