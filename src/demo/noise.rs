//! A feature store without music: what a catalogue weighs, for measurements.

use std::path::Path;

use crate::Result;
use crate::frontend::Recipe;
use crate::random::Random;
use crate::store::{Encoder, Precision, Spec, Store, Writer};

/// Makes a store in `folder` of `artists × tracks` tracks of `frames` frames, all of the same noise, which begins elsewhere
/// in each; columns `path` and `artist`.
pub fn noise_store(folder: &Path, (artists, tracks): (usize, usize), frames: usize) -> Result<Store> {
    let spec = Spec { recipe: Recipe::default(), precision: Precision::F16 };
    let columns = ["path", "artist"].map(str::to_owned);
    let (mut writer, _) = Writer::open(folder, &spec, Path::new("noise"), &columns, &())?;
    let mut random = Random::keyed(0, &[]);
    let bands = spec.recipe.bands;
    let power: Vec<f32> = (0..frames * bands).map(|_| (random.normal() * 2.0 - 5.0).exp() as f32).collect();
    for track in 0..artists * tracks {
        let (late, early) = power.split_at(track % frames * bands);
        let mut encoder = Encoder::new(&spec, folder);
        encoder.push(early)?;
        encoder.push(late)?;
        let row = [format!("{track}.wav"), (track % artists).to_string()];
        writer.push(encoder.finish()?, &row, frames as f64 * spec.recipe.frame_seconds())?;
    }
    writer.finish(&[])?;
    Store::open(folder)
}
