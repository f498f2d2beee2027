//! Logistic regression on a few features: `ln odds = w·x`.

/// Weight of the wish for small weights: keeps them finite where a feature separates perfectly.
const RIDGE: f64 = 1.0;

/// The probability of these log odds.
pub(super) fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// The log odds of this probability.
pub(super) fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

pub(super) fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The weights by Newton's method on the penalised likelihood. The first feature is the constant 1, whose weight is free.
pub(super) fn fit<const N: usize>(examples: impl Iterator<Item = ([f64; N], bool)> + Clone) -> [f64; N] {
    let ridge = |k: usize| if k == 0 { 1e-9 } else { RIDGE };
    let mut weights = [0.0; N];
    for _ in 0..50 {
        let mut gradient: [f64; N] = std::array::from_fn(|k| -ridge(k) * weights[k]);
        let mut hessian: [[f64; N]; N] =
            std::array::from_fn(|k| std::array::from_fn(|j| if j == k { ridge(k) } else { 0.0 }));
        for (x, is_so) in examples.clone() {
            let p = logistic(dot(&weights, &x));
            let (error, weight) = (f64::from(is_so) - p, p * (1.0 - p));
            for ((slope, row), xk) in gradient.iter_mut().zip(&mut hessian).zip(x) {
                *slope += error * xk;
                row.iter_mut().zip(x).for_each(|(curvature, xj)| *curvature += weight * xk * xj);
            }
        }
        let step = solve(hessian, gradient);
        let length = step.iter().fold(0.0f64, |length, x| length.max(x.abs()));
        let damping = (5.0 / length).min(1.0);
        weights.iter_mut().zip(step).for_each(|(weight, x)| *weight += damping * x);
        if length < 1e-9 {
            break;
        }
    }
    weights
}

/// Solves `A·x = b` for a positive definite A by elimination, which then needs no pivots.
fn solve<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> [f64; N] {
    for k in 0..N {
        let (pivot, right) = (a[k], b[k]);
        for (row, b) in a.iter_mut().zip(&mut b).skip(k + 1) {
            let factor = row[k] / pivot[k];
            row.iter_mut().zip(pivot).for_each(|(x, p)| *x -= factor * p);
            *b -= factor * right;
        }
    }
    for k in (0..N).rev() {
        let known: f64 = (k + 1..N).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / a[k][k];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn known_weights_are_found() {
        let mut random = Random::keyed(5, &[]);
        let truth = [1.0, -2.0, 0.5];
        let example = |_| {
            let x = [1.0, random.normal(), random.normal() + 1.0];
            (x, random.uniform() < logistic(dot(&truth, &x)))
        };
        let examples: Vec<([f64; 3], bool)> = (0..40_000).map(example).collect();
        let found = fit(examples.iter().copied());
        assert!(found.iter().zip(truth).all(|(found, truth)| (found - truth).abs() < 0.06), "{found:?}");
        // At the maximum the gradient of the penalised likelihood is zero.
        for (k, weight) in found.iter().enumerate() {
            let slope: f64 = examples.iter().map(|(x, y)| (f64::from(*y) - logistic(dot(&found, x))) * x[k]).sum();
            assert!((slope - if k == 0 { 0.0 } else { RIDGE * weight }).abs() < 1e-5, "{slope}");
        }
        assert!((logit(logistic(1.3)) - 1.3).abs() < 1e-12);
    }

    #[test]
    fn perfect_separation_stays_finite() {
        let found = fit((0..100).map(|number| ([1.0, f64::from(number % 2)], number % 2 == 0)));
        assert!(found[1].is_finite() && logistic(found[0]) > 0.9 && logistic(found[0] + found[1]) < 0.1, "{found:?}");
    }
}
