//! An artist: a way of composing and a way of sounding. A recording: one of the artist's pieces as it left the studio.

use super::character::{Character, Dial};
use super::composer::{Composer, Score};
use super::draw::{Draw as _, Noise};
use super::instrument::Instrument;
use super::mastering::Mastering;
use super::{SAMPLE_RATE, drums, effects};
use crate::random::Random;

/// How far an instrument's dials are from its artist's, and a piece's from those of its instruments and composer.
const SPREAD_OF_INSTRUMENTS: f64 = 0.08;
const SPREAD_OF_PIECES: f64 = 0.07;

/// Someone who makes music.
#[derive(Debug)]
pub(super) struct Artist {
    character: Character,
    composer: Composer,
    lead: Instrument,
    chords: Instrument,
}

/// Which of the artist's means a piece uses, and how loud: lead, chords, drums.
#[derive(Debug)]
struct Mix([f32; 3]);

impl Mix {
    /// A tune or chords play in every piece.
    fn draw(random: &mut Random) -> Self {
        let mut level = |heard: f64| if random.chance(heard) { random.ratio(0.4, 1.0) as f32 } else { 0.0 };
        let mut levels = [level(0.8), level(0.8), level(0.75)];
        if levels[0] == 0.0 && levels[1] == 0.0 {
            levels[random.below(2)] = 1.0;
        }
        Self(levels)
    }
}

impl Artist {
    pub(super) fn draw(random: &mut Random) -> Self {
        let character = Character::draw(random);
        Self {
            composer: Composer::draw(random),
            lead: Instrument::draw(&character.near(SPREAD_OF_INSTRUMENTS, random), random),
            chords: Instrument::draw(&character.near(SPREAD_OF_INSTRUMENTS, random), random),
            character,
        }
    }

    /// Composes, plays, mixes and masters a piece: mono samples within ±1 at [`SAMPLE_RATE`].
    pub(super) fn record(&self, seconds: f64, random: &mut Random) -> Vec<f32> {
        let mood = self.character.near(SPREAD_OF_PIECES, random);
        let score = self.composer.compose(&mood, seconds, random);
        let samples = (seconds * SAMPLE_RATE) as usize;
        let mut sound = self.perform(&score, &mood, samples, random);
        effects::saturate(&mut sound, mood.value(Dial::Drive) as f32);
        effects::chorus(&mut sound, mood.value(Dial::Chorus), random);
        effects::echo(&mut sound, mood.value(Dial::EchoTime), mood.value(Dial::Echo) as f32);
        Mastering::draw(random).apply(&mut sound, random);
        sound
    }

    fn perform(&self, score: &Score, mood: &Character, samples: usize, random: &mut Random) -> Vec<f32> {
        let Mix(levels) = Mix::draw(random);
        let mut sum = vec![0.0; samples];
        for (instrument, notes, level) in
            [(&self.lead, &score.lead, levels[0]), (&self.chords, &score.chords, levels[1])]
        {
            let mut part = vec![0.0; samples];
            if level > 0.0 {
                instrument.near(SPREAD_OF_PIECES, random).play(notes, &mut part, random);
            }
            add(&mut sum, &part, level);
        }
        let mut part = vec![0.0; samples];
        drums::play(&score.drums, mood.value(Dial::Ring), &mut part, &mut Noise::new(random));
        add(&mut sum, &part, levels[2]);
        sum
    }
}

/// Adds a part to the mix, its root mean square brought to `level`.
fn add(sum: &mut [f32], part: &[f32], level: f32) {
    let power = part.iter().map(|x| x * x).sum::<f32>() / part.len() as f32;
    let gain = 0.2 * level / power.sqrt().max(1e-6);
    sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += gain * x);
}
