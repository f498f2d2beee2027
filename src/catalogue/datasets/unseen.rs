//! The tracks of the classification and verification tasks (paper, section 4.1.1): 15 make the model of an artist, 5 test it.

use super::artists::size;
use super::{Dataset, Options, Source};
use crate::Result;

/// Artists at most, as in the paper.
const LARGEST: usize = 467;
/// What the column `part` holds.
pub(super) const PARTS: [&str; 2] = ["model", "test"];

pub(super) fn build(source: &Source, options: &Options) -> Result<Dataset> {
    let model = size(options.model_tracks, 15, 1, "--model-tracks")?;
    let test = size(options.test_tracks, 5, 1, "--test-tracks")?;
    let what = format!("with at least {} tracks", model + test);
    let artists = source.choose(source.with_tracks(model + test)?, options.artists, LARGEST, &what)?;
    let rows = artists.iter().flat_map(|artist| {
        let rows = source.shuffled(artist).into_iter().take(model + test).enumerate();
        rows.map(|(place, row)| (row, vec![PARTS[usize::from(place >= model)].to_owned()]))
    });
    let list = source.list(&["part"], &rows.collect::<Vec<_>>())?;
    Ok(Dataset { parts: vec![("unseen".to_owned(), list)], notes: Vec::new() })
}
