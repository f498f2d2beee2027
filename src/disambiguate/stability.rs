//! Whether a split is the same when other segments of the tracks are heard.

use std::collections::HashMap;

use super::split::{Decision, Rules, split};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// How much of its company each track keeps when the points are drawn anew: the mean, over draws, of the Jaccard index of the
/// tracks in its cluster before and after (1: always the same ones). None for tracks without a decision.
///
/// `resampled` has a row a track: its point of each draw (`dims` values), one after the other, as
/// [`embed::resample_tracks`](crate::embed::resample_tracks) makes them.
///
/// # Errors
/// Rows that do not fit; those of [`split`].
pub fn stability(
    resampled: &Matrix<f32>,
    dims: usize,
    names: &[&str],
    rules: Rules,
    decisions: &[Option<Decision>],
    monitor: &dyn Monitor,
) -> Result<Vec<Option<f64>>> {
    if resampled.rows != names.len() || dims == 0 || resampled.cols == 0 || !resampled.cols.is_multiple_of(dims) {
        let expected = format!("{} rows of points with {dims} values", names.len());
        let found = format!("{} rows of {} values", resampled.rows, resampled.cols);
        return Err(Error::input("the resampled points", expected, found, "embed the same tracks with --resamples"));
    }
    let draws = resampled.cols / dims;
    let mut sums = vec![0.0; names.len()];
    for draw in 0..draws {
        let values = resampled.iter_rows().flat_map(|row| &row[draw * dims..(draw + 1) * dims]).copied().collect();
        let (drawn, _) = split(&Matrix::new(resampled.rows, dims, values), names, rules, monitor)?;
        for (sum, kept) in sums.iter_mut().zip(company_kept(names, decisions, &drawn)) {
            *sum += kept;
        }
    }
    let mean = |(sum, decision): (f64, &Option<Decision>)| decision.map(|_| sum / draws as f64);
    Ok(sums.into_iter().zip(decisions).map(mean).collect())
}

/// The Jaccard index of the clusters that each track is in; zero for tracks without a decision.
fn company_kept(names: &[&str], before: &[Option<Decision>], after: &[Option<Decision>]) -> Vec<f64> {
    let cluster = |decisions: &[Option<Decision>], track: usize| decisions[track].map(|decision| decision.cluster);
    let mut counts: [HashMap<(&str, usize, usize), f64>; 3] = Default::default();
    let keys = |track: usize| {
        let (before, after) = (cluster(before, track)?, cluster(after, track)?);
        Some([(names[track], before, 0), (names[track], 0, after), (names[track], before, after)])
    };
    for track in 0..names.len() {
        for (count, key) in counts.iter_mut().zip(keys(track).into_iter().flatten()) {
            *count.entry(key).or_default() += 1.0;
        }
    }
    let jaccard = |track: usize| {
        keys(track).map_or(0.0, |[before, after, both]| {
            let both = counts[2][&both];
            both / (counts[0][&before] + counts[1][&after] - both)
        })
    };
    (0..names.len()).map(jaccard).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_that_change_sides_are_not_stable() {
        let names = ["n", "n", "n", "n", ""];
        let rules = Rules { threshold: 1.0, ..Rules::default() };
        // Two draws: in the second, track 2 has gone over to the other side.
        let points = Matrix::new(5, 1, vec![0.0f32, 0.1, 0.2, 5.0, 9.0]);
        let resampled = Matrix::new(5, 2, vec![0.0f32, 0.0, 0.1, 0.1, 0.2, 5.1, 5.0, 5.0, 9.0, 9.0]);
        let (decisions, _) = split(&points, &names, rules, &()).unwrap();
        let found = stability(&resampled, 1, &names, rules, &decisions, &()).unwrap();
        // Track 0: {0, 1, 2} before; then the same, then {0, 1}. Track 2: then {2, 3}. Track 3: {3}, then {2, 3}.
        let want =
            [Some((1.0 + 2.0 / 3.0) / 2.0), Some((1.0 + 2.0 / 3.0) / 2.0), Some((1.0 + 0.25) / 2.0), Some(0.75), None];
        for (found, want) in found.iter().zip(want) {
            assert!(found.is_some() == want.is_some());
            assert!((found.unwrap_or(0.0) - want.unwrap_or(0.0)).abs() < 1e-12, "{found:?} {want:?}");
        }
        let error = stability(&resampled, 3, &names, rules, &decisions, &()).unwrap_err().to_string();
        assert!(error.contains("--resamples"), "{error}");
    }
}
