//! A drum kit: a falling tone, noise with a tone, and bright noise.

use std::f64::consts::TAU;

use super::SAMPLE_RATE;
use super::composer::{Drum, Stroke};
use super::draw::Noise;

/// Seconds in which the pitch of a skin settles.
const SETTLING: f64 = 0.03;

/// Adds the strokes to `out`; `ring` is the time in seconds in which they die away.
pub(super) fn play(strokes: &[Stroke], ring: f64, out: &mut [f32], noise: &mut Noise) {
    let fade = (-1.0 / (ring * SAMPLE_RATE)).exp() as f32;
    for stroke in strokes {
        let first = ((stroke.start * SAMPLE_RATE) as usize).min(out.len());
        let length = (6.0 * ring * SAMPLE_RATE) as usize;
        let (mut level, mut last) = (stroke.velocity as f32, 0.0);
        let mut skin = match stroke.drum {
            Drum::Kick => Skin::new(195.0, 45.0),
            Drum::Snare | Drum::Hat => Skin::new(390.0, 180.0),
        };
        for out in out[first..].iter_mut().take(length) {
            let white = noise.next();
            let sound = match stroke.drum {
                Drum::Kick => skin.next(),
                Drum::Snare => 0.5 * skin.next() + 0.6 * white,
                Drum::Hat => 0.5 * (white - last),
            };
            *out += level * sound;
            (level, last) = (level * fade, white);
        }
    }
}

/// A tone that falls from one frequency to another.
struct Skin {
    phase: f64,
    turn: f64,
    rest: f64,
    settle: f64,
}

impl Skin {
    fn new(struck: f64, rest: f64) -> Self {
        let turn = |frequency: f64| TAU * frequency / SAMPLE_RATE;
        Self { phase: 0.0, turn: turn(struck), rest: turn(rest), settle: 1.0 / (SETTLING * SAMPLE_RATE) }
    }

    fn next(&mut self) -> f32 {
        self.phase += self.turn;
        self.turn += (self.rest - self.turn) * self.settle;
        (self.phase as f32).sin()
    }
}
