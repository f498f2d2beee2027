//! Neighbourhood components analysis (Goldberger et al. 2004).

use homonym_kernels::{Isa, scale, softmin};

use super::learn::{Problem, learn};
use super::pairs::Row;
use super::{Data, Learned, Options};
use crate::Result;
use crate::monitor::Monitor;

/// Lowers the mean probability that a point's neighbour, drawn with probabilities `∝ e^(−d_ij)`, is of another class.
pub(super) fn fit(data: &Data, options: &Options, monitor: &dyn Monitor) -> Result<Learned> {
    let isa = Isa::chosen()?;
    learn(&Problem { data, loss: &move |row| stray(isa, row), targets: None }, options, monitor)
}

/// `1 − p`, `p = Σ p_j` over the own class; with `p_j = e^(−d_j) / Σ e^(−d)` its slope by `d_j` is `p_j·(own_j − p)`.
pub(super) fn stray(isa: Isa, row: Row<'_>) -> f64 {
    let Row { own, distances, .. } = row;
    softmin(isa, distances);
    let right = distances[own.clone()].iter().map(|&p| f64::from(p)).sum::<f64>();
    let (before, rest) = distances.split_at_mut(own.start);
    let (within, after) = rest.split_at_mut(own.len());
    scale(isa, -right as f32, before);
    scale(isa, -right as f32, after);
    scale(isa, (1.0 - right) as f32, within);
    1.0 - right
}
