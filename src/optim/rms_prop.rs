//! RMSProp.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// RMSProp as Keras has it: `s ← ρ·s + (1 − ρ)·g²`, `w ← w − lr·g / (√s + ε)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// Learning rate, `lr`.
    pub learning_rate: f32,
    /// Share of the old squares, `ρ`.
    pub rho: f32,
    /// Floor of the divisor, `ε`.
    pub epsilon: f32,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { learning_rate: 1e-3, rho: 0.9, epsilon: 1e-8 }
    }
}

impl RmsProp {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(Error::setting("learning_rate", format!("{} is not a positive number", self.learning_rate)));
        }
        if !((0.0..1.0).contains(&self.rho) && self.epsilon > 0.0) {
            return Err(Error::setting("optimizer", "rho must be in 0..1 and epsilon positive"));
        }
        Ok(())
    }

    /// Updates the parameters and the running squares, which start at zero.
    pub fn step(&self, params: &mut [f32], grads: &[f32], squares: &mut [f32]) {
        for ((w, &g), s) in params.iter_mut().zip(grads).zip(squares) {
            *s = self.rho * *s + (1.0 - self.rho) * g * g;
            *w -= self.learning_rate * g / (s.sqrt() + self.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RmsProp;

    #[test]
    fn two_steps_by_hand() {
        let optimiser = RmsProp { learning_rate: 0.1, rho: 0.9, epsilon: 1e-8 };
        let (mut w, mut s) = ([1.0f32], [0.0f32]);
        optimiser.step(&mut w, &[2.0], &mut s);
        // s = 0.1·4 = 0.4, w = 1 − 0.1·2/√0.4
        assert!((s[0] - 0.4).abs() < 1e-6 && (w[0] - (1.0 - 0.2 / 0.4f32.sqrt())).abs() < 1e-6);
        optimiser.step(&mut w, &[0.0], &mut s);
        assert!((s[0] - 0.36).abs() < 1e-6 && (w[0] - (1.0 - 0.2 / 0.4f32.sqrt())).abs() < 1e-6);
    }
}
