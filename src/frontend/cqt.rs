//! The constant-Q transform: of every band, windows whose length is a fixed number of its periods, frame by frame.
//!
//! ```text
//! frame i, band k = √L_k · |Σ_t b_k[t] · x[i·hop − t]|^power,   L_k = Q · rate / f_k,   Σ |b_k| = 1
//! b_k = a Hann window of about L_k samples · e^{2πi·f_k·t/rate}
//! ```
//!
//! These are the numbers of `librosa.cqt` without what it does for speed: no recursive resampling and no sparse windows.
//! Its windows of an octave below the highest are sampled at half the rate, of two octaves below at a quarter, and so on, an
//! odd number of samples each; here they have the same length and the same place at the full rate.
//!
//! Block by block in the frequency domain (overlap-save): one transform of `n_fft` samples, the bins that a band's window
//! lets through, folded to the rate of the frames (see `kernels`), and a short inverse transform of every band. Blocks have
//! fixed places, so that frames do not depend on how the samples arrive.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use homonym_fft::Fft;
use homonym_kernels::{Buffer, FoldedFilters, HalfTransform, Isa, fold, spectrum};
use num_complex::Complex;

use super::mel::raise;
use super::{FrameStream, Recipe};
use crate::{Error, Result};

/// Bins of a window's transform below this share of its largest count as nothing.
const NEGLIGIBLE: f64 = 3e-5;
/// The rows of folded bins are whole vectors of any instruction set.
const FOLD_STEP: usize = 16;

/// Constant-Q frames of one signal after another. Buffers are allocated once; no frame allocates.
pub struct CqtStream {
    recipe: Recipe,
    isa: Isa,
    plan: Plan,
    filters: FoldedFilters,
    /// The complex transform of half as many values as a block has samples, and what makes it that of the samples.
    forward: Arc<dyn Fft<f32>>,
    half: HalfTransform,
    /// From folded bins to as many frames as a block is hops long.
    inverse: Arc<dyn Fft<f32>>,
    /// The samples of the next block that are there.
    pending: Vec<f32>,
    /// Samples taken and frames given so far.
    taken: usize,
    given: usize,
    /// Room for one block: its samples, two in a complex value, then their transform; its bins; bands × folded bins.
    values: Vec<Complex<f32>>,
    bins: [Buffer; 2],
    folded: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl CqtStream {
    pub(super) fn new(recipe: &Recipe) -> Result<Self> {
        let plan = Plan::new(recipe)?;
        let (forward, inverse) = (homonym_fft::forward(recipe.n_fft / 2), homonym_fft::inverse(plan.hops));
        let scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        let zero = Complex::new(0.0, 0.0);
        let mut stream = Self {
            isa: Isa::chosen()?,
            filters: FoldedFilters::new(plan.hops, &plan.filters(recipe)),
            half: HalfTransform::new(recipe.n_fft),
            pending: Vec::with_capacity(recipe.n_fft),
            taken: 0,
            given: 0,
            values: vec![zero; recipe.n_fft / 2],
            bins: [(); 2].map(|()| Buffer::zeros(recipe.n_fft / 2 + 1)),
            folded: vec![zero; recipe.bands * plan.hops],
            scratch: vec![zero; scratch],
            recipe: recipe.clone(),
            plan,
            forward,
            inverse,
        };
        stream.reset();
        Ok(stream)
    }

    /// Appends the frames of the block that is pending, `most` at most, and moves on to the next.
    fn block(&mut self, most: usize, frames: &mut Vec<f32>) {
        bytemuck::cast_slice_mut(&mut self.values).copy_from_slice(&self.pending);
        self.forward.process_with_scratch(&mut self.values, &mut self.scratch);
        let [re, im] = &mut self.bins;
        spectrum(self.isa, &self.half, bytemuck::cast_slice(&self.values), re, im);
        fold(self.isa, &self.filters, re, im, bytemuck::cast_slice_mut(&mut self.folded));
        self.inverse.process_with_scratch(&mut self.folded, &mut self.scratch);
        let Plan { hops, margin, frames: whole, .. } = self.plan;
        let (start, count) = (frames.len(), whole.min(most));
        for frame in margin..margin + count {
            frames.extend(self.folded.chunks_exact(hops).map(|band| band[frame].norm_sqr()));
        }
        raise(&mut frames[start..], self.recipe.power);
        self.given += count;
        self.pending.drain(..whole * self.recipe.hop);
    }
}

impl FrameStream for CqtStream {
    fn sample_rate(&self) -> u32 {
        self.recipe.sample_rate
    }

    fn bands(&self) -> usize {
        self.recipe.bands
    }

    fn push(&mut self, mut samples: &[f32], frames: &mut Vec<f32>) {
        self.taken += samples.len();
        while !samples.is_empty() {
            let room = self.recipe.n_fft - self.pending.len();
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.pending.extend_from_slice(now);
            samples = later;
            if now.len() == room {
                self.block(usize::MAX, frames);
            }
        }
    }

