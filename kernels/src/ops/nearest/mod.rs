//! Exact nearest neighbours among weighted points, under Ward's distance `D² = 2ab/(a+b)·‖x − y‖²` (weights a, b; with
//! weights of 1 it is the squared Euclidean distance).
//!
//! ```text
//! for each block of 64 candidates, for each tile of queries:
//!     acc ← ‖y‖² − 2·x·y                        in f32
//!     where acc < best·(i_x + i_y) − ‖x‖² + slack, i = 1/(2·weight):
//!         D² ← 2ab/(a+b)·Σ(x − y)²              in f64; keep it if it is among the k lowest
//! ```
//!
//! 1. f32 only filters. `slack` bounds all that rounding can do to `acc`, so that a neighbour may pass for nothing but is
//!    never missed; what is kept was computed in f64 from the points as they were given. Results therefore do not
//!    depend on the instruction set.
//! 2. The weights need no division: `D² < best` is `‖x − y‖² < best·(i_x + i_y)`.
//! 3. The f32 copy is centred and scaled by a power of two, which keeps its norms, and so the slack, small; the slack is
//!    that of a block, so that an outlier makes only its own block expensive.
//! 4. Where all meet all, a product is weighed for both its ends.
//! 5. Where points are many and long, a copy in bytes filters before that in f32 (`bytes.rs`), at half the price;
//!    what its rounding can do is added to the slack.
//!
//! Given up: trees of balls around pivots, which win on well separated data only; balls around blocks of points that are in
//! a good order, which let 98 % of the pairs through; half of the coordinates in f32 instead of bytes.

mod bytes;
mod pairs;
mod panel;
mod tiles;

use std::ops::Range;

use crate::isa::Isa;
use crate::simd::{Kernel, Simd};
pub use pairs::WeightedPairs;
use panel::{Fit, Panel};

/// A neighbour of a point. Orders by distance, then place.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Neighbour {
    /// Squared Ward distance; infinite where there is no neighbour.
    pub squared: f64,
    /// Its place; `u32::MAX` where there is none.
    pub place: u32,
}

impl Neighbour {
    /// No neighbour.
    pub const NONE: Self = Self { squared: f64::INFINITY, place: u32::MAX };

    fn is_before(self, other: Self) -> bool {
        self.squared < other.squared || (self.squared == other.squared && self.place < other.place)
    }
}

/// Points with weights, at places `0..len`, laid out for the search of neighbours.
#[derive(Clone, Debug, Default)]
pub struct WeightedPoints {
    dims: usize,
    /// Coordinates, point after point.
    coordinates: Vec<f64>,
    weights: Vec<f64>,
    panel: Panel,
}

/// Queries that look at a block together: their bytes and the block stay in the first cache.
const TOGETHER: usize = 384;

impl WeightedPoints {
    /// Searches go through whole blocks of so many places.
    pub const BLOCK: usize = panel::BLOCK;

    /// Takes points of `dims` coordinates, one after the other, below 1e150 each, with one positive weight a point; the
    /// memory of earlier points is used again.
    pub fn refill(
        &mut self,
        isa: Isa,
        dims: usize,
        coordinates: impl Iterator<Item = f64>,
        weights: impl Iterator<Item = f64>,
    ) {
        self.dims = dims;
        self.coordinates.clear();
        self.coordinates.extend(coordinates);
        self.weights.clear();
        self.weights.extend(weights);
        assert_eq!(self.coordinates.len(), dims * self.weights.len(), "points of {dims} coordinates");
        assert!(u32::try_from(self.len()).is_ok(), "places are 32-bit numbers");
        self.fit(isa);
    }

