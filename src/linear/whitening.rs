//! Half-way to whitening: directions of much variance weigh less, those of little more.

use super::eigen::symmetric;
use crate::matrix::Matrix;

/// Variances below this share of the largest are noise of f32 that must not be blown up.
const NOTHING: f64 = 1e-6;

/// The `count` directions at most in which `points` (rows × values, centred) vary most, each divided by the square root of
/// the deviation along it: components × values. Whitening would divide by the deviation itself, and blow up what hardly
/// varies; not to divide would leave the say to a few directions.
///
/// By the Gram matrix of the rows, which are fewer than the values.
pub(crate) fn half_whitening(points: &Matrix<f32>, count: usize) -> Matrix<f32> {
    let (rows, cols) = (points.rows, points.cols);
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let mut gram = vec![0.0; rows * rows];
    for a in 0..rows {
        for b in 0..=a {
            let value = dot(points.row(a), points.row(b)) / rows as f64;
            (gram[a * rows + b], gram[b * rows + a]) = (value, value);
        }
    }
    let eigen = symmetric(gram, rows);
    let least = NOTHING * eigen.values.first().copied().unwrap_or(0.0);
    let along = eigen.values.iter().zip(eigen.vectors.chunks_exact(rows.max(1)));
    let kept: Vec<(f64, &[f64])> =
        along.map(|(&variance, u)| (variance, u)).take(count).take_while(|(variance, _)| *variance > least).collect();
    let mut components = Matrix::new(kept.len(), cols, vec![0.0; kept.len() * cols]);
    for (component, (variance, u)) in components.data.chunks_exact_mut(cols).zip(kept) {
        // The direction Xᵀu has the length √(rows · variance).
        let scale = 1.0 / ((rows as f64 * variance).sqrt() * variance.powf(0.25));
        let mut sums = vec![0.0; cols];
        for (weight, point) in u.iter().zip(points.iter_rows()) {
            sums.iter_mut().zip(point).for_each(|(sum, &x)| *sum += weight * f64::from(x));
        }
        component.iter_mut().zip(sums).for_each(|(x, sum)| *x = (scale * sum) as f32);
    }
    components
}

#[cfg(test)]
mod tests {
    use super::half_whitening;
    use crate::matrix::Matrix;
    use crate::random::Random;

    /// Points with deviations 8, 4, 2 and 1 along the axes of a rotation.
    fn points(rows: usize) -> Matrix<f32> {
        let mut random = Random::keyed(1, &[]);
        let mut data = Vec::new();
        for _ in 0..rows {
            let [a, b, c, d] = [8.0, 4.0, 2.0, 1.0].map(|deviation| deviation * random.normal());
            data.extend([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d].map(|x| (x / 2.0) as f32));
        }
        for col in 0..4 {
            let mean = data.iter().skip(col).step_by(4).sum::<f32>() / rows as f32;
            data.iter_mut().skip(col).step_by(4).for_each(|x| *x -= mean);
        }
        Matrix::new(rows, 4, data)
    }

    #[test]
    fn the_variance_along_each_component_is_what_the_deviation_was() {
        let points = points(300);
        let components = half_whitening(&points, 3);
        assert_eq!(components.rows, 3);
        let along = |at: usize| -> Vec<f64> {
            let dot = |row: &[f32]| row.iter().zip(components.row(at)).map(|(x, c)| f64::from(x * c)).sum();
            points.iter_rows().map(dot).collect()
        };
        let covariance = |a: usize, b: usize| along(a).iter().zip(along(b)).map(|(a, b)| a * b).sum::<f64>() / 300.0;
        for (at, deviation) in [8.0, 4.0, 2.0f64].into_iter().enumerate() {
            assert!((covariance(at, at) / deviation - 1.0).abs() < 0.15, "{at}: {}", covariance(at, at));
            (0..at).for_each(|other| assert!(covariance(at, other).abs() < 1e-3, "{at} and {other}"));
        }
    }

    #[test]
    fn directions_without_variance_are_left_out() {
        assert_eq!(half_whitening(&points(3), 10).rows, 2, "three centred points span a plane");
        assert_eq!(half_whitening(&Matrix::new(5, 4, vec![0.0; 20]), 10).rows, 0);
    }
}
