//! Principal component analysis.

use crate::matrix::Matrix;
use crate::{Error, Result};

/// Rotations after which a matrix is as diagonal as it gets; Jacobi's method needs six to ten sweeps.
const SWEEPS: usize = 30;

/// The directions in which some points vary most.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    /// Components × values, of length 1, most variance first; the value of the largest size is positive.
    components: Matrix<f64>,
    /// Variance along each.
    variances: Vec<f64>,
}

impl Pca {
    /// The first `count` components of `points` (rows × values), by Jacobi's method on their covariance.
    ///
    /// # Errors
    /// More components than values, or than points tell of.
    pub fn fit(points: &Matrix<f32>, count: usize) -> Result<Self> {
        let size = points.cols;
        let most = size.min(points.rows.saturating_sub(1));
        if !(1..=most).contains(&count) {
            let problem =
                format!("{count} components are not in 1..={most}, of {} points × {size} values", points.rows);
            return Err(Error::setting("--dims", problem));
        }
        let mut mean = vec![0.0; size];
        for row in points.iter_rows() {
            mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x) / points.rows as f64);
        }
        let mut covariance = vec![0.0; size * size];
        for row in points.iter_rows() {
            let centred: Vec<f64> = row.iter().zip(&mean).map(|(&x, mean)| f64::from(x) - mean).collect();
            for (sums, x) in covariance.chunks_exact_mut(size).zip(&centred) {
                sums.iter_mut().zip(&centred).for_each(|(sum, y)| *sum += x * y / (points.rows - 1) as f64);
            }
        }
        let vectors = diagonalise(&mut covariance, size);
        let variance = |at: usize| covariance[at * size + at];
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&a, &b| variance(b).total_cmp(&variance(a)));
        order.truncate(count);
        let component = |&at: &usize| {
            let vector: Vec<f64> = (0..size).map(|row| vectors[row * size + at]).collect();
            let largest = vector.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
            vector.into_iter().map(move |x| x * largest.signum())
        };
        let variances = order.iter().map(|&at| variance(at)).collect();
        Ok(Self { mean, components: Matrix::new(count, size, order.iter().flat_map(component).collect()), variances })
    }

    /// Variance along each component.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Points (rows × values) in terms of the components: rows × components.
    ///
    /// # Panics
    /// Where the points have another number of values than those it was fitted to.
    pub fn transform(&self, points: &Matrix<f32>) -> Matrix<f32> {
        assert_eq!(points.cols, self.components.cols, "values of a point");
        let along = |row: &[f32], component: &[f64]| {
            row.iter().zip(&self.mean).zip(component).map(|((&x, mean), c)| (f64::from(x) - mean) * c).sum::<f64>()
                as f32
        };
        let rows = points.iter_rows();
        let data =
            rows.flat_map(|row| self.components.iter_rows().map(move |component| along(row, component))).collect();
        Matrix::new(points.rows, self.components.rows, data)
    }
}

/// Makes a symmetric matrix diagonal by rotations; returns the eigenvectors as columns.
fn diagonalise(a: &mut [f64], size: usize) -> Vec<f64> {
    let mut vectors = vec![0.0; size * size];
    (0..size).for_each(|at| vectors[at * size + at] = 1.0);
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let beside: f64 = (0..size * size).filter(|at| at / size != at % size).map(|at| a[at] * a[at]).sum();
        if beside <= 1e-28 * total {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                rotate(a, &mut vectors, size, (p, q));
            }
        }
    }
    vectors
}

/// The rotation that makes element (p, q) zero.
fn rotate(a: &mut [f64], vectors: &mut [f64], size: usize, (p, q): (usize, usize)) {
    let apq = a[p * size + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * size + q] - a[p * size + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..size {
        let (x, y) = (a[k * size + p], a[k * size + q]);
        (a[k * size + p], a[k * size + q]) = (c * x - s * y, s * x + c * y);
    }
    let (rows_p, rows_q) = a.split_at_mut(q * size);
    for (x, y) in rows_p[p * size..(p + 1) * size].iter_mut().zip(&mut rows_q[..size]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
    for row in vectors.chunks_exact_mut(size) {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn components_carry_the_variance_and_keep_distances() {
        let mut random = Random::keyed(1, &[]);
        let spread = [5.0, 0.1, 2.0, 0.5];
        let data = (0..400).flat_map(|_| {
            let drawn = spread.map(|spread| spread * random.normal());
            // Mixed by a rotation in two planes.
            [drawn[0] + drawn[1], drawn[0] - drawn[1], 0.6 * drawn[2] - 0.8 * drawn[3], 0.8 * drawn[2] + 0.6 * drawn[3]]
        });
        let points = Matrix::new(400, 4, data.map(|x| x as f32 + 3.0).collect());
        let all = Pca::fit(&points, 4).unwrap();
        let turned = all.transform(&points);
        let distance = |m: &Matrix<f32>, a: usize, b: usize| {
            m.row(a).iter().zip(m.row(b)).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt()
        };
        assert!((1..400).all(|b| (distance(&points, 0, b) - distance(&turned, 0, b)).abs() < 1e-4));
        for (at, variance) in all.variances().iter().enumerate() {
            let values: Vec<f64> = turned.iter_rows().map(|row| f64::from(row[at])).collect();
            let mean = values.iter().sum::<f64>() / 400.0;
            let own = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 399.0;
            assert!(mean.abs() < 1e-5 && (own / variance - 1.0).abs() < 1e-4, "{at}: {own} {variance}");
        }
        assert!(all.variances().windows(2).all(|pair| pair[0] >= pair[1]));
        assert!((all.variances()[0] / 50.0 - 1.0).abs() < 0.2, "{:?}", all.variances());
        let first: Vec<f32> = Pca::fit(&points, 1).unwrap().transform(&points).data;
        assert!(first.iter().zip(turned.iter_rows()).all(|(x, row)| (x - row[0]).abs() < 1e-5));
        assert!(Pca::fit(&points, 5).unwrap_err().to_string().contains("1..=4"));
    }
}
