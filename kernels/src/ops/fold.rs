//! Filters on a spectrum whose outputs are wanted at a low rate only.
//!
//! Of a block of n samples with the spectrum X, a filter with the response H gives y = the inverse transform of H·X. Every
//! (n/m)-th sample of y is the inverse transform of m values only, the product folded:
//!
//! ```text
//! folded[f, r] = Σ_q H_f[q·m + r] · X[q·m + r],   r in 0..m
//! ```
//!
//! 1. Responses are kept for a run of whole rows of m bins, padded with zeros, so sums have no ragged end.
//! 2. They lie in the order in which they are used, sixteen columns at a time: bins are read by whole cache lines, and the
//!    four sums of two vectors hide the latency of the multiplication.

use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::simd::{Kernel, MAX_LANES, Simd};

/// Vectors of the narrowest set side by side.
const VECTORS: usize = MAX_LANES / 8;

/// The responses of some filters, folded by `m`.
pub struct FoldedFilters {
    m: usize,
    /// Of each filter: its first row of m bins, and how many.
    rows: Vec<(usize, usize)>,
    /// Filter by filter, sixteen columns by sixteen, row by row: the real parts of sixteen bins, then the imaginary ones.
    response: Buffer,
    reach: usize,
}

impl FoldedFilters {
    /// From every filter's first bin and response (real, imaginary part), zero elsewhere; `m` is a multiple of 16.
    pub fn new(m: usize, filters: &[(usize, Vec<[f32; 2]>)]) -> Self {
        assert!(m > 0 && m.is_multiple_of(MAX_LANES), "whole vectors in a row");
        let rows =
            |&(first, ref response): &(usize, Vec<_>)| (first / m, (first + response.len()).div_ceil(m) - first / m);
        let rows: Vec<(usize, usize)> = filters.iter().map(rows).collect();
        let mut all = Buffer::zeros(2 * m * rows.iter().map(|(_, count)| count).sum::<usize>());
        let mut start = 0;
        for (&(row, count), (first, response)) in rows.iter().zip(filters) {
            for (bin, parts) in (first - row * m..).zip(response) {
                let (row, column) = (bin / m, bin % m);
                let at = start + 2 * ((column / MAX_LANES * count + row) * MAX_LANES) + column % MAX_LANES;
                (all[at], all[at + MAX_LANES]) = (parts[0], parts[1]);
            }
            start += 2 * m * count;
        }
        let reach = rows.iter().map(|(first, count)| (first + count) * m).max().unwrap_or(0);
        Self { m, rows, response: all, reach }
    }

    /// The least number of bins that [`fold`] reads.
    pub fn reach(&self) -> usize {
        self.reach
    }
}

/// `folded`: filters × m, from the spectrum `re + i·im` of [`FoldedFilters::reach`] bins or more.
pub fn fold(isa: Isa, filters: &FoldedFilters, re: &[f32], im: &[f32], folded: &mut [[f32; 2]]) {
    assert!(re.len().min(im.len()) >= filters.reach, "bins as far as the filters reach");
    assert_eq!(folded.len(), filters.rows.len() * filters.m, "m values of each filter");
    isa.run(Fold { filters, re, im, folded });
}

struct Fold<'a> {
    filters: &'a FoldedFilters,
    re: &'a [f32],
    im: &'a [f32],
    folded: &'a mut [[f32; 2]],
}

impl Kernel for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let FoldedFilters { m, rows, response, .. } = self.filters;
        let mut response = response.as_ptr();
        for (&(first, count), folded) in rows.iter().zip(self.folded.chunks_exact_mut(*m)) {
            for (column, folded) in folded.as_chunks_mut().0.iter_mut().enumerate() {
                let bin = first * m + column * MAX_LANES;
                // SAFETY: the rows first..first + count lie within `reach` bins, and the responses hold as many for each
                // sixteen columns of each filter, in this order.
                unsafe {
                    let bins = (self.re.as_ptr().add(bin), self.im.as_ptr().add(bin));
                    columns(simd, bins, response, (count, *m), folded);
                    response = response.add(2 * count * MAX_LANES);
                }
            }
        }
    }
}

/// Sixteen columns of one filter, over `count` rows of `m` bins.
///
/// # Safety
/// `bins` must be valid for reading sixteen values at each of `count` steps of `m`, `response` for 2 · 16 · `count`.
#[inline(always)]
unsafe fn columns<S: Simd>(
    simd: S,
    bins: (*const f32, *const f32),
    response: *const f32,
    (count, m): (usize, usize),
    folded: &mut [[f32; 2]; MAX_LANES],
) {
    let mut sums = [[simd.splat(0.0); 4]; VECTORS];
    for row in 0..count {
        for (vector, [rr, ii, ri, ir]) in sums.iter_mut().take(MAX_LANES / S::LANES).enumerate() {
            let (at, lane) = (row * m + vector * S::LANES, 2 * row * MAX_LANES + vector * S::LANES);
            // SAFETY: vectors × LANES = 16, and the caller vouches for sixteen values of each row.
            let (x, h) = unsafe {
                let x = (simd.load(bins.0.add(at)), simd.load(bins.1.add(at)));
                (x, (simd.load(response.add(lane)), simd.load(response.add(lane + MAX_LANES))))
            };
            (*rr, *ii) = (simd.mul_add(x.0, h.0, *rr), simd.mul_add(x.1, h.1, *ii));
            (*ri, *ir) = (simd.mul_add(x.0, h.1, *ri), simd.mul_add(x.1, h.0, *ir));
        }
    }
    let (mut re, mut im) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
    for (vector, [rr, ii, ri, ir]) in sums.into_iter().take(MAX_LANES / S::LANES).enumerate() {
        // SAFETY: vectors × LANES = 16.
        unsafe {
            simd.store(re.as_mut_ptr().add(vector * S::LANES), simd.sub(rr, ii));
            simd.store(im.as_mut_ptr().add(vector * S::LANES), simd.add(ri, ir));
        }
    }
    for (folded, parts) in folded.iter_mut().zip(re.into_iter().zip(im)) {
        *folded = parts.into();
    }
}
