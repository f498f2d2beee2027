//! What a track looks like without any learning: plain statistics of its frames. Every embedding must beat them.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::frontend::Recipe;
use crate::models::Standardisation;
use crate::store::{Frames, Store};
use crate::{Error, Monitor, Result};

/// Gain before the logarithm, as in the paper's compression.
const GAIN: f64 = 1e4;
/// Cepstral coefficients.
const CEPSTRA: usize = 20;
/// Pitch classes.
const CLASSES: usize = 12;
/// Decibels below the loudest value of a track that count, as in librosa.
const RANGE: f64 = 80.0;

/// The kinds of statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Statistics {
    /// Mean and deviation of `ln(1 + 10⁴·mel)` in each band.
    #[default]
    Mel,
    /// Mean and deviation of 20 mel-frequency cepstral coefficients, as `librosa.feature.mfcc` has them.
    Mfcc,
    /// Those, and mean and deviation of the 12 pitch classes' share in each frame, of bands that are narrow enough for it.
    MfccChroma,
}

impl Statistics {
    /// What stands for them where embeddings name their model.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mel => "mel-statistics",
            Self::Mfcc => "mfcc-statistics",
            Self::MfccChroma => "mfcc-chroma-statistics",
        }
    }

    /// Values of a frame.
    fn width(self, bands: usize) -> usize {
        match self {
            Self::Mel => bands,
            Self::Mfcc => CEPSTRA.min(bands),
            Self::MfccChroma => CEPSTRA.min(bands) + CLASSES,
        }
    }

    /// The statistics of some rows of a store, every column brought to mean 0 and deviation 1 over them: rows × 2·width.
    pub fn of_tracks(self, store: &Store, rows: &[usize], monitor: &dyn Monitor) -> Result<Vec<f32>> {
        if self != Self::Mel && store.recipe().power != 2.0 {
            let found = format!("magnitudes to the power of {}", store.recipe().power);
            let advice = "extract with the default preset";
            return Err(Error::file(store.folder(), "mel power for MFCC", found, advice));
        }
        let width = 2 * self.width(store.bands());
        let cosines = cosines(store.bands());
        let classes = pitch_classes(store.recipe());
        let mut points = vec![0.0; rows.len() * width];
        monitor.begin(self.name(), Some(rows.len() as u64));
        points.par_chunks_exact_mut(width).zip(rows).try_for_each(|(point, &row)| -> Result<()> {
            let frames = store.frames(row)?;
            match self {
                Self::Mel => moments(frames, point, |frame, values| {
                    let level = |&power: &f32| (GAIN * f64::from(power)).ln_1p();
                    values.iter_mut().zip(frame).for_each(|(value, power)| *value = level(power));
                }),
                Self::Mfcc | Self::MfccChroma => {
                    let floor = decibels(loudest(frames)) - RANGE;
                    moments(frames, point, |frame, values| {
                        let levels: Vec<f64> = frame.iter().map(|&power| decibels(power).max(floor)).collect();
                        for (value, cosines) in values.iter_mut().zip(cosines.chunks_exact(levels.len())) {
                            *value = levels.iter().zip(cosines).map(|(level, cosine)| level * cosine).sum();
                        }
                        if self == Self::MfccChroma {
                            let chroma = values.len() - CLASSES;
                            chroma_of(frame, &classes, &mut values[chroma..]);
                        }
                    });
                }
            }
            monitor.advance(1);
            Ok(())
        })?;
        monitor.end();
        let map = Standardisation::fit(&points, width);
        points.chunks_exact_mut(width).for_each(|point| map.apply(point));
        Ok(points)
    }
}

/// The pitch class (0 is C) of each band, as a place between 0 and 12; none of a band that is wider than a semitone.
fn pitch_classes(recipe: &Recipe) -> Vec<Option<f64>> {
    let centres = recipe.band_centres();
    let class = |band: usize| {
        let apart = centres.get(band + 1).map_or(f64::INFINITY, |next| (next / centres[band]).log2());
        let semitones = 12.0 * (centres[band] / 440.0).log2() + 9.0;
        (centres[band] > 0.0 && apart <= 1.0 / 12.0 + 1e-9).then(|| semitones.rem_euclid(12.0))
    };
    (0..centres.len()).map(class).collect()
}

