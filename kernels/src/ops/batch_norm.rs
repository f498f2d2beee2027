//! Batch normalisation over the last axis of a *rows × channels* matrix, in steps that shards of a batch can take.
//!
//! ```text
//! each shard:  moments.add(x)           all: merge the moments in order
//! each shard:  batch_norm               y = (x − mean)·inverse·gain + shift
//! each shard:  batch_norm_sums          all: add the sums in order
//! each shard:  batch_norm_grad          dx = gain·inverse·(dy − Σdy/n − x̂·Σ(dy·x̂)/n),   x̂ = (x − mean)·inverse
//! ```
//! Sums of 64 rows are f32, around their own mean; they join f64 totals. The order depends on the shards alone.

use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// Rows of a partial sum.
const ROWS: usize = 64;

/// Number, mean and squared deviations of the rows seen, channel by channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    count: usize,
    means: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Of no rows.
    pub fn new(channels: usize) -> Self {
        Self { count: 0, means: vec![0.0; channels], squares: vec![0.0; channels] }
    }

    /// Adds the rows of `x`: rows × channels.
    pub fn add(&mut self, isa: Isa, x: &[f32]) {
        let channels = self.means.len();
        assert!(x.len().is_multiple_of(channels), "whole rows of {channels} channels");
        let [mut centres, mut rests, mut squares] = [(); 3].map(|()| vec![0.0; channels]);
        for x in x.chunks(ROWS * channels) {
            isa.run(Partial { x, centres: &mut centres, rests: &mut rests, squares: &mut squares });
            let count = x.len() / channels;
            let rest = |c: usize| f64::from(rests[c]) / count as f64;
            let means = (0..channels).map(|c| f64::from(centres[c]) + rest(c)).collect();
            let squares = (0..channels).map(|c| f64::from(squares[c]) - count as f64 * rest(c) * rest(c)).collect();
            self.merge(&Self { count, means, squares });
        }
    }

    /// Adds what `other` has seen.
    ///
    /// Source: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979).
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.means.len(), other.means.len(), "channels");
        let whole = self.count + other.count;
        if other.count == 0 {
            return;
        }
        let share = other.count as f64 / whole as f64;
        for c in 0..self.means.len() {
            let distance = other.means[c] - self.means[c];
            self.means[c] += distance * share;
            self.squares[c] += other.squares[c] + distance * distance * share * self.count as f64;
        }
        self.count = whole;
    }

    /// Rows seen.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean of each channel.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The variance of each channel, divided by the number of rows; 0 of none.
    pub fn variances(&self) -> impl Iterator<Item = f64> {
        self.squares.iter().map(|square| square / self.count.max(1) as f64)
    }
}

/// Centre (a mean up to rounding), sum and squares of the distances to it, of at most [`ROWS`] rows.
struct Partial<'a> {
    x: &'a [f32],
    centres: &'a mut [f32],
    rests: &'a mut [f32],
    squares: &'a mut [f32],
}

impl Kernel for Partial<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.centres.len();
        let factor = simd.splat(1.0 / (self.x.len() / channels) as f32);
        for at in (0..channels).step_by(S::LANES) {
            let lanes = S::LANES.min(channels - at);
            let zero = simd.splat(0.0);
            let (mut sum, mut rest, mut square) = (zero, zero, zero);
            for row in self.x.chunks_exact(channels) {
                // SAFETY: a row holds `channels ≥ at + lanes` values.
                sum = simd.add(sum, unsafe { simd::load_first(simd, row.as_ptr().add(at), lanes) });
            }
            let centre = simd.mul(sum, factor);
            for row in self.x.chunks_exact(channels) {
                // SAFETY: as above.
                let distance = simd.sub(unsafe { simd::load_first(simd, row.as_ptr().add(at), lanes) }, centre);
                rest = simd.add(rest, distance);
                square = simd.mul_add(distance, distance, square);
            }
            // SAFETY: all three hold `channels` values.
            unsafe {
                simd::store_first(simd, self.centres.as_mut_ptr().add(at), centre, lanes);
                simd::store_first(simd, self.rests.as_mut_ptr().add(at), rest, lanes);
                simd::store_first(simd, self.squares.as_mut_ptr().add(at), square, lanes);
            }
        }
    }
}

/// What a normalisation does to each channel: of the batch in training, of running statistics after it.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a> {
    /// Mean.
    pub mean: &'a [f32],
    /// `1 / √(variance + ε)`.
    pub inverse: &'a [f32],
    /// γ.
    pub gain: &'a [f32],
    /// β.
    pub shift: &'a [f32],
}

impl BatchNorm<'_> {
    fn check(&self, x: &[f32]) {
        let channels = self.mean.len();
        let same = [self.inverse, self.gain, self.shift].iter().all(|values| values.len() == channels);
        assert!(same, "as many values as channels");
        assert!(x.len().is_multiple_of(channels), "whole rows of {channels} channels");
    }
}

/// `y = (x − mean)·inverse·gain + shift` for `x`, `y`: rows × channels.
pub fn batch_norm(isa: Isa, norm: &BatchNorm<'_>, x: &[f32], y: &mut [f32]) {
    norm.check(x);
    assert_eq!(x.len(), y.len(), "input and output");
    let slope: Vec<f32> = norm.inverse.iter().zip(norm.gain).map(|(inverse, gain)| inverse * gain).collect();
    isa.run(Affine { centre: norm.mean, slope: &slope, shift: norm.shift, x, y });
}

