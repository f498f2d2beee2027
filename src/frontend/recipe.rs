//! The recipe of a front end: all that defines its numbers, in a form to store, compare and hash.

use serde::{Deserialize, Serialize};

use super::filterbank::band_edges;
use super::{FrameStream, FrontEnd, front_end};
use crate::audio::RATES;
use crate::hash::digits;
use crate::{Error, Result};

/// Largest transform; at 768 kHz it still resolves 12 Hz.
const LARGEST_FFT: usize = 1 << 16;

/// Everything that defines the numbers of a front end. The default is the main system's (ISMIR 2018, section 3.1): the
/// numbers of `librosa.feature.melspectrogram(y=y, sr=22050, n_fft=1024, hop_length=512, n_mels=128)`, librosa 0.11.
///
/// Frames are centred: frame i sees samples around sample i·`hop`, with zeros beyond both ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The front end, a name in [`FRONT_ENDS`](super::FRONT_ENDS).
    pub kind: String,
    /// Sampling rate of the samples, in Hz.
    pub sample_rate: u32,
    /// Length of the Fourier transform; of mel, also of the Hann window. A constant-Q frame sees less, and a longer transform
    /// only takes more frames at a time.
    pub n_fft: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// Values per frame.
    pub bands: usize,
    /// Lower edge of the lowest band, in Hz; of a constant-Q transform, its centre.
    pub fmin: f64,
    /// Upper edge of the highest band, in Hz; of a constant-Q transform, the centre of the band that would be next. It lies
    /// whole bands an octave above `fmin`.
    pub fmax: f64,
    /// Exponent of the magnitudes before they are summed into bands: 2 for power, 1 for magnitude.
    pub power: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            kind: "mel".to_owned(),
            sample_rate: 22_050,
            n_fft: 1024,
            hop: 512,
            bands: 128,
            fmin: 0.0,
            fmax: 11_025.0,
            power: 2.0,
        }
    }
}

impl Recipe {
    /// The constant-Q transform of learning to rank (Prétet et al., ICASSP 2020, section 3.4): the numbers of
    /// `abs(librosa.cqt(y, sr=44100, hop_length=1024, fmin=32.70, n_bins=96)) ** 2`, librosa 0.11, but for its resampling.
    pub fn cqt() -> Self {
        let (bands, fmin) = (96, 32.70);
        Self {
            kind: "cqt".to_owned(),
            sample_rate: 44_100,
            n_fft: 1 << 16,
            hop: 1024,
            bands,
            fmin,
            fmax: 256.0 * fmin,
            power: 2.0,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] names the first field that cannot be used and says what would work.
    pub fn validate(&self) -> Result<()> {
        self.checked().and_then(|front_end| (front_end.check)(self))
    }

    /// A stream of this recipe's frames; it can serve one signal after another.
    ///
    /// # Errors
    /// As [`Recipe::validate`].
    pub fn stream(&self) -> Result<Box<dyn FrameStream>> {
        (self.checked()?.stream)(self)
    }

    /// The front end of a recipe whose ranges are good.
    fn checked(&self) -> Result<&'static FrontEnd> {
        let front_end = front_end(&self.kind)?;
        self.check_ranges()?;
        Ok(front_end)
    }

    /// The centre of each band in Hz.
    pub fn band_centres(&self) -> Vec<f64> {
        if self.kind == "cqt" {
            let octaves = (self.fmax / self.fmin).log2();
            return (0..self.bands)
                .map(|band| self.fmin * (octaves * band as f64 / self.bands as f64).exp2())
                .collect();
        }
        band_edges(self)[1..=self.bands].to_vec()
    }

