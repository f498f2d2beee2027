//! What is not the artist's, changed at random while training: level, equaliser, missing bands and moments.

use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::{Error, Result};

/// How strongly segments are changed; all zero (the paper) leaves them alone. Applied to mel power, before compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Standard deviation of the level, in dB.
    pub level: f32,
    /// Standard deviation of each of the waves that make a random equaliser, in dB.
    pub equaliser: f32,
    /// Largest share of the bands that is silenced, in one stretch.
    pub band_mask: f32,
    /// Largest share of the frames that is silenced, in one stretch.
    pub time_mask: f32,
}

/// Waves across the bands whose sum is a random equaliser: half a period, one, one and a half, two.
const WAVES: usize = 4;

impl Augmentation {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        let decibels = |x: f32| (0.0..=40.0).contains(&x);
        let share = |x: f32| (0.0..=0.9).contains(&x);
        if decibels(self.level) && decibels(self.equaliser) && share(self.band_mask) && share(self.time_mask) {
            return Ok(());
        }
        Err(Error::setting("augmentation", "level and equaliser must be within 0..=40 dB, masks within 0..=0.9"))
    }

    /// Changes a segment (frames × `bands` of mel power) as `random` decides.
    pub(super) fn apply(&self, segment: &mut [f32], bands: usize, random: &mut Random) {
        if *self == Self::default() {
            return;
        }
        let mut gains = self.gains(bands, random);
        let silent_bands = stretch(self.band_mask, bands, random);
        gains[silent_bands].fill(0.0);
        let silent_frames = stretch(self.time_mask, segment.len() / bands, random);
        for (index, frame) in segment.chunks_exact_mut(bands).enumerate() {
            if silent_frames.contains(&index) {
                frame.fill(0.0);
            }
            frame.iter_mut().zip(&gains).for_each(|(power, gain)| *power *= gain);
        }
    }

    /// A factor for the power of each band.
    fn gains(&self, bands: usize, random: &mut Random) -> Vec<f32> {
        let level = f64::from(self.level) * random.normal();
        let waves: Vec<(f64, f64)> = (0..WAVES)
            .map(|_| (f64::from(self.equaliser) * random.normal(), std::f64::consts::TAU * random.uniform()))
            .collect();
        let gain = |band: usize| {
            let wave = |(index, (height, phase)): (usize, &(f64, f64))| {
                let turn = std::f64::consts::PI * (index + 1) as f64 * band as f64 / bands as f64;
                height * (turn + phase).cos()
            };
            let decibels = level + waves.iter().enumerate().map(wave).sum::<f64>();
            10f64.powf(decibels / 10.0) as f32
        };
        (0..bands).map(gain).collect()
    }
}

/// A random stretch of at most `share` of `count` places.
fn stretch(share: f32, count: usize, random: &mut Random) -> std::ops::Range<usize> {
    let length = (random.uniform() * f64::from(share) * count as f64).round() as usize;
    let start = random.below(count - length + 1);
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::Augmentation;
    use crate::random::Random;

    fn changed(augmentation: Augmentation, seed: u64) -> Vec<f32> {
        let mut segment = vec![1.0; 50 * 40];
        augmentation.apply(&mut segment, 40, &mut Random::keyed(seed, &[]));
        segment
    }

    #[test]
    fn nothing_changes_by_default_and_the_same_key_changes_alike() {
        assert_eq!(changed(Augmentation::default(), 1), vec![1.0; 2000]);
        let strong = Augmentation { level: 6.0, equaliser: 3.0, band_mask: 0.2, time_mask: 0.2 };
        assert_eq!(changed(strong, 1), changed(strong, 1));
        assert_ne!(changed(strong, 1), changed(strong, 2));
    }

    #[test]
    fn level_is_one_gain_for_all_and_has_its_deviation() {
        let level = Augmentation { level: 6.0, ..Augmentation::default() };
        let decibels = (0..2000).map(|seed| {
            let segment = changed(level, seed);
            assert!(segment.iter().all(|&power| power == segment[0]));
            10.0 * f64::from(segment[0]).log10()
        });
        let variance = decibels.map(|x| x * x).sum::<f64>() / 2000.0;
        assert!((variance.sqrt() - 6.0).abs() < 0.4, "deviation {}", variance.sqrt());
    }

    #[test]
    fn masks_silence_whole_bands_and_frames_within_their_share() {
        let masks = Augmentation { band_mask: 0.5, time_mask: 0.5, ..Augmentation::default() };
        for seed in 0..100 {
            let segment = changed(masks, seed);
            let silent_frames = segment.chunks(40).filter(|frame| frame.iter().all(|&x| x == 0.0)).count();
            let silent_bands = (0..40).filter(|&band| segment.iter().skip(band).step_by(40).all(|&x| x == 0.0)).count();
            assert!(silent_frames <= 25 && silent_bands <= 20, "{silent_frames} {silent_bands}");
            let heard = segment.iter().filter(|&&x| x == 1.0).count();
            assert_eq!(heard, (50 - silent_frames) * (40 - silent_bands));
        }
    }
}
