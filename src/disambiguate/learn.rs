//! Learns a calibration from labelled embeddings of artists that were not learned from.

use std::collections::HashMap;

use rayon::prelude::*;

use super::ball::{Ball, Reach};
use super::calibration::{Calibration, Figure};
use super::levels::{Levels, Trials};
use super::membership::{Membership, Pair};
use super::placement::{Placement, Seen, places, seen};
use crate::Result;
use crate::catalogue::groups::Groups;
use crate::cluster::{Scratch, linkage_with};
use crate::eval::protocols::{Clustering, Name, Options, Spread, clustering, names};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::store::embeddings::Embeddings;

/// Learns from labelled embeddings of artists unseen in training. Names are made by grouping artists, or come from a
/// column, as in the clustering protocol, which also chooses the threshold (the mean over folds and repeats). Everything
/// that is said of how good it is was found on names of folds that were not learned from.
///
/// # Errors
/// Those of the protocol: options that cannot be used, too few names.
pub fn calibrate(embeddings: &Embeddings, options: &Options, monitor: &dyn Monitor) -> Result<Calibration> {
    let report = clustering(embeddings, options, monitor)?;
    let repeats: Vec<Repeat> = (0..options.repeats as u64)
        .into_par_iter()
        .map(|repeat| Repeat::of(&embeddings.points, &folds(embeddings, options, &report, repeat)?))
        .collect::<Result<_>>()?;
    let (mut pairs, mut spreads, mut all_seen, mut trials) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for repeat in repeats {
        pairs.extend(repeat.pairs);
        spreads.extend(repeat.spreads);
        all_seen.push(repeat.seen);
        trials.push(repeat.trials);
    }
    let figure = |value, spread: &Spread| Figure { value, interval: spread.interval };
    Ok(Calibration {
        origin: embeddings.origin.clone(),
        dims: embeddings.points.cols,
        objective: options.objective,
        threshold: report.threshold,
        ami: figure(report.ami, &report.ami_spread),
        ari: figure(report.ari, &report.ari_spread),
        precision: figure(report.precision, &report.precision_spread),
        recall: figure(report.recall, &report.recall_spread),
        membership: Membership::learn(&pairs, &spreads),
        placement: Placement::learn(&all_seen),
        gate: Levels::choose(&trials),
        names: report.names,
        tracks: report.tracks,
    })
}

/// A fold of a repeat: its names, and the distance chosen on the others.
struct Fold {
    names: Vec<Name>,
    threshold: f64,
}

/// The folds that the protocol judged a repeat by.
fn folds(embeddings: &Embeddings, options: &Options, report: &Clustering, repeat: u64) -> Result<Vec<Fold>> {
    let results = report.folds.iter().filter(|fold| fold.repeat == repeat);
    let mut folds: Vec<Fold> = results.map(|fold| Fold { names: Vec::new(), threshold: fold.threshold }).collect();
    let judged = report.per_name.iter().filter(|name| name.repeat == repeat);
    let fold_of: HashMap<&str, usize> = judged.map(|name| (name.name.as_str(), name.fold)).collect();
    for name in names(&embeddings.table, options, repeat)?.0 {
        folds[fold_of[name.name.as_str()]].names.push(name);
    }
    Ok(folds)
}

/// What one repeat teaches.
#[derive(Default)]
struct Repeat {
    pairs: Vec<Pair>,
    spreads: Vec<f64>,
    seen: Vec<Seen>,
    trials: Trials,
}

impl Repeat {
    fn of(points: &Matrix<f32>, folds: &[Fold]) -> Result<Self> {
        let mut learned = Self::default();
        let mut scratch = Scratch::default();
        for (number, fold) in folds.iter().enumerate() {
            let (mut pairs, mut spreads) = (Vec::new(), Vec::new());
            let others = folds.iter().enumerate().filter(|(other, _)| *other != number);
            let others = others.flat_map(|(_, fold)| &fold.names);
            others.for_each(|name| pairs_of(points, name, &mut pairs, &mut spreads));
            let membership = Membership::learn(&pairs, &spreads);
            for name in &fold.names {
                pairs_of(points, name, &mut learned.pairs, &mut learned.spreads);
                learned.trials.add(points, name, &membership, number);
                let tree = linkage_with(&mut scratch, name.rows.iter().map(|&row| points.row(row)), &())?;
                let labels = tree.cut(fold.threshold);
                let places = places(points, &name.rows, &labels);
                learned.seen.extend(seen(&places, fold.threshold, &name.truth, &labels, number));
            }
        }
        Ok(learned)
    }
}

/// Every track under a name with every artist there who has a spread, its own with its other tracks; and the spreads.
fn pairs_of(points: &Matrix<f32>, name: &Name, pairs: &mut Vec<Pair>, spreads: &mut Vec<f64>) {
    let artists = Groups::of(name.truth.iter().copied().enumerate());
    for (artist, members) in artists.iter() {
        let rows: Vec<usize> = members.iter().map(|&member| name.rows[member]).collect();
        let ball = Ball::around(points, &rows);
        spreads.extend(ball.reach(points.row(rows[0])).spread);
        for (&row, &own) in name.rows.iter().zip(&name.truth) {
            let point = points.row(row);
            let reach = if own == artist { ball.reach_within(point) } else { Some(ball.reach(point)) };
            if let Some(Reach { distance, spread: Some(spread) }) = reach {
                pairs.push(Pair { ratio: distance / spread.max(f64::MIN_POSITIVE), own: own == artist });
            }
        }
    }
}