    fn finish(&mut self, frames: &mut Vec<f32>) {
        let total = 1 + self.taken / self.recipe.hop;
        while self.given < total {
            self.pending.resize(self.recipe.n_fft, 0.0);
            self.block(total - self.given, frames);
        }
        self.reset();
    }

    fn reset(&mut self) {
        (self.taken, self.given) = (0, 0);
        self.pending.clear();
        self.pending.resize(self.plan.margin * self.recipe.hop, 0.0);
    }
}

/// The sizes that follow from a recipe.
pub(super) struct Plan {
    bands_per_octave: usize,
    /// Length of a block in hops.
    hops: usize,
    /// Hops of a block before its first frame, and after its last: half the longest window.
    margin: usize,
    /// Frames of a block.
    frames: usize,
}

/// Where a band's window lies: over the samples −`before`..`length` − `before` around a frame's.
struct Window {
    length: usize,
    before: usize,
}

impl Plan {
    /// # Errors
    /// [`Error::Setting`] names the field that does not fit the others.
    pub(super) fn new(recipe: &Recipe) -> Result<Self> {
        let Recipe { n_fft, hop, bands, fmin, fmax, .. } = *recipe;
        let per_octave = bands as f64 / (fmax / fmin).log2();
        if !(0.5..1e3).contains(&per_octave) || (per_octave - per_octave.round()).abs() > 1e-6 {
            let problem = format!("{bands} bands from {fmin} to {fmax} Hz are {per_octave:.3} an octave");
            return Err(Error::setting(
                "fmax",
                format!("{problem}; must be a whole number, as 96 from 32.7 to 8371.2 Hz"),
            ));
        }
        if !n_fft.is_multiple_of(FOLD_STEP * hop) {
            let problem =
                format!("{hop} samples, {FOLD_STEP} times, must go a whole number of times into n_fft ({n_fft})");
            return Err(Error::setting("hop", problem));
        }
        let hops = n_fft / hop;
        let plan = Self { bands_per_octave: per_octave.round() as usize, hops, margin: 0, frames: 0 };
        let longest = plan.samples(recipe, 0);
        let margin = if longest < n_fft as f64 { plan.window(recipe, 0).before.div_ceil(hop) } else { hops };
        match hops.checked_sub(2 * margin).filter(|&frames| frames > 0) {
            Some(frames) => Ok(Self { margin, frames, ..plan }),
            None => {
                let problem =
                    format!("{n_fft} hold no frame with the {longest:.0} samples of the lowest band around it");
                Err(Error::setting("n_fft", format!("{problem}; use twice as many")))
            }
        }
    }

    /// The centre of a band, in Hz.
    fn hertz(&self, recipe: &Recipe, band: usize) -> f64 {
        recipe.fmin * (band as f64 / self.bands_per_octave as f64).exp2()
    }

    /// Samples of a band's window before they are rounded: Q periods, Q the number of bandwidths in a frequency.
    fn samples(&self, recipe: &Recipe, band: usize) -> f64 {
        let step = (2.0 / self.bands_per_octave as f64).exp2();
        (step + 1.0) / (step - 1.0) * f64::from(recipe.sample_rate) / self.hertz(recipe, band)
    }

    /// The window of a band, an odd number of samples of its octave's rate.
    fn window(&self, recipe: &Recipe, band: usize) -> Window {
        let octave = (recipe.bands - 1 - band) / self.bands_per_octave;
        let step = 1 << octave.min(recipe.hop.trailing_zeros() as usize);
        let each_side = (self.samples(recipe, band) / 2.0) as usize / step;
        Window { length: (2 * each_side + 1) * step, before: (each_side + 1) * step }
    }

    /// Of every band the first bin and the transform of its window, scaled for the inverse transform.
    fn filters(&self, recipe: &Recipe) -> Vec<(usize, Vec<[f32; 2]>)> {
        let n = recipe.n_fft;
        let transform = homonym_fft::forward_f64(n);
        let filter = |band| {
            let Window { length, before } = self.window(recipe, band);
            let turn = self.hertz(recipe, band) / f64::from(recipe.sample_rate);
            // The sum of a Hann window is half its length.
            let scale = self.samples(recipe, band).sqrt() / (length as f64 / 2.0) / n as f64;
            let mut values = vec![Complex::new(0.0, 0.0); n];
            for at in 0..length {
                let hann = (PI * at as f64 / length as f64).sin().powi(2);
                let time = at as f64 - before as f64;
                values[(at + n - before) % n] = Complex::from_polar(scale * hann, TAU * (turn * time).fract());
            }
            transform.process(&mut values);
            let heard = values[..n / 2].iter().map(|value| value.norm_sqr());
            let least = NEGLIGIBLE.powi(2) * heard.clone().fold(0.0, f64::max);
            let first = heard.clone().position(|size| size >= least).expect("the largest is not below its share");
            let last = n / 2 - 1 - heard.rev().position(|size| size >= least).expect("as above");
            (first, values[first..=last].iter().map(|value| [value.re as f32, value.im as f32]).collect())
        };
        (0..recipe.bands).map(filter).collect()
    }
}
