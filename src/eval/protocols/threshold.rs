//! The distance to cut at, chosen on names whose artists are known.

use serde::{Deserialize, Serialize};

use crate::cluster::Dendrogram;
use crate::eval::measures::{adjusted_mutual_information, pairs};

/// What a threshold is chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// The highest mean AMI over names.
    #[default]
    Ami,
    /// The lowest mean cost over names: for every pair of tracks wrongly merged and wrongly split, per pair.
    Cost {
        /// Of two artists' tracks in one cluster.
        merge: f64,
        /// Of one artist's tracks in two.
        split: f64,
    },
}

impl Objective {
    /// The higher, the better.
    fn score(self, truth: &[usize], labels: &[usize]) -> f64 {
        match self {
            Self::Ami => adjusted_mutual_information(truth, labels),
            Self::Cost { merge, split } => {
                let pairs = pairs(truth, labels);
                -(merge * pairs.merged as f64 + split * pairs.parted as f64) / pairs.all.max(1) as f64
            }
        }
    }
}

/// The score of a name as a function of the distance its tree is cut at: constant between merge heights.
#[derive(Debug)]
pub(super) struct Curve {
    /// Score of every track by itself.
    start: f64,
    /// (merge height, score from there to the next height), ascending, heights different.
    steps: Vec<(f64, f64)>,
}

impl Curve {
    pub(super) fn of(tree: &Dendrogram, truth: &[usize], objective: Objective) -> Self {
        let mut heights: Vec<f64> = tree.merges().iter().map(|merge| merge.height).collect();
        heights.dedup();
        let score = |height: f64| objective.score(truth, &tree.cut(height));
        let singles: Vec<usize> = (0..truth.len()).collect();
        let start = objective.score(truth, &singles);
        Self { start, steps: heights.into_iter().map(|height| (height, score(height))).collect() }
    }
}

/// The threshold with the highest mean score over `curves`, and that mean.
///
/// The mean is constant between neighbouring merge heights of all names. The answer is the middle of the lowest stretch
/// where it is highest (the lower end of a stretch without upper end).
pub(super) fn best(curves: &[&Curve]) -> (f64, f64) {
    let mut steps: Vec<(f64, usize, f64)> = Vec::new();
    for (name, curve) in curves.iter().enumerate() {
        steps.extend(curve.steps.iter().map(|&(height, ami)| (height, name, ami)));
    }
    steps.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut current: Vec<i64> = curves.iter().map(|curve| fixed(curve.start)).collect();
    let mut stretches = vec![(0.0, current.iter().sum::<i64>())];
    for equal in steps.chunk_by(|a, b| a.0 == b.0) {
        let (height, mut sum) = (equal[0].0, stretches[stretches.len() - 1].1);
        for &(_, name, ami) in equal {
            sum += fixed(ami) - current[name];
            current[name] = fixed(ami);
        }
        if sum != stretches[stretches.len() - 1].1 {
            stretches.push((height, sum));
        }
    }
    let highest = stretches.iter().map(|&(_, sum)| sum).max().expect("one stretch at least");
    let place = stretches.iter().position(|&(_, sum)| sum == highest).expect("the highest is among them");
    let low = stretches[place].0;
    let high = stretches.get(place + 1).map_or(low, |&(height, _)| height);
    (low + (high - low) / 2.0, highest as f64 / UNIT / curves.len() as f64)
}

/// Scores are summed in units of 2⁻⁴⁰, so that the running sum is exact and equal means are seen as equal.
const UNIT: f64 = (1u64 << 40) as f64;

fn fixed(ami: f64) -> i64 {
    (ami * UNIT).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_lowest_best_stretch_is_chosen() {
        let one = Curve { start: 0.0, steps: vec![(1.0, 0.5), (2.0, 1.0), (5.0, 0.0)] };
        let two = Curve { start: 0.0, steps: vec![(3.0, 0.0), (4.0, 0.5), (6.0, 0.5), (7.0, 1.5)] };
        assert_eq!(best(&[&one]), (3.5, 1.0));
        assert_eq!(best(&[&one, &two]), (4.5, 0.75));
        assert_eq!(best(&[&two]), (7.0, 1.5));
        let flat = Curve { start: 1.0, steps: vec![(2.0, 1.0), (4.0, 0.0)] };
        assert_eq!(best(&[&flat]), (2.0, 1.0));
    }
}
