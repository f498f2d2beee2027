//! Splits the tracks under every name into artists.

use std::cmp::Reverse;

use rayon::prelude::*;
use serde::Serialize;

use super::SURE;
use super::ball::balls;
use super::constraints::{Constraints, Local};
use super::placement::{Place, Placement, places};
use crate::catalogue::groups::Groups;
use crate::cluster::{Dendrogram, Scratch, linkage_weighted};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// How to split.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// Tracks whose Ward distance is at most this are one artist's.
    pub threshold: f64,
    /// How likely tracks are where they are put; with it confidences are probabilities.
    pub placement: Option<&'a Placement>,
    /// What is known beforehand.
    pub constraints: Option<&'a Constraints>,
}

/// Where a track belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The cluster within its name: 1 is the largest; of equally large ones the one that appears first. Clusters that are
    /// fixed beforehand keep their numbers, new ones follow.
    pub cluster: usize,
    /// How clear that is, in `[0, 1]`.
    ///
    /// 1 where a human decided. With a [`Placement`], the probability that the track belongs there.
    ///
    /// Without, geometry: with several clusters under the name, `(1 + s)/2` of the silhouette `s = (b − a)/max(a, b)`
    /// (Rousseeuw 1987): `a` is the root mean square distance to the other tracks of its cluster, `b` the least such
    /// distance to another cluster. A track by itself has s = 0. With one cluster, `(1 + s)/2` of `s = (T − h)/T`, where h
    /// is the height of the last merge and T the threshold it stayed below.
    pub confidence: f64,
}

/// How a name was split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NameSplit {
    /// The name.
    pub name: String,
    /// Tracks under it.
    pub tracks: usize,
    /// Artists found.
    pub artists: usize,
    /// The highest merge that was made, and the lowest that was not: any threshold between them gives this split. None
    /// where there is no such merge.
    pub made: Option<f64>,
    /// See `made`.
    pub not_made: Option<f64>,
    /// How far the threshold may move before the split changes: the lesser of `T/made − 1` and `not_made/T − 1`, at most 1;
    /// none where fixed clusters, not the threshold, decided.
    pub margin: Option<f64>,
    /// Mean confidence of its tracks.
    pub confidence: f64,
    /// Tracks whose confidence is below the [level of certainty](super::SURE).
    pub unsure: usize,
}

impl NameSplit {
    /// Tracks that a review would be about, the order of a queue: as many as are likely misplaced.
    pub fn impact(&self) -> f64 {
        self.tracks as f64 * (1.0 - self.confidence)
    }
}

/// Clusters the tracks of every name by Ward and cuts; names run in parallel.
///
/// `points` holds one row a track, `names` one name a track; tracks with an empty name get no decision. Tracks that must be
/// together enter the tree as one; where the cut would join tracks that must be apart, the merges above them are undone.
/// Advances `monitor` by one for every merge.
///
/// # Errors
/// A threshold that is no distance; tracks that must be together and apart.
pub fn split(
    points: &Matrix<f32>,
    names: &[&str],
    rules: Rules,
    monitor: &dyn Monitor,
) -> Result<(Vec<Option<Decision>>, Vec<NameSplit>)> {
    if rules.threshold.is_nan() || rules.threshold < 0.0 {
        return Err(Error::setting("--distance", format!("must be zero or more, not {}", rules.threshold)));
    }
    let groups = Groups::of(names.iter().copied().enumerate().filter(|(_, name)| !name.is_empty()));
    let merges = groups.members.iter().map(|rows| rows.len() as u64 - 1).sum();
    monitor.begin("split", Some(merges));
    let unconstrained = Constraints::default();
    let constraints = rules.constraints.unwrap_or(&unconstrained);
    let decided: Result<Vec<(Vec<Decision>, NameSplit)>> = groups
        .members
        .par_iter()
        .zip(&groups.keys)
        .map_init(Scratch::default, |scratch, (rows, name)| {
            One { points, rows, name, rules, local: constraints.within(rows) }.split(scratch, monitor)
        })
        .collect();
    monitor.end();
    let mut decisions = vec![None; names.len()];
    let mut splits = Vec::with_capacity(groups.keys.len());
    for (rows, (decided, split)) in groups.members.iter().zip(decided?) {
        rows.iter().zip(decided).for_each(|(&row, decision)| decisions[row] = Some(decision));
        splits.push(split);
    }
    Ok((decisions, splits))
}

/// One name at work.
struct One<'a> {
    points: &'a Matrix<f32>,
    rows: &'a [usize],
    name: &'a str,
    rules: Rules<'a>,
    local: Local,
}

