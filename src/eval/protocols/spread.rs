//! How far a figure can be trusted.

use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::{Options, Purpose};
use crate::random::Random;

const RESAMPLES: u64 = 1000;

/// The uncertainty of a figure that is the mean over repeats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Standard error of the mean over repeats, from their scatter: what other random draws on these same tracks would
    /// change. None for one repeat.
    pub standard_error: Option<f64>,
    /// 95 % interval for one repeat (its ends averaged over the repeats) by bootstrap over artists or names: what other
    /// artists or names would change.
    pub interval: [f64; 2],
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] = self.interval;
        match self.standard_error {
            Some(error) => write!(f, "± {error:.4} (95 %: {low:.4} to {high:.4})"),
            None => write!(f, "(95 %: {low:.4} to {high:.4})"),
        }
    }
}

/// A figure of one repeat and its bootstrapped interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) interval: [f64; 2],
}

/// The mean over repeats and its spread.
pub(super) fn summary(repeats: &[Estimate]) -> (f64, Spread) {
    let count = repeats.len() as f64;
    let mean_of = |part: fn(&Estimate) -> f64| repeats.iter().map(part).sum::<f64>() / count;
    let value = mean_of(|estimate| estimate.value);
    let squares: f64 = repeats.iter().map(|estimate| (estimate.value - value).powi(2)).sum();
    let standard_error = (repeats.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt());
    let interval = [mean_of(|estimate| estimate.interval[0]), mean_of(|estimate| estimate.interval[1])];
    (value, Spread { standard_error, interval })
}

/// The statistic on all `units` (artists, names), and its 95 % interval when as many are drawn with replacement. The
/// statistic gets how often each unit was drawn.
pub(super) fn bootstrap(
    units: usize,
    options: &Options,
    repeat: u64,
    statistic: impl Fn(&[f64]) -> f64 + Sync,
) -> Estimate {
    let resampled = |resample| {
        let mut random = Random::keyed(options.seed, &[Purpose::Bootstrap as u64, repeat, resample]);
        let mut counts = vec![0.0; units];
        (0..units).for_each(|_| counts[random.below(units)] += 1.0);
        statistic(&counts)
    };
    let mut values: Vec<f64> = (0..RESAMPLES).into_par_iter().map(resampled).collect();
    values.sort_unstable_by(f64::total_cmp);
    let percentile = |share: f64| values[(share * (RESAMPLES - 1) as f64).round() as usize];
    Estimate { value: statistic(&vec![1.0; units]), interval: [percentile(0.025), percentile(0.975)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_a_mean_is_two_standard_errors_wide_each_side() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let mean = |counts: &[f64]| counts.iter().zip(&values).map(|(n, x)| n * x).sum::<f64>() / 400.0;
        let estimate = bootstrap(400, &Options::default(), 0, mean);
        let error = 0.5 / 20.0;
        assert_eq!(estimate.value, 0.5);
        assert!((estimate.interval[0] - (0.5 - 1.96 * error)).abs() < 0.3 * error, "{estimate:?}");
        assert!((estimate.interval[1] - (0.5 + 1.96 * error)).abs() < 0.3 * error, "{estimate:?}");
    }

    #[test]
    fn the_standard_error_follows_from_the_scatter() {
        let estimate = |value| Estimate { value, interval: [value - 1.0, value + 2.0] };
        let (value, spread) = summary(&[estimate(1.0), estimate(3.0)]);
        assert_eq!((value, spread.standard_error, spread.interval), (2.0, Some(1.0), [1.0, 4.0]));
        assert_eq!(summary(&[estimate(1.0)]).1.standard_error, None);
    }
}
