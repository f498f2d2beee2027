//! The nearest-neighbour chain: from any cluster walk to its nearest, from there to its nearest and so on; distances
//! shrink with every step until two clusters are each other's nearest. Merge them and go on from what is left of the
//! chain. The merges come out of order and are sorted by height when the tree is built.

use crate::monitor::Monitor;
use crate::{Error, Result};

/// How often the monitor hears of progress, in merges.
const REPORT: usize = 256;

/// A set of clusters that are named by the points `0..n` they started as; a union goes by the name of one of its parts.
pub(super) trait Clusters {
    /// Some cluster.
    fn any(&self) -> usize;
    /// The cluster nearest to `of` and their squared Ward distance; of equally near ones `first`, then the lowest.
    fn nearest(&self, of: usize, first: Option<usize>) -> (usize, f64);
    /// Replaces two clusters, their squared Ward distance given, by their union under the name `keep`.
    fn merge(&mut self, keep: usize, gone: usize, squared: f64);
}

/// One merge, in order of discovery: nodes `0..n` are points, node `n + i` is the union that merge `i` made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) nodes: [usize; 2],
    pub(super) height: f64,
}

/// The walk and its memory.
#[derive(Debug, Default)]
pub(super) struct Chain {
    path: Vec<usize>,
    /// The tree node behind every cluster name.
    node: Vec<usize>,
    found: Vec<Found>,
}

impl Chain {
    /// Merges `count` single points into one cluster.
    pub(super) fn run(
        &mut self,
        count: usize,
        clusters: &mut impl Clusters,
        monitor: &dyn Monitor,
    ) -> Result<&[Found]> {
        self.path.clear();
        self.found.clear();
        self.node.clear();
        self.node.extend(0..count);
        while self.found.len() + 1 < count {
            let top = *self.path.last().unwrap_or(&clusters.any());
            let previous = self.path.len().checked_sub(2).map(|place| self.path[place]);
            let (nearest, squared) = clusters.nearest(top, previous);
            if previous != Some(nearest) {
                self.extend(top, nearest);
                continue;
            }
            self.path.truncate(self.path.len() - 2);
            self.record(count, nearest, top, squared.sqrt());
            clusters.merge(nearest, top, squared);
            report(self.found.len(), count - 1, monitor)?;
        }
        Ok(&self.found)
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

    /// Notes a merge. Rounding must not put a union below its parts.
    fn record(&mut self, count: usize, keep: usize, gone: usize, height: f64) {
        let nodes = [self.node[keep], self.node[gone]];
        let below = nodes.iter().filter_map(|&node| Some(self.found[node.checked_sub(count)?].height));
        let height = below.fold(height, f64::max);
        self.node[keep] = count + self.found.len();
        self.found.push(Found { nodes, height });
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
