//! How likely a track is by an artist, given its distance to the artist's tracks.

use serde::{Deserialize, Serialize};

/// A track and an artist: how far apart, whether the track is the artist's, and which fold judges the pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// Distance over spread.
    pub(super) ratio: f64,
    pub(super) own: bool,
    pub(super) fold: usize,
}

/// Logistic regression of "the track is by the artist" on how far the track is from the artist's other tracks, compared with
/// how far these are from each other (both root mean square): `ln odds = intercept − slope·ln(distance / spread)`. The ratio
/// means the same for a pianist, whose tracks are all alike, and for a maker of collages. The share of artists under a name
/// that are the right one is part of the odds, as it was among the names learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// ln odds where a track is as far from the others as these from each other.
    pub intercept: f64,
    /// How fast the odds fall.
    pub slope: f64,
    /// The spread (geometric mean over artists) that stands for that of a single track.
    pub spread: f64,
    /// Pairs of track and artist learned from.
    pub pairs: usize,
    /// Mean squared error of the probabilities, each made without the fold it is judged by; 0.25 is that of "one half".
    pub brier: f64,
    /// Mean difference of probability and frequency over ten equal ranges of probability, weighted by pairs.
    pub calibration_error: f64,
    /// What accepting at some probabilities brings.
    pub rates: Vec<Rate>,
}

/// Accepting every pair of at least this probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The probability.
    pub probability: f64,
    /// Share of own tracks that are accepted.
    pub own: f64,
    /// Share of others' tracks that are accepted.
    pub others: f64,
}

/// Distances and spreads below this are not told apart.
const NEAREST: f64 = 1e-6;
/// Weight of the wish for a small slope: keeps it finite where distances separate perfectly.
const RIDGE: f64 = 1.0;

impl Membership {
    /// Learns from pairs, of which there must be both kinds, in `folds` folds, and from the spreads of artists.
    pub(super) fn learn(pairs: &[Pair], spreads: &[f64], folds: usize) -> Self {
        let (intercept, slope) = fit(pairs.iter());
        let mut judged: Vec<(f64, bool)> = Vec::with_capacity(pairs.len());
        for fold in 0..folds {
            let (intercept, slope) = fit(pairs.iter().filter(|pair| pair.fold != fold));
            let tested = pairs.iter().filter(|pair| pair.fold == fold);
            judged.extend(tested.map(|pair| (logistic(intercept - slope * log(pair.ratio)), pair.own)));
        }
        let brier = judged.iter().map(|&(p, own)| (p - f64::from(own)).powi(2)).sum::<f64>() / judged.len() as f64;
        let (calibration_error, rates) = (calibration_error(&judged), rates(&judged));
        let spread = (spreads.iter().map(|&spread| log(spread)).sum::<f64>() / spreads.len().max(1) as f64).exp();
        Self { intercept, slope, spread, pairs: pairs.len(), brier, calibration_error, rates }
    }

    /// Odds that a track is the artist's, by its root mean square distance to the artist's other tracks and theirs to each
    /// other (none for a single one).
    pub fn odds(&self, distance: f64, spread: Option<f64>) -> f64 {
        let ratio = log(distance) - log(spread.unwrap_or(self.spread));
        (self.intercept - self.slope * ratio).clamp(-30.0, 30.0).exp()
    }

    /// What accepting at this probability brings; the nearest probability that was measured.
    pub fn rate(&self, probability: f64) -> Option<Rate> {
        let apart = |rate: &&Rate| (rate.probability - probability).abs();
        self.rates.iter().min_by(|a, b| apart(a).total_cmp(&apart(b))).copied()
    }
}

fn log(length: f64) -> f64 {
    length.max(NEAREST).ln()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Intercept and slope by Newton's method on the penalised likelihood.
fn fit<'a>(pairs: impl Iterator<Item = &'a Pair> + Clone) -> (f64, f64) {
    let (mut intercept, mut slope) = (0.0, 0.0);
    for _ in 0..50 {
        let (mut g, mut h) = ([0.0, -RIDGE * slope], [1e-9, 0.0, RIDGE]);
        for pair in pairs.clone() {
            let x = -log(pair.ratio);
            let p = logistic(intercept + slope * x);
            let (error, weight) = (f64::from(pair.own) - p, p * (1.0 - p));
            g = [g[0] + error, g[1] + error * x];
            h = [h[0] + weight, h[1] + weight * x, h[2] + weight * x * x];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        let length = step[0].abs().max(step[1].abs());
        let damping = (5.0 / length).min(1.0);
        intercept += damping * step[0];
        slope += damping * step[1];
        if length < 1e-9 {
            break;
        }
    }
    (intercept, slope)
}

fn calibration_error(judged: &[(f64, bool)]) -> f64 {
    let mut bins = [(0.0, 0.0); 10];
    for &(p, own) in judged {
        let bin = &mut bins[((p * 10.0) as usize).min(9)];
        *bin = (bin.0 + p, bin.1 + f64::from(own));
    }
    bins.iter().map(|(p, own)| (p - own).abs()).sum::<f64>() / judged.len() as f64
}

fn rates(judged: &[(f64, bool)]) -> Vec<Rate> {
    let share = |of: bool, at: f64| {
        let all = judged.iter().filter(|(_, own)| *own == of).count();
        judged.iter().filter(|&&(p, own)| own == of && p >= at).count() as f64 / all.max(1) as f64
    };
    let probabilities = (1..20).map(|step| f64::from(step) / 20.0);
    probabilities.map(|at| Rate { probability: at, own: share(true, at), others: share(false, at) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Pairs whose odds are exactly `exp(1 − 2·ln d)`.
    fn drawn(count: usize) -> Vec<Pair> {
        let mut random = Random::keyed(5, &[]);
        let pair = |number| {
            let ratio = (1.5 * random.normal()).exp();
            let own = random.uniform() < logistic(1.0 - 2.0 * ratio.ln());
            Pair { ratio, own, fold: number % 5 }
        };
        (0..count).map(pair).collect()
    }

    #[test]
    fn known_odds_are_found_and_are_calibrated() {
        let membership = Membership::learn(&drawn(40_000), &[1.0, 4.0], 5);
        assert!((membership.intercept - 1.0).abs() < 0.06 && (membership.slope - 2.0).abs() < 0.06, "{membership:?}");
        assert!(membership.calibration_error < 0.01 && membership.brier < 0.2, "{membership:?}");
        let rate = membership.rate(0.8).unwrap();
        assert!(rate.probability == 0.8 && rate.own > 0.4 && rate.others < 0.1, "{rate:?}");
        assert!((membership.spread - 2.0).abs() < 1e-12);
        assert!((membership.odds(3.0, Some(3.0)).ln() - membership.intercept).abs() < 1e-12);
        assert_eq!(membership.odds(3.0, None), membership.odds(3.0, Some(membership.spread)));
    }

    #[test]
    fn perfect_separation_stays_finite() {
        let pair = |number: usize| Pair {
            ratio: if number.is_multiple_of(2) { 0.0 } else { 1.0 },
            own: number.is_multiple_of(2),
            fold: number % 5,
        };
        let membership = Membership::learn(&(0..100).map(pair).collect::<Vec<_>>(), &[1.0], 5);
        assert!(membership.slope.is_finite() && membership.slope > 0.0);
        assert!(membership.odds(0.0, None) > 20.0 && membership.odds(1.0, None) < 0.2, "{membership:?}");
    }
}
