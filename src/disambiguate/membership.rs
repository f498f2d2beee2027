//! How likely a track is by an artist, given its distance to the artist's tracks.

use serde::{Deserialize, Serialize};

use super::ball::Reach;
use super::logistic::fit;

/// A track and an artist: how far apart, and whether the track is the artist's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// Distance over spread.
    pub(super) ratio: f64,
    pub(super) own: bool,
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
}

/// Distances and spreads below this are not told apart.
const NEAREST: f64 = 1e-6;

impl Membership {
    /// Learns from pairs, of which there must be both kinds, and from the spreads of artists.
    pub(super) fn learn(pairs: &[Pair], spreads: &[f64]) -> Self {
        let [intercept, slope] = fit(pairs.iter().map(|pair| ([1.0, -log(pair.ratio)], pair.own)));
        let spread = (spreads.iter().map(|&spread| log(spread)).sum::<f64>() / spreads.len().max(1) as f64).exp();
        Self { intercept, slope, spread, pairs: pairs.len() }
    }

    /// Odds that a track is the artist's, by its root mean square distance to the artist's other tracks and theirs to each
    /// other (none for a single one).
    pub fn odds(&self, distance: f64, spread: Option<f64>) -> f64 {
        let ratio = log(distance) - log(spread.unwrap_or(self.spread));
        (self.intercept - self.slope * ratio).clamp(-30.0, 30.0).exp()
    }

    /// The odds of a track this far away.
    pub(super) fn odds_at(&self, reach: Reach) -> f64 {
        self.odds(reach.distance, reach.spread)
    }
}

fn log(length: f64) -> f64 {
    length.max(NEAREST).ln()
}

#[cfg(test)]
mod tests {
    use super::super::logistic::logistic;
    use super::*;
    use crate::random::Random;

    #[test]
    fn known_odds_are_found() {
        let mut random = Random::keyed(5, &[]);
        let pair = |_| {
            let ratio = (1.5 * random.normal()).exp();
            Pair { ratio, own: random.uniform() < logistic(1.0 - 2.0 * ratio.ln()) }
        };
        let membership = Membership::learn(&(0..40_000).map(pair).collect::<Vec<_>>(), &[1.0, 4.0]);
        assert!((membership.intercept - 1.0).abs() < 0.06 && (membership.slope - 2.0).abs() < 0.06, "{membership:?}");
        assert!((membership.spread - 2.0).abs() < 1e-12);
        assert!((membership.odds(3.0, Some(3.0)).ln() - membership.intercept).abs() < 1e-12);
        assert_eq!(membership.odds(3.0, None), membership.odds(3.0, Some(membership.spread)));
        assert!(membership.odds(0.0, None).is_finite());
    }
}
