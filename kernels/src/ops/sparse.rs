//! Sums of which few terms count: first finding them, then adding up their rows.

use crate::isa::Isa;
use crate::simd::{Kernel, Simd};

/// Vectors that are looked at together: nearly always none of them holds what is sought.
const TOGETHER: usize = 4;

/// The least of the values; infinite where there are none.
pub fn least(isa: Isa, x: &[f32]) -> f32 {
    isa.run(Least(x))
}

struct Least<'a>(&'a [f32]);

impl Kernel for Least<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (body, end) = self.0.split_at(self.0.len() / S::LANES * S::LANES);
        let mut least = simd.splat(f32::INFINITY);
        for x in body.chunks_exact(S::LANES) {
            // SAFETY: `x` holds LANES values.
            least = simd.min(unsafe { simd.load(x.as_ptr()) }, least);
        }
        end.iter().copied().fold(simd.least(least), f32::min)
    }
}

/// Appends the places of the values below `limit`, in order.
pub fn places_below(isa: Isa, x: &[f32], limit: f32, places: &mut Vec<u32>) {
    assert!(u32::try_from(x.len()).is_ok(), "places are u32");
    isa.run(PlacesBelow { x, limit, places });
}

struct PlacesBelow<'a> {
    x: &'a [f32],
    limit: f32,
    places: &'a mut Vec<u32>,
}

impl Kernel for PlacesBelow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { x, limit, places } = self;
        let limits = simd.splat(limit);
        let step = TOGETHER * S::LANES;
        let body = x.len() / step * step;
        for at in (0..body).step_by(step) {
            let mut vectors = [limits; TOGETHER];
            for (v, vector) in vectors.iter_mut().enumerate() {
                // SAFETY: `at + step ≤ body ≤ len`.
                *vector = unsafe { simd.load(x.as_ptr().add(at + v * S::LANES)) };
            }
            let [a, b, c, d] = vectors;
            if simd.greater(limits, simd.min(simd.min(a, b), simd.min(c, d))) == 0 {
                continue;
            }
            for (v, vector) in vectors.into_iter().enumerate() {
                let mut below = simd.greater(limits, vector);
                while below != 0 {
                    places.push((at + v * S::LANES) as u32 + below.trailing_zeros());
                    below &= below - 1;
                }
            }
        }
        places.extend((body..x.len()).filter(|&at| x[at] < limit).map(|at| at as u32));
    }
}

/// `y ← y + Σ_k weights[k] · x[rows[k]]`, one after another; `x`: rows × values.
pub fn add_rows(isa: Isa, x: &[f32], rows: &[u32], weights: &[f32], y: &mut [f32]) {
    assert_eq!(rows.len(), weights.len(), "a weight for each row");
    assert!(y.is_empty() || x.len().is_multiple_of(y.len()), "rows × values");
    isa.run(AddRows { x, rows, weights, y });
}

struct AddRows<'a> {
    x: &'a [f32],
    rows: &'a [u32],
    weights: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let cols = self.y.len();
        let body = cols / S::LANES * S::LANES;
        for (&row, &weight) in self.rows.iter().zip(self.weights) {
            let x = &self.x[row as usize * cols..][..cols];
            let factor = simd.splat(weight);
            for at in (0..body).step_by(S::LANES) {
                // SAFETY: `at + LANES ≤ body ≤ cols`, the length of both.
                unsafe {
                    let place = self.y.as_mut_ptr().add(at);
                    simd.store(place, simd.mul_add(factor, simd.load(x.as_ptr().add(at)), simd.load(place)));
                }
            }
            for at in body..cols {
                self.y[at] += weight * x[at];
            }
        }
    }
}
