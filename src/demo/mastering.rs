//! What says nothing about the artist: room, equaliser, band limit, noise, fader and level of one recording.
//!
//! With the key and the mix it blurs the mean spectrum, so that telling artists apart needs more than that.

use std::f64::consts::TAU;

use super::SAMPLE_RATE;
use super::circle::circle;
use super::draw::{Draw as _, Noise};
use super::effects::{Filter, reverberate};
use crate::random::Random;

/// Root mean square before the noise comes in.
const LINE_LEVEL: f32 = 0.1;

/// One studio, one day.
pub(super) struct Mastering {
    filters: Vec<Filter>,
    wet: f32,
    reverberation: f64,
    /// Level of the noise over that of the music, and the share of its low part.
    noise: f32,
    rumble: f32,
    /// Depth and period in seconds of a hand on the fader.
    fader: (f64, f64),
    /// Highest sample.
    peak: f32,
}

impl Mastering {
    pub(super) fn draw(random: &mut Random) -> Self {
        let mut filters =
            vec![Filter::high_pass(random.ratio(20.0, 150.0)), Filter::low_pass(random.ratio(5000.0, 10_500.0))];
        let tilt = random.between(-4.0, 4.0);
        filters.push(Filter::peak(90.0, -tilt));
        filters.push(Filter::peak(7000.0, tilt));
        filters.extend((0..3).map(|_| Filter::peak(random.ratio(120.0, 8000.0), random.between(-6.0, 6.0))));
        Self {
            filters,
            wet: random.between(0.0, 0.35) as f32,
            reverberation: random.ratio(0.3, 1.5),
            noise: random.ratio(0.002, 0.03) as f32,
            rumble: random.uniform() as f32,
            fader: (random.between(0.0, 0.5), random.ratio(4.0, 20.0)),
            peak: random.ratio(0.4, 0.95) as f32,
        }
    }

    pub(super) fn apply(&self, sound: &mut [f32], random: &mut Random) {
        reverberate(sound, self.wet, self.reverberation);
        self.filters.iter().for_each(|filter| filter.apply(sound));
        let power = sound.iter().map(|x| x * x).sum::<f32>() / sound.len() as f32;
        let gain = LINE_LEVEL / power.sqrt().max(1e-6);
        sound.iter_mut().for_each(|x| *x *= gain);
        self.ride_fader(sound, random);
        self.add_noise(sound, random);
        let highest = sound.iter().fold(1e-6, |highest: f32, x| highest.max(x.abs()));
        sound.iter_mut().for_each(|x| *x *= self.peak / highest);
    }

    fn ride_fader(&self, sound: &mut [f32], random: &mut Random) {
        let (depth, period) = self.fader;
        let hand = circle(TAU * random.uniform(), TAU / (period * SAMPLE_RATE));
        for (x, (height, _)) in sound.iter_mut().zip(hand) {
            *x *= (1.0 - depth * (0.5 + 0.5 * height)) as f32;
        }
    }

    fn add_noise(&self, sound: &mut [f32], random: &mut Random) {
        let level = self.noise * LINE_LEVEL;
        let (mut noise, mut low) = (Noise::new(random), 0.0);
        for x in sound {
            let white = noise.next();
            low += 0.05 * (white - low);
            *x += level * ((1.0 - self.rumble) * white + 6.0 * self.rumble * low);
        }
    }
}
