//! The copy in bytes, which filters before that in f32: four coordinates of eight candidates an instruction.
//!
//! ```text
//! x̂ = round(s·x), ŷ = round(s·y), u = ŷ + offset ≥ 0
//! x·y ≈ (Σ x̂·u − offset·Σ x̂)/s², to within ‖x − x̂/s‖·‖y‖ + (‖x‖ + ‖x − x̂/s‖)·‖y − ŷ/s‖
//! ```
//!
//! Sums are of 16 bits and wrap around. The scale s is so small that a sum of two products x̂·u, which must not saturate, and
//! the whole of x̂·ŷ, by Cauchy and Schwarz, fit: then what has wrapped comes back. On tiles sums have 32 bits.

use super::panel::{BLOCK, Panel};
use super::tiles::{Tiled, VECTORS};
use crate::arch::amx::{ByteProduct, ConfiguredBytes};
use crate::simd::Simd;
use crate::tiles::Tiles;

/// Bytes of a candidate that are side by side.
const STEP: usize = 4;

/// Four coordinates of all candidates of a block.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Step([[u8; STEP]; BLOCK]);

/// The bytes `u` and what the filter needs beside them.
#[derive(Clone, Debug)]
pub(super) struct Bytes {
    dims: usize,
    /// Steps of a candidate, the last one filled up with zeros.
    steps: usize,
    scale: f32,
    offset: i32,
    /// Blocks × steps.
    values: Vec<Step>,
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
    #[inline(always)]
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

    /// The steps of a block.
    fn block(&self, block: usize) -> &[Step] {
        &self.values[block * self.steps..(block + 1) * self.steps]
    }

    /// x̂ of a place, step after step.
    fn query(&self, place: usize) -> impl Iterator<Item = [i16; STEP]> {
        let step = move |step: &Step| step.0[place % BLOCK].map(|byte| i16::from(byte) - self.offset as i16);
        self.block(place / BLOCK).iter().map(step)
    }
}

/// Four signed bytes in a number.
fn packed(x: [i16; STEP]) -> i32 {
    i32::from_le_bytes(x.map(|x| x as i8 as u8))
}

/// A search in bytes. Of each query, `−offset·Σ x̂` to begin with, then x̂, step after step.
pub(super) struct Filter<'a> {
    bytes: &'a Bytes,
    /// On vectors, sums are two halves of a number, and the queries of a tile side by side; on tiles, one after the other.
    queries: Tiled<i32>,
    /// The tiles, and what they made of the queries of a tile and all candidates of a block.
    tiles: Option<(ConfiguredBytes, Vec<[i32; BLOCK]>)>,
}

impl<'a> Filter<'a> {
    /// For tiles of `size` queries.
    #[inline(always)]
    pub(super) fn of(bytes: &'a Bytes, queries: &[u32], size: usize, tiles: Option<Tiles>) -> Self {
        let (offset, count) = (bytes.offset, 1 + bytes.steps);
        let on_vectors = |place, number, to: &mut [i32]| {
            let (mut sums, mut to) = ([0i16; 2], to[number..].iter_mut().step_by(size));
            let first = to.next();
            for (x, to) in bytes.query(place).zip(to) {
                for half in 0..2 {
                    let both = x[2 * half] + x[2 * half + 1];
                    sums[half] = sums[half].wrapping_sub(both.wrapping_mul(offset as i16));
                }
                *to = packed(x);
            }
            let [low, high] = sums.map(i16::to_le_bytes);
            first.into_iter().for_each(|first| *first = i32::from_le_bytes([low[0], low[1], high[0], high[1]]));
        };
        let on_tiles = |place, number, to: &mut [i32]| {
            let (first, to) = to[number * count..][..count].split_first_mut().expect("the sum");
            for (x, to) in bytes.query(place).zip(to) {
                *first -= offset * x.iter().map(|&x| i32::from(x)).sum::<i32>();
                *to = packed(x);
            }
        };
        Self {
            bytes,
            queries: match tiles {
                None => Tiled::of(queries, size, count, on_vectors),
                Some(_) => Tiled::of(queries, size, count, on_tiles),
            },
            tiles: tiles.map(|Tiles(amx)| (amx.configure_bytes(size, bytes.steps), vec![[0; BLOCK]; size])),
        }
    }

    /// What `x̂·ŷ` is multiplied by, for `−2·x·y`.
    pub(super) fn unit(&self) -> f32 {
        -2.0 / (self.bytes.scale * self.bytes.scale)
    }

    /// The queries of a tile meet a block, before its [`products`](Self::products) are asked for.
    #[inline(always)]
    pub(super) fn meet(&mut self, tile: usize, block: usize) {
        let Some((tiles, sums)) = &mut self.tiles else { return };
        let (queries, candidates) = (self.queries.of_tile(tile), self.bytes.block(block));
        let (stride, steps) = (1 + self.bytes.steps, candidates.len());
        assert!(queries.len() == stride * sums.len() && steps == self.bytes.steps, "all bytes of all queries");
        let [queries, candidates] = [queries[1..].as_ptr().cast::<u8>(), candidates.as_ptr().cast()];
        // SAFETY: the tiles were shaped for as many queries as there are sums and for as many steps; a step is 64 × 4 bytes.
        unsafe {
            tiles.multiply(&ByteProduct { queries, stride: stride * STEP, candidates, sums: sums.as_mut_ptr().cast() })
        }
    }

    /// `x̂·ŷ` of the queries of a tile and the candidates from `start` on, whose block they have met.
    #[inline(always)]
    pub(super) fn products<S: Simd, const Q: usize>(&self, simd: S, tile: usize, start: usize) -> [[S::F; VECTORS]; Q] {
        assert!(start % BLOCK + VECTORS * S::LANES <= BLOCK, "vectors within a block");
        let queries = self.queries.of_tile(tile);
        let mut products = [[simd.splat(0.0); VECTORS]; Q];
        if let Some((_, sums)) = &self.tiles {
            assert!(sums.len() == Q && queries.len() == (1 + self.bytes.steps) * Q, "all queries");
            for q in 0..Q {
                let first = simd.splat(queries[q * (1 + self.bytes.steps)] as f32);
                for v in 0..VECTORS {
                    // SAFETY: the vectors are within the block.
                    let sum = unsafe { simd.load_i32(sums[q].as_ptr().add(start % BLOCK + v * S::LANES)) };
                    // Exact: below 254·180·√d, and norms of 180 at most leave no more than 129,600 coordinates.
                    products[q][v] = simd.add(sum, first);
                }
            }
            return products;
        }
        let sums: [_; Q] = self.sums(simd, queries, start);
        for q in 0..Q {
            products[q] = sums[q].map(|sum| simd.sum_pairs(sum));
        }
        products
    }

    /// The same on vectors, in two parts.
    #[inline(always)]
    fn sums<S: Simd, const Q: usize>(&self, simd: S, queries: &[i32], start: usize) -> [[S::Sums; VECTORS]; Q] {
        assert!(queries.len() == (1 + self.bytes.steps) * Q, "all steps of all queries");
        let mut sums = [[simd.sums(0); VECTORS]; Q];
        for q in 0..Q {
            sums[q] = [simd.sums(queries[q]); VECTORS];
        }
        let steps = self.bytes.block(start / BLOCK);
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
