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
//! each other's nearest may be merged at once: the nearest-neighbour chain ([`chain`]) finds such pairs in O(n) steps.
//! Two geometries answer its questions: all distances in a square for small sets, centroids alone for large ones.

mod centroids;
mod chain;
mod dendrogram;
mod square;

pub use dendrogram::{Dendrogram, Merge};

use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// Up to here all distances are kept (8·n² bytes), beyond only centroids (8·n·d bytes). At this size both take about
/// as long at d = 32, and the square still fits a CPU's caches in part.
const SQUARE_LIMIT: usize = 2048;

/// Coordinates beyond this would overflow when squared and summed.
const LARGEST: f64 = 1e150;

/// Memory that one clustering leaves to the next, so that many small groups need no allocation.
#[derive(Debug, Default)]
pub struct Scratch {
    points: Matrix<f64>,
    chain: chain::Chain,
    square: square::Square,
    order: Vec<usize>,
    rank: Vec<usize>,
    dendrogram: Dendrogram,
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

/// As [`linkage`], on points of equal length from anywhere; the tree stays in `scratch` until its next use.
pub fn linkage_with<'s, 'p, T: Copy + Into<f64> + 'p>(
    scratch: &'s mut Scratch,
    points: impl IntoIterator<Item = &'p [T]>,
    monitor: &dyn Monitor,
) -> Result<&'s Dendrogram> {
    let Scratch { points: copy, chain, square, order, rank, dendrogram } = scratch;
    load(copy, points)?;
    let count = copy.rows;
    let found = if count <= SQUARE_LIMIT {
        square.fill(copy);
        chain.run(count, square, monitor)?
    } else {
        chain.run(count, &mut centroids::Centroids::of(std::mem::take(copy)), monitor)?
    };
    dendrogram.rebuild(count, found, order, rank);
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
    match copy.data.iter().position(|x| x.abs() > LARGEST || x.is_nan()) {
        None => Ok(()),
        Some(place) => Err(Error::input(
            "the points to cluster",
            "numbers between -1e150 and 1e150",
            format!("{} in row {}", copy.data[place], place / copy.cols),
            "remove or repair such rows",
        )),
    }
}

/// `‖a − b‖²`, summed in eight lanes so that the compiler can use vector registers.
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests;