    fn check_ranges(&self) -> Result<()> {
        let nyquist = f64::from(self.sample_rate) / 2.0;
        let checks = [
            (RATES.contains(&self.sample_rate), "sample_rate", format!("must be within {RATES:?} Hz")),
            (
                (2..=LARGEST_FFT).contains(&self.n_fft) && self.n_fft.is_multiple_of(2),
                "n_fft",
                format!("must be even and within 2..={LARGEST_FFT}"),
            ),
            (self.hop > 0, "hop", "must not be 0".to_owned()),
            // Before a filter bank is made for them.
            (
                (1..=self.n_fft / 2).contains(&self.bands),
                "bands",
                format!("must be within 1..={} (n_fft / 2)", self.n_fft / 2),
            ),
            (self.fmin >= 0.0 && self.fmin < self.fmax, "fmin", format!("must be within 0..{} Hz (fmax)", self.fmax)),
            (self.fmax <= nyquist, "fmax", format!("must not exceed {nyquist} Hz, half the sampling rate")),
            (self.power > 0.0 && self.power.is_finite(), "power", "must be positive".to_owned()),
        ];
        match checks.into_iter().find(|(good, ..)| !good) {
            Some((_, name, problem)) => Err(Error::setting(name, problem)),
            None => Ok(()),
        }
    }

    /// Sixteen hexadecimal digits that tell recipes apart: FNV-1a (64 bits) of the recipe as compact JSON with its
    /// fields in declared order. Stable across platforms and releases; a new field changes it only by being there.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).expect("a recipe is plain data");
        digits(&json)
    }

    /// Frames of a signal of that many seconds, rounded to whole samples: 1 + ⌊samples/hop⌋. 9 s give 388, 3 s 130.
    pub fn seconds_to_frames(&self, seconds: f64) -> usize {
        1 + (seconds * f64::from(self.sample_rate)).round() as usize / self.hop
    }

    /// Seconds from one frame to the next.
    pub fn frame_seconds(&self) -> f64 {
        self.hop as f64 / f64::from(self.sample_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(Recipe::default().hash(), "fe7c4aa0a48c1f87");
        assert_eq!(Recipe::cqt().hash(), "3e237940e93e4aa2");
        assert_ne!(Recipe { power: 1.0, ..Recipe::default() }.hash(), Recipe::default().hash());
    }

    #[test]
    fn segments_have_the_papers_frames() {
        assert_eq!(Recipe::default().seconds_to_frames(9.0), 388);
        assert_eq!(Recipe::default().seconds_to_frames(3.0), 130);
    }

    #[test]
    fn json_round_trips_and_unknown_keys_are_errors() {
        let recipe = Recipe { hop: 256, ..Recipe::default() };
        let json = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
        assert!(serde_json::from_str::<Recipe>(r#"{"hopp": 3}"#).is_err());
    }

    #[test]
    fn every_bad_field_is_named() {
        let good = Recipe::default();
        good.validate().unwrap();
        let bad = [
            ("kind", Recipe { kind: "mal".into(), ..good.clone() }),
            ("sample_rate", Recipe { sample_rate: 1, ..good.clone() }),
            ("n_fft", Recipe { n_fft: 1023, ..good.clone() }),
            ("hop", Recipe { hop: 0, ..good.clone() }),
            ("bands", Recipe { bands: 0, ..good.clone() }),
            ("bands", Recipe { bands: 400, ..good.clone() }),
            ("bands", Recipe { bands: usize::MAX, ..good.clone() }),
            ("fmin", Recipe { fmin: f64::NAN, ..good.clone() }),
            ("fmax", Recipe { fmax: 12_000.0, ..good.clone() }),
            ("power", Recipe { power: 0.0, ..good.clone() }),
        ];
        let cqt = Recipe::cqt();
        cqt.validate().unwrap();
        let bad = bad.into_iter().chain([
            ("fmax", Recipe { fmin: 0.0, ..cqt.clone() }),
            ("n_fft", Recipe { fmin: f64::MIN_POSITIVE, fmax: 256.0 * f64::MIN_POSITIVE, ..cqt.clone() }),
            ("fmax", Recipe { fmax: 8000.0, ..cqt.clone() }),
            ("fmax", Recipe { bands: 97, ..cqt.clone() }),
            ("hop", Recipe { hop: 1000, ..cqt.clone() }),
            ("hop", Recipe { hop: 1 << 13, ..cqt.clone() }),
            ("n_fft", Recipe { n_fft: 1 << 14, ..cqt.clone() }),
        ]);
        for (field, recipe) in bad {
            match recipe.validate() {
                Err(Error::Setting { name, .. }) => assert_eq!(name, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }
}
