//! The triplet loss between points of two kinds, such as audio and words.

use super::directions::Directions;
use crate::mining::Triplet;

/// `Σ max(0, margin − cos(a, p) + cos(a, n))`, averaged over the triplets, where `a` is a row of `anchors`, and `p` and `n` are
/// rows of `others`; and the share of triplets that are not yet far enough.
///
/// Both matrices are rows × `dims`; gradients are added. The cosine with a point at the origin is 0.
pub fn cosine_triplets(
    margin: f32,
    (anchors, others): (&[f32], &[f32]),
    dims: usize,
    triplets: &[Triplet],
    d_anchors: &mut [f32],
    d_others: &mut [f32],
) -> (f32, f64) {
    let (anchors, others) = (Directions::of(anchors, dims), Directions::of(others, dims));
    let (rows, count) = (anchors.rows(), others.rows());
    let cosines = anchors.cosines(&others);
    let weight = 1.0 / triplets.len().max(1) as f64;
    let (mut total, mut active) = (0.0, 0);
    let mut slopes = vec![0.0; rows * count];
    for triplet in triplets {
        let [anchor, positive, negative] = triplet.map(|row| row as usize);
        let [positive, negative] = [positive, negative].map(|other| anchor * count + other);
        let loss = f64::from(margin) - cosines[positive] + cosines[negative];
        if loss > 0.0 {
            total += loss;
            active += 1;
            slopes[positive] -= weight;
            slopes[negative] += weight;
        }
    }
    anchors.add_gradient(&others, &slopes, d_anchors);
    let turned: Vec<f64> = (0..slopes.len()).map(|at| slopes[at % rows * count + at / rows]).collect();
    others.add_gradient(&anchors, &turned, d_others);
    ((weight * total) as f32, active as f64 * weight)
}

#[cfg(test)]
mod tests {
    use super::cosine_triplets;
    use crate::loss::check::check_gradient;
    use crate::random::Random;

    #[test]
    fn the_value_is_that_of_the_definition() {
        // cos(a, p) = 0, cos(a, n) = 0.8 and −1; lengths do not matter.
        let others = [0.0, 3.0, 4.0, 3.0, -1.0, 0.0];
        let triplets = [[0, 0, 1], [0, 0, 2]];
        let (loss, active) = cosine_triplets(0.4, (&[2.0, 0.0], &others), 2, &triplets, &mut [0.0; 2], &mut [0.0; 6]);
        assert!((loss - 0.6).abs() < 1e-6 && active == 0.5, "{loss} {active}");
        assert_eq!(cosine_triplets(0.4, (&[2.0, 0.0], &others), 2, &[], &mut [0.0; 2], &mut [0.0; 6]), (0.0, 0.0));
    }

    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        let mut random = Random::keyed(16, &[]);
        let mut draw = |count: usize| (0..count).map(|_| random.normal() as f32).collect::<Vec<f32>>();
        let (anchors, others) = (draw(4 * 5), draw(6 * 5));
        // One of the first two is within the hinge, the other beyond.
        let triplets = [[0, 1, 2], [0, 2, 1], [3, 2, 0], [1, 4, 3], [2, 2, 1]];
        let active = cosine_triplets(0.05, (&anchors, &others), 5, &triplets, &mut [0.0; 20], &mut [0.0; 30]).1;
        assert!(active > 0.1 && active < 1.0, "both sides of the hinge: {active}");
        check_gradient(&anchors, |x, dx| cosine_triplets(0.05, (x, &others), 5, &triplets, dx, &mut [0.0; 30]).0);
        check_gradient(&others, |x, dx| cosine_triplets(0.05, (&anchors, x), 5, &triplets, &mut [0.0; 20], dx).0);
    }
}
