//! How likely a track is where a split put it.
//!
//! Distances to clusters that were *found* do not mean what distances to true artists mean: a cluster that holds two artists
//! is wide, so that all its tracks look at home. The probability is therefore learned from splits of names whose artists are
//! known.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::SURE;
use super::ball::balls;
use super::logistic::{dot, fit, logistic};
use crate::catalogue::groups::Groups;
use crate::matrix::Matrix;

/// Features of a track in its cluster: 1, ln of the distance to its cluster and to the nearest other one (both over the
/// distance cut at), ln of the tracks in its cluster, ln of those under the name.
const FEATURES: usize = 5;
/// A track is as far from a cluster that does not exist as this many times the distance cut at; no farther ones are told apart.
const FARTHEST: f64 = 3.0;
/// Distances below this share of the distance cut at are not told apart.
const NEAREST: f64 = 1e-3;

/// A track as it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Root mean square distance to the others of its cluster; none where there are no others.
    pub(super) own: Option<f64>,
    /// The least such distance to another cluster; none where there is no other.
    pub(super) rival: Option<f64>,
    /// Tracks in its cluster.
    size: usize,
    /// Tracks under its name.
    tracks: usize,
}

/// The places of the tracks at `rows`, which are all under one name, in their clusters `labels`.
pub(super) fn places(points: &Matrix<f32>, rows: &[usize], labels: &[usize]) -> Vec<Place> {
    let clusters = Groups::of(labels.iter().copied().enumerate());
    let balls = balls(points, rows, &clusters);
    let place = |(&row, &cluster): (&usize, &usize)| {
        let point = points.row(row);
        let mut place = Place { own: None, rival: None, size: 0, tracks: rows.len() };
        for (&key, ball) in clusters.keys.iter().zip(&balls) {
            if key == cluster {
                place.own = ball.distance_within(point);
                place.size = ball.size as usize;
            } else {
                let distance = ball.reach(point).distance;
                place.rival = Some(place.rival.map_or(distance, |rival: f64| rival.min(distance)));
            }
        }
        place
    };
    rows.iter().zip(labels).map(place).collect()
}

impl Place {
    fn features(&self, threshold: f64) -> [f64; FEATURES] {
        let ratio = |distance: f64| (distance / threshold.max(f64::MIN_POSITIVE)).clamp(NEAREST, FARTHEST).ln();
        // A track by itself is as far from its cluster as a cluster may reach.
        let (own, rival) = (self.own.map_or(0.0, ratio), self.rival.map_or(FARTHEST.ln(), ratio));
        [1.0, own, rival, (self.size as f64).ln(), (self.tracks as f64).ln()]
    }
}

/// A track of a name whose artists are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    features: [f64; FEATURES],
    right: bool,
    fold: usize,
}

/// The tracks of a split, and which of them are where they belong.
pub(super) fn seen(places: &[Place], threshold: f64, truth: &[usize], labels: &[usize], fold: usize) -> Vec<Seen> {
    let right = right(truth, labels);
    places.iter().zip(right).map(|(place, right)| Seen { features: place.features(threshold), right, fold }).collect()
}

/// Whether each track is where it belongs: most of its cluster is its artist's, and most of its artist's tracks are there. Of
/// equally frequent ones the first counts.
fn right(truth: &[usize], labels: &[usize]) -> Vec<bool> {
    let most = |values: &[usize], by: &[usize]| -> HashMap<usize, usize> {
        let groups = Groups::of(by.iter().copied().enumerate());
        let most = |members: &Vec<usize>| {
            let counts = Groups::of(members.iter().map(|&member| (member, values[member])));
            counts.iter().rev().max_by_key(|(_, members)| members.len()).expect("groups have members").0
        };
        groups.iter().map(|(key, members)| (key, most(members))).collect()
    };
    let (artist, home) = (most(truth, labels), most(labels, truth));
    truth.iter().zip(labels).map(|(truth, label)| artist[label] == *truth && home[truth] == *label).collect()
}

