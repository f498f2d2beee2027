//! What musicians ask of chance.

use crate::random::Random;

pub(super) trait Draw {
    /// Uniform between `low` and `high`.
    fn between(&mut self, low: f64, high: f64) -> f64;
    /// Between two positive numbers, uniform in their logarithm, as the ear takes pitch, time and loudness.
    fn ratio(&mut self, low: f64, high: f64) -> f64;
    /// Whether something happens that has this probability.
    fn chance(&mut self, probability: f64) -> bool;
    /// One of some values, all equally likely.
    fn pick<T: Copy>(&mut self, from: &[T]) -> T;
}

impl Draw for Random {
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    fn ratio(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.uniform())
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Cheap white noise in `[-1, 1)`: as many numbers as a track has samples, several times (Marsaglia's xorshift).
pub(super) struct Noise(u32);

impl Noise {
    pub(super) fn new(random: &mut Random) -> Self {
        Self(random.bits() as u32 | 1)
    }

    pub(super) fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as i32 as f32 / 2f32.powi(31)
    }
}
