//! All pairs of a few points, for the walks of the nearest-neighbour chain.
//!
//! ```text
//! D[x, y] ← 2ab/(a+b)·(‖x‖² + ‖y‖² − 2·x·y)                  in f32, tiles of rows × columns
//! x's nearest: all y with D[x, y] ≤ min D[x, ·] + margin      usually one; else f64 decides
//! x ← x ∪ y:  D[x, z] ← ((a+c)·D[x, z] + (b+c)·D[y, z] − c·D²(x, y)) / (a+b+c), by row and by column
//! ```
//!
//! 1. f32 only filters, as in the search among many; D²(x, y), the height of the merge, is of f64.
//! 2. Because that is exact, errors do not grow: let those of D[x, z] and D[y, z] be at most e·2ac/(a+c) and e·2bc/(b+c);
//!    then that of their union is at most e·2(a+b)c/(a+b+c), and what rounding adds.
//! 3. Places never move. One that is empty is masked by an infinite summand, and its rows and columns rest.
//!
//! Given up: the same in f64, where filling the matrix takes most of the time; rows that learn of unions only when they are
//! looked at, which spares stores but not time.

use super::panel::{BLOCK, Panel, TINY};
use super::tiles::vectors;
use super::{WeightedPoints, tiles::VECTORS, two_rows};
use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::simd::{Kernel, Simd};

/// Columns come in multiples of this: as many as a word has bits, whole vectors of every instruction set.
const COLUMNS: usize = u32::BITS as usize;
/// Values of a cache line.
const LINE: usize = 16;

/// Weighted points that become clusters, with the distances of all pairs. A union goes by the place of one of its parts.
#[derive(Clone, Debug, Default)]
pub struct WeightedPairs {
    points: WeightedPoints,
    /// Squared distances in the unit of the copy, row after row; infinite from a place to itself.
    matrix: Buffer,
    /// From one row to the next: an odd number of cache lines, so that a column is spread over the cache.
    stride: usize,
    /// By place, beside a row of the matrix: weights; zero where there is a cluster, else infinite.
    weights: Buffer,
    absent: Buffer,
    /// The places where there is a cluster, ascending.
    living: Vec<u32>,
    /// By place, how many merges of merges made the cluster; the most; and the margin that follows, for a weight of one.
    depths: Vec<u32>,
    deepest: u32,
    margin: f32,
}

impl WeightedPairs {
    /// Takes points, see [`WeightedPoints::refill`], and measures all pairs. O(n²) memory, which is used again.
    pub fn refill(&mut self, isa: Isa, dims: usize, coordinates: &[f64], weights: &[f64]) {
        let count = weights.len();
        self.points.refill(isa, dims, coordinates.iter().copied(), weights.iter().copied());
        self.stride = count.next_multiple_of(COLUMNS) + LINE;
        for row in [&mut self.weights, &mut self.absent] {
            row.at_least(self.stride);
        }
        self.weights[..count].iter_mut().zip(weights).for_each(|(own, &weight)| *own = weight as f32);
        self.weights[count..].fill(1.0);
        self.absent[..count].fill(0.0);
        self.absent[count..].fill(f32::INFINITY);
        self.living.clear();
        self.living.extend(0..count as u32);
        self.depths.clear();
        self.depths.resize(count, 0);
        self.deepest = 0;
        let matrix = self.matrix.at_least(count * self.stride);
        isa.run(Fill { panel: &self.points.panel, matrix, stride: self.stride });
        (0..count).for_each(|place| matrix[place * self.stride + place] = f32::INFINITY);
        self.margin = self.margin();
    }

    /// The places where there is a cluster, ascending.
    pub fn living(&self) -> &[u32] {
        &self.living
    }

    /// Squared Ward distance of two clusters, in f64; symmetric to the last bit.
    pub fn squared(&self, one: usize, other: usize) -> f64 {
        self.points.squared(one, other)
    }

    /// Places among which the nearest neighbour of the cluster at `of` is, with all that are as near; usually just one.
    pub fn candidates(&self, isa: Isa, of: usize, places: &mut Vec<u32>) {
        assert!(self.absent[of] == 0.0 && self.living.len() > 1, "one of several clusters");
        places.clear();
        let columns = self.columns();
        let row = &self.matrix[of * self.stride..][..columns];
        isa.run(Nearest { row, absent: &self.absent[..columns], margin: self.margin * self.weights[of], places });
    }

