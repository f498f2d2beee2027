//! Many queries against many candidates: tiles of queries × candidates with the filter fused in.

use std::ops::Range;

use super::bytes::Filter;
use super::panel::{ABSENT, BLOCK, Panel, TINY};
use super::{Neighbour, WeightedPoints};
use crate::simd::{Kernel, Simd};
use crate::tiles::Tiles;

/// Vectors of candidates in a tile.
pub(super) const VECTORS: usize = 2;
/// A best that is not known yet: below [`ABSENT`], above any distance in the unit of the copy.
const UNKNOWN: f32 = 1e20;

/// See [`WeightedPoints::nearest`] and [`WeightedPoints::nearest_mutual`].
pub(super) struct Search<'a> {
    pub(super) points: &'a WeightedPoints,
    pub(super) queries: &'a [u32],
    pub(super) labels: Option<&'a [u32]>,
    /// The neighbours found of the queries, some of each in turn.
    pub(super) found: &'a mut [Neighbour],
    /// The blocks of the candidates.
    pub(super) blocks: Range<usize>,
    /// The neighbours found of the candidates, where queries are neighbours of theirs too.
    pub(super) mutual: Option<&'a mut [Neighbour]>,
    /// To filter in bytes on, where the set has them.
    pub(super) tiles: Option<Tiles>,
}

/// A search under way.
struct Scan<'a> {
    search: Search<'a>,
    /// How many neighbours of each point are kept.
    k: usize,
    /// The k-th lowest distance of each mutual candidate so far, in the unit of the copy.
    bests: Vec<f32>,
}

/// What the filter knows of the queries of a tile.
#[derive(Clone, Copy)]
struct Tile<const Q: usize> {
    norms: [f32; Q],
    inverses: [f32; Q],
    squares: [f32; Q],
    /// By how much the bytes of each miss it.
    errors: [f32; Q],
    /// The k-th lowest distances so far, in the unit of the copy.
    bests: [f32; Q],
    /// Below these a candidate of the present block passes, by its bytes and in f32.
    limits: [[f32; Q]; 2],
}

impl Kernel for Search<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let k = self.found.len() / self.queries.len();
        let best = |found: &[Neighbour]| self.points.panel.best(found);
        let mut bests: Vec<f32> = self.mutual.iter().flat_map(|found| found.chunks_exact(k)).map(best).collect();
        bests.resize(bests.len().next_multiple_of(BLOCK), 0.0);
        let scan = Scan { k, bests, search: self };
        match (S::REGISTERS, scan.search.mutual.is_some()) {
            (32.., true) => scan.run::<S, 12, true>(simd),
            (32.., false) => scan.run::<S, 12, false>(simd),
            (16.., true) => scan.run::<S, 6, true>(simd),
            (16.., false) => scan.run::<S, 6, false>(simd),
            (_, true) => scan.run::<S, 2, true>(simd),
            (_, false) => scan.run::<S, 2, false>(simd),
        }
    }
}

