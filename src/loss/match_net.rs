//! The loss of Triplet MatchNet (Lu, Wu, Duan and Zhang, ICASSP 2017) on learnt distances.

use std::ops::Range;

/// `mean over anchors of ψ + φ`: with the distances `d = 1 / (1 + e^(−z))` of an anchor's positives and negatives,
///
/// ```text
/// ψ = mean over negatives of max(0, max d⁺ − d⁻)        φ = −mean over pairs of [log(1 − d⁺) + log d⁻]
/// ```
///
/// and the share of the negatives that are nearer than the farthest positive. `anchors`: where the `z` of each anchor's
/// positives and of its negatives are in `logits`, none of them empty. Adds the gradient.
pub fn match_loss(anchors: &[[Range<usize>; 2]], logits: &[f32], d_logits: &mut [f32]) -> (f32, f64) {
    let weight = 1.0 / anchors.len().max(1) as f64;
    let distance = |at: usize| 1.0 / (1.0 + (-f64::from(logits[at])).exp());
    let (mut total, mut active) = (0.0, 0.0);
    for [positives, negatives] in anchors {
        let mut add = |at: usize, slope: f64| d_logits[at] += (weight * slope) as f32;
        let [each_positive, each_negative] = [positives, negatives].map(|range| 1.0 / range.len() as f64);
        let farthest = positives.clone().reduce(|a, b| if logits[b] > logits[a] { b } else { a });
        let Some(farthest) = farthest.filter(|_| !negatives.is_empty()) else { continue };
        for at in positives.clone() {
            total += weight * each_positive * softplus(f64::from(logits[at]));
            add(at, each_positive * distance(at));
        }
        // The slope of a distance by its z is d·(1 − d).
        let (reach, mut pulled) = (distance(farthest), 0.0);
        for at in negatives.clone() {
            let d = distance(at);
            total += weight * each_negative * softplus(-f64::from(logits[at]));
            add(at, each_negative * (d - 1.0));
            if d < reach {
                total += weight * each_negative * (reach - d);
                active += weight * each_negative;
                pulled += each_negative;
                add(at, -each_negative * d * (1.0 - d));
            }
        }
        add(farthest, pulled * reach * (1.0 - reach));
    }
    (total as f32, active)
}

/// `log(1 + e^x)`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::match_loss;
    use crate::loss::check::check_gradient;

    #[test]
    fn the_value_is_that_of_the_definition() {
        // Distances 0.2 and 0.5 of positives, 0.4 and 0.9 of negatives.
        let d = [0.2, 0.5, 0.4, 0.9f64];
        let logits = d.map(|d| (d / (1.0 - d)).ln() as f32);
        let (loss, active) = match_loss(&[[0..2, 2..4]], &logits, &mut [0.0; 4]);
        let mut pairs = 0.0;
        for positive in &d[..2] {
            for negative in &d[2..] {
                pairs -= ((1.0 - positive).ln() + negative.ln()) / 4.0;
            }
        }
        assert!((f64::from(loss) - (0.1 / 2.0 + pairs)).abs() < 1e-6 && active == 0.5, "{loss} {pairs} {active}");
        let extreme = match_loss(&[[0..1, 1..2]], &[-200.0, 200.0], &mut [0.0; 2]);
        assert_eq!(extreme, (0.0, 0.0));
        assert!(match_loss(&[[0..1, 1..2]], &[200.0, -200.0], &mut [0.0; 2]).0.is_finite());
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let logits = [0.5, -1.2, 0.1, 0.9, -0.3, -0.4, -1.0, 0.6, -0.2, 0.3, -0.8, 0.05];
        let anchors = [[0..2, 2..5], [5..6, 6..9], [9..11, 11..12]];
        let active = match_loss(&anchors, &logits, &mut [0.0; 12]).1;
        assert!(active > 0.1 && active < 1.0, "both sides of the hinge: {active}");
        check_gradient(&logits, |z, dz| match_loss(&anchors, z, dz).0);
    }
}