/// The probability that a track is where it belongs: that most of its cluster is its artist's, and most of its artist's
/// tracks are there. Logistic regression on its distances to its cluster and to the nearest other, over the distance cut at,
/// and on the numbers of tracks in the cluster and under the name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    weights: [f64; FEATURES],
    /// Least and greatest value of each feature among the tracks learned from: what lies beyond counts as the end.
    ranges: [[f64; 2]; FEATURES],
    /// How often it is right, on names not learned from.
    pub reliability: Reliability,
}

/// What probabilities are worth, each judged on a name that was not learned from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Tracks judged.
    pub tracks: usize,
    /// Share of them that are where they belong.
    pub right: f64,
    /// Share of them that are said to be, with the [level of certainty](super::SURE) or more.
    pub sure: f64,
    /// Share of these that are.
    pub sure_right: f64,
    /// Mean squared error of the probabilities.
    pub brier: f64,
    /// Mean difference of probability and frequency over the bins, weighted by tracks.
    pub error: f64,
    /// Ten equal ranges of probability; those without tracks are left out.
    pub bins: Vec<Bin>,
}

/// The tracks whose probabilities lie in one range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Their number.
    pub tracks: usize,
    /// Their mean probability.
    pub stated: f64,
    /// Share of them that are where they belong.
    pub right: f64,
}

impl Placement {
    /// Learns from the tracks of several repeats, of which each is judged by itself, fold by fold.
    pub(super) fn learn(repeats: &[Vec<Seen>]) -> Self {
        let all = repeats.iter().flatten();
        let mut ranges = [[f64::INFINITY, f64::NEG_INFINITY]; FEATURES];
        for seen in all.clone() {
            for ([low, high], x) in ranges.iter_mut().zip(seen.features) {
                (*low, *high) = (low.min(x), high.max(x));
            }
        }
        let weights = fit(all.map(|seen| (seen.features, seen.right)));
        let judged: Vec<(f64, bool)> = repeats.iter().flat_map(|repeat| judged(repeat)).collect();
        Self { weights, ranges, reliability: Reliability::of(&judged) }
    }

    /// The probability for a track of a name that was cut at `threshold`.
    pub(super) fn probability(&self, place: &Place, threshold: f64) -> f64 {
        let mut features = place.features(threshold);
        features.iter_mut().zip(&self.ranges).for_each(|(x, [low, high])| *x = x.clamp(*low, *high));
        logistic(dot(&self.weights, &features))
    }
}

/// Every track's probability by the other folds of its repeat, and whether it is right.
fn judged(repeat: &[Seen]) -> Vec<(f64, bool)> {
    let folds = repeat.iter().map(|seen| seen.fold + 1).max().unwrap_or(0);
    let judge = |fold| {
        let others = repeat.iter().filter(move |seen| seen.fold != fold).map(|seen| (seen.features, seen.right));
        let weights = fit(others);
        let tested = repeat.iter().filter(move |seen| seen.fold == fold);
        tested.map(move |seen| (logistic(dot(&weights, &seen.features)), seen.right))
    };
    (0..folds).flat_map(judge).collect()
}

