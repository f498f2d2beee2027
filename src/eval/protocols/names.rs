//! Names that several artists share: taken from a column, or made by grouping artists at random.

use serde::Serialize;

use super::tracks::{Artist, artists};
use super::{Options, Purpose};
use crate::catalogue::groups::{Groups, numbered};
use crate::catalogue::table::Table;
use crate::random::Random;
use crate::{Error, Result};

/// A name and the tracks under it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) rows: Vec<usize>,
    /// The number of the artist of each track, `0..artists`.
    pub(crate) truth: Vec<usize>,
    pub(crate) artists: usize,
    /// Its value of the fold column; empty where there is none.
    pub(crate) fold: String,
}

impl Name {
    fn of<'a>(name: String, artists: impl IntoIterator<Item = &'a Vec<usize>>) -> Self {
        let mut made = Self { name, rows: Vec::new(), truth: Vec::new(), artists: 0, fold: String::new() };
        for rows in artists {
            made.truth.extend(rows.iter().map(|_| made.artists));
            made.rows.extend(rows);
            made.artists += 1;
        }
        made
    }
}

/// What the clustering protocol did not use.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NamesLeftOut {
    /// Tracks without artist or name.
    pub tracks_without_artist_or_name: usize,
    /// Artists (under a name) with too few tracks.
    pub artists_with_too_few_tracks: usize,
    /// Names left with a single artist, or none.
    pub names_without_several_artists: usize,
    /// Artists without a value in the `within` column.
    pub artists_without_group: usize,
    /// Artists that no made name had room for, total over repeats.
    pub artists_not_drawn: usize,
    /// Tracks beside one that stands for their `across` value (their album), or without a value.
    pub tracks_beside: usize,
}

impl NamesLeftOut {
    /// Adds another repeat, of which all counts but the draws are the same.
    pub(super) fn add_draws(&mut self, other: &Self) {
        self.artists_not_drawn += other.artists_not_drawn;
    }
}

/// The names of one repeat.
pub(crate) fn names(table: &Table, options: &Options, repeat: u64) -> Result<(Vec<Name>, NamesLeftOut)> {
    let Some(across) = &options.across else { return of(table, options, repeat) };
    let kept = one_each(table, across, options, repeat)?;
    let (mut names, mut left_out) = of(&table.select(&kept), options, repeat)?;
    names.iter_mut().flat_map(|name| &mut name.rows).for_each(|row| *row = kept[*row]);
    left_out.tracks_beside = table.rows.len() - kept.len();
    Ok((names, left_out))
}

/// One random row for each artist and value of the `across` column; rows without a value stay out.
fn one_each(table: &Table, across: &str, options: &Options, repeat: u64) -> Result<Vec<usize>> {
    let artist = table.require(&options.artist_column, "artist column")?;
    let across = table.require(across, "--across")?;
    let known = table.rows.iter().enumerate().filter(|(_, row)| !row[across].is_empty());
    let albums = Groups::of(known.map(|(place, row)| (place, (row[artist].as_str(), row[across].as_str()))));
    let mut random = Random::keyed(options.seed, &[Purpose::Albums as u64, repeat]);
    let mut kept: Vec<usize> = albums.members.iter().map(|rows| rows[random.below(rows.len())]).collect();
    kept.sort_unstable();
    Ok(kept)
}

fn of(table: &Table, options: &Options, repeat: u64) -> Result<(Vec<Name>, NamesLeftOut)> {
    match &options.name_column {
        Some(column) => from_column(table, column, options),
        None => drawn(table, options, repeat),
    }
}

