//! Optimisers: a step along the gradient, with a state of one or two numbers for each parameter.

mod adam;
mod lbfgs;
mod rms_prop;
mod sgd;

use serde::{Deserialize, Serialize};

pub use adam::Adam;
pub use lbfgs::{Minimum, minimise};
pub use rms_prop::RmsProp;
pub use sgd::Sgd;

use crate::Result;

/// An optimiser with its settings: what `[optimizer]` in a configuration holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Optimizer {
    /// [`RmsProp`], the main system's.
    RmsProp(RmsProp),
    /// [`Sgd`], the classifier's.
    Sgd(Sgd),
    /// [`Adam`], learning to rank's.
    Adam(Adam),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::RmsProp(RmsProp::default())
    }
}

impl Optimizer {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::RmsProp(optimizer) => optimizer.validate(),
            Self::Sgd(optimizer) => optimizer.validate(),
            Self::Adam(optimizer) => optimizer.validate(),
        }
    }

    /// Numbers of the state of so many parameters.
    pub fn state_len(&self, params: usize) -> usize {
        match self {
            Self::RmsProp(_) | Self::Sgd(_) => params,
            Self::Adam(_) => 2 * params,
        }
    }

    /// Updates the parameters and the state, which starts at zero; `step` updates were made before.
    pub fn step(&self, params: &mut [f32], grads: &[f32], state: &mut [f32], step: u64) {
        match self {
            Self::RmsProp(optimizer) => optimizer.step(params, grads, state),
            Self::Sgd(optimizer) => optimizer.step(params, grads, state, step),
            Self::Adam(optimizer) => optimizer.step(params, grads, state, step),
        }
    }
}
