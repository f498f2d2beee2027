//! What makes an artist recognisable, as positions of dials that all artists share: what is learned from some artists
//! is of use for others.

use crate::random::Random;

/// A habit of composing or a quality of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    /// Beats per minute.
    Tempo,
    /// Notes of the melody per beat.
    Activity,
    /// How long a note of the melody is held, as a share of the time to the next.
    Articulation,
    /// Size of melodic intervals, in degrees of the scale.
    Leap,
    /// Probability that a bar repeats the last one.
    Repetition,
    /// Chords per bar.
    Changes,
    /// Notes in a chord.
    Voices,
    /// Seconds between the notes of a chord.
    Strum,
    /// Drum strokes per beat.
    Drumming,
    /// Seconds in which a stroke dies away.
    Ring,
    /// Seconds until a note has reached its full level.
    Attack,
    /// Seconds in which it falls to what is sustained.
    Decay,
    /// Level of a held note after the decay.
    Sustain,
    /// Seconds in which a released note dies away.
    Release,
    /// How much faster higher partials die, per second and partial.
    Damping,
    /// Level of the even partials: low for a clarinet, high for a string.
    Even,
    /// Hz.
    VibratoRate,
    /// Semitones.
    VibratoDepth,
    /// Hz.
    TremoloRate,
    /// Share of the level.
    TremoloDepth,
    /// Semitones by which a note starts off its pitch.
    Scoop,
    /// Share of a note that is multiplied by another tone: what makes bells of strings.
    Metal,
    /// Frequency of that other tone over the note's.
    MetalRatio,
    /// Noise in a note.
    Breath,
    /// Seconds until an echo.
    EchoTime,
    /// Level of an echo.
    Echo,
    /// Depth of the chorus in seconds.
    Chorus,
    /// Gain into the saturation.
    Drive,
}

use Dial::*;

/// Lowest and highest value of each dial, in the order of the enumeration.
const RANGES: [(Dial, f64, f64); 28] = [
    (Tempo, 66.0, 168.0),
    (Activity, 0.6, 3.6),
    (Articulation, 0.2, 1.1),
    (Leap, 0.7, 5.0),
    (Repetition, 0.1, 0.95),
    (Changes, 0.7, 6.0),
    (Voices, 1.0, 4.4),
    (Strum, 0.004, 0.16),
    (Drumming, 0.4, 3.5),
    (Ring, 0.02, 0.2),
    (Attack, 0.003, 0.18),
    (Decay, 0.08, 1.5),
    (Sustain, 0.05, 0.9),
    (Release, 0.03, 0.5),
    (Damping, 0.05, 3.0),
    (Even, 0.05, 1.0),
    (VibratoRate, 3.5, 8.5),
    (VibratoDepth, 0.03, 1.0),
    (TremoloRate, 2.5, 12.0),
    (TremoloDepth, 0.04, 0.9),
    (Scoop, 0.05, 5.0),
    (Metal, 0.03, 0.9),
    (MetalRatio, 1.3, 4.7),
    (Breath, 0.01, 0.25),
    (EchoTime, 0.1, 0.45),
    (Echo, 0.05, 0.65),
    (Chorus, 0.0002, 0.004),
    (Drive, 0.5, 6.0),
];

/// The position of every dial, 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Character([f64; RANGES.len()]);

impl Character {
    /// Anyone.
    pub(super) fn draw(random: &mut Random) -> Self {
        Self(std::array::from_fn(|_| random.uniform()))
    }

    /// Someone alike: every dial is moved by about `spread` of its way.
    pub(super) fn near(&self, spread: f64, random: &mut Random) -> Self {
        Self(self.0.map(|position| folded(position + spread * random.normal())))
    }

    /// The value that a dial points to; equal steps of the dial are equal ratios.
    pub(super) fn value(&self, dial: Dial) -> f64 {
        let (_, low, high) = RANGES[dial as usize];
        low * (high / low).powf(self.0[dial as usize])
    }
}

/// Reflects a position at the ends of the dial.
fn folded(position: f64) -> f64 {
    let turn = position.rem_euclid(2.0);
    if turn > 1.0 { 2.0 - turn } else { turn }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stand_in_the_order_of_the_dials() {
        for (place, (dial, low, high)) in RANGES.into_iter().enumerate() {
            assert_eq!(dial as usize, place, "{dial:?}");
            assert!(0.0 < low && low < high, "{dial:?}");
        }
    }

    #[test]
    fn neighbours_are_nearer_than_strangers_and_stay_in_range() {
        let random = &mut Random::keyed(5, &[]);
        let distance = |a: &Character, b: &Character| a.0.iter().zip(&b.0).map(|(a, b)| (a - b).abs()).sum::<f64>();
        for _ in 0..100 {
            let (artist, other) = (Character::draw(random), Character::draw(random));
            let near = artist.near(0.1, random);
            assert!(near.0.iter().all(|position| (0.0..=1.0).contains(position)));
            assert!(distance(&artist, &near) < distance(&artist, &other));
        }
    }
}
