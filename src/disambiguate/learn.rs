//! Learns a calibration from labelled embeddings of artists that were not learned from.

use std::collections::HashMap;

use rayon::prelude::*;

use super::calibration::{Calibration, Figure};
use super::levels::Levels;
use super::meetings::{Meeting, meetings};
use super::membership::Membership;
use super::placement::{Placement, Seen, places, seen};
use crate::Result;
use crate::cluster::{Scratch, linkage_with};
use crate::eval::protocols::{Clustering, Name, Options, Spread, clustering, names};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::random::Random;
use crate::store::embeddings::Embeddings;

/// Purpose of a random stream.
const HALVES: u64 = 5;

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
        .map(|repeat| {
            let random = Random::keyed(options.seed, &[HALVES, repeat]);
            Repeat::of(&embeddings.points, &folds(embeddings, options, &report, repeat)?, random)
        })
        .collect::<Result<_>>()?;
    let (met, all_seen): (Vec<_>, Vec<_>) = repeats.into_iter().map(|repeat| (repeat.met, repeat.seen)).unzip();
    let membership = Membership::learn(met.iter().flatten().flatten());
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
        placement: Placement::learn(&all_seen),
        gate: Levels::choose(&met, &membership),
        membership,
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
struct Repeat {
    /// By fold.
    met: Vec<Vec<Meeting>>,
    seen: Vec<Seen>,
}

impl Repeat {
    fn of(points: &Matrix<f32>, folds: &[Fold], mut random: Random) -> Result<Self> {
        let mut meet = |fold: &Fold| fold.names.iter().flat_map(|name| meetings(points, name, &mut random)).collect();
        let met = folds.iter().map(&mut meet).collect();
        let (mut seen_all, mut scratch) = (Vec::new(), Scratch::default());
        for (number, fold) in folds.iter().enumerate() {
            for name in &fold.names {
                let tree = linkage_with(&mut scratch, name.rows.iter().map(|&row| points.row(row)), &())?;
                let labels = tree.cut(fold.threshold);
                let places = places(points, &name.rows, &labels);
                seen_all.extend(seen(&places, fold.threshold, &name.truth, &labels, number));
            }
        }
        Ok(Self { met, seen: seen_all })
    }
}
