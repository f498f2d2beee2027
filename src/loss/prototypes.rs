//! Losses against one point a class: means of an episode's support, or centroids that are learnt.

use super::classification::softmax_cross_entropy;
use super::directions::Directions;

/// Prototypical networks (Snell, Swersky and Zemel 2017): cross-entropy of the softmax of `−‖q − c_z‖²` over the groups z of a
/// batch, averaged over the queries q; and the share of queries nearer to another group's prototype.
///
/// `embeddings`: rows × `dims`, group after group of `size` rows, of which the first `shots` are the support, whose mean is the
/// prototype c, and the others queries. Adds the gradient.
pub fn prototypical(
    shots: usize,
    embeddings: &[f32],
    dims: usize,
    size: usize,
    d_embeddings: &mut [f32],
) -> (f32, f64) {
    let groups = embeddings.len() / (dims * size);
    assert!((1..size).contains(&shots) && groups > 1, "support and queries of several groups");
    let row = |index: usize| &embeddings[index * dims..][..dims];
    let mut prototypes = vec![0.0f32; groups * dims];
    for (group, prototype) in prototypes.chunks_exact_mut(dims).enumerate() {
        for shot in 0..shots {
            prototype.iter_mut().zip(row(group * size + shot)).for_each(|(c, x)| *c += x / shots as f32);
        }
    }
    let queries: Vec<usize> = (0..groups * size).filter(|row| row % size >= shots).collect();
    let classes: Vec<u32> = queries.iter().map(|query| (query / size) as u32).collect();
    let squared = |query: usize, c: &[f32]| row(query).iter().zip(c).map(|(x, c)| (x - c) * (x - c)).sum::<f32>();
    let logits = queries.iter().flat_map(|&query| prototypes.chunks_exact(dims).map(move |c| -squared(query, c)));
    let logits: Vec<f32> = logits.collect();
    let mut slopes = vec![0.0; logits.len()];
    let (loss, wrong) = softmax_cross_entropy(&logits, &classes, &mut slopes);
    for (&query, slopes) in queries.iter().zip(slopes.chunks_exact(groups)) {
        for ((group, slope), c) in slopes.iter().enumerate().zip(prototypes.chunks_exact(dims)) {
            for at in 0..dims {
                let step = -2.0 * slope * (row(query)[at] - c[at]);
                d_embeddings[query * dims + at] += step;
                for shot in 0..shots {
                    d_embeddings[(group * size + shot) * dims + at] -= step / shots as f32;
                }
            }
        }
    }
    (loss, wrong as f64 / queries.len() as f64)
}

/// Classification by direction (Zhai and Wu 2019): cross-entropy of the softmax of `cos(x, C_z) / τ` over all classes z, averaged
/// over the rows; and the share of rows nearer to the centroid of another class.
///
/// `embeddings`: rows × `dims`; `centroids`: classes × `dims`; `classes`: the class of each row. Adds both gradients.
pub fn normalised_softmax(
    temperature: f32,
    (embeddings, classes): (&[f32], &[u32]),
    centroids: &[f32],
    dims: usize,
    d_embeddings: &mut [f32],
    d_centroids: &mut [f32],
) -> (f32, f64) {
    let (points, centroids) = (Directions::of(embeddings, dims), Directions::of(centroids, dims));
    let cosines = points.cosines(&centroids);
    let logits: Vec<f32> = cosines.into_iter().map(|cosine| (cosine / f64::from(temperature)) as f32).collect();
    let mut d_logits = vec![0.0; logits.len()];
    let (loss, wrong) = softmax_cross_entropy(&logits, classes, &mut d_logits);
    let slopes: Vec<f64> = d_logits.iter().map(|&d| f64::from(d) / f64::from(temperature)).collect();
    points.add_gradient(&centroids, &slopes, d_embeddings);
    let (rows, count) = (points.rows(), centroids.rows());
    let turned: Vec<f64> = (0..slopes.len()).map(|at| slopes[at % rows * count + at / rows]).collect();
    centroids.add_gradient(&points, &turned, d_centroids);
    (loss, wrong as f64 / rows as f64)
}

#[cfg(test)]
mod tests {
    use super::{normalised_softmax, prototypical};
    use crate::loss::check::check_gradient;
    use crate::random::Random;

    fn normal(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::keyed(seed, &[]);
        (0..count).map(|_| random.normal() as f32).collect()
    }

    #[test]
    fn episodes_have_the_value_of_the_definition() {
        // Two groups on a line: support {0, 2} and {4, 6}, queries 2 and 2.5: prototypes 1 and 5.
        let (loss, wrong) = prototypical(2, &[0.0, 2.0, 2.0, 4.0, 6.0, 2.5], 1, 3, &mut [0.0; 6]);
        let loss_of = |own: f64, other: f64| -((-own).exp() / ((-own).exp() + (-other).exp())).ln();
        let want = (loss_of(1.0, 9.0) + loss_of(6.25, 2.25)) / 2.0;
        assert!((f64::from(loss) - want).abs() < 1e-5 && wrong == 0.5, "{loss} {want} {wrong}");
    }

    #[test]
    fn normalised_classes_have_the_value_of_the_definition() {
        let (x, centroids) = ([3.0, 0.0, 0.0, 0.1], [0.5, 0.0, 0.0, 2.0]);
        let (loss, wrong) = normalised_softmax(0.5, (&x, &[0, 0]), &centroids, 2, &mut [0.0; 4], &mut [0.0; 4]);
        let e2 = 2f64.exp();
        let want = -((e2 / (e2 + 1.0)).ln() + (1.0 / (e2 + 1.0)).ln()) / 2.0;
        assert!((f64::from(loss) - want).abs() < 1e-6 && wrong == 0.5, "{loss} {want} {wrong}");
    }

    #[test]
    fn gradients_are_the_slopes_of_the_losses() {
        for shots in [1, 2] {
            check_gradient(&normal(9 * 3, 10), |x, dx| prototypical(shots, x, 3, 3, dx).0);
        }
        let (x, centroids, classes) = (normal(6 * 4, 11), normal(5 * 4, 12), [0, 3, 3, 1, 4, 0]);
        check_gradient(&x, |x, dx| normalised_softmax(0.3, (x, &classes), &centroids, 4, dx, &mut [0.0; 20]).0);
        check_gradient(&centroids, |c, dc| normalised_softmax(0.3, (&x, &classes), c, 4, &mut [0.0; 24], dc).0);
    }
}
