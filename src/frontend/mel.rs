//! The mel spectrogram: window → Fourier transform → magnitude to a power → mel bands, frame by frame.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::filterbank::Filterbank;
use super::{FrameStream, Recipe};
use crate::Result;

/// Samples taken at a time from a long push, so that the buffer stays in the cache.
const PIECE: usize = 1 << 14;

/// Mel frames of one signal after another. Buffers are allocated once; no frame allocates.
pub struct MelStream {
    recipe: Recipe,
    bank: Filterbank,
    window: Vec<f32>,
    transform: Arc<dyn RealToComplex<f32>>,
    /// Samples that a frame to come will see, from `next` on: where the next frame starts.
    pending: Vec<f32>,
    next: usize,
    /// Room for one frame: windowed samples, their transform, its magnitudes to a power and some zeros.
    windowed: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    power: Vec<f32>,
}

impl MelStream {
    pub(super) fn new(recipe: &Recipe) -> Result<Self> {
        let bank = Filterbank::new(recipe)?;
        let transform = RealFftPlanner::new().plan_fft_forward(recipe.n_fft);
        let mut stream = Self {
            window: hann(recipe.n_fft),
            pending: Vec::with_capacity(PIECE + recipe.n_fft),
            next: 0,
            windowed: transform.make_input_vec(),
            spectrum: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            power: vec![0.0; bank.padded_bins(recipe.n_fft / 2 + 1)],
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
        for ((windowed, sample), weight) in self.windowed.iter_mut().zip(samples).zip(&self.window) {
            *windowed = sample * weight;
        }
        self.transform
            .process_with_scratch(&mut self.windowed, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers are the transform's own");
        raise(&self.spectrum, self.recipe.power, &mut self.power);
        self.bank.apply(&self.power, frames);
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

/// The magnitudes of `spectrum` to `exponent`.
fn raise(spectrum: &[Complex<f32>], exponent: f64, power: &mut [f32]) {
    let squares = power.iter_mut().zip(spectrum.iter().map(Complex::norm_sqr));
    if exponent == 2.0 {
        squares.for_each(|(power, square)| *power = square);
    } else if exponent == 1.0 {
        squares.for_each(|(power, square)| *power = square.sqrt());
    } else {
        squares.for_each(|(power, square)| *power = square.powf(exponent as f32 / 2.0));
    }
}

/// The periodic Hann window: sin²(πi/n).
fn hann(n: usize) -> Vec<f32> {
    (0..n).map(|i| (std::f64::consts::PI * i as f64 / n as f64).sin().powi(2) as f32).collect()
}
