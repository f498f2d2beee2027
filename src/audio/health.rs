//! What an audio file can turn out to be: one table for errors, warnings, health reports, their documentation and tests.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::{AudioInfo, Level};
use crate::Error;

/// What became of an audio file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the table says what they are
pub enum Health {
    Ok,
    Stored,
    Clipped,
    Offset,
    Short,
    Patched,
    Missing,
    NotAFile,
    Unreadable,
    Empty,
    NotAudio,
    Unsupported,
    Damaged,
    Truncated,
    NoSamples,
    NonFinite,
    BadRate,
    TooShort,
    TooLong,
    Silent,
    Failed,
}

/// A row of [`HEALTH`].
#[derive(Debug)]
pub struct Row {
    /// Which one.
    pub health: Health,
    /// Its name in reports.
    pub name: &'static str,
    /// Whether such a file is left out of a store.
    pub left_out: bool,
    /// What it means.
    pub about: &'static str,
}

const fn row(health: Health, name: &'static str, left_out: bool, about: &'static str) -> Row {
    Row { health, name, left_out, about }
}

/// Every outcome there is, in the order of [`Health`]: first the good ones, then warnings, then what is left out.
pub static HEALTH: &[Row] = &[
    row(Health::Ok, "ok", false, "decoded whole, nothing to remark"),
    row(Health::Stored, "stored", false, "in the store from an earlier run; not read again"),
    row(Health::Clipped, "clipped", false, "more than 1 % of the samples at full scale or beyond"),
    row(Health::Offset, "offset", false, "the mean of the samples is off zero by more than 5 % of full scale"),
    row(Health::Short, "short", false, "shorter than 3 s: networks see it repeated"),
    row(Health::Patched, "patched", false, "some damaged packets were left out, at most one in ten"),
    row(Health::Missing, "missing", true, "no such file, or a link to none"),
    row(Health::NotAFile, "not_a_file", true, "a folder, pipe, socket or device"),
    row(Health::Unreadable, "unreadable", true, "the operating system refused to read it"),
    row(Health::Empty, "empty", true, "0 bytes"),
    row(Health::NotAudio, "not_audio", true, "in no audio format known here, whatever its name says"),
    row(Health::Unsupported, "unsupported", true, "in a format or encoding that this build does not read"),
    row(Health::Damaged, "damaged", true, "contradicts itself, or more than one packet in ten is damaged"),
    row(Health::Truncated, "truncated", true, "ends before the sound does that its header declares"),
    row(Health::NoSamples, "no_samples", true, "a sound header and no sound"),
    row(Health::NonFinite, "non_finite", true, "samples that are NaN, infinite or beyond 1e9 times full scale"),
    row(Health::BadRate, "bad_rate", true, "a sampling rate that no recording has, such as 0 Hz"),
    row(Health::TooShort, "too_short", true, "shorter than the window of one frame (46 ms)"),
    row(Health::TooLong, "too_long", true, "longer than 24 hours"),
    row(Health::Silent, "silent", true, "nothing louder than -80 dB of full scale, be it around an offset"),
    row(Health::Failed, "failed", true, "failed for another reason, which the detail tells"),
];

/// What no sound is beyond; the power of much louder samples would overflow.
pub(super) const LOUDEST: f32 = 1e9;
/// A level that counts as full scale.
pub(super) const FULL_SCALE: f32 = 0.999;
const MOST_CLIPPED: f64 = 0.01;
const LARGEST_OFFSET: f64 = 0.05;
/// The shorter of the paper's segments, in seconds.
const SEGMENT: f64 = 3.0;
/// Half the range of the samples; what lies within is silence.
const SILENCE: f32 = 1e-4;

impl Health {
    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        &HEALTH[self as usize]
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// That of a track which failed with `error`.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Audio { health, .. } => *health,
            _ => Self::Failed,
        }
    }

    /// An error about a file of this health.
    pub(super) fn file(
        self,
        path: &Path,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
        advice: impl std::fmt::Display,
    ) -> Error {
        Error::Audio { health: self, error: Box::new(Error::file(path, expected, found, advice)) }
    }

    /// The error for a file that the operating system refuses to read.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        move |error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let health = if missing { Self::Missing } else { Self::Unreadable };
            Error::Audio { health, error: Box::new(Error::io(path)(error)) }
        }
    }
}

impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl AudioInfo {
    /// Refuses sound that no network can learn from: shorter than `least` seconds, or silent.
    ///
    /// # Errors
    /// [`Error::Audio`].
    pub fn check_useful(&self, path: &Path, least: f64) -> crate::Result<()> {
        let advice = "leave the track out";
        if self.seconds < least {
            let found = format!("{:.4} s", self.seconds);
            return Err(Health::TooShort.file(path, format!("at least {least:.3} s of sound"), found, advice));
        }
        let Level { low, high, .. } = self.level;
        if high - low < 2.0 * SILENCE {
            let found = format!("samples from {low} to {high}");
            return Err(Health::Silent.file(path, "sound", found, advice));
        }
        Ok(())
    }

    /// What a listener would complain of, each with its measure; most files have nothing.
    pub fn remarks(&self) -> Vec<(Health, String)> {
        let Level { mean, clipped, .. } = self.level;
        let remarks = [
            (clipped > MOST_CLIPPED, Health::Clipped, format!("{:.1} % of the samples at full scale", 100.0 * clipped)),
            (mean.abs() > LARGEST_OFFSET, Health::Offset, format!("the samples' mean is {mean:.3}")),
            (self.seconds < SEGMENT, Health::Short, format!("{:.2} s of sound", self.seconds)),
            (self.skipped_packets > 0, Health::Patched, format!("{} damaged packets left out", self.skipped_packets)),
        ];
        remarks.into_iter().filter_map(|(holds, health, says)| holds.then_some((health, says))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_row() {
        for (place, row) in HEALTH.iter().enumerate() {
            assert_eq!(row.health as usize, place, "{}", row.name);
            assert!(HEALTH[..place].iter().all(|other| other.name != row.name), "{} twice", row.name);
        }
        assert_eq!(HEALTH.last().unwrap().health, Health::Failed, "the last one of the enumeration");
        assert!(HEALTH.is_sorted_by_key(|row| row.left_out), "good ones and warnings come first");
    }
}
