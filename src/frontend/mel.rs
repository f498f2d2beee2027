//! The mel spectrogram: window → Fourier transform → magnitude to a power → mel bands, frame by frame.

use std::sync::Arc;

use homonym_fft::Fft;
use homonym_kernels::{Bands, HalfTransform, Isa, band_sums, power_spectrum};
use num_complex::Complex;

use super::filterbank::filterbank;
use super::{FrameStream, Recipe};
use crate::Result;

/// Samples taken at a time from a long push, so that the buffer stays in the cache.
const PIECE: usize = 1 << 14;

/// Mel frames of one signal after another. Buffers are allocated once; no frame allocates.
pub struct MelStream {
    recipe: Recipe,
    isa: Isa,
    bank: Bands,
    window: Vec<f32>,
    /// The complex transform of half as many values as a frame has samples, and what makes it that of the samples.
    transform: Arc<dyn Fft<f32>>,
    half: HalfTransform,
    /// Samples that a frame to come will see, from `next` on: where the next frame starts.
    pending: Vec<f32>,
    next: usize,
    /// Room for one frame: windowed samples, two in a complex value, then their transform; its magnitudes to a power and
    /// the zeros that the bands may read.
    values: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    power: Vec<f32>,
}

impl MelStream {
    pub(super) fn new(recipe: &Recipe) -> Result<Self> {
        let bank = filterbank(recipe)?;
        let transform = homonym_fft::forward(recipe.n_fft / 2);
        let zero = Complex::new(0.0, 0.0);
        let mut stream = Self {
            isa: Isa::chosen()?,
            window: hann(recipe.n_fft),
            half: HalfTransform::new(recipe.n_fft),
            pending: Vec::with_capacity(PIECE + recipe.n_fft),
            next: 0,
            values: vec![zero; recipe.n_fft / 2],
            scratch: vec![zero; transform.get_inplace_scratch_len()],
            power: vec![0.0; bank.reach().max(recipe.n_fft / 2 + 1)],
            recipe: recipe.clone(),
            transform,
            bank,
        };
        stream.reset();
        Ok(stream)
    }

    /// Takes a piece and appends the frames it completes.
    fn take(&mut self, samples: &[f32], frames: &mut Vec<f32>) {
        self.pending.extend_from_slice(samples);
        while self.next + self.recipe.n_fft <= self.pending.len() {
            self.frame(frames);
            self.next += self.recipe.hop;
        }
        let spent = self.next.min(self.pending.len());
        self.pending.drain(..spent);
        self.next -= spent;
    }

    /// Appends the frame that starts at `next`.
    fn frame(&mut self, frames: &mut Vec<f32>) {
        let samples = &self.pending[self.next..self.next + self.recipe.n_fft];
        let windowed: &mut [f32] = bytemuck::cast_slice_mut(&mut self.values);
        for ((windowed, sample), weight) in windowed.iter_mut().zip(samples).zip(&self.window) {
            *windowed = sample * weight;
        }
        self.transform.process_with_scratch(&mut self.values, &mut self.scratch);
        let power = &mut self.power[..self.recipe.n_fft / 2 + 1];
        power_spectrum(self.isa, &self.half, bytemuck::cast_slice(&self.values), power);
        raise(power, self.recipe.power);
        let start = frames.len();
        frames.resize(start + self.recipe.bands, 0.0);
        band_sums(self.isa, &self.bank, &self.power, &mut frames[start..]);
    }
}

impl FrameStream for MelStream {
    fn sample_rate(&self) -> u32 {
        self.recipe.sample_rate
    }

    fn bands(&self) -> usize {
        self.recipe.bands
    }

    fn push(&mut self, samples: &[f32], frames: &mut Vec<f32>) {
        for piece in samples.chunks(PIECE) {
            self.take(piece, frames);
        }
    }

    fn finish(&mut self, frames: &mut Vec<f32>) {
        let half = vec![0.0; self.recipe.n_fft / 2];
        self.take(&half, frames);
        self.reset();
    }

    fn reset(&mut self) {
        self.next = 0;
        self.pending.clear();
        self.pending.resize(self.recipe.n_fft / 2, 0.0);
    }
}

/// Squared magnitudes to magnitudes to the power `exponent`.
pub(super) fn raise(squares: &mut [f32], exponent: f64) {
    if exponent == 1.0 {
        squares.iter_mut().for_each(|square| *square = square.sqrt());
    } else if exponent != 2.0 {
        squares.iter_mut().for_each(|square| *square = square.powf(exponent as f32 / 2.0));
    }
}

/// The periodic Hann window: sin²(πi/n).
fn hann(n: usize) -> Vec<f32> {
    (0..n).map(|i| (std::f64::consts::PI * i as f64 / n as f64).sin().powi(2) as f32).collect()
}