    /// Columns that are looked at.
    fn columns(&self) -> usize {
        self.depths.len().next_multiple_of(COLUMNS)
    }

    /// By how much the nearest of a cluster of weight one may seem farther than another: twice the error of an entry.
    ///
    /// The weight 2ab/(a+b) of an entry is no more than twice that of either. See [`Panel::slack`] for the first term. With
    /// u = 2⁻²⁴ a merge adds at most 8u·(2·radius)² for the coefficients, products and sums of its row, and what rounding
    /// coordinates in f64 does to a point far from the origin; both clusters of an entry have been merged so often.
    fn margin(&self) -> f32 {
        let panel = &self.points.panel;
        let merge = 8.0 / f64::from(1u32 << 24) + 12.0 * f64::EPSILON * (panel.dims as f64).sqrt() * panel.offset();
        let error = f64::from(panel.slack()) + 2.0 * f64::from(self.deepest) * merge;
        let reach = 2.0 * panel.radius.iter().fold(0.0, |a: f32, &b| a.max(b));
        4.0 * (error as f32 * reach * reach + TINY)
    }

    /// Makes one cluster, at `keep`, of two; returns the squared distance they had.
    pub fn merge(&mut self, isa: Isa, keep: usize, gone: usize) -> f64 {
        assert!(keep != gone && self.absent[keep] == 0.0 && self.absent[gone] == 0.0, "two clusters");
        let squared = isa.run(Unite { pairs: self, keep, gone });
        self.absent[gone] = f32::INFINITY;
        self.depths[keep] = 1 + self.depths[keep].max(self.depths[gone]);
        if self.depths[keep] > self.deepest {
            self.deepest = self.depths[keep];
            self.margin = self.margin();
        }
        squared
    }
}

/// All distances.
struct Fill<'a> {
    panel: &'a Panel,
    matrix: &'a mut [f32],
    stride: usize,
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match S::REGISTERS {
            32.. => self.tiles::<S, 12>(simd),
            16.. => self.tiles::<S, 6>(simd),
            _ => self.tiles::<S, 2>(simd),
        }
    }
}

impl Fill<'_> {
    /// Tiles of `Q` rows.
    #[inline(always)]
    fn tiles<S: Simd, const Q: usize>(self, simd: S) {
        let Self { panel, matrix, stride } = self;
        let count = matrix.len() / stride;
        // Divisions take their time: most often there is nothing to weigh.
        let is_one = panel.inverse[..count].iter().all(|&inverse| inverse == 0.5);
        for (number, rows) in matrix.chunks_mut(Q * stride).enumerate() {
            // A last tile of fewer rows computes its last one several times.
            let places: [usize; Q] = std::array::from_fn(|q| (number * Q + q).min(count - 1));
            let queries = places.map(|place| &panel.queries[place * panel.dims..(place + 1) * panel.dims]);
            for start in (0..count).step_by(VECTORS * S::LANES) {
                let norms = vectors(simd, &panel.squares, start);
                let sums = products(simd, panel, queries, start, norms);
                let inverse = vectors(simd, &panel.inverse, start);
                for (q, row) in rows.chunks_exact_mut(stride).enumerate() {
                    let square = simd.splat(panel.squares[places[q]]);
                    let own = simd.splat(panel.inverse[places[q]]);
                    let row = &mut row[start..start + VECTORS * S::LANES];
                    for (v, row) in row.chunks_exact_mut(S::LANES).enumerate() {
                        let mut squared = simd.add(sums[q][v], square);
                        if !is_one {
                            squared = simd.div(squared, simd.add(inverse[v], own));
                        }
                        // SAFETY: the chunk has LANES places.
                        unsafe { simd.store(row.as_mut_ptr(), squared) };
                    }
                }
            }
        }
    }
}

