//! Random numbers that depend on what they are for, not on who draws them first: every stream is keyed by a seed and
//! the coordinates of its use (step, item, purpose), so results do not depend on the thread count.

use rand::{Rng as _, RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers, the same on every platform.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of `key` under `seed`; different keys give independent streams.
    pub fn keyed(seed: u64, key: &[u64]) -> Self {
        let mut state = splitmix(seed ^ key.len() as u64);
        for &part in key {
            state = splitmix(state ^ part);
        }
        Self(ChaCha8Rng::seed_from_u64(state))
    }

    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// Uniform in `0..bound`; `bound` must not be zero.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// 64 random bits, to seed something else.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Puts the items in random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// `count` different items of `0..bound`, in random order; all of them where `count` ≥ `bound`.
    pub fn sample(&mut self, bound: usize, count: usize) -> Vec<usize> {
        let mut items: Vec<usize> = (0..bound).collect();
        let count = count.min(bound);
        for place in 0..count {
            items.swap(place, place + self.below(bound - place));
        }
        items.truncate(count);
        items
    }
}

/// One round of SplitMix64: spreads neighbouring keys over all 64 bits.
fn splitmix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn streams_depend_on_seed_and_key_only() {
        let draw = |seed, key: &[u64]| Random::keyed(seed, key).bits();
        assert_eq!(draw(1, &[2, 3]), draw(1, &[2, 3]));
        assert_ne!(draw(1, &[2, 3]), draw(1, &[3, 2]));
        assert_ne!(draw(1, &[2, 3]), draw(2, &[2, 3]));
        assert_ne!(draw(1, &[]), draw(1, &[0]));
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut random = Random::keyed(7, &[]);
        let draws: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.02, "variance {variance}");
    }

    #[test]
    fn samples_are_distinct() {
        let mut drawn = Random::keyed(3, &[]).sample(50, 20);
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 20);
        assert_eq!(Random::keyed(3, &[]).sample(4, 20).len(), 4);
    }
}
