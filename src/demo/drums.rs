//! A drum kit: a falling tone, noise with a tone, and bright noise.

use std::f64::consts::TAU;

use super::SAMPLE_RATE;
use super::composer::{Drum, Stroke};
use super::draw::Noise;

/// Adds the strokes to `out`; `ring` is the time in seconds in which they die away.
pub(super) fn play(strokes: &[Stroke], ring: f64, out: &mut [f32], noise: &mut Noise) {
    for stroke in strokes {
        let first = ((stroke.start * SAMPLE_RATE) as usize).min(out.len());
        let mut last_noise = 0.0;
        let length = (7.0 * ring * SAMPLE_RATE) as usize;
        for (place, out) in out[first..].iter_mut().take(length).enumerate() {
            let time = place as f64 / SAMPLE_RATE;
            let white = noise.next();
            let bright = white - last_noise;
            last_noise = white;
            let sound = match stroke.drum {
                Drum::Kick => tone(150.0, 45.0, time),
                Drum::Snare => 0.5 * tone(210.0, 180.0, time) + 0.6 * white,
                Drum::Hat => 0.5 * bright,
            };
            *out += sound * (stroke.velocity * (-time / ring).exp()) as f32;
        }
    }
}

/// A tone that falls from the sum of two frequencies to the second (Hz), `time` seconds after the stroke.
fn tone(drop: f64, rest: f64, time: f64) -> f32 {
    const FALL: f64 = 0.03;
    (TAU * (rest * time + drop * FALL * (1.0 - (-time / FALL).exp()))).sin() as f32
}