impl Scan<'_> {
    /// Tiles of `Q` queries; VECTORS·Q accumulators, VECTORS candidates and a query fill the registers.
    #[inline(always)]
    fn run<S: Simd, const Q: usize, const MUTUAL: bool>(mut self, simd: S) {
        let Search { points: WeightedPoints { panel, .. }, queries, blocks, .. } = &self.search;
        let values = Tiled::of(queries, Q, panel.dims, |place, number, values| {
            let query = &panel.queries[place * panel.dims..(place + 1) * panel.dims];
            values.iter_mut().skip(number).step_by(Q).zip(query).for_each(|(value, &x)| *value = x);
        });
        let mut filter = panel.bytes.as_ref().map(|bytes| Filter::of(bytes, queries, Q, self.search.tiles));
        let found = self.search.found.chunks(self.k * Q);
        let tiles = queries.chunks(Q).zip(found).map(|(queries, found)| Tile::of(panel, queries, found, self.k));
        let mut tiles: Vec<Tile<Q>> = tiles.collect();
        // Neighbours are often near in the order of points too: begin there, and most others never pass the filter.
        let Range { start, end } = *blocks;
        let first = (queries[0] as usize / BLOCK).clamp(start, end);
        for block in (first..end).chain(start..first) {
            for (number, tile) in tiles.iter_mut().enumerate() {
                self.block::<S, Q, MUTUAL>(simd, number, tile, values.of_tile(number), filter.as_mut(), block);
            }
        }
    }

    /// The queries of a tile against a block.
    #[inline(always)]
    fn block<S: Simd, const Q: usize, const MUTUAL: bool>(
        &mut self,
        simd: S,
        number: usize,
        tile: &mut Tile<Q>,
        values: &[f32],
        mut filter: Option<&mut Filter<'_>>,
        block: usize,
    ) {
        let panel = &self.search.points.panel;
        let dims = panel.dims;
        assert!(values.len() == Q * dims && BLOCK.is_multiple_of(VECTORS * S::LANES), "tiles within a block");
        let candidates = &panel.values[block * dims * BLOCK..(block + 1) * dims * BLOCK];
        tile.limit::<MUTUAL>(panel, block);
        if let Some(filter) = &mut filter {
            filter.meet(number, block);
        }
        for part in (0..BLOCK).step_by(VECTORS * S::LANES) {
            let start = block * BLOCK + part;
            let inverse = vectors(simd, &panel.inverse, start);
            let mut theirs = [simd.splat(0.0); VECTORS];
            if MUTUAL {
                let bests = vectors(simd, &self.bests, start - self.search.blocks.start * BLOCK);
                theirs = bests.map(|best| simd.sub(theirs[0], best));
            }
            let squares = vectors(simd, &panel.squares, start);
            if let Some(filter) = &filter {
                let (products, unit) = (filter.products::<S, Q>(simd, number, start), simd.splat(filter.unit()));
                let mut gap = simd.splat(0.0);
                for q in 0..Q {
                    let mut acc = squares;
                    for v in 0..VECTORS {
                        acc[v] = simd.mul_add(unit, products[q][v], squares[v]);
                    }
                    let excess = tile.excess::<S, MUTUAL>(simd, q, acc, inverse, theirs);
                    gap = widest(simd, gap, tile.limits[0][q], excess);
                }
                if simd.greater(gap, simd.splat(0.0)) == 0 {
                    continue;
                }
            }
            let mut excess = [squares; Q];
            products(simd, &mut excess, values, candidates, part);
            let mut gap = simd.splat(0.0);
            for q in 0..Q {
                excess[q] = tile.excess::<S, MUTUAL>(simd, q, excess[q], inverse, theirs);
                gap = widest(simd, gap, tile.limits[1][q], excess[q]);
            }
            if simd.greater(gap, simd.splat(0.0)) != 0 {
                for q in 0..Q {
                    for v in 0..VECTORS {
                        let mut bits = simd.greater(simd.splat(tile.limits[1][q]), excess[q][v]);
                        while bits != 0 {
                            let place = start + v * S::LANES + bits.trailing_zeros() as usize;
                            self.consider::<Q, MUTUAL>(number * Q + q, &mut tile.bests[q], place);
                            bits &= bits - 1;
                        }
                    }
                }
                tile.limit::<MUTUAL>(panel, block);
            }
        }
    }

    /// Measures a candidate in f64 and keeps it if it is among the nearest.
    #[inline(always)]
    fn consider<const Q: usize, const MUTUAL: bool>(&mut self, number: usize, best: &mut f32, place: usize) {
        let Search { points, queries, labels, found, blocks, mutual, .. } = &mut self.search;
        let query = queries[number] as usize;
        let own = match labels {
            Some(labels) => labels[place] == labels[query],
            None => place == query,
        };
        if own {
            return;
        }
        let squared = points.squared(query, place);
        let found = &mut found[number * self.k..(number + 1) * self.k];
        if keep(found, Neighbour { squared, place: place as u32 }) {
            *best = points.panel.best(found);
        }
        if let Some(found) = mutual.as_mut().filter(|_| MUTUAL) {
            let number = place - blocks.start * BLOCK;
            let found = &mut found[number * self.k..(number + 1) * self.k];
            if keep(found, Neighbour { squared, place: query as u32 }) {
                self.bests[number] = points.panel.best(found);
            }
        }
    }
}

/// Numbers of queries, so many of each, tile after tile.
pub(super) struct Tiled<T> {
    of_a_tile: usize,
    values: Vec<T>,
}

impl<T: Copy + Default> Tiled<T> {
    /// `write` puts those of a place, the query of some number in its tile, among those of the tile.
    #[inline(always)]
    pub(super) fn of(queries: &[u32], size: usize, count: usize, write: impl Fn(usize, usize, &mut [T])) -> Self {
        let of_a_tile = size * count;
        let mut values = vec![T::default(); queries.len().div_ceil(size) * of_a_tile];
        for (number, &place) in queries.iter().enumerate().filter(|_| count > 0) {
            let tile = &mut values[number / size * of_a_tile..][..of_a_tile];
            write(place as usize, number % size, tile);
        }
        Self { of_a_tile, values }
    }

    #[inline(always)]
    pub(super) fn of_tile(&self, number: usize) -> &[T] {
        &self.values[number * self.of_a_tile..(number + 1) * self.of_a_tile]
    }
}

/// Puts a neighbour among the nearest, if it is one of them.
#[inline(always)]
fn keep(found: &mut [Neighbour], neighbour: Neighbour) -> bool {
    let is_nearer = found.last().is_some_and(|&last| neighbour.is_before(last));
    if is_nearer {
        let at = found.partition_point(|nearer| nearer.is_before(neighbour));
        if found[at] == neighbour {
            return false; // known from before
        }
        found[at..].rotate_right(1);
        found[at] = neighbour;
    }
    is_nearer
}

