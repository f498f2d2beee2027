//! The f32 copy that filters: points in blocks of 64, coordinate by coordinate.

use super::bytes::Bytes;
use crate::buffer::Buffer;
use crate::simd::{Kernel, Simd};

/// Points of a block: whole vectors of every instruction set.
pub(super) const BLOCK: usize = 64;
/// The norm of a place without a point: farther than anything, yet finite, so that no sum is undefined.
pub(super) const ABSENT: f32 = 1e30;
/// Points, and coordinates, from which on a copy in bytes is worth its making.
const MANY: usize = 2048;
const LONG: usize = 16;

/// Where the f32 copy lies: `(x − centre)·scale`.
#[derive(Clone, Debug, Default)]
struct Frame {
    centre: Vec<f64>,
    scale: f64,
}

/// The copy and what the filter needs beside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Panel {
    pub(super) dims: usize,
    frame: Frame,
    /// Blocks × dims × 64.
    pub(super) values: Buffer,
    /// `−2·x`, point after point: what a query is multiplied from.
    pub(super) queries: Vec<f32>,
    /// Squared norm by place.
    pub(super) squares: Vec<f32>,
    /// `1/(2·weight)` by place.
    pub(super) inverse: Vec<f32>,
    /// The largest norm of a block that there has been.
    pub(super) radius: Vec<f32>,
    /// Where there is much to filter.
    pub(super) bytes: Option<Bytes>,
}

/// Lays out points anew.
pub(super) struct Fit<'a> {
    pub(super) panel: &'a mut Panel,
    pub(super) dims: usize,
    pub(super) coordinates: &'a [f64],
    pub(super) weights: &'a [f64],
}

impl Kernel for Fit<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { panel, dims, coordinates, weights } = self;
        let blocks = weights.len().div_ceil(BLOCK);
        panel.dims = dims;
        panel.frame.fit(dims, coordinates);
        panel.values.reset(blocks * dims * BLOCK);
        panel.queries.clear();
        panel.queries.resize(weights.len() * dims, 0.0);
        for (column, value) in [(&mut panel.squares, ABSENT), (&mut panel.inverse, 0.5)] {
            column.clear();
            column.resize(blocks * BLOCK, value);
        }
        panel.radius.clear();
        panel.radius.resize(blocks, 0.0);
        panel.bytes = None;
        for (place, &weight) in weights.iter().enumerate() {
            panel.set(place, &coordinates[place * dims..(place + 1) * dims], weight);
        }
        if weights.len() >= MANY && dims >= LONG {
            panel.bytes = Bytes::of(panel);
        }
    }
}

impl Panel {
    /// Puts a point at a place. It must lie within the hull of those the panel was fitted to.
    #[inline(always)]
    pub(super) fn set(&mut self, place: usize, point: &[f64], weight: f64) {
        let dims = self.dims;
        let query = &mut self.queries[place * dims..(place + 1) * dims];
        self.frame.apply(point, query);
        let square = square(query);
        let (lines, _) = self.values[place / BLOCK * dims * BLOCK..].as_chunks_mut::<BLOCK>();
        for (line, value) in lines.iter_mut().zip(&mut *query) {
            line[place % BLOCK] = *value;
            *value *= -2.0;
        }
        self.squares[place] = square;
        self.inverse[place] = (0.5 / weight) as f32;
        let radius = &mut self.radius[place / BLOCK];
        *radius = radius.max(square.sqrt());
        if let Some(bytes) = &mut self.bytes {
            bytes.set(place, query);
        }
    }

    /// Leaves a place without a point.
    pub(super) fn remove(&mut self, place: usize) {
        self.squares[place] = ABSENT;
    }

    /// A squared distance in the unit of the copy.
    pub(super) fn scaled(&self, squared: f64) -> f64 {
        squared * self.frame.scale * self.frame.scale
    }

    /// How far from the origin points may be, in the unit of the copy.
    pub(super) fn offset(&self) -> f64 {
        1.0 + self.frame.scale * self.frame.centre.iter().fold(0.0, |far: f64, x| far.max(x.abs()))
    }

    /// The factor c of a slack c·(‖x‖ + radius)².
    ///
    /// With u = 2⁻²⁴: rounding the coordinates changes ‖x − y‖² by at most 2u(‖x‖ + ‖y‖)², d additions of products by
    /// 2du(‖x‖ + ‖y‖)² without fused operations, the norms by du(‖x‖ + ‖y‖)², and the comparison with the best (which
    /// decides only where both sides are of the size of ‖x − y‖²) by a few u(‖x‖ + ‖y‖)². The rest is reserve.
    pub(super) fn slack(&self) -> f32 {
        (3 * self.dims + 32) as f32 / (1u32 << 24) as f32
    }
}

/// Added to every slack: squares of coordinates below 1e-19 are lost in f32.
pub(super) const TINY: f32 = 1e-33;

/// `‖x‖²`, in eight lanes.
#[inline(always)]
fn square(x: &[f32]) -> f32 {
    let (blocks, rest) = x.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for block in blocks {
        for (sum, x) in lanes.iter_mut().zip(block) {
            *sum += x * x;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

impl Frame {
    /// Writes a point as the frame sees it.
    #[inline(always)]
    fn apply(&self, point: &[f64], seen: &mut [f32]) {
        for ((seen, x), centre) in seen.iter_mut().zip(point).zip(&self.centre) {
            *seen = ((x - centre) * self.scale) as f32;
        }
    }

    /// The mean as centre, the largest coordinate between a half and one.
    #[inline(always)]
    fn fit(&mut self, dims: usize, coordinates: &[f64]) {
        let Self { centre, scale } = self;
        centre.clear();
        centre.resize(dims, 0.0);
        let count = (coordinates.len() / dims.max(1)) as f64;
        let points = || coordinates.chunks_exact(dims.max(1));
        points().for_each(|point| centre.iter_mut().zip(point).for_each(|(sum, x)| *sum += x));
        centre.iter_mut().for_each(|sum| *sum /= count);
        // Eight at a time: a maximum waits for the one before it.
        let mut lanes = [0.0; 8];
        let larger = |lane: &mut f64, (x, c): (&f64, &f64)| {
            let far = (x - c).abs();
            *lane = if far > *lane { far } else { *lane };
        };
        let (centres, rest) = centre.as_chunks::<8>();
        for point in points() {
            let (blocks, rest_of_point) = point.as_chunks::<8>();
            for (x, c) in blocks.iter().zip(centres) {
                lanes.iter_mut().zip(x.iter().zip(c)).for_each(|(lane, pair)| larger(lane, pair));
            }
            lanes.iter_mut().zip(rest_of_point.iter().zip(rest)).for_each(|(lane, pair)| larger(lane, pair));
        }
        let largest = lanes.into_iter().fold(0.0, f64::max);
        *scale = if largest > 0.0 { (-largest.log2().ceil()).min(1000.0).exp2() } else { 1.0 };
    }
}
