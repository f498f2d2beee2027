//! The contrastive loss of siamese networks (Hadsell, Chopra and LeCun 2006).

/// `½·D²` of a pair of the same group, `½·max(0, margin − D)²` of two groups, D the Euclidean distance; the mean over the
/// pairs of each kind, added up, so that both weigh the same. Also the share of pairs of two groups within the margin.
///
/// `embeddings`: rows × `dims`, group after group of `size` rows, at least two of each. Adds the gradient; two points at one
/// place have no direction to be moved apart in.
pub fn contrastive(margin: f32, embeddings: &[f32], dims: usize, size: usize, d_embeddings: &mut [f32]) -> (f32, f64) {
    let rows = embeddings.len() / dims;
    assert!(size > 1 && rows > size && rows.is_multiple_of(size), "whole groups with pairs");
    let row = |index: usize| &embeddings[index * dims..][..dims];
    let same = (rows * (size - 1) / 2) as f64;
    let different = (rows * (rows - size) / 2) as f64;
    let (mut total, mut within) = (0.0, 0.0);
    for first in 0..rows {
        for second in first + 1..rows {
            let (a, b) = (row(first), row(second));
            let distance = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            let short = f64::from(margin) - distance;
            let slope = if first / size == second / size {
                total += 0.5 * distance * distance / same;
                1.0 / same
            } else if short > 0.0 {
                total += 0.5 * short * short / different;
                within += 1.0;
                if distance > 0.0 { -short / distance / different } else { 0.0 }
            } else {
                continue;
            };
            for at in 0..dims {
                let step = (slope * f64::from(a[at] - b[at])) as f32;
                d_embeddings[first * dims + at] += step;
                d_embeddings[second * dims + at] -= step;
            }
        }
    }
    (total as f32, within / different)
}

#[cfg(test)]
mod tests {
    use super::contrastive;
    use crate::loss::check::check_gradient;
    use crate::random::Random;

    #[test]
    fn the_value_is_that_of_the_definition() {
        // Groups {0, 1} and {3, 3.5} on a line: within them 1 and 0.5, between 3, 3.5, 2, 2.5; margin 2.25.
        let mut gradient = [0.0; 4];
        let (loss, within) = contrastive(2.25, &[0.0, 1.0, 3.0, 3.5], 1, 2, &mut gradient);
        let want = (0.5 + 0.125) / 2.0 + 0.5 * 0.25f32.powi(2) / 4.0;
        assert!((loss - want).abs() < 1e-6 && within == 0.25, "{loss} {within}");
        let mut still = [0.0; 4];
        contrastive(1.0, &[1.0; 4], 1, 2, &mut still);
        assert_eq!(still, [0.0; 4], "no direction between equal points");
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let mut random = Random::keyed(8, &[]);
        let x: Vec<f32> = (0..9 * 4).map(|_| random.normal() as f32).collect();
        let within = contrastive(2.5, &x, 4, 3, &mut vec![0.0; x.len()]).1;
        assert!(within > 0.1 && within < 0.9, "both sides of the margin: {within}");
        check_gradient(&x, |x, dx| contrastive(2.5, x, 4, 3, dx).0);
    }
}
