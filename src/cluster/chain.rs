//! The nearest-neighbour chain, for small sets: from any cluster walk to its nearest, from there to its nearest and so on;
//! distances shrink with every step until two clusters are each other's nearest. Merge them and go on from what is left of
//! the chain. The merges come out of order and are sorted by height when the tree is built.

use homonym_kernels::{Isa, WeightedPoints};

use super::Found;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// How often the monitor hears of progress, in merges.
const REPORT: usize = 256;

/// The walk and its memory. Clusters are named by the points `0..n` they started as; a union goes by the name of one of
/// its parts.
#[derive(Debug, Default)]
pub(super) struct Chain {
    path: Vec<usize>,
    /// The cluster at a place of the points, and the place of a cluster.
    names: Vec<usize>,
    places: Vec<usize>,
    /// The tree node behind every cluster name.
    node: Vec<usize>,
    found: Vec<Found>,
    candidates: Vec<u32>,
}

impl Chain {
    /// Merges `points` into one cluster.
    pub(super) fn run(&mut self, isa: Isa, points: &mut WeightedPoints, monitor: &dyn Monitor) -> Result<&[Found]> {
        let count = points.len();
        self.path.clear();
        self.found.clear();
        for numbers in [&mut self.names, &mut self.places, &mut self.node] {
            numbers.clear();
            numbers.extend(0..count);
        }
        while points.len() > 1 {
            let top = *self.path.last().unwrap_or(&self.names[0]);
            let previous = self.path.len().checked_sub(2).map(|place| self.path[place]);
            let nearest = self.nearest(isa, points, top, previous);
            if previous != Some(nearest) {
                self.extend(top, nearest);
                continue;
            }
            self.path.truncate(self.path.len() - 2);
            self.merge(points, count, nearest, top);
            report(self.found.len(), count - 1, monitor)?;
        }
        Ok(&self.found)
    }

    /// The cluster nearest to `of`; of equally near ones `first`, then the lowest.
    fn nearest(&mut self, isa: Isa, points: &mut WeightedPoints, of: usize, first: Option<usize>) -> usize {
        let place = self.places[of];
        points.candidates(isa, place, &mut self.candidates);
        if let [only] = self.candidates[..] {
            return self.names[only as usize];
        }
        let mut best = (f64::INFINITY, usize::MAX);
        for &candidate in &self.candidates {
            let found = (points.squared(place, candidate as usize), self.names[candidate as usize]);
            let is_first = found.0 == best.0 && best.1 != first.unwrap_or(best.1) && first == Some(found.1);
            let is_lower = found.0 == best.0 && first != Some(best.1) && found.1 < best.1;
            if found.0 < best.0 || is_first || is_lower {
                best = found;
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

    /// Makes one cluster of two, under the name `keep`.
    fn merge(&mut self, points: &mut WeightedPoints, count: usize, keep: usize, gone: usize) {
        let (place, hole) = (self.places[keep], self.places[gone]);
        let height = points.squared(place, hole).sqrt();
        self.found.push(Found::above(&self.found, count, [self.node[keep], self.node[gone]], height));
        self.node[keep] = count + self.found.len() - 1;
        points.merge(place, hole);
        self.names.swap_remove(hole);
        if let Some(&moved) = self.names.get(hole) {
            self.places[moved] = hole;
        }
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
