//! Splits the tracks under every name into artists.

use std::cmp::Reverse;

use rayon::prelude::*;

use crate::catalogue::groups::Groups;
use crate::cluster::{Dendrogram, Scratch, linkage_with};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// Where a track belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The cluster within its name: 1 is the largest; of equally large ones the one that appears first.
    pub cluster: usize,
    /// How clear that is, in `[0, 1]`; 0.5 is undecided.
    ///
    /// With several clusters under the name, `(1 + s)/2` of the silhouette `s = (b − a)/max(a, b)` (Rousseeuw 1987):
    /// `a` is the root mean square distance to the other tracks of its cluster, `b` the least such distance to
    /// another cluster. A track by itself has s = 0. With one cluster, `(1 + s)/2` of `s = (T − h)/T`, where h is the
    /// height of the last merge and T the threshold it stayed below. This is geometry, not a probability.
    pub confidence: f64,
}

/// Clusters the tracks of every name by Ward and cuts at `threshold`; names run in parallel.
///
/// `points` holds one row a track, `names` one name a track; tracks with an empty name get none. Advances `monitor` by
/// one for every merge.
pub fn split(
    points: &Matrix<f32>,
    names: &[&str],
    threshold: f64,
    monitor: &dyn Monitor,
) -> Result<Vec<Option<Decision>>> {
    if threshold.is_nan() || threshold < 0.0 {
        return Err(Error::setting("--distance", format!("must be zero or more, not {threshold}")));
    }
    let groups = Groups::of(names.iter().copied().enumerate().filter(|(_, name)| !name.is_empty()));
    let merges = groups.members.iter().map(|rows| rows.len() as u64 - 1).sum();
    monitor.begin("split", Some(merges));
    let decided: Result<Vec<Vec<Decision>>> = groups
        .members
        .par_iter()
        .map_init(Scratch::default, |scratch, rows| {
            let tree = linkage_with(scratch, rows.iter().map(|&row| points.row(row)), monitor)?;
            Ok(decide(points, rows, tree, threshold))
        })
        .collect();
    monitor.end();
    let mut decisions = vec![None; names.len()];
    for (rows, decided) in groups.members.iter().zip(decided?) {
        rows.iter().zip(decided).for_each(|(&row, decision)| decisions[row] = Some(decision));
    }
    Ok(decisions)
}

/// The decisions for the tracks of one name.
fn decide(points: &Matrix<f32>, rows: &[usize], tree: &Dendrogram, threshold: f64) -> Vec<Decision> {
    let labels = by_size(tree.cut(threshold));
    let members = Groups::of(labels.iter().copied().enumerate());
    if members.keys.len() == 1 {
        let top = tree.merges().last().map_or(0.0, |merge| merge.height);
        let confidence = confidence(top, threshold);
        return labels.iter().map(|&label| Decision { cluster: label + 1, confidence }).collect();
    }
    let mut balls: Vec<Ball> = vec![Ball::default(); members.keys.len()];
    for (label, members) in members.iter() {
        balls[label] = Ball::around(points, members.iter().map(|&member| rows[member]));
    }
    let decision = |(&row, &own): (&usize, &usize)| {
        let to_others = balls.iter().enumerate().filter(|(label, _)| *label != own);
        let nearest = to_others.map(|(_, ball)| ball.distance(points.row(row), 0.0)).fold(f64::INFINITY, f64::min);
        let confidence = match balls[own].size {
            1.0 => 0.5,
            _ => confidence(balls[own].distance(points.row(row), 1.0), nearest),
        };
        Decision { cluster: own + 1, confidence }
    };
    rows.iter().zip(&labels).map(decision).collect()
}

/// `(1 + (far − near)/max(near, far))/2`; undecided where both are zero.
fn confidence(near: f64, far: f64) -> f64 {
    match near.max(far) {
        0.0 => 0.5,
        f64::INFINITY => 1.0,
        larger => 0.5 * (1.0 + (far - near) / larger),
    }
}

/// Renumbers clusters by decreasing size; equally large ones keep their order.
fn by_size(labels: Vec<usize>) -> Vec<usize> {
    let clusters = Groups::of(labels.iter().copied().enumerate());
    let mut order: Vec<usize> = (0..clusters.keys.len()).collect();
    order.sort_by_key(|&cluster| Reverse(clusters.members[cluster].len()));
    let mut number = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, &cluster)| number[cluster] = place);
    labels.into_iter().map(|label| number[label]).collect()
}

/// A cluster as its centroid and its mean squared distance from it: enough for mean squared distances to its members,
/// which are `‖x − centroid‖² + scatter`.
#[derive(Clone, Debug, Default)]
struct Ball {
    size: f64,
    centroid: Vec<f64>,
    scatter: f64,
}

impl Ball {
    fn around(points: &Matrix<f32>, rows: impl ExactSizeIterator<Item = usize> + Clone) -> Self {
        let size = rows.len() as f64;
        let mut ball = Self { size, centroid: vec![0.0; points.cols], scatter: 0.0 };
        for row in rows.clone() {
            ball.centroid.iter_mut().zip(points.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        ball.centroid.iter_mut().for_each(|sum| *sum /= size);
        ball.scatter = rows.map(|row| ball.squared(points.row(row))).sum::<f64>() / size;
        ball
    }

    fn squared(&self, point: &[f32]) -> f64 {
        self.centroid.iter().zip(point).map(|(c, &x)| (f64::from(x) - c).powi(2)).sum()
    }

    /// Root mean square distance from a point to the members, `own` of which (0 or 1) is the point itself.
    fn distance(&self, point: &[f32], own: f64) -> f64 {
        ((self.squared(point) + self.scatter) * self.size / (self.size - own)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` holds two groups and a loner, `b` one group, `c` a single track; the last track has no name.
    fn example() -> (Matrix<f32>, [&'static str; 9]) {
        let places = vec![9.0, 0.0, 1.0, 5.0, 0.1, 5.2, 1.4, 7.0, 0.2];
        (Matrix::new(9, 1, places), ["a", "a", "b", "a", "a", "a", "b", "c", ""])
    }

    #[test]
    fn clusters_are_numbered_by_size_within_their_name() {
        let (points, names) = example();
        let clusters: Vec<usize> =
            split(&points, &names, 1.0, &()).unwrap().iter().map(|d| d.map_or(0, |d| d.cluster)).collect();
        assert_eq!(clusters, [3, 1, 1, 2, 1, 2, 1, 1, 0]);
        assert!(matches!(split(&points, &names, f64::NAN, &()), Err(Error::Setting { .. })));
    }

    #[test]
    fn confidence_is_the_silhouette_of_root_mean_square_distances() {
        let (points, names) = example();
        let decisions = split(&points, &names, 1.0, &()).unwrap();
        let at = |row: usize| decisions[row].unwrap().confidence;
        let between: f64 = ((25.0 + 5.2f64.powi(2)) / 2.0).sqrt();
        assert!((at(1) - 0.5 * (1.0 + (between - 0.1) / between)).abs() < 1e-6, "{}", at(1));
        assert_eq!((at(0), at(7)), (0.5, 1.0));
        assert!((at(2) - 0.5 * (1.0 + 0.6)).abs() < 1e-6, "{}", at(2));
        let zero = split(&Matrix::new(2, 1, vec![1.0, 1.0]), &["x", "x"], 0.0, &()).unwrap();
        assert_eq!(zero[0], Some(Decision { cluster: 1, confidence: 0.5 }));
    }
}