/// `y = (x − centre)·slope + shift`.
struct Affine<'a> {
    centre: &'a [f32],
    slope: &'a [f32],
    shift: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.centre.len();
        for (x, y) in self.x.chunks_exact(channels).zip(self.y.chunks_exact_mut(channels)) {
            for at in (0..channels).step_by(S::LANES) {
                let lanes = S::LANES.min(channels - at);
                // SAFETY: rows and constants hold `channels ≥ at + lanes` values.
                unsafe {
                    let [x, centre, slope, shift] = [x, self.centre, self.slope, self.shift]
                        .map(|from| simd::load_first(simd, from.as_ptr().add(at), lanes));
                    let y_value = simd.mul_add(simd.sub(x, centre), slope, shift);
                    simd::store_first(simd, y.as_mut_ptr().add(at), y_value, lanes);
                }
            }
        }
    }
}

/// Gradients of [`batch_norm`] by its parameters, which [`batch_norm_grad`] needs of the whole batch: `dgain += Σ dy·x̂`,
/// `dshift += Σ dy`.
pub fn batch_norm_sums(isa: Isa, norm: &BatchNorm<'_>, x: &[f32], dy: &[f32], dgain: &mut [f64], dshift: &mut [f64]) {
    norm.check(x);
    assert_eq!(x.len(), dy.len(), "input and gradient");
    let channels = norm.mean.len();
    assert!(dgain.len() == channels && dshift.len() == channels, "as many sums as channels");
    let [mut gain, mut shift] = [(); 2].map(|()| vec![0.0; channels]);
    for (x, dy) in x.chunks(ROWS * channels).zip(dy.chunks(ROWS * channels)) {
        isa.run(Sums { norm, x, dy, gain: &mut gain, shift: &mut shift });
        for (totals, sums) in [(&mut *dgain, &gain), (&mut *dshift, &shift)] {
            totals.iter_mut().zip(sums).for_each(|(total, &sum)| *total += f64::from(sum));
        }
    }
}

/// The sums of [`batch_norm_sums`] of at most [`ROWS`] rows.
struct Sums<'a> {
    norm: &'a BatchNorm<'a>,
    x: &'a [f32],
    dy: &'a [f32],
    gain: &'a mut [f32],
    shift: &'a mut [f32],
}

impl Kernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.gain.len();
        for at in (0..channels).step_by(S::LANES) {
            let lanes = S::LANES.min(channels - at);
            let (mut gain, mut shift) = (simd.splat(0.0), simd.splat(0.0));
            // SAFETY: rows, constants and sums hold `channels ≥ at + lanes` values.
            unsafe {
                let centre = simd::load_first(simd, self.norm.mean.as_ptr().add(at), lanes);
                let inverse = simd::load_first(simd, self.norm.inverse.as_ptr().add(at), lanes);
                for (x, dy) in self.x.chunks_exact(channels).zip(self.dy.chunks_exact(channels)) {
                    let x = simd::load_first(simd, x.as_ptr().add(at), lanes);
                    let dy = simd::load_first(simd, dy.as_ptr().add(at), lanes);
                    gain = simd.mul_add(simd.sub(x, centre), dy, gain);
                    shift = simd.add(shift, dy);
                }
                simd::store_first(simd, self.gain.as_mut_ptr().add(at), simd.mul(gain, inverse), lanes);
                simd::store_first(simd, self.shift.as_mut_ptr().add(at), shift, lanes);
            }
        }
    }
}

/// Gradient of [`batch_norm`] by `x` where mean and variance were the batch's: `dx ← dx` of `y` to that of `x`, with the
/// sums of [`batch_norm_sums`] over all `rows` of the batch.
pub fn batch_norm_grad(
    isa: Isa,
    norm: &BatchNorm<'_>,
    x: &[f32],
    (dgain, dshift, rows): (&[f64], &[f64], usize),
    dx: &mut [f32],
) {
    norm.check(x);
    assert_eq!(x.len(), dx.len(), "input and gradient");
    let channels = norm.mean.len();
    assert!(dgain.len() == channels && dshift.len() == channels && rows > 0, "sums of a batch");
    // dx = slope·dy + along·(x − mean) + shift
    let slope: Vec<f32> = (0..channels).map(|c| norm.gain[c] * norm.inverse[c]).collect();
    let along: Vec<f32> =
        (0..channels).map(|c| (-dgain[c] / rows as f64) as f32 * slope[c] * norm.inverse[c]).collect();
    let shift: Vec<f32> = (0..channels).map(|c| (-dshift[c] / rows as f64) as f32 * slope[c]).collect();
    isa.run(Grad { centre: norm.mean, slope: &slope, along: &along, shift: &shift, x, dx });
}

struct Grad<'a> {
    centre: &'a [f32],
    slope: &'a [f32],
    along: &'a [f32],
    shift: &'a [f32],
    x: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for Grad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.centre.len();
        for (x, dx) in self.x.chunks_exact(channels).zip(self.dx.chunks_exact_mut(channels)) {
            for at in (0..channels).step_by(S::LANES) {
                let lanes = S::LANES.min(channels - at);
                // SAFETY: rows and constants hold `channels ≥ at + lanes` values.
                unsafe {
                    let [x, dy, centre, slope, along, shift] =
                        [x, &*dx, self.centre, self.slope, self.along, self.shift]
                            .map(|from| simd::load_first(simd, from.as_ptr().add(at), lanes));
                    let value = simd.mul_add(dy, slope, simd.mul_add(simd.sub(x, centre), along, shift));
                    simd::store_first(simd, dx.as_mut_ptr().add(at), value, lanes);
                }
            }
        }
    }
}
