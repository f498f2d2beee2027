//! Neighbourhood components analysis (Goldberger et al. 2004).

use homonym_kernels::{Isa, least, places_below, softmin};

use super::lda::{evened, product};
use super::learn::{Problem, learn};
use super::pairs::{Row, Slopes, mapped};
use super::{Data, Learned, Options};
use crate::Result;
use crate::matrix::Matrix;
use crate::monitor::Monitor;

/// By how much the nearest row must be nearer than another for that to have no weight: thousands of e⁻²⁵ are lost in an f32.
const REACH: f32 = 25.0;

/// The descent of all points ends where a step gains less than this share: what comes then is about single points.
const TOLERANCE: f64 = 5e-3;

/// Lowers the mean probability that a point's neighbour, drawn with probabilities `∝ e^(−d_ij)`, is of another class.
///
/// It learns from points whose classes spread evenly: there a descent is short, and ends lower.
pub(super) fn fit(data: &Data, options: &Options, monitor: &dyn Monitor) -> Result<Learned> {
    let isa = Isa::chosen()?;
    let learn = |data: &Data| {
        let problem = Problem { data, loss: &move |row| stray(isa, row), targets: None, tolerance: TOLERANCE };
        learn(&problem, options, monitor)
    };
    let Some(evened) = evened(data)? else { return learn(data) };
    let narrow: Vec<f32> = evened.data.iter().map(|&x| x as f32).collect();
    let x = Matrix::new(data.x.rows, evened.rows, mapped(isa, &narrow, &data.x.data, data.x.cols));
    let learned = learn(&Data { x, class: data.class.clone() })?;
    Ok(Learned { matrix: product(&learned.matrix.data, &evened), ..learned })
}

/// `1 − p`, `p = Σ p_j` over the own class; with `p_j = e^(−d_j) / Σ e^(−d)` its slope by `d_j` is `p_j·(own_j − p)`.
pub(super) fn stray(isa: Isa, row: Row<'_>) -> f64 {
    let Row { own, distances, slopes: Slopes { rows, values }, .. } = row;
    places_below(isa, distances, least(isa, distances) + REACH, rows);
    values.extend(rows.iter().map(|&row| distances[row as usize]));
    softmin(isa, values);
    let is_own = |row: u32| f64::from(u8::from(own.contains(&(row as usize))));
    let right = rows.iter().zip(&*values).map(|(&row, &p)| is_own(row) * f64::from(p)).sum::<f64>();
    rows.iter().zip(values).for_each(|(&row, p)| *p *= (is_own(row) - right) as f32);
    1.0 - right
}
