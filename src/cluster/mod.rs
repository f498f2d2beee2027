//! Exact Ward clustering in Euclidean space, with the tree and heights of SciPy's `linkage(x, "ward")`.
//!
//! The distance between clusters A and B with centroids ā, b̄ and sizes |A|, |B| is
//! `D(A, B) = √(2·|A|·|B| / (|A|+|B|)) · ‖ā − b̄‖`: half its square is what merging them adds to the sum of squared
//! distances to the centroids. Two single points are as far apart as in Euclidean space. When A and B merge, the
//! distance to any other cluster C follows by Lance and Williams:
//! `D²(A∪B, C) = ((|A|+|C|)·D²(A,C) + (|B|+|C|)·D²(B,C) − |C|·D²(A,B)) / (|A|+|B|+|C|)`.
//!
//! ```
//! use homonym::{cluster::linkage, matrix::Matrix};
//!
//! // Points 0 and 2 on a line merge first, at their distance 2; their centroid is 1.
//! let tree = linkage(&Matrix::new(3, 1, vec![0.0, 2.0, 7.0]), &())?;
//! let ward = |a: f64, b: f64, gap: f64| (2.0 * a * b / (a + b)).sqrt() * gap;
//! let heights: Vec<f64> = tree.merges().iter().map(|merge| merge.height).collect();
//! assert_eq!(heights[0], ward(1.0, 1.0, 2.0));
//! assert!((heights[1] - ward(2.0, 1.0, 7.0 - 1.0)).abs() < 1e-12);
//! // The same by Lance and Williams, from D²(0, 7) = 49, D²(2, 7) = 25 and D²(0, 2) = 4:
//! let updated: f64 = (2.0 * 49.0 + 2.0 * 25.0 - 1.0 * 4.0) / 3.0;
//! assert!((heights[1] - updated.sqrt()).abs() < 1e-12);
//! assert_eq!(tree.cut(2.5), [0, 0, 1]);
//! # Ok::<(), homonym::Error>(())
//! ```
//!
//! Ward's distance is reducible (a union is no nearer to C than the nearer of its parts), so any two clusters that are
//! each other's nearest may be merged at once. Small sets are merged along a nearest-neighbour chain (`chain.rs`) with the
//! distances of all pairs at hand, large ones in rounds (`rounds.rs`), which keep centroids and sizes alone, O(n·d) memory.
//! Both leave the search of neighbours to a kernel that filters in bytes and f32 and decides in f64.

mod chain;
mod checkpoint;
mod dendrogram;
mod order;
mod rounds;
mod surroundings;
pub(crate) mod tournament;

pub use checkpoint::Checkpoint;
pub use dendrogram::{Dendrogram, Merge};

use homonym_kernels::Isa;

use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// From here on rounds are faster than the chain.
const ROUNDS_FROM: usize = 1600;

/// Coordinates beyond this would overflow when squared and summed.
const LARGEST: f64 = 1e150;

/// Memory that one clustering leaves to the next, so that many small groups need no allocation.
#[derive(Debug, Default)]
pub struct Scratch {
    points: Matrix<f64>,
    weights: Vec<f64>,
    chain: chain::Chain,
    order: Vec<(u64, usize)>,
    rank: Vec<usize>,
    dendrogram: Dendrogram,
}

/// One merge, in order of discovery: nodes `0..n` are points, node `n + i` is the union that merge `i` made.
#[derive(Clone, Copy, Debug)]
struct Found {
    nodes: [usize; 2],
    height: f64,
}

impl Found {
    /// A merge after those `found` of `count` points. Rounding must not put a union below its parts.
    fn above(found: &[Self], count: usize, nodes: [usize; 2], height: f64) -> Self {
        let below = nodes.iter().filter_map(|&node| Some(found[node.checked_sub(count)?].height));
        Self { nodes, height: below.fold(height, f64::max) }
    }
}

/// Clusters the rows of `points` (n × d); advances `monitor` by n − 1 merges.
///
/// All arithmetic is in f64. Equal distances are resolved the same way every time, whatever the thread count.
///
/// # Errors
/// [`Error::Input`] where a coordinate is NaN, infinite or beyond 1e150; [`Error::Interrupted`].
pub fn linkage<T: Copy + Into<f64>>(points: &Matrix<T>, monitor: &dyn Monitor) -> Result<Dendrogram> {
    let mut scratch = Scratch::default();
    linkage_with(&mut scratch, points.iter_rows(), monitor)?;
    Ok(scratch.dendrogram)
}

