//! The f32 copy that filters: points in blocks of 64, coordinate by coordinate.

use super::bytes::Bytes;
use crate::buffer::Buffer;

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

impl Panel {
    /// Lays out points anew.
    pub(super) fn fit(&mut self, dims: usize, coordinates: &[f64], weights: &[f64]) {
        let blocks = weights.len().div_ceil(BLOCK);
        self.dims = dims;
        self.frame.fit(dims, coordinates);
        self.values.reset(blocks * dims * BLOCK);
        self.queries.clear();
        self.queries.resize(weights.len() * dims, 0.0);
        for (column, value) in [(&mut self.squares, ABSENT), (&mut self.inverse, 0.5)] {
            column.clear();
            column.resize(blocks * BLOCK, value);
        }
        self.radius.clear();
        self.radius.resize(blocks, 0.0);
        self.bytes = None;
        for (place, &weight) in weights.iter().enumerate() {
            self.set(place, &coordinates[place * dims..(place + 1) * dims], weight);
        }
        if weights.len() >= MANY && dims >= LONG {
            self.bytes = Bytes::of(self);
        }
    }

    /// Puts a point at a place. It must lie within the hull of those the panel was fitted to.
    pub(super) fn set(&mut self, place: usize, point: &[f64], weight: f64) {
        let (column, dims) = (self.column(place), self.dims);
        let query = &mut self.queries[place * dims..(place + 1) * dims];
        self.frame.apply(point, query);
        let square = square(query);
        for (seen, value) in self.values.iter_mut().skip(column).step_by(BLOCK).zip(&mut *query) {
            *seen = *value;
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

    /// Where the first coordinate of a place is; the others follow at steps of [`BLOCK`].
    pub(super) fn column(&self, place: usize) -> usize {
        place / BLOCK * self.dims * BLOCK + place % BLOCK
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
    fn apply(&self, point: &[f64], seen: &mut [f32]) {
        for ((seen, x), centre) in seen.iter_mut().zip(point).zip(&self.centre) {
            *seen = ((x - centre) * self.scale) as f32;
        }
    }

    /// The mean as centre, the largest coordinate between a half and one.
    fn fit(&mut self, dims: usize, coordinates: &[f64]) {
        let Self { centre, scale } = self;
        centre.clear();
        centre.resize(dims, 0.0);
        let count = (coordinates.len() / dims.max(1)) as f64;
        let points = || coordinates.chunks_exact(dims.max(1));
        points().for_each(|point| centre.iter_mut().zip(point).for_each(|(sum, x)| *sum += x));
        centre.iter_mut().for_each(|sum| *sum /= count);
        let mut largest = 0.0;
        for point in points() {
            // Eight at a time: a maximum waits for the one before it.
            let mut lanes = [0.0; 8];
            for (c, x) in centre.chunks(8).zip(point.chunks(8)) {
                for (lane, (c, x)) in lanes.iter_mut().zip(c.iter().zip(x)) {
                    let far = (x - c).abs();
                    *lane = if far > *lane { far } else { *lane };
                }
            }
            largest = lanes.into_iter().fold(largest, f64::max);
        }
        *scale = if largest > 0.0 { (-largest.log2().ceil()).min(1000.0).exp2() } else { 1.0 };
    }
}
