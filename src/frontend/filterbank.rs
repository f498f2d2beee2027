//! The mel filterbank: triangles on the bins of a Fourier transform, equally spaced on Slaney's mel scale, each of unit
//! area (M. Slaney, Auditory Toolbox, 1998; `librosa.filters.mel(htk=False, norm="slaney")`).

use homonym_kernels::Bands;

use super::Recipe;
use crate::{Error, Result};

/// The bands of a recipe, only their non-zero weights, computed in f64 and stored in f32.
///
/// # Errors
/// A band so narrow that it falls between two bins: its output would always be zero.
pub(super) fn filterbank(recipe: &Recipe) -> Result<Bands> {
    let edges = band_edges(recipe);
    let bands: Result<Vec<_>> =
        edges.windows(3).enumerate().map(|(number, edge)| band(recipe, number, [edge[0], edge[1], edge[2]])).collect();
    Ok(Bands::new(bands?))
}

/// The first bin and the weights of the triangle with these edges and this centre in Hz.
fn band(recipe: &Recipe, number: usize, [low, centre, high]: [f64; 3]) -> Result<(usize, Vec<f32>)> {
    let bin_hertz = f64::from(recipe.sample_rate) / recipe.n_fft as f64;
    let weight = |bin: usize| {
        let hertz = bin as f64 * bin_hertz;
        let triangle = ((hertz - low) / (centre - low)).min((high - hertz) / (high - centre)).max(0.0);
        (triangle * 2.0 / (high - low)) as f32
    };
    let around = (low / bin_hertz) as usize..=((high / bin_hertz) as usize).min(recipe.n_fft / 2);
    let covered: Vec<usize> = around.filter(|&bin| weight(bin) > 0.0).collect();
    let (Some(&first), Some(&last)) = (covered.first(), covered.last()) else {
        let problem = format!("{} are too many: band {number} is narrower than a bin", recipe.bands);
        return Err(Error::setting("bands", format!("{problem}; use fewer or a larger n_fft")));
    };
    Ok((first, (first..=last).map(weight).collect()))
}

/// The edges of the bands in Hz, `bands` + 2 of them: band i rises from edge i to i + 1 and falls to i + 2.
pub(super) fn band_edges(recipe: &Recipe) -> Vec<f64> {
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
    use homonym_kernels::{Isa, band_sums};

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
            let bank = filterbank(&recipe).unwrap();
            let measure = |spectrum: fn(usize) -> f32| {
                let mut spectrum: Vec<f32> = (0..=recipe.n_fft / 2).map(spectrum).collect();
                spectrum.resize(spectrum.len().max(bank.reach()), 0.0);
                let mut frame = vec![0.0; bank.count()];
                band_sums(Isa::PORTABLE, &bank, &spectrum, &mut frame);
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