impl One<'_> {
    fn split(&self, scratch: &mut Scratch, monitor: &dyn Monitor) -> Result<(Vec<Decision>, NameSplit)> {
        let parts = Groups::of(self.local.parts.iter().copied().enumerate());
        let mut leaves = Matrix::new(0, self.points.cols, Vec::new());
        let mut weights = Vec::with_capacity(parts.keys.len());
        for ball in balls(self.points, self.rows, &parts) {
            leaves.data.extend(ball.centroid);
            leaves.rows += 1;
            weights.push(ball.size);
        }
        let tree = linkage_weighted(scratch, &leaves, &weights, monitor)?;
        let apart: Vec<[usize; 2]> =
            self.local.apart.iter().map(|pair| pair.map(|place| self.local.parts[place])).collect();
        if apart.iter().any(|[one, other]| one == other) {
            let found = format!("both for tracks of `{}`", self.name);
            return Err(Error::input("the decisions", "tracks that belong together or apart", found, "remove one"));
        }
        let labels = tree.cut_apart(self.rules.threshold, &apart);
        let labels = self.numbered(self.local.parts.iter().map(|&part| labels[part]).collect());
        let decisions = self.decide(&labels, tree);
        let split = self.describe(&decisions, tree);
        Ok((decisions, split))
    }

    /// Numbers of clusters from 1: fixed ones keep theirs, the others follow by decreasing size.
    fn numbered(&self, labels: Vec<usize>) -> Vec<usize> {
        let clusters = Groups::of(labels.iter().copied().enumerate());
        let fixed = |members: &Vec<usize>| members.iter().find_map(|&member| self.local.fixed[member]);
        let mut number: Vec<Option<usize>> = clusters.members.iter().map(fixed).collect();
        let mut next = number.iter().flatten().max().map_or(1, |last| last + 1);
        let mut order: Vec<usize> = (0..number.len()).collect();
        order.sort_by_key(|&cluster| Reverse(clusters.members[cluster].len()));
        for cluster in order {
            number[cluster].get_or_insert_with(|| {
                next += 1;
                next - 1
            });
        }
        let of: std::collections::HashMap<usize, usize> =
            clusters.keys.iter().zip(number).map(|(&key, number)| (key, number.expect("all are numbered"))).collect();
        labels.into_iter().map(|label| of[&label]).collect()
    }

    fn decide(&self, labels: &[usize], tree: &Dendrogram) -> Vec<Decision> {
        let top = tree.merges().last().map_or(0.0, |merge| merge.height);
        let threshold = self.rules.threshold;
        let places = places(self.points, self.rows, labels);
        let decision = |((place, &cluster), &human): ((&Place, &usize), &bool)| {
            let confidence = match (self.rules.placement, place.own, place.rival) {
                _ if human => 1.0,
                (Some(placement), ..) => placement.probability(place, threshold),
                (None, _, None) => clearness(top, threshold),
                (None, None, _) => 0.5,
                (None, Some(own), Some(rival)) => clearness(own, rival),
            };
            Decision { cluster, confidence }
        };
        places.iter().zip(labels).zip(&self.local.human).map(decision).collect()
    }

    fn describe(&self, decisions: &[Decision], tree: &Dendrogram) -> NameSplit {
        let threshold = self.rules.threshold;
        let made = tree.merges().iter().rev().map(|merge| merge.height).find(|&height| height <= threshold);
        let not_made = tree.merges().iter().map(|merge| merge.height).find(|&height| height > threshold);
        let below = made.filter(|&made| made > 0.0).map_or(1.0, |made| threshold / made - 1.0);
        let above = not_made.map_or(1.0, |not_made| not_made / threshold.max(f64::MIN_POSITIVE) - 1.0);
        let is_free = self.local.apart.is_empty();
        NameSplit {
            name: self.name.to_owned(),
            tracks: decisions.len(),
            artists: Groups::of(decisions.iter().map(|decision| decision.cluster).enumerate()).keys.len(),
            made,
            not_made,
            margin: is_free.then(|| below.min(above).min(1.0)),
            confidence: decisions.iter().map(|decision| decision.confidence).sum::<f64>() / decisions.len() as f64,
            unsure: decisions.iter().filter(|decision| decision.confidence < SURE).count(),
        }
    }
}

/// `(1 + (far − near)/max(near, far))/2`; undecided where both are zero.
fn clearness(near: f64, far: f64) -> f64 {
    match near.max(far) {
        0.0 => 0.5,
        f64::INFINITY => 1.0,
        larger => 0.5 * (1.0 + (far - near) / larger),
    }
}