/// The power of each pitch class, relative to the strongest; a band between two classes counts for both. Silence has none.
fn chroma_of(frame: &[f32], classes: &[Option<f64>], chroma: &mut [f64]) {
    chroma.fill(0.0);
    for (&power, class) in frame.iter().zip(classes).filter_map(|(power, class)| Some((power, (*class)?))) {
        let (below, share) = (class.floor(), class.fract());
        chroma[below as usize % CLASSES] += (1.0 - share) * f64::from(power);
        chroma[(below as usize + 1) % CLASSES] += share * f64::from(power);
    }
    let most = chroma.iter().copied().fold(0.0, f64::max);
    if most > 0.0 {
        chroma.iter_mut().for_each(|power| *power /= most);
    }
}

/// Mean, then deviation over time of the values that `of` makes of each frame.
fn moments(frames: Frames<'_>, point: &mut [f32], of: impl Fn(&[f32], &mut [f64])) {
    let width = point.len() / 2;
    let (mut sums, mut squares, mut values) = (vec![0.0f64; width], vec![0.0f64; width], vec![0.0f64; width]);
    each_frame(frames, |frame| {
        of(frame, &mut values);
        for ((sum, square), value) in sums.iter_mut().zip(&mut squares).zip(&values) {
            *sum += value;
            *square += value * value;
        }
    });
    for place in 0..width {
        let mean = sums[place] / frames.len() as f64;
        let variance = squares[place] / frames.len() as f64 - mean * mean;
        point[place] = mean as f32;
        point[width + place] = variance.max(0.0).sqrt() as f32;
    }
}

fn each_frame(frames: Frames<'_>, mut job: impl FnMut(&[f32])) {
    let mut frame = vec![0.0; frames.bands()];
    for index in 0..frames.len() {
        frames.slice(index..index + 1).copy_to(&mut frame);
        job(&frame);
    }
}

fn loudest(frames: Frames<'_>) -> f32 {
    let mut loudest = 0.0f32;
    each_frame(frames, |frame| loudest = frame.iter().fold(loudest, |most, &power| most.max(power)));
    loudest
}

fn decibels(power: f32) -> f64 {
    10.0 * f64::from(power).max(1e-10).log10()
}

/// The first rows of the orthonormal cosine transform (DCT-II): coefficients × bands.
fn cosines(bands: usize) -> Vec<f64> {
    let row = |coefficient: usize| {
        let size = if coefficient == 0 { (1.0 / bands as f64).sqrt() } else { (2.0 / bands as f64).sqrt() };
        let turn = std::f64::consts::PI * coefficient as f64 / bands as f64;
        (0..bands).map(move |band| size * (turn * (band as f64 + 0.5)).cos())
    };
    (0..CEPSTRA.min(bands)).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cepstra_are_orthonormal_and_moments_those_of_the_definition() {
        let rows = cosines(64);
        let dot = |a: usize, b: usize| (0..64).map(|band| rows[a * 64 + band] * rows[b * 64 + band]).sum::<f64>();
        for a in 0..CEPSTRA {
            assert!((0..CEPSTRA).all(|b| (dot(a, b) - f64::from(u8::from(a == b))).abs() < 1e-12), "{a}");
        }
        // A above middle C in the band at 440 Hz, an octave higher half way between two bands.
        let classes = pitch_classes(&Recipe::cqt());
        let mut frame = vec![0.0; classes.len()];
        let band = |hertz: f64| (12.0 * (hertz / 32.70f64).log2()).round() as usize;
        frame[band(440.0)] = 1.0;
        let mut chroma = [0.0; CLASSES];
        chroma_of(&frame, &classes, &mut chroma);
        assert!(chroma[9] > 0.99 && chroma.iter().filter(|&&power| power > 0.01).count() == 1, "{chroma:?}");
        chroma_of(&vec![0.0; classes.len()], &classes, &mut chroma);
        assert_eq!(chroma, [0.0; CLASSES]);
        let mel = pitch_classes(&Recipe::default());
        assert!(mel[0].is_none() && mel.iter().flatten().count() > 80, "{} bands", mel.iter().flatten().count());
        let values = [1.0f32, 10.0, 3.0, 10.0];
        let mut point = [0.0; 4];
        moments(Frames::from_f32(&values, 2), &mut point, |frame, out| {
            out.iter_mut().zip(frame).for_each(|(out, &x)| *out = f64::from(x));
        });
        assert_eq!(point, [2.0, 10.0, 1.0, 0.0]);
    }
}