/// As [`linkage`], for work that may be stopped: large sets write a checkpoint every minute and when they are interrupted.
/// Whoever has written the tree [removes](Checkpoint::remove) it. The tree does not depend on stops.
///
/// # Errors
/// Those of [`linkage`]; a checkpoint that cannot be written, is damaged or belongs to other points.
pub fn linkage_resumable<T: Copy + Into<f64>>(
    points: &Matrix<T>,
    checkpoint: &Checkpoint,
    monitor: &dyn Monitor,
) -> Result<Dendrogram> {
    let mut scratch = Scratch::default();
    load(&mut scratch.points, points.iter_rows())?;
    scratch.weights.resize(points.rows, 1.0);
    run(&mut scratch, Some(checkpoint), monitor)?;
    Ok(scratch.dendrogram)
}

/// As [`linkage`], on points of equal length from anywhere; the tree stays in `scratch` until its next use.
pub fn linkage_with<'s, 'p, T: Copy + Into<f64> + 'p>(
    scratch: &'s mut Scratch,
    points: impl IntoIterator<Item = &'p [T]>,
    monitor: &dyn Monitor,
) -> Result<&'s Dendrogram> {
    load(&mut scratch.points, points)?;
    scratch.weights.clear();
    scratch.weights.resize(scratch.points.rows, 1.0);
    run(scratch, None, monitor)
}

/// As [`linkage`], on clusters that exist already: each leaf of the tree is one of them, given by its centroid and its
/// positive weight (how many points it holds); heights between them are Ward's. Sizes in the tree count leaves.
pub fn linkage_weighted<'s>(
    scratch: &'s mut Scratch,
    centroids: &Matrix<f64>,
    weights: &[f64],
    monitor: &dyn Monitor,
) -> Result<&'s Dendrogram> {
    assert!(
        weights.len() == centroids.rows && weights.iter().all(|&weight| weight > 0.0),
        "a weight for each centroid"
    );
    load(&mut scratch.points, centroids.iter_rows())?;
    scratch.weights.clear();
    scratch.weights.extend(weights);
    run(scratch, None, monitor)
}

/// Clusters what `scratch` was loaded with.
fn run<'s>(scratch: &'s mut Scratch, checkpoint: Option<&Checkpoint>, monitor: &dyn Monitor) -> Result<&'s Dendrogram> {
    let Scratch { points: copy, weights, chain, order, rank, dendrogram } = scratch;
    let (isa, count) = (Isa::chosen()?, copy.rows);
    if count < ROUNDS_FROM {
        dendrogram.rebuild(count, chain.run(isa, copy, weights, monitor)?, order, rank);
    } else {
        let rounds = rounds::Rounds::of(isa, copy.cols, std::mem::take(&mut copy.data), weights, monitor)?;
        dendrogram.rebuild(count, &rounds.run(checkpoint, monitor)?, order, rank);
    }
    Ok(dendrogram)
}

fn load<'p, T: Copy + Into<f64> + 'p>(copy: &mut Matrix<f64>, points: impl IntoIterator<Item = &'p [T]>) -> Result<()> {
    copy.data.clear();
    copy.rows = 0;
    for point in points {
        if copy.rows > 0 && point.len() != copy.cols {
            let expected = format!("points of {} coordinates", copy.cols);
            return Err(Error::input("the points to cluster", expected, point.len(), "give all the same length"));
        }
        copy.cols = point.len();
        copy.rows += 1;
        copy.data.extend(point.iter().map(|&x| x.into()));
    }
    let is_good = |x: &f64| x.abs() <= LARGEST;
    // Without a branch for each: they hardly ever are not.
    if !copy.data.iter().fold(true, |good, x| good & is_good(x)) {
        let place = copy.data.iter().position(|x| !is_good(x)).expect("one was seen");
        return Err(Error::input(
            "the points to cluster",
            "numbers between -1e150 and 1e150",
            format!("{} in row {}", copy.data[place], place / copy.cols),
            "remove or repair such rows",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
