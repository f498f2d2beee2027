//! From habits to a score: rhythms on a grid of sixteenths, a tune that walks along a scale, chords below, drums.

use super::character::{Character, Dial};
use super::draw::Draw as _;
use crate::random::Random;

/// Sixteenths of a 4/4 bar.
const STEPS: usize = 16;
/// Steps of a beat.
const BEAT: usize = 4;
/// Semitones above the tonic.
const SCALES: [&[f64]; 7] = [
    &[0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 11.0],
    &[0.0, 2.0, 3.0, 5.0, 7.0, 9.0, 10.0],
    &[0.0, 1.0, 3.0, 5.0, 7.0, 8.0, 10.0],
    &[0.0, 2.0, 3.0, 5.0, 7.0, 8.0, 11.0],
    &[0.0, 2.0, 4.0, 7.0, 9.0],
    &[0.0, 3.0, 5.0, 7.0, 10.0],
    &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0],
];

/// A tone to be played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Note {
    /// Seconds from the beginning of the piece.
    pub(super) start: f64,
    /// Seconds until it is released.
    pub(super) held: f64,
    /// MIDI number: 69 is A at 440 Hz, 1 a semitone.
    pub(super) pitch: f64,
    /// Loudness, 0 to 1.
    pub(super) velocity: f64,
}

/// What is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drum {
    Kick,
    Snare,
    Hat,
}

/// A stroke of a drum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stroke {
    pub(super) drum: Drum,
    /// Seconds from the beginning of the piece.
    pub(super) start: f64,
    /// Loudness, 0 to 1.
    pub(super) velocity: f64,
}

/// A piece on paper.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Score {
    pub(super) lead: Vec<Note>,
    pub(super) chords: Vec<Note>,
    pub(super) drums: Vec<Stroke>,
}

/// The habits of composing that are no matter of more or less.
#[derive(Debug)]
pub(super) struct Composer {
    scale: &'static [f64],
    /// How much the composer likes each step of the bar, for the tune and for each drum.
    metre: [f64; STEPS],
    drumming: [[f64; STEPS]; 3],
}

impl Composer {
    pub(super) fn draw(random: &mut Random) -> Self {
        let drums = [Drum::Kick, Drum::Snare, Drum::Hat];
        Self {
            scale: random.pick(&SCALES),
            metre: std::array::from_fn(|step| (1.0 + accent(step)) * random.uniform().powi(2)),
            drumming: drums.map(|drum| std::array::from_fn(|step| tradition(drum, step) * random.uniform())),
        }
    }

    /// Writes a piece of `seconds` in a key of its own.
    pub(super) fn compose(&self, mood: &Character, seconds: f64, random: &mut Random) -> Score {
        let step = 60.0 / mood.value(Dial::Tempo) / BEAT as f64;
        let tonic = random.between(45.0, 63.0).round();
        let mut score = Score::default();
        let mut motif = Motif::invent(self, mood, random);
        let mut start = 0.0;
        while start < seconds {
            let root = random.pick(&[0, 3, 4, 5]);
            if !random.chance(mood.value(Dial::Repetition)) {
                motif = Motif::invent(self, mood, random);
            }
            let bar = Bar { start, step, tonic, root, scale: self.scale };
            motif.write(&bar, mood, random, &mut score.lead);
            bar.harmonise(mood, random, &mut score.chords);
            self.drum(&bar, mood, random, &mut score.drums);
            start += STEPS as f64 * step;
        }
        score
    }

    fn drum(&self, bar: &Bar, mood: &Character, random: &mut Random, strokes: &mut Vec<Stroke>) {
        let wanted = mood.value(Dial::Drumming) * (STEPS / BEAT) as f64;
        let total: f64 = self.drumming.iter().flatten().sum();
        for (drum, liking) in [Drum::Kick, Drum::Snare, Drum::Hat].into_iter().zip(&self.drumming) {
            for (step, liking) in liking.iter().enumerate() {
                if random.chance(wanted * liking / total * 1.5) {
                    let velocity = random.between(0.5, 1.0);
                    strokes.push(Stroke { drum, start: bar.start + step as f64 * bar.step, velocity });
                }
            }
        }
    }
}

/// How strong a step of the bar is: the first most, then the beats, then the quavers.
fn accent(step: usize) -> f64 {
    match step {
        0 => 1.0,
        _ if step.is_multiple_of(BEAT) => 0.7,
        _ if step.is_multiple_of(2) => 0.4,
        _ => 0.15,
    }
}