#[cfg(test)]
mod tests {
    use super::super::constraints::Entry;
    use super::*;

    /// `a` holds two groups and a loner, `b` one group, `c` a single track; the last track has no name.
    fn example() -> (Matrix<f32>, [&'static str; 9]) {
        let places = vec![9.0, 0.0, 1.0, 5.0, 0.1, 5.2, 1.4, 7.0, 0.2];
        (Matrix::new(9, 1, places), ["a", "a", "b", "a", "a", "a", "b", "c", ""])
    }

    fn at_one<'a>() -> Rules<'a> {
        Rules { threshold: 1.0, ..Rules::default() }
    }

    fn clusters(rules: Rules) -> Vec<usize> {
        let (points, names) = example();
        let (decisions, _) = split(&points, &names, rules, &()).unwrap();
        decisions.iter().map(|decision| decision.map_or(0, |decision| decision.cluster)).collect()
    }

    #[test]
    fn clusters_are_numbered_by_size_within_their_name() {
        assert_eq!(clusters(at_one()), [3, 1, 1, 2, 1, 2, 1, 1, 0]);
        let (points, names) = example();
        let error = split(&points, &names, Rules { threshold: f64::NAN, ..Rules::default() }, &());
        assert!(matches!(error, Err(Error::Setting { .. })));
        let (_, splits) = split(&points, &names, at_one(), &()).unwrap();
        assert_eq!((splits[0].name.as_str(), splits[0].tracks, splits[0].artists), ("a", 5, 3));
        assert!((splits[0].made.unwrap() - 0.2).abs() < 1e-6 && splits[0].not_made.unwrap() > 4.0, "{splits:?}");
        assert_eq!((splits[0].margin, splits[2].made), (Some(1.0), None));
    }

    #[test]
    fn confidence_is_the_silhouette_of_root_mean_square_distances() {
        let (points, names) = example();
        let (decisions, _) = split(&points, &names, at_one(), &()).unwrap();
        let at = |row: usize| decisions[row].unwrap().confidence;
        let between: f64 = ((25.0 + 5.2f64.powi(2)) / 2.0).sqrt();
        assert!((at(1) - 0.5 * (1.0 + (between - 0.1) / between)).abs() < 1e-6, "{}", at(1));
        assert_eq!((at(0), at(7)), (0.5, 1.0));
        assert!((at(2) - 0.5 * (1.0 + 0.6)).abs() < 1e-6, "{}", at(2));
        let (zero, _) = split(&Matrix::new(2, 1, vec![1.0, 1.0]), &["x", "x"], Rules::default(), &()).unwrap();
        assert_eq!(zero[0], Some(Decision { cluster: 1, confidence: 0.5 }));
    }

    #[test]
    fn what_is_known_beforehand_is_kept() {
        let keys = ["0", "1", "2", "3", "4", "5", "6", "7", "8"];
        let run = |entries: &[Entry]| {
            let mut constraints = Constraints::default();
            constraints.add(entries, &keys);
            clusters(Rules { constraints: Some(&constraints), ..at_one() })
        };
        let tracks = |list: &[&str]| list.iter().map(|&track| track.to_owned()).collect::<Vec<String>>();
        let link = Entry::MustLink { tracks: tracks(&["0", "3"]) };
        assert_eq!(
            run(std::slice::from_ref(&link))[..6],
            [1, 2, 1, 1, 2, 3],
            "the two as one are too far from the third"
        );
        let apart = Entry::CannotLink { tracks: ["1".to_owned(), "4".to_owned()] };
        assert_eq!(run(&[apart])[..6], [2, 3, 1, 1, 4, 1]);
        let lock = Entry::Lock { name: "a".to_owned(), clusters: vec![tracks(&["5"]), tracks(&["1"]), tracks(&["0"])] };
        assert_eq!(run(&[lock])[..6], [3, 2, 1, 1, 2, 1], "numbers stay, new tracks join the nearest");
        let far = Entry::Lock { name: "a".to_owned(), clusters: vec![tracks(&["1", "4"])] };
        assert_eq!(run(&[far])[..6], [3, 1, 1, 2, 1, 2]);
        let mut constraints = Constraints::default();
        constraints.add(&[link, Entry::CannotLink { tracks: ["0".to_owned(), "3".to_owned()] }], &keys);
        let (points, names) = example();
        let rules = Rules { constraints: Some(&constraints), ..at_one() };
        assert!(split(&points, &names, rules, &()).unwrap_err().to_string().contains("`a`"));
    }
}
