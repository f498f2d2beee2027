//! Small sets: the squared Ward distances of all pairs in a square, updated by Lance and Williams.

use super::chain::Clusters;
use super::squared_distance;
use crate::matrix::Matrix;

/// All clusters and all their distances. O(n²) memory and time.
#[derive(Debug, Default)]
pub(super) struct Square {
    count: usize,
    /// `count × count`, symmetric; rows and columns of merged clusters are stale.
    squared: Vec<f64>,
    sizes: Vec<f64>,
    /// Clusters that still exist, ascending.
    active: Vec<usize>,
}

impl Square {
    /// Starts from single points.
    pub(super) fn fill(&mut self, points: &Matrix<f64>) {
        let count = points.rows;
        self.count = count;
        self.squared.clear();
        self.squared.resize(count * count, 0.0);
        for a in 0..count {
            for b in 0..a {
                let squared = squared_distance(points.row(a), points.row(b));
                self.squared[a * count + b] = squared;
                self.squared[b * count + a] = squared;
            }
        }
        self.sizes.clear();
        self.sizes.resize(count, 1.0);
        self.active.clear();
        self.active.extend(0..count);
    }

    fn row(&self, cluster: usize) -> &[f64] {
        &self.squared[cluster * self.count..(cluster + 1) * self.count]
    }
}

impl Clusters for Square {
    fn any(&self) -> usize {
        self.active[0]
    }

    fn nearest(&self, of: usize, first: Option<usize>) -> (usize, f64) {
        let row = self.row(of);
        let start = first.map_or((usize::MAX, f64::INFINITY), |first| (first, row[first]));
        let others = self.active.iter().filter(|&&other| other != of);
        others.fold(start, |best, &other| if row[other] < best.1 { (other, row[other]) } else { best })
    }

    fn merge(&mut self, keep: usize, gone: usize, squared: f64) {
        let place = self.active.binary_search(&gone).expect("the chain merges clusters that exist");
        self.active.remove(place);
        let (a, b) = (self.sizes[keep], self.sizes[gone]);
        for &other in self.active.iter().filter(|&&other| other != keep) {
            let c = self.sizes[other];
            let (to_a, to_b) = (self.squared[keep * self.count + other], self.squared[gone * self.count + other]);
            let updated = ((a + c) * to_a + (b + c) * to_b - c * squared) / (a + b + c);
            self.squared[keep * self.count + other] = updated;
            self.squared[other * self.count + keep] = updated;
        }
        self.sizes[keep] = a + b;
    }
}
