//! From one sampling rate to another: a linear-phase low-pass applied block by block in the frequency domain.
//!
//! Blocks have a fixed size and hold whole periods of the ratio of the two rates, so the result neither drifts nor
//! depends on how the samples arrive. Measured (tests/audio.rs asserts it): flat within 0.001 dB up to 97.5 % of the
//! lower of the two Nyquist frequencies, which is 10.75 kHz for 22,050 Hz, 0.1 dB down at 98 %; whatever would alias
//! from above that Nyquist frequency is at or below −135 dB.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::Result;

/// Length of a block in samples at the lower of the two rates, at least: it sets how steep the low-pass is.
const LEAST_BLOCK: u64 = 1024;

/// One signal on its way from one rate to another.
pub(super) struct Resampler {
    fft: Fft<f32>,
    /// Rates in Hz.
    from: u64,
    to: u64,
    /// Samples that do not fill a block yet, and the room for a block of results.
    input: Vec<f32>,
    output: Vec<f32>,
    /// Results still to drop: the delay of the filter.
    delay: usize,
    /// Samples taken and given so far.
    taken: u64,
    given: u64,
}

impl Resampler {
    pub(super) fn new(from: u32, to: u32) -> Self {
        let (from, to) = (u64::from(from), u64::from(to));
        let common = greatest_common_divisor(from, to);
        // An even number of periods, so that half a block, the delay, is a whole number of samples on both sides.
        let periods = LEAST_BLOCK.div_ceil(from.min(to) / common).next_multiple_of(2);
        let block = (periods * from / common) as usize;
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(from as usize, to as usize, block, 1, 1, window, FixedSync::Both)
            .expect("rates and block are not zero");
        let output = vec![0.0; fft.output_frames_max()];
        let delay = fft.output_delay();
        Self { fft, from, to, input: Vec::with_capacity(block), output, delay, taken: 0, given: 0 }
    }

    /// Takes more of the signal and hands what is ready to `sink`.
    pub(super) fn push(&mut self, mut samples: &[f32], sink: &mut dyn FnMut(&[f32]) -> Result<()>) -> Result<()> {
        self.taken += samples.len() as u64;
        while !samples.is_empty() {
            let room = self.fft.input_frames_next() - self.input.len();
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.input.extend_from_slice(now);
            samples = later;
            if now.len() == room {
                self.block(u64::MAX, sink)?;
            }
        }
        Ok(())
    }

    /// Ends the signal with silence and hands over the rest, up to ⌈n·to/from⌉ samples in total.
    pub(super) fn finish(mut self, sink: &mut dyn FnMut(&[f32]) -> Result<()>) -> Result<()> {
        let total = (self.taken * self.to).div_ceil(self.from);
        while self.given < total {
            self.input.resize(self.fft.input_frames_next(), 0.0);
            self.block(total, sink)?;
        }
        Ok(())
    }

    /// Filters the full block of input; gives `total` samples at most over the life of the signal.
    fn block(&mut self, total: u64, sink: &mut dyn FnMut(&[f32]) -> Result<()>) -> Result<()> {
        let (taken, room) = (self.input.len(), self.output.len());
        let input = InterleavedSlice::new(&self.input[..], 1, taken).expect("one channel");
        let mut output = InterleavedSlice::new_mut(&mut self.output[..], 1, room).expect("one channel");
        let (_, made) = self.fft.process_into_buffer(&input, &mut output, None).expect("a block of the right size");
        self.input.clear();
        let drop = self.delay.min(made);
        self.delay -= drop;
        let wanted = usize::try_from(total - self.given).unwrap_or(usize::MAX).min(made - drop);
        self.given += wanted as u64;
        if wanted > 0 { sink(&self.output[drop..drop + wanted]) } else { Ok(()) }
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
