//! The tree of merges and the flat clusters that cuts through it leave.

use super::Found;
use crate::matrix::Matrix;

/// Two nodes become one. Nodes `0..n` are the points; node `n + i` is the union that merge `i` makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// The lower of the two nodes.
    pub left: usize,
    /// The higher of the two nodes.
    pub right: usize,
    /// Their Ward distance, in the unit of the points.
    pub height: f64,
    /// How many points the union holds.
    pub size: usize,
}

/// The merges of n points into one cluster, heights ascending, numbered as SciPy does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dendrogram {
    points: usize,
    merges: Vec<Merge>,
}

impl Dendrogram {
    /// Sorts `found` by height (equal heights stay in order of discovery, so parts precede their union) and renumbers
    /// the nodes. `order` and `rank` are memory for that.
    pub(super) fn rebuild(
        &mut self,
        points: usize,
        found: &[Found],
        order: &mut Vec<(u64, usize)>,
        rank: &mut Vec<usize>,
    ) {
        order.clear();
        // Heights are not negative: their bits are in the order of their values.
        order.extend(found.iter().enumerate().map(|(discovery, found)| (found.height.to_bits(), discovery)));
        order.sort_unstable();
        rank.clear();
        rank.resize(found.len(), 0);
        order.iter().enumerate().for_each(|(place, &(_, discovery))| rank[discovery] = place);
        self.points = points;
        self.merges.clear();
        for &(_, discovery) in order.iter() {
            let Found { nodes, height } = found[discovery];
            let [a, b] = nodes.map(|node| if node < points { node } else { points + rank[node - points] });
            let size = self.size(a) + self.size(b);
            self.merges.push(Merge { left: a.min(b), right: a.max(b), height, size });
        }
    }

    fn size(&self, node: usize) -> usize {
        if node < self.points { 1 } else { self.merges[node - self.points].size }
    }

    /// How many points there are.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The n − 1 merges (none for n ≤ 1).
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// SciPy's linkage matrix Z: (n − 1) × 4 with left, right, height and size.
    pub fn to_scipy(&self) -> Matrix<f64> {
        let row = |merge: &Merge| [merge.left as f64, merge.right as f64, merge.height, merge.size as f64];
        Matrix::new(self.merges.len(), 4, self.merges.iter().flat_map(row).collect())
    }

    /// The points in the order of the tree, the larger branch first.
    pub fn leaves(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.points);
        let mut open: Vec<usize> = (self.points + self.merges.len()).checked_sub(1).into_iter().collect();
        while let Some(node) = open.pop() {
            match node.checked_sub(self.points).map(|place| self.merges[place]) {
                None => order.push(node),
                Some(Merge { left, right, .. }) if self.size(left) >= self.size(right) => open.extend([right, left]),
                Some(Merge { left, right, .. }) => open.extend([left, right]),
            }
        }
        order
    }

    /// The cluster of every point when all merges up to and including height `distance` are made: the partition of
    /// SciPy's `fcluster(Z, distance, "distance")`, clusters numbered `0..` by first appearance.
    pub fn cut(&self, distance: f64) -> Vec<usize> {
        self.labels(self.merges.partition_point(|merge| merge.height <= distance))
    }

    /// The cluster of every point when exactly `count` clusters are left, at least one and at most n; of merges at equal
    /// heights the later ones are undone first.
    pub fn cut_count(&self, count: usize) -> Vec<usize> {
        self.labels(self.points - count.clamp(1.min(self.points), self.points))
    }

    /// As [`cut`](Self::cut), but with some pairs of points apart: the merge that joins them and all above it are undone.
    pub fn cut_apart(&self, distance: f64, apart: &[[usize; 2]]) -> Vec<usize> {
        let count = self.merges.partition_point(|merge| merge.height <= distance);
        if apart.is_empty() {
            return self.labels(count);
        }
        let mut parent = vec![usize::MAX; self.points + self.merges.len()];
        for (place, merge) in self.merges.iter().enumerate() {
            parent[merge.left] = self.points + place;
            parent[merge.right] = self.points + place;
        }
        let parent = &parent;
        let above = |mut node: usize| {
            std::iter::from_fn(move || {
                node = parent[node];
                (node != usize::MAX).then_some(node)
            })
        };
        let mut made = vec![true; count];
        for &[one, other] in apart {
            let of_one: Vec<usize> = above(one).collect();
            for node in above(other).filter(|node| of_one.contains(node)) {
                if let Some(made) = made.get_mut(node - self.points) {
                    *made = false;
                }
            }
        }
        self.labels_where(count, |merge| made[merge])
    }

    /// Labels after the first `made` merges.
    fn labels(&self, made: usize) -> Vec<usize> {
        self.labels_where(made, |_| true)
    }

    /// Labels after those of the first `count` merges that are made.
    fn labels_where(&self, count: usize, made: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut root: Vec<usize> = (0..self.points + count).collect();
        for (place, merge) in self.merges[..count].iter().enumerate().rev().filter(|(place, _)| made(*place)) {
            root[merge.left] = root[self.points + place];
            root[merge.right] = root[self.points + place];
        }
        let mut number = vec![usize::MAX; root.len()];
        let mut count = 0;
        let labels = root[..self.points].iter().map(|&root| {
            if number[root] == usize::MAX {
                number[root] = count;
                count += 1;
            }
            number[root]
        });
        labels.collect()
    }
}
