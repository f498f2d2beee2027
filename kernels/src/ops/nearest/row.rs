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

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match S::LANES {
            16 => self.scan::<S, 4>(simd),
            _ => self.scan::<S, 8>(simd),
        }
    }
}

impl Row<'_> {
    /// `V` vectors make a block.
    #[inline(always)]
    fn scan<S: Simd, const V: usize>(self, simd: S) {
        let Self { panel, of, places } = self;
        let (head, square) = (panel.heads[of], panel.heads[of] + panel.tails[of]);
        panel.heads[of] = ABSENT;
        panel.least.resize(panel.heads.len(), 0.0);
        let mut nearest = simd.splat(ABSENT);
        for block in 0..panel.radius.len() {
            let reach = square.sqrt() + panel.radius[block];
            let slack = panel.slack() * reach * reach + TINY;
            let bounds = [simd.splat(square + slack), simd.splat(square - slack)];
            let most = one_block::<S, V>(simd, panel, block, of, bounds);
            nearest = simd.min(nearest, most);
        }
        panel.heads[of] = head;
        let nearest = simd.splat(simd.least(nearest));
        for at in (0..panel.least.len()).step_by(S::LANES) {
            // SAFETY: `least` holds whole blocks, each of whole vectors.
            let least = unsafe { simd.load(panel.least.as_ptr().add(at)) };
            let mut bits = !simd.greater(least, nearest) & ((1u32 << S::LANES) - 1);
            while bits != 0 {
                places.push((at as u32) + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
}

/// Writes the least possible distances of a block and returns the largest possible ones, the lowest of each lane.
#[inline(always)]
fn one_block<S: Simd, const V: usize>(simd: S, panel: &mut Panel, block: usize, of: usize, bounds: [S::F; 2]) -> S::F {
    let (start, dims) = (block * BLOCK, panel.dims);
    assert!(panel.values.len() >= (block + 1) * dims * BLOCK && V * S::LANES == BLOCK, "a whole block");
    let own = simd.splat(panel.inverse[of]);
    let mut acc = [simd.splat(0.0); V];
    for (k, &query) in panel.queries[of * dims..(of + 1) * dims].iter().enumerate() {
        let query = simd.splat(query);
        for v in 0..V {
            // SAFETY: block `block` of `values` is whole: `dims` rows of BLOCK = V · LANES values.
            let values = unsafe { simd.load(panel.values.as_ptr().add((block * dims + k) * BLOCK + v * S::LANES)) };
            acc[v] = simd.mul_add(query, values, acc[v]);
        }
    }
    let mut nearest = simd.splat(ABSENT);
    for v in 0..V {
        let at = start + v * S::LANES;
        let norms = simd.add(vector(simd, &panel.heads, at), vector(simd, &panel.tails, at));
        let acc = simd.add(acc[v], norms);
        let factor = simd.div(simd.splat(1.0), simd.add(vector(simd, &panel.inverse, at), own));
        nearest = simd.min(nearest, simd.mul(simd.add(acc, bounds[0]), factor));
        let least = &mut panel.least[at..at + S::LANES];
        // SAFETY: `least` has LANES places.
        unsafe { simd.store(least.as_mut_ptr(), simd.mul(simd.add(acc, bounds[1]), factor)) };
    }
    nearest
}

#[inline(always)]
fn vector<S: Simd>(simd: S, column: &[f32], at: usize) -> S::F {
    let lanes = &column[at..at + S::LANES];
    // SAFETY: `lanes` has LANES values.
    unsafe { simd.load(lanes.as_ptr()) }
}
