//! The boxes between instrument and tape. Each works on a whole piece in place.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use super::SAMPLE_RATE;
use super::circle::circle;
use super::draw::Draw as _;
use crate::random::Random;

/// Bends loud samples; the more the higher the gain.
pub(super) fn saturate(sound: &mut [f32], gain: f32) {
    sound.iter_mut().for_each(|x| *x = (gain * *x).tanh() / gain.max(1.0));
}

/// Repeats the sound after `delay` seconds at `level`, again and again.
pub(super) fn echo(sound: &mut [f32], delay: f64, level: f32) {
    let delay = (delay * SAMPLE_RATE) as usize;
    for place in delay..sound.len() {
        sound[place] += level * sound[place - delay];
    }
}

/// Adds a copy whose delay sways by `depth` seconds, which detunes it a little up and down.
pub(super) fn chorus(sound: &mut [f32], depth: f64, random: &mut Random) {
    const DELAY: f64 = 0.012 * SAMPLE_RATE;
    let (rate, depth) = (TAU * random.between(0.4, 1.0) / SAMPLE_RATE, depth * SAMPLE_RATE);
    let dry = sound.to_vec();
    for ((place, out), (sway, _)) in sound.iter_mut().enumerate().zip(circle(0.0, rate)) {
        let delay = DELAY + depth * (1.0 + sway);
        let (whole, part) = (delay as usize, delay.fract() as f32);
        if place > whole {
            *out += dry[place - whole] * (1.0 - part) + dry[place - whole - 1] * part;
        }
    }
}

/// Reverberation after Schroeder (1962): parallel combs, then all-passes; `share` of the sound is wet.
pub(super) fn reverberate(sound: &mut [f32], share: f32, seconds: f64) {
    let mut wet = vec![0.0; sound.len()];
    for delay in [0.0297, 0.0371, 0.0411, 0.0437] {
        let mut comb = sound.to_vec();
        echo(&mut comb, delay, 1e-3f64.powf(delay / seconds) as f32);
        wet.iter_mut().zip(comb).for_each(|(wet, x)| *wet += 0.25 * x);
    }
    for delay in [0.005, 0.0017] {
        all_pass(&mut wet, (delay * SAMPLE_RATE) as usize);
    }
    sound.iter_mut().zip(wet).for_each(|(x, wet)| *x = (1.0 - share) * *x + share * wet);
}

fn all_pass(sound: &mut [f32], delay: usize) {
    const GAIN: f32 = 0.7;
    let mut memory = vec![0.0; delay];
    for (place, x) in sound.iter_mut().enumerate() {
        let past = &mut memory[place % delay];
        let inner = *x + GAIN * *past;
        *x = *past - GAIN * inner;
        *past = inner;
    }
}

/// A filter of second order, after the "Audio EQ Cookbook" of R. Bristow-Johnson; frequencies in Hz.
pub(super) struct Filter {
    /// b0, b1, b2, a1, a2; a0 is 1.
    coefficients: [f32; 5],
}

impl Filter {
    fn new(b: [f64; 3], a: [f64; 3]) -> Self {
        Self { coefficients: [b[0], b[1], b[2], a[1], a[2]].map(|x| (x / a[0]) as f32) }
    }

    /// Raises (or lowers) an octave or so around a frequency by `decibels`.
    pub(super) fn peak(frequency: f64, decibels: f64) -> Self {
        let (cos, alpha, gain) = (angle(frequency).cos(), angle(frequency).sin() / 2.0, 10f64.powf(decibels / 40.0));
        let edges = |x: f64| [1.0 + x, -2.0 * cos, 1.0 - x];
        Self::new(edges(alpha * gain), edges(alpha / gain))
    }

    /// Takes away what is below.
    pub(super) fn high_pass(frequency: f64) -> Self {
        let (cos, a) = butterworth(frequency);
        Self::new([(1.0 + cos) / 2.0, -1.0 - cos, (1.0 + cos) / 2.0], a)
    }

    /// Takes away what is above.
    pub(super) fn low_pass(frequency: f64) -> Self {
        let (cos, a) = butterworth(frequency);
        Self::new([(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0], a)
    }

    pub(super) fn apply(&self, sound: &mut [f32]) {
        let [b0, b1, b2, a1, a2] = self.coefficients;
        let (mut first, mut second) = (0.0, 0.0);
        for x in sound {
            let out = b0 * *x + first;
            first = b1 * *x - a1 * out + second;
            second = b2 * *x - a2 * out;
            *x = out;
        }
    }
}

fn angle(frequency: f64) -> f64 {
    TAU * frequency.min(0.49 * SAMPLE_RATE) / SAMPLE_RATE
}

fn butterworth(frequency: f64) -> (f64, [f64; 3]) {
    let (cos, alpha) = (angle(frequency).cos(), angle(frequency).sin() * FRAC_1_SQRT_2);
    (cos, [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Level of a sine of this frequency behind a filter, in decibels.
    fn response(filter: &Filter, frequency: f64) -> f64 {
        let mut sound: Vec<f32> = (0..22_050).map(|n| (angle(frequency) * f64::from(n)).sin() as f32).collect();
        filter.apply(&mut sound);
        let power: f64 = sound[11_025..].iter().map(|x| f64::from(x * x)).sum::<f64>() / 11_025.0;
        10.0 * (2.0 * power).log10()
    }

    #[test]
    fn filters_do_what_they_say() {
        let near = |filter: &Filter, frequency, expected: f64| {
            let found = response(filter, frequency);
            assert!((found - expected).abs() < 0.2, "{frequency} Hz: {found} dB, expected {expected} dB");
        };
        let peak = Filter::peak(1000.0, 12.0);
        near(&peak, 1000.0, 12.0);
        near(&peak, 50.0, 0.0);
        near(&Filter::low_pass(1000.0), 1000.0, -3.0);
        near(&Filter::low_pass(1000.0), 100.0, 0.0);
        near(&Filter::high_pass(1000.0), 1000.0, -3.0);
        near(&Filter::high_pass(1000.0), 100.0, -40.0);
    }

    #[test]
    fn echoes_come_back_weaker() {
        let mut sound = vec![0.0; 2206];
        sound[0] = 1.0;
        echo(&mut sound, 735.5 / SAMPLE_RATE, 0.5);
        assert_eq!([sound[0], sound[735], sound[1470], sound[2205]], [1.0, 0.5, 0.25, 0.125]);
        assert_eq!(sound.iter().filter(|&&x| x != 0.0).count(), 4);
    }

    #[test]
    fn all_passes_keep_the_energy() {
        let mut sound = vec![0.0; 22_050];
        sound[0] = 1.0;
        all_pass(&mut sound, 110);
        assert!((sound.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-3);
    }
}
