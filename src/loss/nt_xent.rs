//! The normalised, temperature-scaled cross-entropy of a batch (Chen et al. 2020).

use super::directions::Directions;

/// `−ln(e^{cos(i, p)/τ} / Σ_{k≠i} e^{cos(i, k)/τ})`, averaged over the other rows p of the group of row i, then over all rows
/// i; and the share of the rows nearest to a row of another group.
///
/// `embeddings`: rows × `dims`, group after group of `size` rows. Groups of two views are NT-Xent; larger ones are the
/// supervised contrastive loss (Khosla et al. 2020). Adds the gradient.
pub fn nt_xent(temperature: f32, embeddings: &[f32], dims: usize, size: usize, d_embeddings: &mut [f32]) -> (f32, f64) {
    let directions = Directions::of(embeddings, dims);
    let rows = directions.rows();
    assert!(size > 1 && rows > size && rows.is_multiple_of(size), "whole groups with pairs");
    let tau = f64::from(temperature);
    let mut slopes = directions.cosines(&directions);
    let (mut total, mut wrong) = (0.0, 0);
    for (row, cosines) in slopes.chunks_exact_mut(rows).enumerate() {
        let is_own = |other: usize| other / size == row / size;
        let others = || (0..rows).filter(|&other| other != row);
        let nearest = others().max_by(|&a, &b| cosines[a].total_cmp(&cosines[b]).then(is_own(b).cmp(&is_own(a))));
        let nearest = nearest.expect("several rows");
        wrong += usize::from(!is_own(nearest));
        let top = cosines[nearest];
        let sum: f64 = others().map(|other| ((cosines[other] - top) / tau).exp()).sum();
        for other in 0..rows {
            let cosine = std::mem::take(&mut cosines[other]);
            if other == row {
                continue;
            }
            let above = (cosine - top) / tau;
            let share = if is_own(other) { 1.0 / (size - 1) as f64 } else { 0.0 };
            total += share * (sum.ln() - above);
            cosines[other] = (above.exp() / sum - share) / tau / rows as f64;
        }
    }
    // A cosine is a slope of both its rows.
    let both: Vec<f64> = (0..rows * rows).map(|at| slopes[at] + slopes[at % rows * rows + at / rows]).collect();
    directions.add_gradient(&directions, &both, d_embeddings);
    ((total / rows as f64) as f32, wrong as f64 / rows as f64)
}

#[cfg(test)]
mod tests {
    use super::nt_xent;
    use crate::loss::check::check_gradient;
    use crate::random::Random;

    #[test]
    fn the_value_is_that_of_the_definition() {
        // Two views each of two right angles, lengths do not matter: cosines 1 with the other view, else 0.
        let x = [2.0, 0.0, 1.0, 0.0, 0.0, 3.0, 0.0, 0.5];
        let mut gradient = [0.0; 8];
        let (loss, wrong) = nt_xent(0.5, &x, 2, 2, &mut gradient);
        let want = -(2f64.exp() / (2f64.exp() + 2.0)).ln();
        assert!((f64::from(loss) - want).abs() < 1e-6 && wrong == 0.0, "{loss} {want} {wrong}");
        assert_eq!(nt_xent(0.5, &[1.0; 8], 2, 2, &mut gradient).1, 1.0, "a collapsed embedding is never right");
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let mut random = Random::keyed(9, &[]);
        let x: Vec<f32> = (0..8 * 5).map(|_| random.normal() as f32).collect();
        for size in [2, 4] {
            check_gradient(&x, |x, dx| nt_xent(0.4, x, 5, size, dx).0);
        }
    }
}
