//! The artists of some embeddings and their tracks.

use serde::Serialize;

use super::Options;
use crate::catalogue::groups::{Groups, most_frequent};
use crate::catalogue::table::Table;
use crate::{Error, Result};

/// An artist with enough tracks.
#[derive(Debug)]
pub(super) struct Artist<'a> {
    pub(super) name: &'a str,
    /// Its rows, ascending.
    pub(super) rows: Vec<usize>,
    /// Its value of the `within` column; empty where there is no such column.
    pub(super) group: &'a str,
}

/// What a protocol did not use.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TracksLeftOut {
    /// Tracks without a value in the artist column.
    pub tracks_without_artist: usize,
    /// Artists with too few tracks.
    pub artists_with_too_few_tracks: usize,
    /// Their tracks.
    pub tracks_of_those_artists: usize,
    /// Artists without a value in the `within` column.
    pub artists_without_group: usize,
}

/// The artists with at least `min_tracks` tracks, in order of first appearance.
pub(super) fn artists<'a>(
    table: &'a Table,
    options: &Options,
    min_tracks: usize,
) -> Result<(Vec<Artist<'a>>, TracksLeftOut)> {
    let column = table.require(&options.artist_column, "artist column")?;
    let within = options.within.as_ref().map(|name| table.require(name, "--within")).transpose()?;
    let all = Groups::of(table.values(column).enumerate().filter(|(_, artist)| !artist.is_empty()));
    let with_artist: usize = all.members.iter().map(Vec::len).sum();
    let mut left_out = TracksLeftOut { tracks_without_artist: table.rows.len() - with_artist, ..Default::default() };
    let mut artists = Vec::new();
    for (name, rows) in all.iter() {
        let group =
            within.map_or(Some(""), |column| most_frequent(rows.iter().map(|&row| table.rows[row][column].as_str())));
        match group {
            _ if rows.len() < min_tracks => {
                left_out.artists_with_too_few_tracks += 1;
                left_out.tracks_of_those_artists += rows.len();
            }
            None => left_out.artists_without_group += 1,
            Some(group) => artists.push(Artist { name, rows: rows.clone(), group }),
        }
    }
    if artists.len() < 2 {
        let expected = format!("two artists or more with at least {min_tracks} tracks each");
        let advice = "check the artist column and the filters";
        return Err(Error::input("the embeddings to evaluate", expected, artists.len(), advice));
    }
    Ok((artists, left_out))
}

impl std::fmt::Display for TracksLeftOut {
    /// One line where anything was left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::default() {
            return Ok(());
        }
        let Self { tracks_without_artist, artists_with_too_few_tracks, tracks_of_those_artists, artists_without_group } =
            self;
        write!(f, "left out: {tracks_without_artist} tracks without artist, ")?;
        write!(f, "{artists_with_too_few_tracks} artists with too few tracks ({tracks_of_those_artists}), ")?;
        writeln!(f, "{artists_without_group} artists without group")
    }
}
