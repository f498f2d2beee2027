//! A loss of all squared distances between mapped points, and its gradient by the map, without a matrix of all pairs.
//!
//! With `y = L·x`, `d_ij = ‖y_i − y_j‖²` and the weights `w_ij = ∂loss/∂d_ij`, the gradient is `2·L·S`,
//! `S = Σ w_ij·(x_i − x_j)(x_i − x_j)ᵀ`:
//!
//! ```text
//! for each part of the rows (threads share them), for each block of rows:
//!     D ← ‖y_i‖² + ‖y_j‖² − 2·y_i·y_j            rows of the block × all, as one product
//!     W ← what the loss makes of each row of D    sparse: far points weigh nothing
//!     Z ← ½·(Σ_j w_ij)·x_i − Σ_j w_ij·x_j;  c_j += w_ij
//! Z ← Z + ½·c_i·x_i;  V ← Xᵀ·Z;  S = V + Vᵀ
//! ```
//!
//! Pairs that a loss looks at beside those, such as a point and its target neighbours, are *links*: their differences are
//! given, so that near points lose nothing to rounding. Products are in f32, all long sums in f64 and in a fixed order.

use std::ops::Range;

use homonym_kernels::{GemmScratch, Isa, Matrix as Kernel, add_rows, gemm};
use rayon::prelude::*;

use super::scatter::cross;

/// Rows of a block: its distances to a few thousand points stay in the cache.
const BLOCK: usize = 48;
/// Rows that are mapped at a time.
const SHARD: usize = 256;
/// Values of a cache line.
const LINE: usize = 16;
/// Parts of the rows that threads share.
const PARTS: usize = 8;

/// Points to learn from.
pub(super) struct Sample {
    /// Values of a point.
    pub(super) cols: usize,
    /// Rows × values.
    pub(super) x: Vec<f32>,
    /// The rows of the class of each row.
    pub(super) own: Vec<Range<usize>>,
    /// Links of a row: `each` rows of values, of which the first `linked` count.
    pub(super) links: Vec<f32>,
    pub(super) each: usize,
    pub(super) linked: Vec<usize>,
    /// How many points each of these stands for.
    pub(super) weight: f32,
}

/// What a loss sees of one row.
pub(super) struct Row<'a> {
    /// The rows of its class, among them itself.
    pub(super) own: Range<usize>,
    /// How many points each of the others stands for.
    pub(super) weight: f32,
    /// Squared distances to all rows, infinite to itself.
    pub(super) distances: &'a [f32],
    /// Squared lengths of its links; to be replaced by the slopes of the loss.
    pub(super) links: &'a mut [f32],
    /// Empty; to be filled.
    pub(super) slopes: &'a mut Slopes,
}

/// Slopes of the loss of a row by the distances that it depends on; by all others they are 0.
#[derive(Default)]
pub(super) struct Slopes {
    /// To which rows these distances are, each once.
    pub(super) rows: Vec<u32>,
    pub(super) values: Vec<f32>,
}

