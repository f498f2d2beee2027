//! Many queries against all: tiles of queries × candidates with the filter fused in.

use super::panel::{ABSENT, BLOCK, Panel, TINY};
use super::{Neighbour, WeightedPoints, squared};
use crate::simd::{Kernel, Simd};

/// Vectors of candidates in a tile.
const VECTORS: usize = 2;
/// A best that is not known yet: below [`ABSENT`], above any distance in the unit of the copy.
const UNKNOWN: f32 = 1e20;

/// See [`WeightedPoints::nearest`].
pub(super) struct Search<'a> {
    pub(super) points: &'a WeightedPoints,
    pub(super) queries: &'a [u32],
    pub(super) labels: Option<&'a [u32]>,
    pub(super) found: &'a mut [Neighbour],
}

/// What the filter knows of one query.
#[derive(Clone, Copy)]
struct Query {
    place: usize,
    norm: f32,
    inverse: f32,
    /// Squared norm in the first coordinates and in all.
    squares: [f32; 2],
    /// The k-th lowest distance so far, in the unit of the copy.
    best: f32,
}

impl Kernel for Search<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match S::REGISTERS {
            32.. => self.scan::<S, 12>(simd),
            16.. => self.scan::<S, 6>(simd),
            _ => self.scan::<S, 2>(simd),
        }
    }
}

impl Search<'_> {
    /// Tiles of `Q` queries; VECTORS·Q accumulators, VECTORS candidates and a query fill the registers.
    #[inline(always)]
    fn scan<S: Simd, const Q: usize>(mut self, simd: S) {
        let panel = &self.points.panel;
        let mut values = vec![0.0; self.queries.len().next_multiple_of(Q) * panel.dims];
        let mut queries: Vec<Query> = Vec::with_capacity(self.queries.len().next_multiple_of(Q));
        for (number, &place) in self.queries.iter().enumerate() {
            queries.push(Query::of(panel, place as usize));
            let start = number / Q * Q * panel.dims + number % Q;
            let query = &panel.queries[place as usize * panel.dims..(place as usize + 1) * panel.dims];
            query.iter().enumerate().for_each(|(k, &value)| values[start + k * Q] = value);
        }
        queries.resize(queries.capacity(), Query::FILLER);
        // Neighbours are often near in the order of points too: begin there, and most others never pass the filter.
        let (blocks, first) = (panel.radius.len(), self.queries[0] as usize / BLOCK);
        for block in (first..blocks).chain(0..first) {
            for (tile, of_tile) in queries.chunks_exact_mut(Q).enumerate() {
                let values = &values[tile * Q * panel.dims..(tile + 1) * Q * panel.dims];
                let of_tile: &mut [Query; Q] = of_tile.try_into().expect("chunks of Q");
                for part in (0..BLOCK).step_by(VECTORS * S::LANES) {
                    let start = block * BLOCK + part;
                    self.tile(simd, tile, of_tile, values, start);
                }
            }
        }
    }

    /// `Q` queries against VECTORS vectors of candidates, from place `start` on.
    #[inline(always)]
    fn tile<S: Simd, const Q: usize>(
        &mut self,
        simd: S,
        tile: usize,
        queries: &mut [Query; Q],
        values: &[f32],
        start: usize,
    ) {
        let panel = &self.points.panel;
        let (block, part, dims) = (start / BLOCK, start % BLOCK, panel.dims);
        assert!(values.len() == Q * dims && part + VECTORS * S::LANES <= BLOCK, "a tile within a block");
        let candidates = &panel.values[block * dims * BLOCK..(block + 1) * dims * BLOCK];
        let mut acc = [vectors(simd, &panel.heads, start); Q];
        products(simd, &mut acc, values, candidates, part, 0..panel.head);
        if panel.head < dims {
            let gaps = gaps(simd, panel, queries, &acc, 0, start);
            if !any(simd, &gaps) {
                return;
            }
            let tails = vectors(simd, &panel.tails, start);
            for q in 0..Q {
                for v in 0..VECTORS {
                    acc[q][v] = simd.add(acc[q][v], tails[v]);
                }
            }
            products(simd, &mut acc, values, candidates, part, panel.head..dims);
        }
        let gaps = gaps(simd, panel, queries, &acc, 1, start);
        if any(simd, &gaps) {
            for q in 0..Q {
                for v in 0..VECTORS {
                    let mut bits = simd.greater(gaps[q][v], simd.splat(0.0));
                    while bits != 0 {
                        let place = start + v * S::LANES + bits.trailing_zeros() as usize;
                        self.consider(tile * Q + q, &mut queries[q], place);
                        bits &= bits - 1;
                    }
                }
            }
        }
    }

    /// Measures a candidate in f64 and keeps it if it is among the nearest.
    #[inline(always)]
    fn consider(&mut self, number: usize, query: &mut Query, place: usize) {
        let WeightedPoints { coordinates, weights, dims, panel } = self.points;
        let own = match self.labels {
            Some(labels) => labels[place] == labels[query.place],
            None => place == query.place,
        };
        if own {
            return;
        }
        let k = self.found.len() / self.queries.len();
        let found = &mut self.found[number * k..(number + 1) * k];
        let squared = squared(coordinates, weights, *dims, query.place, place);
        let neighbour = Neighbour { squared, place: place as u32 };
        if neighbour.is_before(found[k - 1]) {
            let at = found.partition_point(|nearer| nearer.is_before(neighbour));
            found[at..].rotate_right(1);
            found[at] = neighbour;
            query.best = (panel.scaled(found[k - 1].squared) as f32).min(UNKNOWN);
        }
    }
}