/// `norms − 2·x·y` of some queries and the candidates from `start` on.
#[inline(always)]
fn products<S: Simd, const Q: usize>(
    simd: S,
    panel: &Panel,
    queries: [&[f32]; Q],
    start: usize,
    norms: [S::F; VECTORS],
) -> [[S::F; VECTORS]; Q] {
    let dims = panel.dims;
    let candidates = &panel.values[start / BLOCK * dims * BLOCK..(start / BLOCK + 1) * dims * BLOCK];
    assert!(start % BLOCK + VECTORS * S::LANES <= BLOCK, "vectors within a block");
    assert!(queries.iter().all(|query| query.len() == dims), "all coordinates");
    let mut sums = [norms; Q];
    for k in 0..dims {
        let mut b = norms;
        for v in 0..VECTORS {
            // SAFETY: row `k < dims` of the block holds BLOCK values, the vectors are within it.
            b[v] = unsafe { simd.load(candidates.as_ptr().add(k * BLOCK + start % BLOCK + v * S::LANES)) };
        }
        for q in 0..Q {
            // SAFETY: `k < dims`, the length of every query.
            let a = simd.splat(unsafe { *queries[q].get_unchecked(k) });
            for v in 0..VECTORS {
                sums[q][v] = simd.mul_add(a, b[v], sums[q][v]);
            }
        }
    }
    sums
}

/// Collects the places of a row that may be its nearest.
struct Nearest<'a> {
    row: &'a [f32],
    absent: &'a [f32],
    margin: f32,
    places: &'a mut Vec<u32>,
}

impl Kernel for Nearest<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { row, absent, margin, places } = self;
        let mut nearest = simd.splat(f32::INFINITY);
        for (row, absent) in row.chunks_exact(S::LANES).zip(absent.chunks_exact(S::LANES)) {
            nearest = simd.min(nearest, sum(simd, row, absent));
        }
        let limit = simd.splat(simd.least(nearest) + margin);
        for (word, (row, absent)) in row.chunks_exact(COLUMNS).zip(absent.chunks_exact(COLUMNS)).enumerate() {
            let mut farther = 0;
            for at in (0..COLUMNS).step_by(S::LANES) {
                let sum = sum(simd, &row[at..at + S::LANES], &absent[at..at + S::LANES]);
                farther |= simd.greater(sum, limit) << at;
            }
            let mut near = !farther;
            while near != 0 {
                places.push((word * COLUMNS) as u32 + near.trailing_zeros());
                near &= near - 1;
            }
        }
    }
}

#[inline(always)]
fn sum<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> S::F {
    // SAFETY: both are chunks of LANES values.
    unsafe { simd.add(simd.load(a.as_ptr()), simd.load(b.as_ptr())) }
}

/// Puts a union in the place of one of its parts; the squared distance that they had.
struct Unite<'a> {
    pairs: &'a mut WeightedPairs,
    keep: usize,
    gone: usize,
}

impl Kernel for Unite<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let Self { pairs, keep, gone } = self;
        let (squared, stride, columns) = (pairs.squared(keep, gone), pairs.stride, pairs.columns());
        let WeightedPairs { points, matrix, weights, living, .. } = pairs;
        points.unite(keep, gone);
        let [a, b] = [keep, gone].map(|place| weights[place]);
        let (own, own_other, both) = (simd.splat(a), simd.splat(b), simd.splat(a + b));
        let (one, apart) = (simd.splat(1.0), simd.splat(-(points.panel.scaled(squared) as f32)));
        let [kept, other] = two_rows(matrix, stride, [keep, gone]).map(|row| &mut row[..columns]);
        let rest = other.chunks_exact(S::LANES).zip(weights.chunks_exact(S::LANES));
        for (kept, (other, weights)) in kept.chunks_exact_mut(S::LANES).zip(rest) {
            // SAFETY: all three are chunks of LANES values.
            unsafe {
                let c = simd.load(weights.as_ptr());
                let [p, q] = [simd.load(kept.as_ptr()), simd.load(other.as_ptr())];
                let sum = simd.mul_add(simd.add(own_other, c), q, simd.mul(apart, c));
                let sum = simd.mul_add(simd.add(own, c), p, sum);
                simd.store(kept.as_mut_ptr(), simd.mul(sum, simd.div(one, simd.add(both, c))));
            }
        }
        weights[keep] = a + b;
        living.remove(living.partition_point(|&place| place < gone as u32));
        for place in living.iter().map(|&place| place as usize) {
            matrix[place * stride + keep] = matrix[keep * stride + place];
        }
        squared
    }
}