/// The loss of a row; losses add up.
pub(super) type Loss = dyn Fn(Row<'_>) -> f64 + Sync;

impl Sample {
    fn rows(&self) -> usize {
        self.own.len()
    }

    /// The mean loss of a row under `map` (dimensions × values), and its gradient.
    pub(super) fn evaluate(&self, isa: Isa, loss: &Loss, map: &[f64]) -> (f64, Vec<f64>) {
        let (rows, cols) = (self.rows(), self.cols);
        let mapped = Mapped::new(isa, self, map);
        let part = rows.div_ceil(PARTS).next_multiple_of(BLOCK);
        let mut z = vec![0.0; rows * cols];
        let parts: Vec<Part> = z
            .par_chunks_mut(part * cols)
            .enumerate()
            .map(|(number, z)| Part::of(isa, self, &mapped, loss, number * part, z))
            .collect();
        let total = parts.iter().map(|part| part.loss).sum::<f64>();
        for (row, z) in z.chunks_exact_mut(cols).enumerate() {
            let half = 0.5 * parts.iter().map(|part| f64::from(part.columns[row])).sum::<f64>() as f32;
            z.iter_mut().zip(&self.x[row * cols..]).for_each(|(z, x)| *z += half * x);
        }
        let mut v = cross(isa, &self.x, cols, &z, cols);
        for part in &parts {
            v.iter_mut().zip(&part.links).for_each(|(v, link)| *v += link);
        }
        (total / rows as f64, self.gradient(map, &v))
    }

    /// `2·L·(V + Vᵀ)`, averaged over the rows.
    fn gradient(&self, map: &[f64], v: &[f64]) -> Vec<f64> {
        let cols = self.cols;
        let scale = 2.0 / self.rows() as f64;
        let both = |at: usize| scale * (v[at] + v[at % cols * cols + at / cols]);
        let s: Vec<f64> = (0..cols * cols).map(both).collect();
        let mut gradient = vec![0.0; map.len()];
        gradient.par_chunks_exact_mut(cols).zip(map.par_chunks_exact(cols)).for_each(|(gradient, map)| {
            for (l, s) in map.iter().zip(s.chunks_exact(cols)) {
                gradient.iter_mut().zip(s).for_each(|(gradient, s)| *gradient += l * s);
            }
        });
        gradient
    }
}

/// The points under a map, so that distances are one product: `(−2·y_i, ‖y_i‖², 1) · (y_j, 1, ‖y_j‖²)`.
struct Mapped {
    dims: usize,
    /// The map, f32.
    map: Vec<f32>,
    /// Rows × (dimensions + 2).
    left: Vec<f32>,
    /// (Dimensions + 2) × width; columns past the rows are infinitely far.
    right: Vec<f32>,
    /// An odd number of cache lines: columns of distances would else fight for the same places of the cache.
    width: usize,
}

impl Mapped {
    fn new(isa: Isa, sample: &Sample, map: &[f64]) -> Self {
        let (rows, dims) = (sample.rows(), map.len() / sample.cols);
        let map: Vec<f32> = map.iter().map(|&x| x as f32).collect();
        let y = mapped(isa, &map, &sample.x, sample.cols);
        let width = (rows.div_ceil(LINE) | 1) * LINE;
        let (mut left, mut right) = (Vec::with_capacity(rows * (dims + 2)), vec![0.0; dims * width]);
        right.extend((0..2 * width).map(|at| if at < width { 1.0 } else { f32::INFINITY }));
        for (row, y) in y.chunks_exact(dims).enumerate() {
            let norm = square(y);
            left.extend(y.iter().map(|y| -2.0 * y).chain([norm, 1.0]));
            right[row..].iter_mut().step_by(width).zip(y).for_each(|(to, &y)| *to = y);
            right[(dims + 1) * width + row] = norm;
        }
        Self { dims, map, left, right, width }
    }
}

/// `X·Lᵀ`: rows × dimensions, for `map` = dimensions × `cols` and `x` = rows × `cols`.
pub(super) fn mapped(isa: Isa, map: &[f32], x: &[f32], cols: usize) -> Vec<f32> {
    let dims = map.len() / cols;
    let mut y = vec![0.0; x.len() / cols * dims];
    let shards = y.par_chunks_mut(SHARD * dims).zip(x.par_chunks(SHARD * cols));
    shards.for_each(|(y, x)| apply(isa, map, x, cols, y));
    y
}

/// `Y += X·Lᵀ`.
fn apply(isa: Isa, map: &[f32], x: &[f32], cols: usize, y: &mut [f32]) {
    let map = Kernel::new(map, map.len() / cols, cols).transposed();
    gemm(isa, Kernel::new(x, x.len() / cols, cols), map, y, &mut GemmScratch::default());
}

fn square(x: &[f32]) -> f32 {
    x.iter().map(|x| x * x).sum()
}

/// What some rows contribute.
struct Part {
    loss: f64,
    /// Sums of the columns of W.
    columns: Vec<f32>,
    /// Half of the links' share of S: values × values.
    links: Vec<f64>,
}

impl Part {
    fn of(isa: Isa, sample: &Sample, mapped: &Mapped, loss: &Loss, first: usize, z: &mut [f32]) -> Self {
        let (rows, cols) = (sample.rows(), sample.cols);
        let mut part = Self { loss: 0.0, columns: vec![0.0; rows], links: vec![0.0; cols * cols] };
        let (mut room, mut slopes) = (Room::default(), Slopes::default());
        for (number, z) in z.chunks_mut(BLOCK * cols).enumerate() {
            let block = first + number * BLOCK..first + number * BLOCK + z.len() / cols;
            room.distances(isa, mapped, block.clone());
            room.link_lengths(isa, sample, mapped, block.clone());
            for (at, (row, z)) in block.clone().zip(z.chunks_exact_mut(cols)).enumerate() {
                let distances = &mut room.distances[at * mapped.width..][..rows];
                distances[row] = f32::INFINITY;
                let (links, none) = room.lengths[at * sample.each..][..sample.each]
                    .split_at_mut(sample.linked.get(row).copied().unwrap_or(0));
                none.fill(0.0);
                slopes.rows.clear();
                slopes.values.clear();
                let (own, weight) = (sample.own[row].clone(), sample.weight);
                part.loss += loss(Row { own, weight, distances, links, slopes: &mut slopes });
                part.gather(isa, sample, row, &slopes, z);
            }
            part.gather_links(isa, sample, &mut room, block);
        }
        part
    }

    /// Adds up the weights of a row; `z` is 0.
    fn gather(&mut self, isa: Isa, sample: &Sample, row: usize, slopes: &Slopes, z: &mut [f32]) {
        let Slopes { rows, values } = slopes;
        add_rows(isa, &sample.x, rows, values, z);
        let half = 0.5 * values.iter().sum::<f32>();
        z.iter_mut().zip(&sample.x[row * sample.cols..]).for_each(|(z, x)| *z = half * x - *z);
        rows.iter().zip(values).for_each(|(&row, weight)| self.columns[row as usize] += weight);
    }

    /// Adds up the weights of the links of a block.
    fn gather_links(&mut self, isa: Isa, sample: &Sample, room: &mut Room, block: Range<usize>) {
        let cols = sample.cols;
        let links = &sample.links[block.start * sample.each * cols..block.end * sample.each * cols];
        if links.is_empty() {
            return;
        }
        let weighted: Vec<f32> = (links.chunks_exact(cols).zip(&room.lengths))
            .flat_map(|(link, weight)| link.iter().map(move |x| 0.5 * weight * x))
            .collect();
        let count = links.len() / cols;
        room.products.clear();
        room.products.resize(cols * cols, 0.0);
        let (a, b) = (Kernel::new(links, count, cols).transposed(), Kernel::new(&weighted, count, cols));
        gemm(isa, a, b, &mut room.products, &mut room.scratch);
        self.links.iter_mut().zip(&room.products).for_each(|(sum, &x)| *sum += f64::from(x));
    }
}

/// Memory for a block.
#[derive(Default)]
struct Room {
    scratch: GemmScratch,
    /// Block × width, of which the rows count.
    distances: Vec<f32>,
    /// Block · links: squared lengths.
    lengths: Vec<f32>,
    products: Vec<f32>,
}

impl Room {
    fn distances(&mut self, isa: Isa, mapped: &Mapped, block: Range<usize>) {
        let depth = mapped.dims + 2;
        self.distances.clear();
        self.distances.resize(block.len() * mapped.width, 0.0);
        let left = Kernel::new(&mapped.left[block.start * depth..block.end * depth], block.len(), depth);
        gemm(isa, left, Kernel::new(&mapped.right, depth, mapped.width), &mut self.distances, &mut self.scratch);
    }

    fn link_lengths(&mut self, isa: Isa, sample: &Sample, mapped: &Mapped, block: Range<usize>) {
        let (cols, each) = (sample.cols, sample.each);
        let links = &sample.links[block.start * each * cols..block.end * each * cols];
        let mut seen = vec![0.0; links.len() / cols * mapped.dims];
        if !links.is_empty() {
            apply(isa, &mapped.map, links, cols, &mut seen);
        }
        self.lengths.clear();
        self.lengths.extend(seen.chunks_exact(mapped.dims).map(square));
    }
}