/// Where drummers strike: the kick on one and three, the snare on two and four, the hat on quavers.
fn tradition(drum: Drum, step: usize) -> f64 {
    let home = match drum {
        Drum::Kick => step.is_multiple_of(2 * BEAT),
        Drum::Snare => step % (2 * BEAT) == BEAT,
        Drum::Hat => step.is_multiple_of(2),
    };
    if home { 1.0 } else { 0.2 }
}

/// A bar of tune: steps where notes begin, and degrees of the scale.
struct Motif(Vec<(usize, i32)>);

impl Motif {
    fn invent(composer: &Composer, mood: &Character, random: &mut Random) -> Self {
        let wanted = mood.value(Dial::Activity) * (STEPS / BEAT) as f64;
        let total: f64 = composer.metre.iter().sum();
        let mut degree = random.below(8) as i32;
        let mut notes = Vec::new();
        for (step, liking) in composer.metre.iter().enumerate() {
            if random.chance(wanted * liking / total) {
                notes.push((step, degree));
                degree += (mood.value(Dial::Leap) * random.normal()).round() as i32;
                degree = degree.clamp(-4, 14);
            }
        }
        if notes.is_empty() {
            notes.push((0, degree));
        }
        Self(notes)
    }

    fn write(&self, bar: &Bar, mood: &Character, random: &mut Random, notes: &mut Vec<Note>) {
        let ends = self.0.iter().skip(1).map(|note| note.0).chain([STEPS]);
        for (&(step, degree), end) in self.0.iter().zip(ends) {
            notes.push(Note {
                start: bar.start + step as f64 * bar.step,
                held: (end - step) as f64 * bar.step * mood.value(Dial::Articulation),
                pitch: bar.pitch(degree) + 12.0,
                velocity: 0.6 + 0.3 * accent(step) + random.between(-0.1, 0.1),
            });
        }
    }
}

/// A bar of a piece.
struct Bar {
    /// Seconds from the beginning of the piece.
    start: f64,
    /// Seconds of a sixteenth.
    step: f64,
    tonic: f64,
    /// Degree of the scale that the chords stand on.
    root: i32,
    scale: &'static [f64],
}

impl Bar {
    /// The pitch of a degree of the scale, which goes on in higher and lower octaves.
    fn pitch(&self, degree: i32) -> f64 {
        let size = self.scale.len() as i32;
        self.tonic + 12.0 * f64::from(degree.div_euclid(size)) + self.scale[degree.rem_euclid(size) as usize]
    }

    /// Chords of stacked thirds, spread in time.
    fn harmonise(&self, mood: &Character, random: &mut Random, notes: &mut Vec<Note>) {
        let chords = mood.value(Dial::Changes).round().max(1.0) as usize;
        let length = STEPS as f64 * self.step / chords as f64;
        for chord in 0..chords {
            let root = self.root + if random.chance(0.2) { 2 } else { 0 };
            for voice in 0..mood.value(Dial::Voices).round() as i32 {
                let delay = f64::from(voice) * mood.value(Dial::Strum);
                notes.push(Note {
                    start: self.start + chord as f64 * length + delay,
                    held: (length * mood.value(Dial::Articulation) - delay).max(self.step),
                    pitch: self.pitch(root + 2 * voice),
                    velocity: random.between(0.5, 0.8),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_go_on_in_other_octaves() {
        let bar = Bar { start: 0.0, step: 0.1, tonic: 60.0, root: 0, scale: SCALES[4] };
        assert_eq!([-5, -1, 0, 1, 4, 5, 9].map(|degree| bar.pitch(degree)), [48.0, 57.0, 60.0, 62.0, 69.0, 72.0, 81.0]);
    }

    #[test]
    fn busy_artists_write_more_notes_to_a_beat() {
        let mut notes_per_beat = [Vec::new(), Vec::new()];
        for piece in 0..60 {
            let random = &mut Random::keyed(9, &[piece]);
            let mood = Character::draw(random);
            let score = Composer::draw(random).compose(&mood, 10.0, random);
            let beat = 60.0 / mood.value(Dial::Tempo);
            let end = 10.0 + 4.0 * beat;
            assert!(score.lead.iter().all(|note| note.start < end && note.held > 0.0 && note.velocity > 0.0));
            assert!(!score.chords.is_empty());
            let busy = usize::from(mood.value(Dial::Activity) > 1.5);
            notes_per_beat[busy].push(score.lead.len() as f64 * beat / end);
        }
        let [quiet, busy] = notes_per_beat.map(|rates| rates.iter().sum::<f64>() / rates.len() as f64);
        assert!(busy > 1.5 * quiet, "{busy} {quiet}");
    }
}
