//! Stochastic gradient descent with momentum.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// SGD as Keras 2.0 has it, with Nesterov momentum: `lr ← lr₀/(1 + decay·t)`, `v ← m·v − lr·g`, `w ← w + m·v − lr·g`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Learning rate of the first update, `lr₀`.
    pub learning_rate: f32,
    /// Share of the old velocity, `m`; 0 is plain descent.
    pub momentum: f32,
    /// How fast the learning rate falls.
    pub decay: f32,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 0.1, momentum: 0.9, decay: 1e-6 }
    }
}

impl Sgd {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(Error::setting("learning_rate", format!("{} is not a positive number", self.learning_rate)));
        }
        if !((0.0..1.0).contains(&self.momentum) && self.decay >= 0.0 && self.decay.is_finite()) {
            return Err(Error::setting("optimizer", "momentum must be in 0..1 and decay not negative"));
        }
        Ok(())
    }

    /// Updates the parameters and the velocity, which starts at zero; `step` updates were made before.
    pub fn step(&self, params: &mut [f32], grads: &[f32], velocity: &mut [f32], step: u64) {
        let rate = (f64::from(self.learning_rate) / (1.0 + f64::from(self.decay) * step as f64)) as f32;
        for ((w, &g), v) in params.iter_mut().zip(grads).zip(velocity) {
            *v = self.momentum * *v - rate * g;
            *w += self.momentum * *v - rate * g;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sgd;

    #[test]
    fn two_steps_by_hand() {
        let optimiser = Sgd { learning_rate: 0.1, momentum: 0.5, decay: 1.0 };
        let (mut w, mut v) = ([1.0f32], [0.0f32]);
        optimiser.step(&mut w, &[2.0], &mut v, 0);
        // v = −0.2, w = 1 − 0.1 − 0.2
        assert!((v[0] + 0.2).abs() < 1e-6 && (w[0] - 0.7).abs() < 1e-6, "{w:?} {v:?}");
        optimiser.step(&mut w, &[2.0], &mut v, 1);
        // the rate is 0.05: v = −0.1 − 0.1, w = 0.7 − 0.1 − 0.1
        assert!((v[0] + 0.2).abs() < 1e-6 && (w[0] - 0.5).abs() < 1e-6, "{w:?} {v:?}");
    }
}
