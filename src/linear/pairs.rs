//! A loss of all squared distances between mapped points, and its gradient by the map, without a matrix of all pairs.
//!
//! With `y = L·x`, `d_ij = ‖y_i − y_j‖²` and the weights `w_ij = ∂loss/∂d_ij`, the gradient is `2·L·S`,
//! `S = Σ w_ij·(x_i − x_j)(x_i − x_j)ᵀ`:
//!
//! ```text
//! for each part of the rows (threads share them), for each block of rows:
//!     D ← ‖y_i‖² + ‖y_j‖² − 2·y_i·y_j            rows of the block × all
//!     W ← what the loss makes of each row of D    in place
//!     Z ← ½·(Σ_j w_ij)·x_i − Σ_j w_ij·x_j;  c_j += w_ij
//! Z ← Z + ½·c_i·x_i;  V ← Xᵀ·Z;  S = V + Vᵀ
//! ```
//!
//! Pairs that a loss looks at beside those, such as a point and its target neighbours, are *links*: their differences are
//! given, so that near points lose nothing to rounding. Products are in f32, all long sums in f64 and in a fixed order.

use std::ops::Range;

use homonym_kernels::{GemmScratch, Isa, Matrix as Kernel, gemm};
use rayon::prelude::*;

use super::scatter::cross;

/// Rows of a block: its distances to a few thousand points stay in the cache.
const BLOCK: usize = 128;
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
    /// Squared distances to all rows, infinite to itself; to be replaced by the slopes of the loss.
    pub(super) distances: &'a mut [f32],
    /// Squared lengths of its links; likewise.
    pub(super) links: &'a mut [f32],
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
        let mut gradient = vec![0.0; map.len()];
        gradient.par_chunks_exact_mut(cols).zip(map.par_chunks_exact(cols)).for_each(|(gradient, map)| {
            for (k, l) in map.iter().enumerate() {
                for (at, gradient) in gradient.iter_mut().enumerate() {
                    *gradient += scale * l * (v[k * cols + at] + v[at * cols + k]);
                }
            }
        });
        gradient
    }
}

/// The points under a map.
struct Mapped {
    dims: usize,
    /// The map, f32.
    map: Vec<f32>,
    /// Rows × dimensions.
    y: Vec<f32>,
    norms: Vec<f32>,
}

impl Mapped {
    fn new(isa: Isa, sample: &Sample, map: &[f64]) -> Self {
        let dims = map.len() / sample.cols;
        let map: Vec<f32> = map.iter().map(|&x| x as f32).collect();
        let mut y = vec![0.0; sample.rows() * dims];
        y.par_chunks_mut(BLOCK * dims)
            .zip(sample.x.par_chunks(BLOCK * sample.cols))
            .for_each(|(y, x)| apply(isa, &map, x, sample.cols, y));
        let norms = y.chunks_exact(dims).map(square).collect();
        Self { dims, map, y, norms }
    }
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
        let mut room = Room::default();
        for (number, z) in z.chunks_mut(BLOCK * cols).enumerate() {
            let block = first + number * BLOCK..first + number * BLOCK + z.len() / cols;
            room.distances(isa, mapped, block.clone());
            room.link_lengths(isa, sample, mapped, block.clone());
            for (row, distances) in block.clone().zip(room.distances.chunks_exact_mut(rows)) {
                distances[row] = f32::INFINITY;
                let (links, none) = room.lengths[(row - block.start) * sample.each..][..sample.each]
                    .split_at_mut(sample.linked.get(row).copied().unwrap_or(0));
                none.fill(0.0);
                part.loss += loss(Row { own: sample.own[row].clone(), weight: sample.weight, distances, links });
            }
            part.gather(isa, sample, &mut room, block, z);
        }
        part
    }

    /// Adds up the weights of a block.
    fn gather(&mut self, isa: Isa, sample: &Sample, room: &mut Room, block: Range<usize>, z: &mut [f32]) {
        let (rows, cols) = (sample.rows(), sample.cols);
        let weights = Kernel::new(&room.distances, block.len(), rows);
        gemm(isa, weights, Kernel::new(&sample.x, rows, cols), z, &mut room.scratch);
        for ((row, z), weights) in block.clone().zip(z.chunks_exact_mut(cols)).zip(room.distances.chunks_exact(rows)) {
            let half = 0.5 * weights.iter().sum::<f32>();
            z.iter_mut().zip(&sample.x[row * cols..]).for_each(|(z, x)| *z = half * x - *z);
            self.columns.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
        }
        let links = &sample.links[block.start * sample.each * cols..block.end * sample.each * cols];
        if !links.is_empty() {
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
}

/// Memory for a block.
#[derive(Default)]
struct Room {
    scratch: GemmScratch,
    /// Block × rows.
    distances: Vec<f32>,
    /// Block · links: squared lengths.
    lengths: Vec<f32>,
    products: Vec<f32>,
    doubled: Vec<f32>,
}

impl Room {
    fn distances(&mut self, isa: Isa, mapped: &Mapped, block: Range<usize>) {
        let Mapped { dims, y, norms, .. } = mapped;
        self.distances.clear();
        for &norm in &norms[block.clone()] {
            self.distances.extend(norms.iter().map(|other| norm + other));
        }
        self.doubled.clear();
        self.doubled.extend(y[block.start * dims..block.end * dims].iter().map(|y| -2.0 * y));
        let (a, b) = (Kernel::new(&self.doubled, block.len(), *dims), Kernel::new(y, norms.len(), *dims).transposed());
        gemm(isa, a, b, &mut self.distances, &mut self.scratch);
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
