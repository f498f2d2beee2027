//! A catalogue as it is (paper, section 4.3.3): split by artist, long tail and all; its two versions for classifiers, which
//! need as many samples of each artist; and the one with side information.

use super::artists::{Artist, Purpose, seconds, share, size};
use super::splits::{deal, spread};
use super::{Dataset, Options, Source};
use crate::catalogue::samples::{Excerpt, Samples};
use crate::catalogue::table::Table;
use crate::{Error, Result};

/// Samples of an artist in the versions for classifiers.
const PER_ARTIST: usize = 2000;

pub(super) fn whole(source: &Source, options: &Options) -> Result<Dataset> {
    let parts = by_artist(source, options, 4)?;
    let positions = size(options.positions, 10, 1, "--positions")?;
    let seconds = seconds(options, 9.0)?;
    lists(source, &parts, |_| Samples::linear(seconds, positions))
}

pub(super) fn side_information(source: &Source, options: &Options) -> Result<Dataset> {
    let column = options.tag_column.as_deref().unwrap_or("genre");
    let tags = source.table.require(column, "--tag-column")?;
    let seconds = seconds(options, 9.0)?;
    let parts = by_artist(source, options, 2)?;
    let sample = |row: usize| {
        let at = source.random(Purpose::Excerpt, row as u64).uniform();
        Samples { excerpt: Some(Excerpt { at, seconds }), ..Samples::linear(seconds, 1) }
    };
    let mut dataset = lists(source, &parts, sample)?;
    let rows = || parts.iter().flat_map(|(_, artists)| artists.iter().flat_map(|artist| &artist.rows));
    let untagged = rows().filter(|&&row| source.table.rows[row][tags].trim().is_empty()).count();
    dataset.notes.push(format!("{untagged} of {} tracks have no tag in `{column}`", rows().count()));
    Ok(dataset)
}

/// Version (A): artists with fewer samples are left out, of all others as many are taken.
pub(super) fn cut_down(source: &Source, options: &Options) -> Result<Dataset> {
    let target = size(options.per_artist, PER_ARTIST, 1, "--per-artist")?;
    let positions = size(options.positions, 10, 1, "--positions")?;
    let seconds = seconds(options, 9.0)?;
    classes(source, options, |artists| {
        let mut counts: Vec<usize> = artists.iter().map(|artist| artist.rows.len() * positions).collect();
        let kept = counts.iter().filter(|&&count| count >= target).count();
        if kept < 2 {
            counts.sort_unstable_by(|a, b| b.cmp(a));
            let found = format!("{kept} of {} training artists", counts.len());
            let half = counts[counts.len() / 2];
            let advice = format!("with --per-artist {half} half of them would stay; or use unbalanced-b");
            return Err(Error::file(source.subject, format!("artists with {target} samples"), found, advice));
        }
        let enough = artists.iter().filter(|artist| artist.rows.len() * positions >= target);
        Ok(enough.flat_map(|artist| spread(&artist.rows, target, seconds)).collect())
    })
}

/// Version (B): the samples of every artist are repeated until there are as many.
pub(super) fn repeated(source: &Source, options: &Options) -> Result<Dataset> {
    let target = size(options.per_artist, PER_ARTIST, 1, "--per-artist")?;
    let positions = size(options.positions, 10, 1, "--positions")?;
    let seconds = seconds(options, 9.0)?;
    classes(source, options, |artists| {
        let repeat = |artist: &Artist| {
            let tracks = spread(&artist.rows, target, seconds);
            tracks
                .into_iter()
                .map(|(row, samples)| (row, Samples { positions: positions.min(samples.draws), ..samples }))
                .collect::<Vec<_>>()
        };
        Ok(artists.iter().flat_map(repeat).collect())
    })
}

/// Parts of artists, each with its name.
type Parts<'a> = Vec<(&'static str, Vec<Artist<'a>>)>;

/// The artists with enough tracks, dealt into training, validation and test.
fn by_artist<'a>(source: &Source<'a>, options: &Options, least: usize) -> Result<Parts<'a>> {
    let least = size(options.min_tracks, least, 2, "--min-tracks")?;
    let validation = share(options.validation_share, 0.1, "--validation-share")?;
    let test = share(options.test_share, 0.1, "--test-share")?;
    if validation + test >= 1.0 {
        return Err(Error::setting("--test-share", "must leave artists to train on beside --validation-share"));
    }
    let qualified = source.with_tracks(least)?;
    let what = format!("with at least {least} tracks");
    let artists = source.choose(qualified, options.artists, usize::MAX, &what)?;
    let dealt = deal(
        &vec![1; artists.len()],
        &[1.0 - validation - test, validation, test],
        &mut source.random(Purpose::Split, 0),
    );
    let of = |part: &Vec<usize>| part.iter().map(|&artist| artists[artist].clone()).collect::<Vec<_>>();
    let parts = ["train", "validation", "test"].into_iter().zip(&dealt).map(|(name, part)| (name, of(part)));
    Ok(parts.collect())
}

/// One list a part that is not empty.
fn lists(source: &Source, parts: &Parts, samples: impl Fn(usize) -> Samples) -> Result<Dataset> {
    let list = |artists: &[Artist]| {
        let rows = artists.iter().flat_map(|artist| artist.rows.iter().copied());
        source.sampled(&rows.map(|row| (row, samples(row))).collect::<Vec<_>>())
    };
    let filled = parts.iter().filter(|(_, artists)| !artists.is_empty());
    let parts = filled.map(|(name, artists)| Ok(((*name).to_owned(), list(artists)?))).collect::<Result<_>>()?;
    Ok(Dataset { parts, notes: Vec::new() })
}

/// A version for classifiers: the training artists of `unbalanced`, some tracks of each kept out for early stopping.
fn classes<'a>(
    source: &Source<'a>,
    options: &Options,
    version: impl Fn(&[Artist<'a>]) -> Result<Vec<(usize, Samples)>>,
) -> Result<Dataset> {
    let kept_out = size(options.validation_tracks, 2, 0, "--validation-tracks")?;
    let positions = size(options.positions, 10, 1, "--positions")?;
    let seconds = seconds(options, 9.0)?;
    let parts = by_artist(source, options, 4)?;
    let mut artists = parts.into_iter().next().expect("the first part is for training").1;
    let mut validated = Vec::new();
    for artist in &mut artists {
        let mut rows = source.shuffled(artist);
        let kept = rows.split_off(kept_out.min(rows.len() - 1));
        validated.extend(rows.into_iter().map(|row| (row, Samples::linear(seconds, positions))));
        artist.rows = kept;
        artist.rows.sort_unstable();
    }
    let train = version(&artists)?;
    let artist_column = source.artist_place()?;
    let trained: std::collections::HashSet<&str> =
        train.iter().map(|(row, _)| source.table.rows[*row][artist_column].as_str()).collect();
    validated.retain(|(row, _)| trained.contains(source.table.rows[*row][artist_column].as_str()));
    let named = |name: &str, list: Table| (name.to_owned(), list);
    let mut parts = vec![named("train", source.sampled(&train)?)];
    if !validated.is_empty() {
        parts.push(named("validation", source.sampled(&validated)?));
    }
    let note = format!("{} of {} training artists", trained.len(), artists.len());
    Ok(Dataset { parts, notes: vec![note] })
}
