//! Classification: softmax and cross-entropy.

/// Cross-entropy of the softmax of `logits` (rows × classes) against the true class of each row, averaged over the rows, and
/// how many rows have another class on top. Adds the gradient of the mean to `d_logits`.
pub fn softmax_cross_entropy(logits: &[f32], classes: &[u32], d_logits: &mut [f32]) -> (f32, usize) {
    let width = logits.len() / classes.len();
    let weight = 1.0 / classes.len() as f64;
    let (mut total, mut wrong) = (0.0, 0);
    for ((row, d_row), &class) in logits.chunks_exact(width).zip(d_logits.chunks_exact_mut(width)).zip(classes) {
        let class = class as usize;
        let top = row.iter().fold(f32::NEG_INFINITY, |top, &logit| top.max(logit));
        let above = |logit: f32| f64::from(logit - top).exp();
        let sum: f64 = row.iter().map(|&logit| above(logit)).sum();
        total += sum.ln() - f64::from(row[class] - top);
        wrong += usize::from(row[class] < top);
        for (place, (d, &logit)) in d_row.iter_mut().zip(row).enumerate() {
            *d += (weight * (above(logit) / sum - f64::from(u8::from(place == class)))) as f32;
        }
    }
    ((weight * total) as f32, wrong)
}

#[cfg(test)]
mod tests {
    use super::softmax_cross_entropy;
    use crate::loss::check::check_gradient;
    use crate::random::Random;

    #[test]
    fn the_value_is_that_of_the_definition() {
        let logits = [1.0f32, 2.0, 3.0, 1000.0, 0.0, -1000.0];
        let (loss, wrong) = softmax_cross_entropy(&logits, &[1, 0], &mut [0.0; 6]);
        let expected = -(2f64.exp() / (1f64.exp() + 2f64.exp() + 3f64.exp())).ln() / 2.0;
        assert!((f64::from(loss) - expected).abs() < 1e-6, "{loss} {expected}");
        assert_eq!(wrong, 1);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let mut random = Random::keyed(5, &[]);
        let logits: Vec<f32> = (0..4 * 7).map(|_| 2.0 * random.normal() as f32).collect();
        check_gradient(&logits, |x, dx| softmax_cross_entropy(x, &[3, 0, 6, 3], dx).0);
    }
}
