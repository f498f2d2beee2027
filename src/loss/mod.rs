//! Losses on the embeddings of a batch: value and gradient.

mod across;
mod classification;
mod contrastive;
mod cosine;
mod directions;
mod likelihood;
mod match_net;
mod nt_xent;
mod prototypes;

pub use across::cosine_triplets;
pub use classification::softmax_cross_entropy;
pub use contrastive::contrastive;
pub use cosine::cosine_hinge;
pub use likelihood::binary_cross_entropy;
pub use match_net::match_loss;
pub use nt_xent::nt_xent;
pub use prototypes::{normalised_softmax, prototypical};

use std::ops::Range;

use homonym_kernels as kernels;

use crate::mining::Triplet;

/// The triplet loss (paper, equation 1), `[‖a−p‖² − ‖a−n‖² + α]₊`, averaged over the triplets.
///
/// `embeddings`, `d_embeddings`: rows × `dims`; the gradient is added. Returns the mean, 0 for no triplets.
pub fn triplet_loss(
    margin: f32,
    embeddings: &[f32],
    dims: usize,
    triplets: &[Triplet],
    d_embeddings: &mut [f32],
) -> f32 {
    masked_triplet_loss(margin, embeddings, dims, 0..dims, triplets, d_embeddings)
}

/// The [`triplet_loss`] under a mask that is 1 for the values of `part` and 0 for all others: of disentangled similarity
/// (Veit, Belongie and Karaletsos 2017; Lee et al. 2020), where every notion has its own part.
pub fn masked_triplet_loss(
    margin: f32,
    embeddings: &[f32],
    dims: usize,
    part: Range<usize>,
    triplets: &[Triplet],
    d_embeddings: &mut [f32],
) -> f32 {
    let weight = 1.0 / triplets.len().max(1) as f32;
    let mut total = 0.0;
    for triplet @ &[anchor, positive, negative] in triplets {
        let loss = masked_violation(margin, embeddings, dims, &part, triplet);
        if loss > 0.0 {
            total += loss;
            for (weight, other) in [(weight, positive), (-weight, negative)] {
                let (da, db) = two_rows(d_embeddings, dims, anchor, other);
                let [a, b] = [anchor, other].map(|index| &row(embeddings, dims, index)[part.clone()]);
                kernels::squared_distance_grad(weight, a, b, &mut da[part.clone()], &mut db[part.clone()]);
            }
        }
    }
    total * weight
}

/// `‖a−p‖² − ‖a−n‖² + α` of a triplet: what its loss is where that is positive.
pub fn violation(margin: f32, embeddings: &[f32], dims: usize, triplet: &Triplet) -> f32 {
    masked_violation(margin, embeddings, dims, &(0..dims), triplet)
}

fn masked_violation(margin: f32, embeddings: &[f32], dims: usize, part: &Range<usize>, triplet: &Triplet) -> f32 {
    let [a, p, n] = triplet.map(|index| &row(embeddings, dims, index)[part.clone()]);
    let squared = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    squared(a, p) - squared(a, n) + margin
}

fn row(values: &[f32], dims: usize, index: u32) -> &[f32] {
    &values[index as usize * dims..][..dims]
}

/// Two different rows, mutable at the same time.
fn two_rows(values: &mut [f32], dims: usize, first: u32, second: u32) -> (&mut [f32], &mut [f32]) {
    let (first, second) = (first as usize * dims, second as usize * dims);
    let [first, second] = values
        .get_disjoint_mut([first..first + dims, second..second + dims])
        .expect("the members of a triplet are different rows of the batch");
    (first, second)
}

#[cfg(test)]
mod check {
    /// Compares the gradient that a loss adds with the slope of its value at every place.
    pub(super) fn check_gradient(x: &[f32], loss: impl Fn(&[f32], &mut [f32]) -> f32) {
        let value = |x: &[f32]| f64::from(loss(x, &mut vec![0.0; x.len()]));
        let mut gradient = vec![0.25; x.len()]; // gradients are added to what is there
        loss(x, &mut gradient);
        for at in 0..x.len() {
            let step = 1e-2;
            let (mut above, mut below) = (x.to_vec(), x.to_vec());
            above[at] += step;
            below[at] -= step;
            let slope = (value(&above) - value(&below)) / (2.0 * f64::from(step));
            let own = f64::from(gradient[at]) - 0.25;
            assert!((slope - own).abs() < 2e-3 * (1.0 + slope.abs()), "{at}: {slope} {own}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check::check_gradient;
    use super::{masked_triplet_loss, triplet_loss};
    use crate::random::Random;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let (dims, rows) = (5, 6);
        let mut random = Random::keyed(4, &[]);
        let x: Vec<f32> = (0..rows * dims).map(|_| random.normal() as f32).collect();
        let triplets = [[0, 1, 2], [1, 0, 3], [2, 3, 5], [4, 5, 0], [0, 1, 4]];
        assert!(triplet_loss(0.2, &x, dims, &triplets, &mut vec![0.0; x.len()]) > 0.1, "some triplet must be active");
        check_gradient(&x, |x, dx| triplet_loss(0.2, x, dims, &triplets, dx));
        check_gradient(&x, |x, dx| masked_triplet_loss(0.2, x, dims, 1..3, &triplets, dx));
        let mut gradient = vec![0.0; x.len()];
        masked_triplet_loss(0.2, &x, dims, 1..3, &triplets, &mut gradient);
        let masked = |at: usize| !(1..3).contains(&(at % dims));
        assert!(gradient.iter().enumerate().all(|(at, slope)| !masked(at) || *slope == 0.0));
    }

    #[test]
    fn the_value_is_the_mean_over_triplets() {
        let x = [0.0, 0.0, 1.0, 0.0, 0.0, 2.0]; // ‖a−p‖² = 1, ‖a−n‖² = 4, ‖p−n‖² = 5
        let mut gradient = [0.0; 6];
        assert_eq!(triplet_loss(0.2, &x, 2, &[[0, 1, 2]], &mut gradient), 0.0);
        assert_eq!(gradient, [0.0; 6]);
        let both = triplet_loss(0.2, &x, 2, &[[0, 2, 1], [0, 1, 2]], &mut gradient);
        assert!((both - 3.2 / 2.0).abs() < 1e-6, "{both}");
        assert_eq!(triplet_loss(0.2, &x, 2, &[], &mut gradient), 0.0);
    }
}
