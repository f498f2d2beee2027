//! Large sets: centroids and sizes alone, in O(n·d) memory; every question is answered by a scan in parallel.

use rayon::prelude::*;

use super::chain::Clusters;
use super::squared_distance;
use crate::matrix::Matrix;

/// Coordinates that one thread scans at a time: enough work to be worth a hand-over between threads.
const SHARD: usize = 1 << 16;

/// All clusters, without holes: the last one moves to where one vanishes.
#[derive(Debug)]
pub(super) struct Centroids {
    dimension: usize,
    /// Coordinates by place.
    centroids: Vec<f64>,
    /// Number of points by place.
    sizes: Vec<f64>,
    /// The cluster at a place.
    names: Vec<usize>,
    /// The place of a cluster.
    places: Vec<usize>,
}

impl Centroids {
    /// Starts from single points.
    pub(super) fn of(points: Matrix<f64>) -> Self {
        Self {
            dimension: points.cols,
            centroids: points.data,
            sizes: vec![1.0; points.rows],
            names: (0..points.rows).collect(),
            places: (0..points.rows).collect(),
        }
    }

    fn centroid(&self, place: usize) -> &[f64] {
        &self.centroids[place * self.dimension..(place + 1) * self.dimension]
    }

    /// `D² = 2ab/(a+b)·‖ā − b̄‖²`; symmetric to the last bit.
    fn squared(&self, one: usize, other: usize) -> f64 {
        let (a, b) = (self.sizes[one], self.sizes[other]);
        2.0 * a * b / (a + b) * squared_distance(self.centroid(one), self.centroid(other))
    }

    /// The nearest to the cluster at `of` among a range of places, with its name to tell equals apart.
    fn nearest_among(&self, of: usize, places: std::ops::Range<usize>) -> (f64, usize) {
        let others = places.filter(|&place| place != of);
        others.map(|place| (self.squared(of, place), self.names[place])).fold((f64::INFINITY, usize::MAX), lower)
    }
}

/// The lower of two (distance, name) pairs, whichever comes first: the order of a scan does not matter.
fn lower(a: (f64, usize), b: (f64, usize)) -> (f64, usize) {
    if b.0 < a.0 || (b.0 == a.0 && b.1 < a.1) { b } else { a }
}

impl Clusters for Centroids {
    fn any(&self) -> usize {
        self.names[0]
    }

    fn nearest(&self, of: usize, first: Option<usize>) -> (usize, f64) {
        let (of, count) = (self.places[of], self.names.len());
        let shard = SHARD / self.dimension.max(1) + 1;
        let (squared, nearest) = if count <= shard {
            self.nearest_among(of, 0..count)
        } else {
            let shards = (0..count.div_ceil(shard)).into_par_iter();
            shards
                .map(|number| self.nearest_among(of, number * shard..count.min((number + 1) * shard)))
                .reduce(|| (f64::INFINITY, usize::MAX), lower)
        };
        match first {
            Some(first) if self.squared(of, self.places[first]) <= squared => (first, squared),
            _ => (nearest, squared),
        }
    }

    fn merge(&mut self, keep: usize, gone: usize, _squared: f64) {
        let (keep, hole, d) = (self.places[keep], self.places[gone], self.dimension);
        let (a, b) = (self.sizes[keep], self.sizes[hole]);
        for i in 0..d {
            let (x, y) = (self.centroids[keep * d + i], self.centroids[hole * d + i]);
            self.centroids[keep * d + i] = (a * x + b * y) / (a + b);
        }
        self.sizes[keep] = a + b;
        let last = self.names.len() - 1;
        self.centroids.copy_within(last * d..(last + 1) * d, hole * d);
        self.centroids.truncate(last * d);
        self.sizes.swap_remove(hole);
        self.names.swap_remove(hole);
        if hole < last {
            self.places[self.names[hole]] = hole;
        }
    }
}