    /// Makes the copy anew.
    fn fit(&mut self, isa: Isa) {
        let Self { dims, coordinates, weights, panel } = self;
        isa.run(Fit { panel, dims: *dims, coordinates, weights });
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The weight at a place.
    pub fn weight(&self, place: usize) -> f64 {
        self.weights[place]
    }

    /// The point at a place.
    pub fn point(&self, place: usize) -> &[f64] {
        &self.coordinates[place * self.dims..(place + 1) * self.dims]
    }

    /// Squared Ward distance of the points at two places, in f64; symmetric to the last bit.
    #[inline(always)]
    pub fn squared(&self, one: usize, other: usize) -> f64 {
        let (a, b) = (self.weights[one], self.weights[other]);
        2.0 * a * b / (a + b) * squared_distance(self.point(one), self.point(other))
    }

    /// Replaces the point at `keep` by the weighted mean of it and the one at `gone`, weights added. There is no point at
    /// `gone` from then on: it is nobody's neighbour and must not be a query.
    pub fn merge(&mut self, isa: Isa, keep: usize, gone: usize) {
        isa.run(Merge { points: self, keep, gone });
    }

    /// Closes the gaps between the points at the places that live; their order stays.
    pub fn retain(&mut self, isa: Isa, lives: impl Fn(usize) -> bool) {
        let d = self.dims;
        let mut count = 0;
        for place in (0..self.len()).filter(|&place| lives(place)) {
            self.coordinates.copy_within(place * d..(place + 1) * d, count * d);
            self.weights[count] = self.weights[place];
            count += 1;
        }
        self.coordinates.truncate(count * d);
        self.weights.truncate(count);
        self.fit(isa);
    }

    /// Replaces the point at `keep` by the weighted mean of two; leaves the copy as it was.
    #[inline(always)]
    fn unite(&mut self, keep: usize, gone: usize) {
        let (a, b, d) = (self.weights[keep], self.weights[gone], self.dims);
        let share = b / (a + b);
        let [kept, other] = two_rows(&mut self.coordinates, d, [keep, gone]);
        kept.iter_mut().zip(&*other).for_each(|(x, y)| *x += share * (y - *x));
        self.weights[keep] = a + b;
    }

    /// Adds to the `k = found.len() / queries.len()` nearest neighbours known of each query (a place) those that are nearer,
    /// among the places `among`, which begin at a multiple of [`Self::BLOCK`] and end at one or at the last point. Of each
    /// query in turn, ascending; [`Neighbour::NONE`] where there is none. Points whose `labels` equal that of the query are
    /// not its neighbours; without labels that is the query itself.
    pub fn nearest(
        &self,
        isa: Isa,
        queries: &[u32],
        among: Range<usize>,
        labels: Option<&[u32]>,
        found: &mut [Neighbour],
    ) {
        assert!(labels.is_none_or(|labels| labels.len() == self.len()), "one label a point");
        assert!(queries.iter().all(|&query| (query as usize) < self.len()), "places of points");
        let blocks = self.blocks(among);
        if queries.is_empty() || found.is_empty() {
            return;
        }
        assert!(found.len().is_multiple_of(queries.len()), "as many neighbours of each query");
        let k = found.len() / queries.len();
        for (queries, found) in queries.chunks(TOGETHER).zip(found.chunks_mut(TOGETHER * k)) {
            let (blocks, tiles) = (blocks.clone(), isa.tiles());
            isa.run(tiles::Search { points: self, queries, labels, found, blocks, mutual: None, tiles });
        }
    }

    /// As [`nearest`](Self::nearest) of the places `rows` among the places `columns` and the other way round, at half the
    /// price: every pair is measured once. Rows and columns are apart.
    pub fn nearest_mutual(
        &self,
        isa: Isa,
        [rows, columns]: [Range<usize>; 2],
        labels: Option<&[u32]>,
        [of_rows, of_columns]: [&mut [Neighbour]; 2],
    ) {
        assert!(labels.is_none_or(|labels| labels.len() == self.len()), "one label a point");
        assert!(rows.end <= columns.start || columns.end <= rows.start, "each pair once");
        if rows.is_empty() || columns.is_empty() || of_rows.is_empty() {
            return;
        }
        let k = of_rows.len() / rows.len();
        assert!(of_rows.len() == k * rows.len() && of_columns.len() == k * columns.len(), "as many neighbours of each");
        let blocks = self.blocks(columns);
        let queries: Vec<u32> = rows.map(|place| place as u32).collect();
        for (queries, found) in queries.chunks(TOGETHER).zip(of_rows.chunks_mut(TOGETHER * k)) {
            let (blocks, mutual, tiles) = (blocks.clone(), Some(&mut *of_columns), isa.tiles());
            isa.run(tiles::Search { points: self, queries, labels, found, blocks, mutual, tiles });
        }
    }

    /// The blocks of these places.
    fn blocks(&self, places: Range<usize>) -> Range<usize> {
        assert!(places.end <= self.len() && places.start.is_multiple_of(Self::BLOCK), "whole blocks of places");
        assert!(places.end.is_multiple_of(Self::BLOCK) || places.end == self.len(), "whole blocks of places");
        places.start / Self::BLOCK..places.end.div_ceil(Self::BLOCK)
    }
}

/// See [`WeightedPoints::merge`].
struct Merge<'a> {
    points: &'a mut WeightedPoints,
    keep: usize,
    gone: usize,
}

impl Kernel for Merge<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { points, keep, gone } = self;
        points.unite(keep, gone);
        let WeightedPoints { dims, coordinates, weights, panel } = points;
        panel.set(keep, &coordinates[keep * *dims..(keep + 1) * *dims], weights[keep]);
        panel.remove(gone);
    }
}

/// Two different rows of a matrix, `stride` values each.
#[inline(always)]
fn two_rows<T>(values: &mut [T], stride: usize, [one, other]: [usize; 2]) -> [&mut [T]; 2] {
    let (before, after) = values.split_at_mut(one.max(other) * stride);
    let (low, high) = (&mut before[one.min(other) * stride..][..stride], &mut after[..stride]);
    if one < other { [low, high] } else { [high, low] }
}

/// `‖a − b‖²`, summed in eight lanes, which every instruction set adds up alike.
#[inline(always)]
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
