//! The nearest-neighbour chain, for small sets: from any cluster walk to its nearest, from there to its nearest and so on;
//! distances shrink with every step until two clusters are each other's nearest. Merge them and go on from what is left of
//! the chain. The merges come out of order and are sorted by height when the tree is built.

use homonym_kernels::{Isa, WeightedPairs};

use super::Found;
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// How often the monitor hears of progress, in merges.
const REPORT: usize = 256;

/// The walk and its memory. Clusters go by their places among the pairs.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pairs: WeightedPairs,
    path: Vec<usize>,
    /// The tree node at every place.
    nodes: Vec<usize>,
    found: Vec<Found>,
    candidates: Vec<u32>,
}

impl Chain {
    /// Merges the rows of `points` into one cluster.
    pub(super) fn run(
        &mut self,
        isa: Isa,
        points: &Matrix<f64>,
        weights: &[f64],
        monitor: &dyn Monitor,
    ) -> Result<&[Found]> {
        let count = points.rows;
        self.pairs.refill(isa, points.cols, &points.data, weights);
        self.path.clear();
        self.found.clear();
        self.nodes.clear();
        self.nodes.extend(0..count);
        while let [first, _, ..] = *self.pairs.living() {
            let top = *self.path.last().unwrap_or(&(first as usize));
            let previous = self.path.len().checked_sub(2).map(|place| self.path[place]);
            let nearest = self.nearest(isa, top, previous);
            if previous != Some(nearest) {
                self.extend(top, nearest);
                continue;
            }
            self.path.truncate(self.path.len() - 2);
            self.merge(isa, count, nearest, top);
            report(self.found.len(), count - 1, monitor)?;
        }
        Ok(&self.found)
    }

    /// The cluster nearest to `of`; of equally near ones `first`, then the lowest.
    fn nearest(&mut self, isa: Isa, of: usize, first: Option<usize>) -> usize {
        self.pairs.candidates(isa, of, &mut self.candidates);
        if let [only] = self.candidates[..] {
            return only as usize;
        }
        let mut best = (f64::INFINITY, usize::MAX);
        for place in self.candidates.iter().map(|&place| place as usize) {
            let squared = self.pairs.squared(of, place);
            if squared < best.0 || (squared == best.0 && first == Some(place)) {
                best = (squared, place);
            }
        }
        best.1
    }

    /// Steps from `top` to `nearest`. Rounding can make a union nearer to an earlier link than its parts were; then
    /// the chain is shortened to that link. Distances still shrink with every step, so the walk ends.
    fn extend(&mut self, top: usize, nearest: usize) {
        if self.path.is_empty() {
            self.path.push(top);
        }
        match self.path.iter().position(|&link| link == nearest) {
            Some(place) => self.path.truncate(place + 1),
            None => self.path.push(nearest),
        }
    }

    /// Makes one cluster of two, at the place `keep`.
    fn merge(&mut self, isa: Isa, count: usize, keep: usize, gone: usize) {
        let height = self.pairs.merge(isa, keep, gone).sqrt();
        self.found.push(Found::above(&self.found, count, [self.nodes[keep], self.nodes[gone]], height));
        self.nodes[keep] = count + self.found.len() - 1;
    }
}

fn report(done: usize, total: usize, monitor: &dyn Monitor) -> Result<()> {
    if done.is_multiple_of(REPORT) || done == total {
        monitor.advance(((done - 1) % REPORT + 1) as u64);
        if monitor.interrupted() {
            return Err(Error::Interrupted(format!("stopped after {done} of {total} merges; nothing was written")));
        }
    }
    Ok(())
}
