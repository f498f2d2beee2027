//! One query against all: for the walks of the nearest-neighbour chain.

use super::panel::{ABSENT, BLOCK, Panel, TINY};
use crate::simd::{Kernel, Simd};

/// Collects the places that may be nearest to the one at `of`: those whose least possible distance is not above the
/// lowest of the largest possible ones.
pub(super) struct Row<'a> {
    pub(super) panel: &'a mut Panel,
    pub(super) of: usize,
    pub(super) places: &'a mut Vec<u32>,
}

/// Vectors looked at together.
const VECTORS: usize = 4;

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { panel, of, places } = self;
        let (head, square) = (panel.heads[of], panel.heads[of] + panel.tails[of]);
        panel.heads[of] = ABSENT;
        panel.least.resize(panel.heads.len(), 0.0);
        let count = panel.len;
        let mut nearest = simd.splat(ABSENT);
        for start in (0..count).step_by(VECTORS * S::LANES) {
            let reach = square.sqrt() + panel.radius[start / BLOCK];
            let slack = panel.slack() * reach * reach + TINY;
            let bounds = [simd.splat(square + slack), simd.splat(square - slack)];
            nearest = simd.min(nearest, part(simd, panel, start, of, bounds));
        }
        panel.heads[of] = head;
        let nearest = simd.splat(simd.least(nearest));
        for at in (0..count).step_by(S::LANES) {
            let mut bits = !simd.greater(vector(simd, &panel.least, at), nearest) & ((1u32 << S::LANES) - 1);
            while bits != 0 {
                places.push((at as u32) + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
}

/// Writes the least possible distances of the places from `start` on and returns the largest possible ones, the lowest
/// of each lane.
#[inline(always)]
fn part<S: Simd>(simd: S, panel: &mut Panel, start: usize, of: usize, bounds: [S::F; 2]) -> S::F {
    let (dims, own) = (panel.dims, simd.splat(panel.inverse[of]));
    let rows = start / BLOCK * dims * BLOCK + start % BLOCK;
    assert!(start % BLOCK + VECTORS * S::LANES <= BLOCK, "vectors within a block");
    assert!(panel.values.len() >= (start / BLOCK + 1) * dims * BLOCK, "a whole block");
    // Even and odd coordinates apart: twice as many sums in flight.
    let mut sums = [[simd.splat(0.0); VECTORS]; 2];
    let query = &panel.queries[of * dims..(of + 1) * dims];
    let (pairs, last) = query.as_chunks::<2>();
    for (pair, query) in pairs.iter().enumerate() {
        for parity in 0..2 {
            let query = simd.splat(query[parity]);
            for v in 0..VECTORS {
                let at = rows + (2 * pair + parity) * BLOCK + v * S::LANES;
                // SAFETY: row `2·pair + parity < dims` of the block holds BLOCK values, the vectors are within it.
                let values = unsafe { simd.load(panel.values.as_ptr().add(at)) };
                sums[parity][v] = simd.mul_add(query, values, sums[parity][v]);
            }
        }
    }
    if let [query] = last {
        for v in 0..VECTORS {
            // SAFETY: as above, of the last row.
            let values = unsafe { simd.load(panel.values.as_ptr().add(rows + (dims - 1) * BLOCK + v * S::LANES)) };
            sums[0][v] = simd.mul_add(simd.splat(*query), values, sums[0][v]);
        }
    }
    let mut nearest = simd.splat(ABSENT);
    for v in 0..VECTORS {
        let at = start + v * S::LANES;
        let norms = simd.add(vector(simd, &panel.heads, at), vector(simd, &panel.tails, at));
        let sum = simd.add(simd.add(sums[0][v], sums[1][v]), norms);
        let factor = simd.div(simd.splat(1.0), simd.add(vector(simd, &panel.inverse, at), own));
        nearest = simd.min(nearest, simd.mul(simd.add(sum, bounds[0]), factor));
        let least = &mut panel.least[at..at + S::LANES];
        // SAFETY: `least` has LANES places.
        unsafe { simd.store(least.as_mut_ptr(), simd.mul(simd.add(sum, bounds[1]), factor)) };
    }
    nearest
}

#[inline(always)]
fn vector<S: Simd>(simd: S, column: &[f32], at: usize) -> S::F {
    let lanes = &column[at..at + S::LANES];
    // SAFETY: `lanes` has LANES values.
    unsafe { simd.load(lanes.as_ptr()) }
}
