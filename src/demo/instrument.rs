//! An instrument: partials under an envelope, with vibrato, tremolo, a scoop into the note, metal and breath.

use std::f64::consts::TAU;

use super::SAMPLE_RATE;
use super::character::{Character, Dial};
use super::circle::circle;
use super::composer::Note;
use super::draw::{Draw as _, Noise};
use crate::random::Random;

/// Samples for which pitch and partials stand still (3 ms).
const BLOCK: usize = 64;
const PARTIALS: usize = 16;
/// Seconds in which the scoop closes and in which the vibrato opens.
const SCOOP_SECONDS: f64 = 0.07;
const VIBRATO_SECONDS: f64 = 0.15;
/// Level at which a released note is over.
const SILENCE: f64 = 0.003;

/// Something to play notes on.
#[derive(Clone, Debug)]
pub(super) struct Instrument {
    character: Character,
    /// Levels of the partials before the character's say.
    body: [f64; PARTIALS],
}

/// What one note needs over and over.
struct Voice<'a> {
    note: &'a Note,
    envelope: Envelope,
    partials: [f64; PARTIALS],
    damping: f64,
    vibrato: (f64, f64),
    tremolo: (f64, f64),
    scoop: f64,
    metal: (f64, f64),
    breath: f32,
}

impl Instrument {
    pub(super) fn draw(character: &Character, random: &mut Random) -> Self {
        let slope = random.between(0.6, 1.4);
        let body = std::array::from_fn(|partial| (partial as f64 + 1.0).powf(-slope) * random.ratio(0.5, 2.0));
        Self { character: character.clone(), body }
    }

    /// The instrument as it is played in one piece.
    pub(super) fn near(&self, spread: f64, random: &mut Random) -> Self {
        Self { character: self.character.near(spread, random), body: self.body }
    }

    /// Adds the notes to `out`, as far as they sound within it.
    pub(super) fn play(&self, notes: &[Note], out: &mut [f32], random: &mut Random) {
        for note in notes {
            let first = (note.start * SAMPLE_RATE) as usize;
            if first < out.len() {
                let scoop = if random.chance(0.5) { 1.0 } else { -1.0 };
                self.voice(note, scoop).sound(&mut out[first..], &mut Noise::new(random));
            }
        }
    }

    fn voice<'a>(&self, note: &'a Note, scoop: f64) -> Voice<'a> {
        let value = |dial| self.character.value(dial);
        let mut partials = self.body;
        partials.iter_mut().skip(1).step_by(2).for_each(|level| *level *= value(Dial::Even));
        Voice {
            note,
            envelope: Envelope {
                attack: value(Dial::Attack),
                decay: value(Dial::Decay),
                sustain: value(Dial::Sustain),
                release: value(Dial::Release),
                held: note.held,
            },
            partials,
            damping: value(Dial::Damping),
            vibrato: (TAU * value(Dial::VibratoRate), value(Dial::VibratoDepth)),
            tremolo: (TAU * value(Dial::TremoloRate), value(Dial::TremoloDepth)),
            scoop: scoop * value(Dial::Scoop),
            metal: (value(Dial::MetalRatio), value(Dial::Metal)),
            breath: value(Dial::Breath) as f32,
        }
    }
}

