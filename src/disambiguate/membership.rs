//! How likely a track is by an artist, given its distance to the artist's tracks.

use serde::{Deserialize, Serialize};

use super::ball::Reach;
use super::logistic::fit;
use super::meetings::Meeting;

/// Logistic regression of "the track is by the artist" on how far the track is from the artist's other tracks, compared with
/// how far these are from each other (both root mean square): `ln odds = intercept − slope·ln(distance / spread)`. The ratio
/// means the same for a pianist, whose tracks are all alike, and for a maker of collages. The spread of a few tracks says
/// little: that of all artists weighs like two tracks more. The share of artists under a name that are the right one is part of
/// the odds, as it was among the names learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// ln odds where a track is as far from the others as these from each other.
    pub intercept: f64,
    /// How fast the odds fall.
    pub slope: f64,
    /// The spread of all artists (geometric mean), which stands for that of a single track.
    pub spread: f64,
    /// Pairs of track and artist learned from.
    pub pairs: usize,
}

/// Distances and spreads below this are not told apart.
const NEAREST: f64 = 1e-6;
/// What the spread of all artists weighs, in tracks of one.
const DOUBT: f64 = 2.0;

impl Membership {
    /// Learns from new tracks and the artists that they meet: their own and others.
    pub(super) fn learn<'a>(meetings: impl Iterator<Item = &'a Meeting>) -> Self {
        let pairs = |Meeting { own, others }: &Meeting| {
            let others = others.iter().map(|&reach| (reach, false));
            std::iter::once((*own, true)).chain(others).collect::<Vec<_>>()
        };
        Self::of_pairs(&meetings.flat_map(pairs).collect::<Vec<_>>())
    }

    /// Of a track and an artist, and whether it is theirs.
    fn of_pairs(pairs: &[(Reach, bool)]) -> Self {
        let spreads: Vec<f64> = pairs.iter().filter_map(|(reach, _)| reach.spread).map(log).collect();
        let spread = (spreads.iter().sum::<f64>() / spreads.len().max(1) as f64).exp();
        let [intercept, slope] = fit(pairs.iter().map(|&(reach, own)| ([1.0, -ratio(reach, spread)], own)));
        Self { intercept, slope, spread, pairs: pairs.len() }
    }

    /// Odds that a track is the artist's whose other tracks are so far away.
    pub(super) fn odds(&self, reach: Reach) -> f64 {
        (self.intercept - self.slope * ratio(reach, self.spread)).clamp(-30.0, 30.0).exp()
    }
}

/// ln of distance over spread, where `usual` is that of all artists.
fn ratio(Reach { distance, spread, tracks }: Reach, usual: f64) -> f64 {
    let own = spread.map_or(0.0, |spread| (tracks - 1.0) * (log(spread) - log(usual)));
    log(distance) - log(usual) - own / (tracks - 1.0 + DOUBT)
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
        let pair = |number: usize| {
            // Of so many tracks that their own spread is all that counts.
            let ratio = (1.5 * random.normal()).exp();
            let spread = [1.0, 4.0][number % 2];
            let reach = Reach { distance: ratio * spread, spread: Some(spread), tracks: 1e9 };
            (reach, random.uniform() < logistic(1.0 - 2.0 * ratio.ln()))
        };
        let membership = Membership::of_pairs(&(0..40_000).map(pair).collect::<Vec<_>>());
        assert!((membership.intercept - 1.0).abs() < 0.06 && (membership.slope - 2.0).abs() < 0.06, "{membership:?}");
        assert!((membership.spread - 2.0).abs() < 1e-12);
        let odds = |distance, spread, tracks| membership.odds(Reach { distance, spread, tracks });
        assert!((odds(3.0, Some(3.0), 1e9).ln() - membership.intercept).abs() < 1e-6);
        assert_eq!(odds(3.0, None, 1.0), odds(3.0, Some(membership.spread), 5.0));
        // Three tracks are believed half: their spread of 8 counts as the geometric mean of 8 and 2.
        assert!((odds(3.0, Some(8.0), 3.0) - odds(3.0, Some(4.0), 1e9)).abs() < 1e-6);
        assert!(odds(0.0, None, 1.0).is_finite());
    }
}
