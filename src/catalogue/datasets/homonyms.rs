//! Names that several artists share (paper, section 4.1.2), in folds disjoint by name: from a column, or made by grouping
//! artists in the proportions of the paper's 122 names.

use super::artists::{Artist, Purpose, size};
use super::{Dataset, Options, Source};
use crate::catalogue::groups::{Groups, most_frequent};
use crate::random::Random;
use crate::{Error, Result};

/// Names of 2, 3 and 4 artists in the paper.
const PAPER: [usize; 3] = [102, 17, 3];

/// A name and the artists behind it.
struct Name<'a> {
    name: String,
    artists: Vec<Artist<'a>>,
}

pub(super) fn build(source: &Source, options: &Options) -> Result<Dataset> {
    let (least, most) = (size(options.min_tracks, 8, 1, "--min-tracks")?, options.max_tracks.unwrap_or(168));
    let folds = size(options.folds, 5, 2, "--folds")?;
    let names = match &options.name_column {
        Some(column) => from_column(source, column, least, most)?,
        None => made(source, options, least, most)?,
    };
    let wanted = options.names.unwrap_or(folds).max(folds);
    if names.len() < wanted {
        let expected = format!("{wanted} names of artists with {least} to {most} tracks");
        let advice = "loosen --min-tracks, or ask for fewer --names or --folds";
        return Err(Error::file(source.subject, expected, names.len(), advice));
    }
    let mut names = names;
    names.truncate(options.names.unwrap_or(PAPER.iter().sum()));
    let mut dealt: Vec<usize> = (0..names.len()).map(|name| name % folds).collect();
    source.random(Purpose::Folds, 0).shuffle(&mut dealt);
    let added: &[&str] = if options.name_column.is_some() { &["fold"] } else { &["name", "fold"] };
    let mut rows = Vec::new();
    for (Name { name, artists }, fold) in names.iter().zip(&dealt) {
        let cells = [name.clone(), fold.to_string()][2 - added.len()..].to_vec();
        rows.extend(artists.iter().flat_map(|artist| artist.rows.iter().map(|&row| (row, cells.clone()))));
    }
    let count = |size: usize| names.iter().filter(|name| name.artists.len() == size).count();
    let note = format!("{} names: {} of 2 artists, {} of 3, {} of 4", names.len(), count(2), count(3), count(4));
    Ok(Dataset { parts: vec![("homonyms".to_owned(), source.list(added, &rows)?)], notes: vec![note] })
}

/// The names of a column with several artists of enough tracks.
fn from_column<'a>(source: &Source<'a>, column: &str, least: usize, most: usize) -> Result<Vec<Name<'a>>> {
    let column = source.table.require(column, "--name-column")?;
    let artist = source.artist_place()?;
    let table = source.table;
    let names = Groups::of(table.values(column).enumerate().filter(|(_, name)| !name.is_empty()));
    let shared = names.iter().map(|(name, rows)| {
        let known =
            rows.iter().map(|&row| (row, table.rows[row][artist].as_str())).filter(|(_, artist)| !artist.is_empty());
        let groups = Groups::of(known);
        let artists = groups.keys.into_iter().zip(groups.members).map(|(name, rows)| Artist { name, rows });
        Name { name: name.to_owned(), artists: artists.filter(|artist| fits(artist, least, most)).collect() }
    });
    Ok(shared.filter(|name| name.artists.len() > 1).collect())
}

/// Names made of artists that share the value of `within`.
fn made<'a>(source: &Source<'a>, options: &Options, least: usize, most: usize) -> Result<Vec<Name<'a>>> {
    let within = options.within.as_deref().map(|name| source.table.require(name, "--within")).transpose()?;
    let mut artists: Vec<Artist> = source.artists()?.into_iter().filter(|artist| fits(artist, least, most)).collect();
    let group = |artist: &Artist<'a>| {
        let values =
            |column: usize| most_frequent(artist.rows.iter().map(|&row| source.table.rows[row][column].as_str()));
        within.map_or(Some(""), values)
    };
    artists.retain(|artist| group(artist).is_some());
    let mut random = source.random(Purpose::Names, 0);
    let mut names = Vec::new();
    for mut members in Groups::of(artists.iter().map(group).enumerate()).members {
        random.shuffle(&mut members);
        let mut rest = &members[..];
        while rest.len() >= 2 {
            let (chosen, others) = rest.split_at(draw_size(&mut random).min(rest.len()));
            let artists: Vec<Artist> = chosen.iter().map(|&artist| artists[artist].clone()).collect();
            let name = artists.iter().map(|artist| artist.name).collect::<Vec<_>>().join(" + ");
            names.push(Name { name, artists });
            rest = others;
        }
    }
    random.shuffle(&mut names);
    Ok(names)
}

fn fits(artist: &Artist, least: usize, most: usize) -> bool {
    (least..=most).contains(&artist.rows.len())
}

/// How many artists a made name has.
fn draw_size(random: &mut Random) -> usize {
    let mut drawn = random.below(PAPER.iter().sum());
    for (place, &count) in PAPER.iter().enumerate() {
        if drawn < count {
            return 2 + place;
        }
        drawn -= count;
    }
    unreachable!("the draw is below the sum")
}
