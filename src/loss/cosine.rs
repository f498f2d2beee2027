//! The siamese loss of Park et al. 2018 on cosines.

/// `Σ max(0, margin − cos(a, p) + cos(a, n))` over the negatives of a tuple, averaged over the tuples; and the share of
/// negatives that are not yet far enough.
///
/// `embeddings`: rows × `dims`, tuple after tuple of `size` rows: anchor, positive, negatives. Adds the gradient. The cosine
/// with a point at the origin is 0.
pub fn cosine_hinge(margin: f32, embeddings: &[f32], dims: usize, size: usize, d_embeddings: &mut [f32]) -> (f32, f64) {
    assert!(size > 2 && embeddings.len().is_multiple_of(dims * size), "whole tuples with negatives");
    let tuples = embeddings.len() / (dims * size);
    let weight = 1.0 / tuples as f64;
    let (mut total, mut active) = (0.0, 0);
    let jobs = embeddings.chunks_exact(dims * size).zip(d_embeddings.chunks_exact_mut(dims * size));
    for (rows, d_rows) in jobs {
        let row = |index: usize| &rows[index * dims..][..dims];
        let norms: Vec<f64> = (0..size).map(|index| dot(row(index), row(index)).sqrt()).collect();
        let inverse = |index: usize| if norms[index] > 0.0 { 1.0 / norms[index] } else { 0.0 };
        let cosine = |index: usize| dot(row(0), row(index)) * inverse(0) * inverse(index);
        let mut slopes = vec![0.0; size]; // of the loss by each cosine
        for negative in 2..size {
            let loss = f64::from(margin) - cosine(1) + cosine(negative);
            if loss > 0.0 {
                total += loss;
                active += 1;
                slopes[1] -= weight;
                slopes[negative] += weight;
            }
        }
        for (other, &slope) in slopes.iter().enumerate().filter(|(_, slope)| **slope != 0.0) {
            let s = cosine(other);
            for at in 0..dims {
                let unit = |index: usize| f64::from(row(index)[at]) * inverse(index);
                let (a, b) = (unit(0), unit(other));
                d_rows[at] += (slope * (b - s * a) * inverse(0)) as f32;
                d_rows[other * dims + at] += (slope * (a - s * b) * inverse(other)) as f32;
            }
        }
    }
    ((weight * total) as f32, active as f64 / (tuples * (size - 2)) as f64)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::cosine_hinge;
    use crate::loss::check::check_gradient;
    use crate::random::Random;

    #[test]
    fn the_value_is_that_of_the_definition() {
        // cos(a, p) = 1, cos(a, n) = 0 and 0.8; lengths do not matter.
        let x = [2.0, 0.0, 5.0, 0.0, 0.0, 3.0, 4.0, 3.0];
        let (loss, active) = cosine_hinge(0.4, &x, 2, 4, &mut [0.0; 8]);
        assert!((loss - 0.2).abs() < 1e-6 && active == 0.5, "{loss} {active}");
        let mut gradient = [0.0; 6];
        assert_eq!(cosine_hinge(0.4, &[0.0; 6], 2, 3, &mut gradient), (0.4, 1.0));
        assert_eq!(gradient, [0.0; 6], "no direction at the origin");
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let mut random = Random::keyed(6, &[]);
        let x: Vec<f32> = (0..2 * 6 * 5).map(|_| random.normal() as f32).collect();
        let active = cosine_hinge(0.4, &x, 5, 6, &mut vec![0.0; x.len()]).1;
        assert!(active > 0.1 && active < 1.0, "both sides of the hinge: {active}");
        check_gradient(&x, |x, dx| cosine_hinge(0.4, x, 5, 6, dx).0);
    }
}
