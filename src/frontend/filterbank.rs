//! The mel filterbank: triangles on the bins of a Fourier transform, equally spaced on Slaney's mel scale, each of unit
//! area (M. Slaney, Auditory Toolbox, 1998; `librosa.filters.mel(htk=False, norm="slaney")`).

use super::Recipe;
use crate::{Error, Result};

/// Sums are kept in so many lanes, which fit one or two vector registers; bands are padded to whole lanes.
const LANES: usize = 8;

/// The bands of a recipe, only their non-zero weights.
pub(super) struct Filterbank {
    bands: Vec<Band>,
    /// The weights of all bands one after the other, each padded with zeros to whole lanes.
    weights: Vec<f32>,
}

/// Where the weights of a band apply.
struct Band {
    first_bin: usize,
    /// Bins covered, with the padding.
    bins: usize,
}

impl Filterbank {
    /// Computes the weights in f64 and stores them in f32.
    ///
    /// # Errors
    /// A band so narrow that it falls between two bins: its output would always be zero.
    pub(super) fn new(recipe: &Recipe) -> Result<Self> {
        let edges = band_edges(recipe);
        let bin_hertz = f64::from(recipe.sample_rate) / recipe.n_fft as f64;
        let mut bank = Self { bands: Vec::with_capacity(recipe.bands), weights: Vec::new() };
        for (number, edge) in edges.windows(3).enumerate() {
            let [low, centre, high] = [edge[0], edge[1], edge[2]];
            let weight = |bin: usize| {
                let hertz = bin as f64 * bin_hertz;
                let triangle = ((hertz - low) / (centre - low)).min((high - hertz) / (high - centre)).max(0.0);
                (triangle * 2.0 / (high - low)) as f32
            };
            let around = (low / bin_hertz) as usize..=((high / bin_hertz) as usize).min(recipe.n_fft / 2);
            let covered: Vec<usize> = around.filter(|&bin| weight(bin) > 0.0).collect();
            let (Some(&first_bin), Some(&last)) = (covered.first(), covered.last()) else {
                let problem = format!("{} are too many: band {number} is narrower than a bin", recipe.bands);
                return Err(Error::setting("bands", format!("{problem}; use fewer or a larger n_fft")));
            };
            let bins = (last + 1 - first_bin).next_multiple_of(LANES);
            bank.weights.extend((first_bin..=last).map(weight));
            bank.weights.resize(bank.weights.len() + bins - (last + 1 - first_bin), 0.0);
            bank.bands.push(Band { first_bin, bins });
        }
        Ok(bank)
    }

    /// The number of bins that [`Filterbank::apply`] reads: those of the transform and some zeros after them.
    pub(super) fn padded_bins(&self, bins: usize) -> usize {
        bins + LANES
    }

    /// Appends the weighted sum of `spectrum` in every band.
    pub(super) fn apply(&self, spectrum: &[f32], frame: &mut Vec<f32>) {
        let mut weights = &self.weights[..];
        for band in &self.bands {
            let (own, rest) = weights.split_at(band.bins);
            weights = rest;
            frame.push(dot(own, &spectrum[band.first_bin..band.first_bin + band.bins]));
        }
    }
}

/// Dot product of slices of whole lanes.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// The edges of the bands in Hz, `bands` + 2 of them: band i rises from edge i to i + 1 and falls to i + 2.
fn band_edges(recipe: &Recipe) -> Vec<f64> {
    let (low, high) = (hertz_to_mel(recipe.fmin), hertz_to_mel(recipe.fmax));
    let last = recipe.bands + 1;
    (0..=last).map(|edge| mel_to_hertz(low + (high - low) * edge as f64 / last as f64)).collect()
}

// Slaney's scale: linear, 3 mels to 200 Hz, up to 1 kHz; then logarithmic, 27 mels to a factor of 6.4.
const LINEAR_HERTZ_PER_MEL: f64 = 200.0 / 3.0;
const BREAK_HERTZ: f64 = 1000.0;
const BREAK_MEL: f64 = BREAK_HERTZ / LINEAR_HERTZ_PER_MEL;

fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hertz_to_mel(hertz: f64) -> f64 {
    if hertz < BREAK_HERTZ { hertz / LINEAR_HERTZ_PER_MEL } else { BREAK_MEL + (hertz / BREAK_HERTZ).ln() / log_step() }
}

fn mel_to_hertz(mel: f64) -> f64 {
    if mel < BREAK_MEL { mel * LINEAR_HERTZ_PER_MEL } else { BREAK_HERTZ * ((mel - BREAK_MEL) * log_step()).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        banks: Vec<Moments>,
    }

    /// Of one bank: the recipe, every band's sum of weights, and its sum of weight times bin.
    #[derive(serde::Deserialize)]
    struct Moments {
        recipe: Recipe,
        sum: Vec<f64>,
        first: Vec<f64>,
    }

    #[test]
    fn the_bands_are_librosas() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/golden/mel_filters.json")).unwrap();
        for Moments { recipe, sum, first } in golden.banks {
            let bank = Filterbank::new(&recipe).unwrap();
            let measure = |spectrum: fn(usize) -> f32| {
                let bins = recipe.n_fft / 2 + 1;
                let mut spectrum: Vec<f32> = (0..bins).map(spectrum).collect();
                spectrum.resize(bank.padded_bins(bins), 0.0);
                let mut frame = Vec::new();
                bank.apply(&spectrum, &mut frame);
                frame
            };
            for (ours, theirs) in [(measure(|_| 1.0), sum), (measure(|bin| bin as f32), first)] {
                assert_eq!(ours.len(), theirs.len());
                for (band, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                    assert!((f64::from(*ours) / theirs - 1.0).abs() < 2e-6, "band {band}: {ours} and {theirs}");
                }
            }
        }
    }
}
