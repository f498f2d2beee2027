//! Classification: the nearest artist model names the artist of a test track.

use std::fmt;

use serde::Serialize;

use super::spread::{Estimate, Spread, bootstrap, summary};
use super::tracks::{TracksLeftOut, artists};
use super::trials::{Trial, draw, least_tracks};
use super::{Options, repeated};
use crate::Result;
use crate::catalogue::groups::Groups;
use crate::monitor::Monitor;
use crate::store::embeddings::Embeddings;

/// How often the nearest model was the right one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// Share of test tracks strictly nearer to their own artist's model than to any other.
    pub accuracy: f64,
    /// Its uncertainty, by bootstrap over artists.
    pub accuracy_spread: Spread,
    /// Artists with a model.
    pub artists: usize,
    /// Test tracks.
    pub tests: usize,
    /// Tests left out because `across` left no track for their artist's model.
    pub tests_without_model: usize,
    /// Tests left out because `within` left no other artist.
    pub tests_without_others: usize,
    /// What else was left out.
    pub left_out: TracksLeftOut,
    /// The options used.
    pub options: Options,
}

/// Names the artist of a track by the nearest model (see [`Classification`]).
///
/// # Errors
/// Options that cannot be used, and tables without the columns they name or with too few artists.
pub fn run(embeddings: &Embeddings, options: &Options, monitor: &dyn Monitor) -> Result<Classification> {
    let (artists, left_out) = artists(&embeddings.table, options, least_tracks(options))?;
    let repeats = repeated(options, monitor, |repeat| {
        let trials = draw(embeddings, &artists, options, repeat)?;
        Ok((accuracy(&trials.trials, options, repeat), trials))
    })?;
    let estimates: Vec<Estimate> = repeats.iter().map(|(estimate, _)| *estimate).collect();
    let (accuracy, accuracy_spread) = summary(&estimates);
    let total = |count: fn(&super::trials::Trials) -> usize| repeats.iter().map(|(_, trials)| count(trials)).sum();
    Ok(Classification {
        accuracy,
        accuracy_spread,
        artists: artists.len(),
        tests: total(|trials| trials.trials.len()),
        tests_without_model: total(|trials| trials.without_model),
        tests_without_others: total(|trials| trials.without_others),
        left_out,
        options: options.clone(),
    })
}

fn accuracy(trials: &[Trial], options: &Options, repeat: u64) -> Estimate {
    let artists = Groups::of(trials.iter().map(|trial| trial.artist).enumerate());
    let right = |&trial: &usize| trials[trial].others.iter().all(|&other| trials[trial].genuine < other);
    let right: Vec<(f64, f64)> = artists
        .members
        .iter()
        .map(|tests| (tests.iter().filter(|test| right(test)).count() as f64, tests.len() as f64))
        .collect();
    bootstrap(right.len(), options, repeat, |counts| {
        let sum =
            |part: fn(&(f64, f64)) -> f64| counts.iter().zip(&right).map(|(n, artist)| n * part(artist)).sum::<f64>();
        sum(|artist| artist.0) / sum(|artist| artist.1)
    })
}

impl fmt::Display for Classification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accuracy, accuracy_spread: spread, tests, artists, .. } = self;
        writeln!(f, "accuracy {accuracy:.4} {spread} on {tests} test tracks of {artists} artists")?;
        write!(f, "{}", self.left_out)?;
        write_tests_left_out(f, self.tests_without_model, self.tests_without_others)
    }
}

/// One line where tests were left out.
pub(super) fn write_tests_left_out(f: &mut fmt::Formatter<'_>, no_model: usize, no_others: usize) -> fmt::Result {
    match (no_model, no_others) {
        (0, 0) => Ok(()),
        _ => {
            writeln!(f, "left out: {no_model} tests without a model of their artist, {no_others} without other artists")
        }
    }
}
