//! A cluster as its centroid and its mean squared distance from it: enough for mean squared distances to its members,
//! which are `‖x − centroid‖² + scatter`.

use crate::catalogue::groups::Groups;
use crate::matrix::Matrix;

/// Some tracks as a ball.
#[derive(Clone, Debug, Default)]
pub(super) struct Ball {
    pub(super) size: f64,
    pub(super) centroid: Vec<f64>,
    scatter: f64,
}

impl Ball {
    pub(super) fn around(points: &Matrix<f32>, rows: &[usize]) -> Self {
        let size = rows.len() as f64;
        let mut ball = Self { size, centroid: vec![0.0; points.cols], scatter: 0.0 };
        for &row in rows {
            ball.centroid.iter_mut().zip(points.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        ball.centroid.iter_mut().for_each(|sum| *sum /= size);
        ball.scatter = rows.iter().map(|&row| ball.squared(points.row(row))).sum::<f64>() / size;
        ball
    }

    fn squared(&self, point: &[f32]) -> f64 {
        self.centroid.iter().zip(point).map(|(c, &x)| (f64::from(x) - c).powi(2)).sum()
    }

    /// From a point to the members.
    pub(super) fn reach(&self, point: &[f32]) -> Reach {
        let spread = (self.size > 1.0).then(|| (2.0 * self.scatter * self.size / (self.size - 1.0)).sqrt());
        Reach { distance: (self.squared(point) + self.scatter).sqrt(), spread, tracks: self.size }
    }

    /// Root mean square distance from a point that is a member to the others; none where there are no others.
    pub(super) fn distance_within(&self, point: &[f32]) -> Option<f64> {
        let n = self.size;
        (n > 1.0).then(|| ((self.squared(point) + self.scatter) * n / (n - 1.0)).sqrt())
    }
}

/// The clusters of tracks whose places in `rows` are grouped, as balls.
pub(super) fn balls(points: &Matrix<f32>, rows: &[usize], clusters: &Groups<usize>) -> Vec<Ball> {
    let ball =
        |members: &Vec<usize>| Ball::around(points, &members.iter().map(|&member| rows[member]).collect::<Vec<_>>());
    clusters.members.iter().map(ball).collect()
}

/// The Euclidean distance of two tracks.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

/// How far a track is from others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reach {
    /// Root mean square distance to them.
    pub(super) distance: f64,
    /// Root mean square distance among them; none for a single one.
    pub(super) spread: Option<f64>,
    /// How many they are.
    pub(super) tracks: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_spreads_are_those_of_the_pairs() {
        let points = Matrix::new(5, 2, vec![0.0f32, 0.0, 1.0, 3.0, -2.0, 0.5, 4.0, 4.0, 1.5, -1.0]);
        let distance = |a: usize, b: usize| {
            let pairs = points.row(a).iter().zip(points.row(b));
            pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
        };
        let mean = |pairs: Vec<(usize, usize)>| {
            (pairs.iter().map(|&(a, b)| distance(a, b)).sum::<f64>() / pairs.len() as f64).sqrt()
        };
        let close = |one: f64, other: f64| assert!((one - other).abs() < 1e-6, "{one} {other}");
        let outside = Ball::around(&points, &[0, 1, 2]).reach(points.row(3));
        close(outside.distance, mean(vec![(3, 0), (3, 1), (3, 2)]));
        close(outside.spread.unwrap(), mean(vec![(0, 1), (0, 2), (1, 2)]));
        let within = Ball::around(&points, &[0, 1, 2, 4]).distance_within(points.row(4)).unwrap();
        close(within, mean(vec![(4, 0), (4, 1), (4, 2)]));
        assert_eq!(Ball::around(&points, &[0]).distance_within(points.row(0)), None);
        assert_eq!(Ball::around(&points, &[0]).reach(points.row(1)).spread, None);
    }
}
