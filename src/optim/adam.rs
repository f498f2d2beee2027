//! Adam.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Adam (Kingma and Ba 2015, algorithm 1; PyTorch's form): `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`,
/// `w ← w − lr·m̂ / (√v̂ + ε)` with `m̂ = m / (1 − β₁ᵗ)`, `v̂ = v / (1 − β₂ᵗ)` at update t = 1, 2, ….
///
/// Keras adds its ε to `√v` before that is corrected, which matters only to gradients as small as ε; the default is Keras'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Learning rate, `lr`.
    pub learning_rate: f32,
    /// Share of the old mean of gradients, `β₁`.
    pub beta1: f32,
    /// Share of the old mean of squares, `β₂`.
    pub beta2: f32,
    /// Floor of the divisor, `ε`.
    pub epsilon: f32,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }
    }
}

impl Adam {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(Error::setting("learning_rate", format!("{} is not a positive number", self.learning_rate)));
        }
        let betas = [self.beta1, self.beta2].iter().all(|beta| (0.0..1.0).contains(beta));
        if !(betas && self.epsilon > 0.0) {
            return Err(Error::setting("optimizer", "beta1 and beta2 must be in 0..1 and epsilon positive"));
        }
        Ok(())
    }

    /// Updates the parameters and the two running means, `m` before `v`, which start at zero; `step` updates were made
    /// before.
    pub fn step(&self, params: &mut [f32], grads: &[f32], means: &mut [f32], step: u64) {
        let (m, v) = means.split_at_mut(params.len());
        let correction = |beta: f32| 1.0 - f64::from(beta).powf((step + 1) as f64);
        let rate = (f64::from(self.learning_rate) / correction(self.beta1)) as f32;
        let root = (1.0 / correction(self.beta2).sqrt()) as f32;
        for (((w, &g), m), v) in params.iter_mut().zip(grads).zip(m).zip(v) {
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
            *w -= rate * *m / (v.sqrt() * root + self.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Adam;

    #[test]
    fn two_steps_by_hand() {
        let optimiser = Adam { learning_rate: 0.1, beta1: 0.5, beta2: 0.75, epsilon: 1e-9 };
        let (mut w, mut means) = ([1.0f32], [0.0f32; 2]);
        optimiser.step(&mut w, &[2.0], &mut means, 0);
        // m = 1, v = 1; corrected 2 and 4, so that the first step has the length of the learning rate.
        assert!(means == [1.0, 1.0] && (w[0] - 0.9).abs() < 1e-6, "{w:?} {means:?}");
        optimiser.step(&mut w, &[0.0], &mut means, 1);
        // m = 0.5 / 0.75, v = 0.75 / 0.4375
        let expected = 0.9 - 0.1 * (0.5f32 / 0.75) / (0.75f32 / 0.4375).sqrt();
        assert!(means == [0.5, 0.75] && (w[0] - expected).abs() < 1e-6, "{w:?} {means:?}");
    }
}
