//! Learning from time alone (McCallum 2019): what is near in a track is alike, what is far apart in it is not.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::frontend::Recipe;
use crate::random::Random;
use crate::{Error, Result};

/// How far apart segments of a track begin, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proximity {
    /// Those of one place, which are positives of each other: at most; 0 takes the same segment, changed at random anew.
    pub near: f64,
    /// Those of two places of a track, which are negatives of each other: at least.
    pub far: f64,
    /// Places of a track in a batch at most, fewer where it is too short for them; 1 leaves other tracks as negatives only.
    pub places: usize,
}

impl Default for Proximity {
    fn default() -> Self {
        Self { near: 5.0, far: 10.0, places: 4 }
    }
}

impl Proximity {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        let seconds = |x: f64| (0.0..=86_400.0).contains(&x);
        if seconds(self.near) && seconds(self.far) && self.places > 0 && (self.places == 1 || self.far > self.near) {
            return Ok(());
        }
        let problem =
            "near and far must be within 0..=86400 s, places positive, and far more than near where there are several";
        Err(Error::setting("proximity", problem))
    }

    /// The same in frames: near rounded down and far up, to keep what the seconds say.
    pub fn in_frames(&self, recipe: &Recipe) -> Places {
        let frames = |seconds: f64| seconds / recipe.frame_seconds();
        Places { near: frames(self.near).floor() as usize, far: frames(self.far).ceil() as usize, count: self.places }
    }
}

/// A [`Proximity`] in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// From the first to the last beginning of a segment in a place, at most.
    pub near: usize,
    /// From the last beginning in a place to the first in the next, at least.
    pub far: usize,
    /// Places of a track at most.
    pub count: usize,
}

impl Places {
    /// Places in a track where segments may begin at frames `0..=last`: at most `most`, in their order, all arrangements of as
    /// many as fit being equally likely; at least one.
    pub(super) fn draw(self, last: usize, most: usize, random: &mut Random) -> Vec<RangeInclusive<usize>> {
        let near = self.near.min(last);
        let stride = near + self.far;
        let fitting = 1 + (last - near).checked_div(stride).unwrap_or(0);
        let count = self.count.min(most).min(fitting);
        let room = last - near - (count - 1) * stride;
        let mut starts: Vec<usize> = (0..count).map(|_| random.below(room + 1)).collect();
        starts.sort_unstable();
        let place = |(before, start): (usize, usize)| {
            let start = start + before * stride;
            start..=start + near
        };
        starts.into_iter().enumerate().map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Places, Proximity};
    use crate::frontend::Recipe;
    use crate::random::Random;

    #[test]
    fn places_keep_their_distances_and_come_everywhere() {
        let places = Places { near: 10, far: 25, count: 3 };
        let mut seen = [false; 201];
        for seed in 0..2000 {
            let drawn = places.draw(200, 9, &mut Random::keyed(seed, &[]));
            assert_eq!(drawn.len(), 3);
            assert!(drawn.iter().all(|place| place.end() - place.start() == 10 && *place.end() <= 200));
            assert!(drawn.windows(2).all(|pair| pair[1].start() - pair[0].end() >= 25), "{drawn:?}");
            drawn.into_iter().flatten().for_each(|start| seen[start] = true);
        }
        assert!(seen.iter().all(|&seen| seen));
    }

    #[test]
    fn tracks_that_are_too_short_have_fewer() {
        let places = Places { near: 10, far: 25, count: 3 };
        let random = &mut Random::keyed(1, &[]);
        let counts = [0, 9, 44, 45, 79, 80, 1000].map(|last| places.draw(last, 9, random).len());
        assert_eq!(counts, [1, 1, 1, 2, 2, 3, 3]);
        assert_eq!(places.draw(9, 9, random), [0..=9]);
        assert_eq!(places.draw(45, 9, random), [0..=10, 35..=45]);
        assert_eq!(places.draw(1000, 2, random).len(), 2);
        assert_eq!(Places { near: 0, far: 0, count: 1 }.draw(0, 1, random), [0..=0]);
    }

    #[test]
    fn seconds_become_frames_that_keep_them() {
        let recipe = Recipe::default();
        let Places { near, far, .. } = Proximity { near: 5.0, far: 10.0, places: 2 }.in_frames(&recipe);
        assert!(near as f64 * recipe.frame_seconds() <= 5.0 && (near + 1) as f64 * recipe.frame_seconds() > 5.0);
        assert!(far as f64 * recipe.frame_seconds() >= 10.0 && (far - 1) as f64 * recipe.frame_seconds() < 10.0);
        for odd in [(-1.0, 5.0, 1), (5.0, 5.0, 2), (5.0, f64::NAN, 1), (5.0, 9.0, 0)] {
            let (near, far, places) = odd;
            assert!(Proximity { near, far, places }.validate().is_err(), "{odd:?}");
        }
        Proximity { near: 0.0, far: 0.0, places: 1 }.validate().unwrap();
    }
}