impl Query {
    /// Fills up a tile: nothing is near enough to it.
    const FILLER: Self = Self { place: 0, norm: 0.0, inverse: 0.5, squares: [ABSENT; 2], best: 0.0 };

    #[inline(always)]
    fn of(panel: &Panel, place: usize) -> Self {
        let (head, whole) = (panel.heads[place], panel.heads[place] + panel.tails[place]);
        Self { place, norm: whole.sqrt(), inverse: panel.inverse[place], squares: [head, whole], best: UNKNOWN }
    }
}

/// VECTORS vectors of a column, from `start` on.
#[inline(always)]
fn vectors<S: Simd>(simd: S, column: &[f32], start: usize) -> [S::F; VECTORS] {
    let lanes = &column[start..start + VECTORS * S::LANES];
    let mut vectors = [simd.splat(0.0); VECTORS];
    for v in 0..VECTORS {
        // SAFETY: `lanes` holds VECTORS vectors.
        vectors[v] = unsafe { simd.load(lanes.as_ptr().add(v * S::LANES)) };
    }
    vectors
}

/// `acc[q][v] += Σ_k values[q, k]·candidates[k, v]`, over some coordinates.
#[inline(always)]
fn products<S: Simd, const Q: usize>(
    simd: S,
    acc: &mut [[S::F; VECTORS]; Q],
    values: &[f32],
    candidates: &[f32],
    part: usize,
    coordinates: std::ops::Range<usize>,
) {
    assert!(values.len() >= coordinates.end * Q && candidates.len() >= coordinates.end * BLOCK, "all coordinates");
    let mut sums = *acc;
    for k in coordinates {
        let mut b = [simd.splat(0.0); VECTORS];
        for v in 0..VECTORS {
            // SAFETY: `k < end`; a row of candidates holds BLOCK values, of which the tile's are within the block (checked
            // by `tile`).
            b[v] = unsafe { simd.load(candidates.as_ptr().add(k * BLOCK + part + v * S::LANES)) };
        }
        for q in 0..Q {
            // SAFETY: `k < end`; a row of queries holds Q values.
            let a = simd.splat(unsafe { *values.as_ptr().add(k * Q + q) });
            for v in 0..VECTORS {
                sums[q][v] = simd.mul_add(a, b[v], sums[q][v]);
            }
        }
    }
    *acc = sums;
}

/// How far below what its query still accepts each candidate lies; positive passes.
#[inline(always)]
fn gaps<S: Simd, const Q: usize>(
    simd: S,
    panel: &Panel,
    queries: &[Query; Q],
    acc: &[[S::F; VECTORS]; Q],
    stage: usize,
    start: usize,
) -> [[S::F; VECTORS]; Q] {
    let inverse = vectors(simd, &panel.inverse, start);
    let (radius, slack) = (panel.radius[start / BLOCK], panel.slack());
    let mut gaps = [[simd.splat(0.0); VECTORS]; Q];
    for q in 0..Q {
        let Query { norm, inverse: own, squares, best, .. } = queries[q];
        let slack = slack * (norm + radius) * (norm + radius) + TINY;
        let (best, rest) = (simd.splat(best), simd.splat(best * own - squares[stage] + slack));
        for v in 0..VECTORS {
            gaps[q][v] = simd.sub(simd.mul_add(best, inverse[v], rest), acc[q][v]);
        }
    }
    gaps
}

#[inline(always)]
fn any<S: Simd, const Q: usize>(simd: S, gaps: &[[S::F; VECTORS]; Q]) -> bool {
    let mut largest = gaps[0][0];
    for q in 0..Q {
        for v in 0..VECTORS {
            largest = simd.max(largest, gaps[q][v]);
        }
    }
    simd.greater(largest, simd.splat(0.0)) != 0
}
