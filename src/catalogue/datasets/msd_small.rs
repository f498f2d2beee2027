//! Little audio an artist (paper, section 4.3.1): 15 tracks to train on and 2 for early stopping, of each a 30-s excerpt at
//! random, cut into ten samples of 3 s.

use super::artists::{Purpose, seconds, size};
use super::cleaning::clean;
use super::{Dataset, Options, Source};
use crate::catalogue::samples::{Excerpt, Samples};
use crate::{Error, Result};

/// Artists at most, as in the paper.
const LARGEST: usize = 2000;

pub(super) fn build(source: &Source, options: &Options) -> Result<Dataset> {
    let train = size(options.train_tracks, 15, 2, "--train-tracks")?;
    let validation = size(options.validation_tracks, 2, 0, "--validation-tracks")?;
    let seconds = seconds(options, 3.0)?;
    let excerpt = options.excerpt.unwrap_or(30.0);
    if !(excerpt >= seconds && excerpt.is_finite()) {
        return Err(Error::setting("--excerpt", "must not be shorter than a sample"));
    }
    let mut notes = Vec::new();
    let mut artists = match &options.clean_with {
        Some(column) => {
            let (artists, cleaned) = clean(source, column)?;
            let told = |(several, total): (usize, usize)| {
                format!("{several} of {total} ({:.1} %)", 100.0 * several as f64 / total.max(1) as f64)
            };
            notes.push(format!(
                "cleaning left out {} labels of `{}` and {} of `{column}`",
                told(cleaned.own),
                source.artist_column,
                told(cleaned.other)
            ));
            artists
        }
        None => source.artists()?,
    };
    artists.retain(|artist| artist.rows.len() >= train + validation);
    let what = format!("with at least {} tracks", train + validation);
    let artists = source.choose(artists, options.artists, LARGEST, &what)?;
    let samples = |row: usize| {
        let mut random = source.random(Purpose::Excerpt, row as u64);
        let excerpt = Excerpt { at: random.uniform(), seconds: excerpt };
        Samples { excerpt: Some(excerpt), ..Samples::linear(seconds, ((excerpt.seconds / seconds) as usize).max(1)) }
    };
    let (mut trained, mut validated) = (Vec::new(), Vec::new());
    for artist in &artists {
        let rows = source.shuffled(artist);
        trained.extend(rows[..train].iter().map(|&row| (row, samples(row))));
        validated.extend(rows[train..train + validation].iter().map(|&row| (row, samples(row))));
    }
    let parts =
        vec![("train".to_owned(), source.sampled(&trained)?), ("validation".to_owned(), source.sampled(&validated)?)];
    Ok(Dataset { parts: parts.into_iter().filter(|(_, list)| !list.rows.is_empty()).collect(), notes })
}