impl Voice<'_> {
    fn sound(&self, out: &mut [f32], noise: &mut Noise) {
        let mut phase = 0.0;
        for (index, out) in out.chunks_mut(BLOCK).enumerate() {
            let time = (index * BLOCK) as f64 / SAMPLE_RATE;
            if self.envelope.is_over(time) {
                break;
            }
            let turn = TAU * self.frequency(time) / SAMPLE_RATE;
            let mut wave = self.tones(phase, turn, time);
            self.add_metal(&mut wave, phase, turn);
            let (from, to) = (self.level(time), self.level(time + BLOCK as f64 / SAMPLE_RATE));
            for (place, (out, tone)) in out.iter_mut().zip(wave).enumerate() {
                let level = from + (to - from) * place as f32 / BLOCK as f32;
                *out += level * (tone + self.breath * noise.next());
            }
            phase = (phase + turn * BLOCK as f64).rem_euclid(TAU * 1000.0);
        }
    }

    /// Hz, `time` seconds after the note began.
    fn frequency(&self, time: f64) -> f64 {
        let (rate, depth) = self.vibrato;
        let vibrato = depth * (time / VIBRATO_SECONDS).min(1.0) * (rate * time).sin();
        let scoop = self.scoop * (-time / SCOOP_SECONDS).exp();
        440.0 * 2f64.powf((self.note.pitch + vibrato + scoop - 69.0) / 12.0)
    }

    /// The tremolo runs through the whole piece, not anew in each note.
    fn level(&self, time: f64) -> f32 {
        let (rate, depth) = self.tremolo;
        let tremolo = 1.0 - depth * (0.5 + 0.5 * (rate * (self.note.start + time)).sin());
        (self.note.velocity * tremolo * self.envelope.level(time)) as f32
    }

    /// The sum of the partials below the Nyquist frequency: `sin kφ = 2 cos φ · sin (k−1)φ − sin (k−2)φ`.
    fn tones(&self, phase: f64, turn: f64, time: f64) -> [f32; BLOCK] {
        let (mut last, mut tone, mut twice_cos) = ([0.0f32; BLOCK], [0.0f32; BLOCK], [0.0f32; BLOCK]);
        for (place, (sin, cos)) in circle(phase, turn).take(BLOCK).enumerate() {
            (tone[place], twice_cos[place]) = (sin as f32, 2.0 * cos as f32);
        }
        let mut sum = [0.0; BLOCK];
        let below_nyquist = (0.9 * std::f64::consts::PI / turn) as usize;
        let (damping, mut damped) = ((-self.damping * time).exp(), 1.0);
        for level in self.partials.iter().take(below_nyquist) {
            let level = (level * damped) as f32;
            damped *= damping;
            for place in 0..BLOCK {
                sum[place] += level * tone[place];
                let next = twice_cos[place] * tone[place] - last[place];
                (last[place], tone[place]) = (tone[place], next);
            }
        }
        sum
    }

    fn add_metal(&self, wave: &mut [f32; BLOCK], phase: f64, turn: f64) {
        let (ratio, share) = self.metal;
        for (tone, (sin, _)) in wave.iter_mut().zip(circle(ratio * phase, ratio * turn)) {
            *tone *= (1.0 - share + 2.0 * share * sin) as f32;
        }
    }
}

/// Attack, decay, sustain, release; times in seconds.
struct Envelope {
    attack: f64,
    decay: f64,
    sustain: f64,
    release: f64,
    held: f64,
}

impl Envelope {
    fn level(&self, time: f64) -> f64 {
        let risen = (time / self.attack).min(1.0);
        let fallen = (-(time - self.attack).max(0.0) / self.decay).exp();
        let released = (-(time - self.held).max(0.0) / self.release).exp();
        risen * (self.sustain + (1.0 - self.sustain) * fallen) * released
    }

    fn is_over(&self, time: f64) -> bool {
        time > self.held && self.level(time) < SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partials_are_multiples_of_the_pitch() {
        let random = &mut Random::keyed(2, &[]);
        let instrument = Instrument::draw(&Character::draw(random), random);
        let note = Note { start: 0.0, held: 1.0, pitch: 57.0, velocity: 1.0 };
        let voice = instrument.voice(&note, 1.0);
        let turn = 0.1;
        let expected = |angle: f64| {
            let tone = |(partial, level): (usize, &f64)| level * ((partial as f64 + 1.0) * angle).sin();
            voice.partials.iter().enumerate().map(tone).sum::<f64>()
        };
        for (place, tone) in voice.tones(0.2, turn, 0.0).into_iter().enumerate() {
            assert!((f64::from(tone) - expected(0.2 + turn * place as f64)).abs() < 1e-3);
        }
    }

    #[test]
    fn a_note_begins_rises_and_ends() {
        let envelope = Envelope { attack: 0.1, decay: 0.2, sustain: 0.5, release: 0.05, held: 1.0 };
        assert_eq!(envelope.level(0.0), 0.0);
        assert!((envelope.level(0.1) - 1.0).abs() < 1e-9);
        assert!((envelope.level(0.99) - 0.5).abs() < 0.01);
        assert!(!envelope.is_over(0.0) && !envelope.is_over(1.0) && envelope.is_over(1.4));
    }
}
