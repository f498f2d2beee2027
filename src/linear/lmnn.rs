//! Large margin nearest neighbours (Weinberger, Blitzer and Saul 2006).

use homonym_kernels::{Isa, Neighbour, WeightedPoints, places_below};
use rayon::prelude::*;

use super::learn::{Problem, learn};
use super::pairs::{Row, Slopes};
use super::{Data, Learned, Options};
use crate::Result;
use crate::monitor::Monitor;

/// Weight of the distances to targets; the hinges have the rest.
const PULL: f32 = 0.5;
/// By how much all others must be farther than a target.
const MARGIN: f32 = 1.0;
/// The descent of all points ends where a step gains less than this share.
const TOLERANCE: f64 = 1e-5;
/// Queries that a thread searches at a time.
const CHUNK: usize = 96;
/// No target.
const NONE: u32 = u32::MAX;

/// `Σ ½·d_it + ½·Σ_j max(0, 1 + d_it − d_ij)` over the targets t of each point i, which are its nearest neighbours of its
/// class before any learning, and the points j of other classes.
pub(super) fn fit(data: &Data, options: &Options, monitor: &dyn Monitor) -> Result<Learned> {
    let isa = Isa::chosen()?;
    let targets = targets(data, options.neighbours, isa);
    let loss = &move |row: Row<'_>| margin(isa, row);
    let problem = Problem { data, loss, targets: Some((&targets, options.neighbours)), tolerance: TOLERANCE };
    learn(&problem, options, monitor)
}

/// The `count` nearest of its class to each row, fewer where the class is small: rows × count.
pub(super) fn targets(data: &Data, count: usize, isa: Isa) -> Vec<u32> {
    let cols = data.x.cols;
    let mut targets = vec![NONE; data.x.rows * count];
    let mut points = WeightedPoints::default();
    for class in data.classes() {
        let values = data.x.data[class.start * cols..class.end * cols].iter().copied().map(f64::from);
        points.refill(isa, cols, values, class.clone().map(|_| 1.0));
        let queries: Vec<u32> = (0..class.len() as u32).collect();
        let places = &mut targets[class.start * count..class.end * count];
        places.par_chunks_mut(CHUNK * count).zip(queries.par_chunks(CHUNK)).for_each(|(places, queries)| {
            let mut found = vec![Neighbour::NONE; places.len()];
            points.nearest(isa, queries, 0..points.len(), None, &mut found);
            for (place, neighbour) in places.iter_mut().zip(found).filter(|(_, found)| found.place != u32::MAX) {
                *place = class.start as u32 + neighbour.place;
            }
        });
    }
    targets
}

/// The loss of a point: its links are its targets.
pub(super) fn margin(isa: Isa, row: Row<'_>) -> f64 {
    let Row { own, weight, distances, links, slopes: Slopes { rows, values } } = row;
    let push = (1.0 - PULL) * weight;
    let mut loss = links.iter().map(|&link| f64::from(PULL * link)).sum::<f64>();
    let reaches: Vec<f32> = links.iter().map(|link| MARGIN + link).collect();
    links.fill(PULL);
    places_below(isa, distances, reaches.iter().copied().fold(0.0, f32::max), rows);
    rows.retain(|&row| !own.contains(&(row as usize)));
    for &row in &*rows {
        let (distance, mut slope) = (distances[row as usize], 0.0);
        for (reach, link) in reaches.iter().zip(&mut *links).filter(|(reach, _)| distance < **reach) {
            loss += f64::from(push * (reach - distance));
            *link += push;
            slope -= push;
        }
        values.push(slope);
    }
    loss
}