fn from_column(table: &Table, column: &str, options: &Options) -> Result<(Vec<Name>, NamesLeftOut)> {
    let artist = table.require(&options.artist_column, "artist column")?;
    let name = table.require(column, "--name-column")?;
    let fold = options.fold_column.as_ref().map(|column| table.require(column, "--fold-column")).transpose()?;
    let known = |(_, row): &(usize, &Vec<String>)| !row[artist].is_empty() && !row[name].is_empty();
    let known = table.rows.iter().enumerate().filter(known);
    let groups = Groups::of(known.map(|(place, row)| (place, row[name].as_str())));
    let used: usize = groups.members.iter().map(Vec::len).sum();
    let mut left_out = NamesLeftOut { tracks_without_artist_or_name: table.rows.len() - used, ..Default::default() };
    let mut names = Vec::new();
    for (name, rows) in groups.iter() {
        let artists = Groups::of(rows.iter().map(|&row| (row, table.rows[row][artist].as_str())));
        let enough: Vec<_> = artists.members.iter().filter(|rows| rows.len() >= options.min_tracks).collect();
        left_out.artists_with_too_few_tracks += artists.members.len() - enough.len();
        if enough.len() >= 2 {
            let mut name = Name::of(name.to_owned(), enough);
            name.fold = fold.map_or(Ok(String::new()), |column| only_fold(table, &name, column))?;
            names.push(name);
        } else {
            left_out.names_without_several_artists += 1;
        }
    }
    Ok((names, left_out))
}

/// The fold that all tracks of a name are in.
fn only_fold(table: &Table, name: &Name, column: usize) -> Result<String> {
    let folds = numbered(name.rows.iter().map(|&row| table.rows[row][column].as_str())).1;
    let fold = &table.rows[name.rows[0]][column];
    if folds == 1 && !fold.is_empty() {
        return Ok(fold.clone());
    }
    let found = format!("{folds} values under `{}`", name.name);
    let advice = "give all tracks of a name the same fold, so that no fold knows another's names";
    Err(Error::input("the fold column", "one fold for each name", found, advice))
}

/// Shuffles the artists of every group and cuts the row into names of random sizes; too few at the end stay out.
fn drawn(table: &Table, options: &Options, repeat: u64) -> Result<(Vec<Name>, NamesLeftOut)> {
    let (artists, tracks) = artists(table, options, options.min_tracks)?;
    let mut left_out = NamesLeftOut {
        tracks_without_artist_or_name: tracks.tracks_without_artist,
        artists_with_too_few_tracks: tracks.artists_with_too_few_tracks,
        artists_without_group: tracks.artists_without_group,
        ..Default::default()
    };
    let (least, most) = options.group_sizes;
    let mut random = Random::keyed(options.seed, &[Purpose::Groups as u64, repeat]);
    let mut names = Vec::new();
    for mut members in Groups::of(artists.iter().map(|artist| artist.group).enumerate()).members {
        random.shuffle(&mut members);
        let mut rest = &members[..];
        while rest.len() >= least {
            let size = (least + random.below(most - least + 1)).min(rest.len());
            let (chosen, others) = rest.split_at(size);
            names.push(made(chosen.iter().map(|&artist| &artists[artist]).collect()));
            rest = others;
        }
        left_out.artists_not_drawn += rest.len();
    }
    Ok((names, left_out))
}

fn made(artists: Vec<&Artist>) -> Name {
    let name = artists.iter().map(|artist| artist.name).collect::<Vec<_>>().join(" + ");
    Name::of(name, artists.iter().map(|artist| &artist.rows))
}

impl std::fmt::Display for NamesLeftOut {
    /// One line where anything was left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::default() {
            return Ok(());
        }
        write!(f, "left out: {} tracks without artist or name, ", self.tracks_without_artist_or_name)?;
        write!(f, "{} artists with too few tracks, ", self.artists_with_too_few_tracks)?;
        write!(f, "{} names without several artists, ", self.names_without_several_artists)?;
        write!(f, "{} artists without group, ", self.artists_without_group)?;
        write!(f, "{} artists not drawn, ", self.artists_not_drawn)?;
        writeln!(f, "{} tracks beside another of their album or without one", self.tracks_beside)
    }
}
