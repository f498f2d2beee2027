//! Verification: is this track by that artist? All pairs of test tracks and artist models, accepted by distance.

use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::classification::write_tests_left_out;
use super::spread::{Estimate, Spread, bootstrap, summary};
use super::tracks::{TracksLeftOut, artists};
use super::trials::{Trial, draw, least_tracks};
use super::{Options, repeated};
use crate::Result;
use crate::catalogue::groups::numbered;
use crate::eval::measures::{Score, equal_error_rate};
use crate::monitor::Monitor;
use crate::store::embeddings::Embeddings;

/// How often a track and a model are wrongly taken as the same or different artists.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// Equal error rate.
    pub eer: f64,
    /// Its uncertainty, by bootstrap over the artists of the test tracks.
    pub eer_spread: Spread,
    /// The Euclidean distance at which both errors are equally frequent, mean over repeats.
    pub threshold: f64,
    /// Artists with a model.
    pub artists: usize,
    /// Test tracks; as many pairs are genuine.
    pub tests: usize,
    /// All pairs.
    pub pairs: usize,
    /// Tests left out because `across` left no track for their artist's model.
    pub tests_without_model: usize,
    /// Tests left out because `within` left no other artist.
    pub tests_without_others: usize,
    /// What else was left out.
    pub left_out: TracksLeftOut,
    /// The options used.
    pub options: Options,
}

/// What one repeat adds.
struct Repeat {
    eer: Estimate,
    threshold: f64,
    tests: usize,
    pairs: usize,
    without_model: usize,
    without_others: usize,
}

/// Tells by distance whether a track belongs to an artist model (see [`Verification`]).
///
/// # Errors
/// Options that cannot be used, and tables without the columns they name or with too few artists.
pub fn run(embeddings: &Embeddings, options: &Options, monitor: &dyn Monitor) -> Result<Verification> {
    let (artists, left_out) = artists(&embeddings.table, options, least_tracks(options))?;
    let repeats = repeated(options, monitor, |repeat| {
        let trials = draw(embeddings, &artists, options, repeat)?;
        let (eer, threshold) = rate(&trials.trials, options, repeat);
        Ok(Repeat {
            eer,
            threshold,
            tests: trials.trials.len(),
            pairs: trials.trials.iter().map(|trial| 1 + trial.others.len()).sum(),
            without_model: trials.without_model,
            without_others: trials.without_others,
        })
    })?;
    let estimates: Vec<Estimate> = repeats.iter().map(|repeat| repeat.eer).collect();
    let (eer, eer_spread) = summary(&estimates);
    let total = |count: fn(&Repeat) -> usize| repeats.iter().map(count).sum();
    Ok(Verification {
        eer,
        eer_spread,
        threshold: repeats.iter().map(|repeat| repeat.threshold).sum::<f64>() / repeats.len() as f64,
        artists: artists.len(),
        tests: total(|repeat| repeat.tests),
        pairs: total(|repeat| repeat.pairs),
        tests_without_model: total(|repeat| repeat.without_model),
        tests_without_others: total(|repeat| repeat.without_others),
        left_out,
        options: options.clone(),
    })
}

/// The equal error rate of one repeat and its threshold.
fn rate(trials: &[Trial], options: &Options, repeat: u64) -> (Estimate, f64) {
    let (artists, count) = numbered(trials.iter().map(|trial| trial.artist));
    let mut pairs: Vec<(f64, bool, usize)> = Vec::new();
    for (trial, artist) in trials.iter().zip(artists) {
        pairs.push((trial.genuine, true, artist));
        pairs.extend(trial.others.iter().map(|&other| (other, false, artist)));
    }
    pairs.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let rate = |counts: &[f64]| {
        let score =
            |&(distance, genuine, artist): &(f64, bool, usize)| Score { distance, genuine, weight: counts[artist] };
        equal_error_rate(pairs.iter().map(score)).expect("every test has genuine and other pairs")
    };
    let estimate = bootstrap(count, options, repeat, |counts| rate(counts).rate);
    (estimate, rate(&vec![1.0; count]).threshold)
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { eer, eer_spread: spread, tests, artists, pairs, threshold, .. } = self;
        writeln!(f, "equal error rate {eer:.4} {spread} at distance {threshold:.4}")?;
        writeln!(f, "on {pairs} pairs of {tests} test tracks and {artists} artist models")?;
        write!(f, "{}", self.left_out)?;
        write_tests_left_out(f, self.tests_without_model, self.tests_without_others)
    }
}
