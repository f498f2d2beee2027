//! What is known of a cluster's neighbours without a search.

use homonym_kernels::Neighbour;

/// Neighbours kept for each cluster.
pub(super) const K: usize = 8;

/// What a cluster knows of its surroundings. Places of the list are *nodes* of the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// Nearest first; what has been merged since stands for the union it is in.
    pub(super) list: [Neighbour; K],
    /// Least squared distance to any cluster without a part in the list.
    pub(super) bound: f64,
}

impl Surroundings {
    pub(super) const UNKNOWN: Self = Self { list: [Neighbour::NONE; K], bound: 0.0 };

    pub(super) fn nearest(&self) -> Option<Neighbour> {
        Some(self.list[0]).filter(|nearest| nearest.squared <= self.bound && nearest.place != u32::MAX)
    }

    /// No neighbour is nearer than this.
    pub(super) fn least(&self) -> f64 {
        self.list[0].squared.min(self.bound)
    }
}

/// A new cluster and what its parts knew.
pub(super) struct Union {
    pub(super) node: usize,
    /// Of the parts.
    pub(super) squared: f64,
    pub(super) sizes: [f64; 2],
    pub(super) bounds: [f64; 2],
    pub(super) list: [Neighbour; 2 * K],
}

impl Union {
    /// The bound that Lance and Williams give, for others between these sizes; a little less, for rounding. It is infinite
    /// where the list of one part holds all others.
    pub(super) fn bound(&self, [smallest, largest]: [f64; 2]) -> f64 {
        let [p, q] = self.sizes;
        let [to_p, to_q] = self.bounds;
        let at = |z: f64| ((p + z) * to_p + (q + z) * to_q - z * self.squared) / (p + q + z);
        at(smallest).min(at(largest)) * (1.0 - 8.0 * f64::EPSILON)
    }
}