impl Panel {
    /// What a point with these neighbours still accepts, in the unit of the copy.
    #[inline(always)]
    fn best(&self, found: &[Neighbour]) -> f32 {
        (self.scaled(found[found.len() - 1].squared) as f32).min(UNKNOWN)
    }
}

impl<const Q: usize> Tile<Q> {
    /// Queries with their neighbours so far; fewer than `Q` are filled up with some that nothing is near enough to.
    #[inline(always)]
    fn of(panel: &Panel, queries: &[u32], found: &[Neighbour], k: usize) -> Self {
        let [none, far] = [[0.0; Q], [ABSENT; Q]];
        let (squares, inverses, limits) = (far, [0.5; Q], [none; 2]);
        let mut tile = Self { norms: none, inverses, squares, errors: none, bests: none, limits };
        for (q, (&place, found)) in queries.iter().zip(found.chunks(k)).enumerate() {
            tile.squares[q] = panel.squares[place as usize];
            tile.norms[q] = tile.squares[q].sqrt();
            tile.errors[q] = panel.bytes.as_ref().map_or(0.0, |bytes| bytes.errors[place as usize]);
            tile.inverses[q] = panel.inverse[place as usize];
            tile.bests[q] = panel.best(found);
        }
        tile
    }

    /// Sets the limits for the candidates of a block.
    #[inline(always)]
    fn limit<const MUTUAL: bool>(&mut self, panel: &Panel, block: usize) {
        let (radius, slack) = (panel.radius[block], panel.slack());
        let error = panel.bytes.as_ref().map_or(0.0, |bytes| bytes.error[block]);
        for q in 0..Q {
            let reach = self.norms[q] + radius;
            let own = if MUTUAL { 0.0 } else { self.bests[q] * self.inverses[q] };
            let least = own + slack * reach * reach + TINY;
            let rounding = 2.0 * (self.errors[q] * radius + (self.norms[q] + self.errors[q]) * error);
            self.limits[0][q] = least + rounding - self.squares[q];
            self.limits[1][q] = least - self.squares[q];
        }
    }

    /// `acc` less what depends on both query and candidate: where it is below its limit the candidate passes. With
    /// mutual candidates it is enough that one of the two accepts the other.
    #[inline(always)]
    fn excess<S: Simd, const MUTUAL: bool>(
        &self,
        simd: S,
        q: usize,
        acc: [S::F; VECTORS],
        inverse: [S::F; VECTORS],
        theirs: [S::F; VECTORS],
    ) -> [S::F; VECTORS] {
        let (best, own) = (simd.splat(-self.bests[q]), simd.splat(self.inverses[q]));
        let mut excess = acc;
        for v in 0..VECTORS {
            let (best, inverse) =
                if MUTUAL { (simd.min(best, theirs[v]), simd.add(inverse[v], own)) } else { (best, inverse[v]) };
            excess[v] = simd.mul_add(best, inverse, acc[v]);
        }
        excess
    }
}

/// VECTORS vectors of a column, from `start` on.
#[inline(always)]
pub(super) fn vectors<S: Simd>(simd: S, column: &[f32], start: usize) -> [S::F; VECTORS] {
    let lanes = &column[start..start + VECTORS * S::LANES];
    let mut vectors = [simd.splat(0.0); VECTORS];
    for v in 0..VECTORS {
        // SAFETY: `lanes` holds VECTORS vectors.
        vectors[v] = unsafe { simd.load(lanes.as_ptr().add(v * S::LANES)) };
    }
    vectors
}

/// `acc[q][v] += Σ_k values[q, k]·candidates[k, v]`.
#[inline(always)]
fn products<S: Simd, const Q: usize>(
    simd: S,
    acc: &mut [[S::F; VECTORS]; Q],
    values: &[f32],
    candidates: &[f32],
    part: usize,
) {
    let dims = values.len() / Q;
    assert!(candidates.len() >= dims * BLOCK, "all coordinates");
    let mut sums = *acc;
    for k in 0..dims {
        let mut b = [simd.splat(0.0); VECTORS];
        for v in 0..VECTORS {
            // SAFETY: `k < dims`; a row of candidates holds BLOCK values, of which the tile's are within the block (checked
            // by `block`).
            b[v] = unsafe { simd.load(candidates.as_ptr().add(k * BLOCK + part + v * S::LANES)) };
        }
        for q in 0..Q {
            // SAFETY: `k < dims`; a row of queries holds Q values.
            let a = simd.splat(unsafe { *values.as_ptr().add(k * Q + q) });
            for v in 0..VECTORS {
                sums[q][v] = simd.mul_add(a, b[v], sums[q][v]);
            }
        }
    }
    *acc = sums;
}

/// By how much candidates are below the limit of a query, or `gap` where that is more.
#[inline(always)]
fn widest<S: Simd>(simd: S, gap: S::F, limit: f32, excess: [S::F; VECTORS]) -> S::F {
    let least = excess.into_iter().reduce(|a, b| simd.min(a, b)).expect("VECTORS > 0");
    simd.max(gap, simd.sub(simd.splat(limit), least))
}
