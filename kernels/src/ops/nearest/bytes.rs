//! The copy in bytes, which filters before that in f32: four coordinates of eight candidates an instruction.
//!
//! ```text
//! x̂ = round(s·x), ŷ = round(s·y), u = ŷ + offset ≥ 0
//! x·y ≈ (Σ x̂·u − offset·Σ x̂)/s², to within ‖x − x̂/s‖·‖y‖ + (‖x‖ + ‖x − x̂/s‖)·‖y − ŷ/s‖
//! ```
//!
//! Sums are of 16 bits and wrap around. The scale s is so small that a sum of two products x̂·u, which must not saturate, and
//! the whole of x̂·ŷ, by Cauchy and Schwarz, fit: then what has wrapped comes back.

use super::panel::{BLOCK, Panel};
use super::tiles::VECTORS;
use crate::simd::Simd;

/// Bytes of a candidate that are side by side.
pub(super) const STEP: usize = 4;

/// Four coordinates of all candidates of a block.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Step(pub(super) [[u8; STEP]; BLOCK]);

/// The bytes `u` and what the filter needs beside them.
#[derive(Clone, Debug)]
pub(super) struct Bytes {
    dims: usize,
    /// Steps of a candidate, the last one filled up with zeros.
    pub(super) steps: usize,
    scale: f32,
    offset: i32,
    /// Blocks × steps.
    pub(super) values: Vec<Step>,
    /// By place, `‖x − x̂/s‖`, and the largest of a block that there has been.
    pub(super) errors: Vec<f32>,
    pub(super) error: Vec<f32>,
}

impl Bytes {
    /// The bytes of a panel; none where coordinates are so many, or one so large beside the others, that bytes say nothing.
    pub(super) fn of(panel: &Panel) -> Option<Self> {
        let (dims, blocks) = (panel.dims, panel.radius.len());
        let greatest = |values: &[f32]| values.iter().fold(0.0, |a: f32, &b| a.max(b.abs()));
        let (scale, offset) = scale(dims, 0.5 * greatest(&panel.queries), greatest(&panel.radius))?;
        let steps = dims.div_ceil(STEP);
        let values = vec![Step([[0; STEP]; BLOCK]); blocks * steps];
        let [errors, error] = [blocks * BLOCK, blocks].map(|count| vec![0.0; count]);
        let mut bytes = Self { dims, steps, scale, offset, values, errors, error };
        panel.queries.chunks_exact(dims).enumerate().for_each(|(place, query)| bytes.set(place, query));
        Some(bytes)
    }

    /// Puts at a place the point x whose query is `−2·x`.
    pub(super) fn set(&mut self, place: usize, query: &[f32]) {
        let mut square = 0.0;
        for (step, query) in query.chunks(STEP).enumerate() {
            let mut bytes = [self.offset as u8; STEP];
            for (byte, x) in bytes.iter_mut().zip(query) {
                let x = -0.5 * x * self.scale + self.offset as f32;
                *byte = (x + 0.5) as u8;
                square += (x - f32::from(*byte)) * (x - f32::from(*byte));
            }
            self.values[place / BLOCK * self.steps + step].0[place % BLOCK] = bytes;
        }
        // A little more, for rounding: a term is off by less than 1e-4.
        let error = (square.sqrt() * 1.001 + 1e-4 * (self.dims as f32).sqrt()) / self.scale;
        self.errors[place] = error;
        self.error[place / BLOCK] = self.error[place / BLOCK].max(error);
    }

    /// Writes x̂ of a place, step after step at every `stride`th number, behind the two sums `−offset·Σ x̂` to begin with.
    pub(super) fn query(&self, place: usize, stride: usize, to: &mut [i32]) {
        let mut sums = [0i16; 2];
        for step in 0..self.steps {
            let bytes = self.values[place / BLOCK * self.steps + step].0[place % BLOCK];
            let x = bytes.map(|byte| i16::from(byte) - self.offset as i16);
            for half in 0..2 {
                let both = x[2 * half] + x[2 * half + 1];
                sums[half] = sums[half].wrapping_sub(both.wrapping_mul(self.offset as i16));
            }
            to[(1 + step) * stride] = i32::from_le_bytes(x.map(|x| x as i8 as u8));
        }
        let [low, high] = sums.map(i16::to_le_bytes);
        to[0] = i32::from_le_bytes([low[0], low[1], high[0], high[1]]);
    }

    /// `x̂·ŷ`, in two parts, of the queries of a tile and the candidates from `start` on.
    #[inline(always)]
    pub(super) fn products<S: Simd, const Q: usize>(
        &self,
        simd: S,
        queries: &[i32],
        start: usize,
    ) -> [[S::Sums; VECTORS]; Q] {
        assert!(queries.len() == (1 + self.steps) * Q, "all steps of all queries");
        assert!(start % BLOCK + VECTORS * S::LANES <= BLOCK, "vectors within a block");
        let mut sums = [[simd.sums(0); VECTORS]; Q];
        for q in 0..Q {
            sums[q] = [simd.sums(queries[q]); VECTORS];
        }
        let steps = &self.values[start / BLOCK * self.steps..(start / BLOCK + 1) * self.steps];
        for (step, queries) in steps.iter().zip(queries[Q..].chunks_exact(Q)) {
            let mut candidates = [simd.splat_bytes(0); VECTORS];
            for v in 0..VECTORS {
                let from = step.0.as_ptr().cast::<u8>();
                // SAFETY: the vectors of candidates are within the block.
                candidates[v] = unsafe { simd.load_bytes(from.add((start % BLOCK + v * S::LANES) * STEP)) };
            }
            for q in 0..Q {
                let query = simd.splat_bytes(queries[q]);
                for v in 0..VECTORS {
                    sums[q][v] = simd.add_products(sums[q][v], candidates[v], query);
                }
            }
        }
        sums
    }

    /// What `x̂·ŷ` is multiplied by, for `−2·x·y`.
    pub(super) fn unit(&self) -> f32 {
        -2.0 / (self.scale * self.scale)
    }
}

/// The scale, and the offset that makes all bytes positive, for coordinates and norms that are no larger.
fn scale(dims: usize, largest: f32, radius: f32) -> Option<(f32, i32)> {
    // Rounding adds a half to a coordinate and √d/2 to a norm.
    let of = |scale: f32| ((scale * largest + 0.5).ceil(), scale * radius + 0.5 * (dims as f32).sqrt());
    let fits = |&scale: &f32| {
        let (byte, norm) = of(scale);
        // |x̂₁| + |x̂₂| ≤ √2·‖x̂‖ and u ≤ 2·byte; |x̂·ŷ| ≤ ‖x̂‖·‖ŷ‖. 2¹⁵ less some reserve, as norms are rounded.
        byte <= 127.0 && norm <= 180.0 && 2.0 * byte * norm * std::f32::consts::SQRT_2 <= 32_700.0
    };
    let scales = std::iter::successors(Some(127.0 / largest), |scale| Some(scale * 0.98));
    let scale = scales.take(150).filter(|scale| scale.is_finite()).find(fits)?;
    Some((scale, of(scale).0 as i32))
}
