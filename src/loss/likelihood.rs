//! Binary cross-entropy on likelihoods: many yes-or-no questions at once, such as tags.

/// The smallest distance of a likelihood from 0 and 1 that counts (Keras'); beyond it there is no slope.
const CLIP: f32 = 1e-7;

/// `−Σ [t·ln p + (1 − t)·ln(1 − p)]` over the `dims` likelihoods of a row, averaged over the rows; and the share of
/// likelihoods on the wrong side of ½.
///
/// `likelihoods`, `targets`, `d_likelihoods`: rows × `dims`; targets within 0..=1. Adds the gradient.
pub fn binary_cross_entropy(
    likelihoods: &[f32],
    dims: usize,
    targets: &[f32],
    d_likelihoods: &mut [f32],
) -> (f32, f64) {
    assert_eq!(likelihoods.len(), targets.len(), "a target for each likelihood");
    let weight = dims as f64 / likelihoods.len().max(1) as f64;
    let (mut total, mut wrong) = (0.0, 0);
    for ((&p, &t), d) in likelihoods.iter().zip(targets).zip(d_likelihoods) {
        wrong += usize::from((p > 0.5) != (t > 0.5));
        let clipped = f64::from(p.clamp(CLIP, 1.0 - CLIP));
        let t = f64::from(t);
        total -= t * clipped.ln() + (1.0 - t) * (1.0 - clipped).ln();
        if (CLIP..=1.0 - CLIP).contains(&p) {
            *d += (weight * (clipped - t) / (clipped * (1.0 - clipped))) as f32;
        }
    }
    ((weight * total) as f32, wrong as f64 / likelihoods.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::binary_cross_entropy;
    use crate::loss::check::check_gradient;

    #[test]
    fn the_value_is_that_of_the_definition() {
        let targets = [1.0, 0.0, 1.0, 0.0];
        let (loss, wrong) = binary_cross_entropy(&[0.5, 0.25, 0.125, 0.75], 2, &targets, &mut [0.0; 4]);
        // Of the first row ln 2 + ln 4/3, of the second ln 8 + ln 4.
        let expected = (2f32.ln() + (4.0f32 / 3.0).ln() + 8f32.ln() + 4f32.ln()) / 2.0;
        assert!((loss - expected).abs() < 1e-6 && wrong == 0.75, "{loss} {wrong}");
        let mut slopes = [0.0; 2];
        let (sure, _) = binary_cross_entropy(&[0.0, 1.0], 2, &[0.0, 0.0], &mut slopes);
        assert!(sure.is_finite() && sure > 15.0 && slopes == [0.0; 2], "{sure} {slopes:?}");
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let x = [0.3, 0.6, 0.45, 0.7, 0.5, 0.35];
        check_gradient(&x, |x, dx| binary_cross_entropy(x, 3, &[1.0, 0.0, 0.25, 1.0, 1.0, 0.0], dx).0);
    }
}