impl Reliability {
    fn of(judged: &[(f64, bool)]) -> Self {
        let share = |part: f64, all: f64| if all > 0.0 { part / all } else { 0.0 };
        let count = |is: &dyn Fn(&(f64, bool)) -> bool| judged.iter().filter(|judged| is(judged)).count() as f64;
        let all = judged.len() as f64;
        let sure = count(&|(p, _)| *p >= SURE);
        let bin = |bin: usize| {
            let (mut tracks, mut stated, mut right) = (0, 0.0, 0.0);
            for (p, is_right) in judged.iter().filter(|(p, _)| ((p * 10.0) as usize).min(9) == bin) {
                (tracks, stated, right) = (tracks + 1, stated + p, right + f64::from(*is_right));
            }
            (tracks > 0).then(|| Bin { tracks, stated: stated / tracks as f64, right: right / tracks as f64 })
        };
        let bins: Vec<Bin> = (0..10).filter_map(bin).collect();
        Self {
            tracks: judged.len(),
            right: share(count(&|(_, right)| *right), all),
            sure: share(sure, all),
            sure_right: share(count(&|(p, right)| *p >= SURE && *right), sure),
            brier: share(judged.iter().map(|(p, right)| (p - f64::from(*right)).powi(2)).sum(), all),
            error: share(bins.iter().map(|bin| bin.tracks as f64 * (bin.stated - bin.right).abs()).sum(), all),
            bins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_track_is_right_where_cluster_and_artist_agree() {
        assert_eq!(right(&[0, 0, 0, 1, 1], &[5, 5, 7, 7, 7]), [true, true, false, true, true]);
        // An artist in two halves: one of them is the artist's. Two artists in one cluster: it is one of theirs.
        assert_eq!(right(&[0, 0, 0, 0], &[1, 1, 2, 2]), [true, true, false, false]);
        assert_eq!(right(&[0, 0, 1, 1, 1], &[3, 3, 3, 3, 3]), [false, false, true, true, true]);
        assert_eq!(right(&[0, 1], &[1, 2]), [true, true]);
    }

    #[test]
    fn places_hold_distances_and_sizes() {
        let points = Matrix::new(5, 1, vec![9.0f32, 0.0, 1.0, 5.0, 5.2]);
        let found = places(&points, &[1, 2, 3, 4], &[1, 1, 2, 3]);
        assert_eq!((found[0].own, found[0].size, found[0].tracks), (Some(1.0), 2, 4));
        assert_eq!((found[0].rival, found[2].own, found[2].size), (Some(5.0), None, 1));
        assert!((found[2].rival.unwrap() - 0.2).abs() < 1e-6);
        assert_eq!(places(&points, &[0], &[4])[0], Place { own: None, rival: None, size: 1, tracks: 1 });
        assert_eq!(Place { own: None, rival: None, size: 1, tracks: 1 }.features(0.5), [1.0, 0.0, 3f64.ln(), 0.0, 0.0]);
    }

    #[test]
    fn stated_probabilities_come_true() {
        // Tracks near their cluster, and far from the next, are right more often.
        let mut random = Random::keyed(6, &[]);
        let mut one = |fold: usize| {
            let own = (0.5 * random.normal()).exp();
            let place = Place { own: Some(own), rival: Some(1.5), size: 4, tracks: 9 };
            let right = random.uniform() < logistic(0.5 - 3.0 * own.clamp(NEAREST, FARTHEST).ln());
            Seen { features: place.features(1.0), right, fold: fold % 5 }
        };
        let repeats: Vec<Vec<Seen>> = (0..4).map(|_| (0..3000).map(&mut one).collect::<Vec<_>>()).collect();
        // The closure draws on one stream, so the repeats differ.
        let placement = Placement::learn(&repeats);
        let Reliability { tracks, sure, sure_right, brier, error, bins, .. } = &placement.reliability;
        assert_eq!(*tracks, 12_000);
        assert!(*sure > 0.2 && *sure_right > 0.8 && *brier < 0.22 && *error < 0.02, "{placement:?}");
        assert!(bins.iter().all(|bin| bin.tracks < 200 || (bin.stated - bin.right).abs() < 0.06), "{bins:?}");
        let at = |own| placement.probability(&Place { own: Some(own), rival: Some(1.5), size: 4, tracks: 9 }, 1.0);
        assert!(at(0.3) > 0.9 && at(3.0) < 0.1 && at(0.3) > at(0.5));
        // Nothing is told apart beyond what was seen.
        let beyond = Place { own: Some(0.5), rival: Some(2.9), size: 4000, tracks: 90_000 };
        assert!((placement.probability(&beyond, 1.0) - at(0.5)).abs() < 1e-12);
    }
}
