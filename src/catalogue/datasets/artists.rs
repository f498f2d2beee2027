//! A catalogue seen by artist, and the choices that all kinds of datasets share.

use std::collections::HashSet;
use std::path::Path;

use super::{Options, table_hash};
use crate::catalogue::groups::Groups;
use crate::catalogue::samples::{COLUMNS, Samples};
use crate::catalogue::table::Table;
use crate::hash::fnv1a;
use crate::random::Random;
use crate::{Error, Result};

/// The catalogue that a dataset is made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its tracks.
    pub table: &'a Table,
    /// The file they are from: relative paths start from its folder, messages name it.
    pub subject: &'a Path,
    /// The column with the artist.
    pub artist_column: &'a str,
    /// What every random choice depends on.
    pub seed: u64,
}

/// An artist and the rows of its tracks, ascending.
#[derive(Clone, Debug)]
pub(super) struct Artist<'a> {
    pub(super) name: &'a str,
    pub(super) rows: Vec<usize>,
}

/// What a random stream is for; the first part of its key.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Artists,
    Tracks,
    Excerpt,
    Albums,
    Split,
    Names,
    Folds,
}

impl<'a> Source<'a> {
    /// Sixteen hexadecimal digits that tell catalogues apart.
    pub fn hash(&self) -> String {
        table_hash(self.table)
    }

    pub(super) fn random(&self, purpose: Purpose, key: u64) -> Random {
        Random::keyed(self.seed, &[purpose as u64, key])
    }

    /// A stream of an artist's (or track's) own: what others there are does not change it.
    pub(super) fn random_of(&self, purpose: Purpose, name: &str) -> Random {
        self.random(purpose, fnv1a(name.as_bytes()))
    }

    pub(super) fn artist_place(&self) -> Result<usize> {
        self.table.require(self.artist_column, "--artist-column")
    }

    /// The artists, in order of first appearance; rows without one are left out.
    pub(super) fn artists(&self) -> Result<Vec<Artist<'a>>> {
        let column = self.artist_place()?;
        let known = self.table.values(column).enumerate().filter(|(_, artist)| !artist.is_empty());
        let groups = Groups::of(known);
        Ok(groups.keys.into_iter().zip(groups.members).map(|(name, rows)| Artist { name, rows }).collect())
    }

    /// Those artists with at least `least` tracks.
    pub(super) fn with_tracks(&self, least: usize) -> Result<Vec<Artist<'a>>> {
        Ok(self.artists()?.into_iter().filter(|artist| artist.rows.len() >= least).collect())
    }

    /// `wanted` of the artists that qualify, or all up to `largest`; a smaller number is a part of a larger one.
    ///
    /// `what` says what it takes to qualify.
    pub(super) fn choose(
        &self,
        qualified: Vec<Artist<'a>>,
        wanted: Option<usize>,
        largest: usize,
        what: &str,
    ) -> Result<Vec<Artist<'a>>> {
        let least = wanted.unwrap_or(2).max(2);
        if qualified.len() < least {
            let expected = format!("{least} artists or more {what}");
            let found = format!("{} of {} artists that qualify", qualified.len(), self.artists()?.len());
            let advice = "ask for fewer artists or loosen the sizes; `homonym dataset KIND --help` lists them";
            return Err(Error::file(self.subject, expected, found, advice));
        }
        let mut order: Vec<usize> = (0..qualified.len()).collect();
        self.random(Purpose::Artists, 0).shuffle(&mut order);
        order.truncate(wanted.unwrap_or(largest));
        order.sort_unstable();
        Ok(order.into_iter().map(|place| qualified[place].clone()).collect())
    }

    /// An artist's rows in random order.
    pub(super) fn shuffled(&self, artist: &Artist) -> Vec<usize> {
        let mut rows = artist.rows.clone();
        self.random_of(Purpose::Tracks, artist.name).shuffle(&mut rows);
        rows
    }

    /// A list of rows with their samples behind the user's columns.
    pub(super) fn sampled(&self, tracks: &[(usize, Samples)]) -> Result<Table> {
        let added = tracks.iter().map(|(row, samples)| (*row, samples.cells().to_vec())).collect::<Vec<_>>();
        self.list(&COLUMNS, &added)
    }

    /// A list of rows with more columns behind the user's.
    pub(super) fn list(&self, columns: &[&str], rows: &[(usize, Vec<String>)]) -> Result<Table> {
        if let Some(taken) = columns.iter().find(|&&column| self.table.column(column).is_some()) {
            let advice = "rename or remove that column";
            let expected = format!("no column `{taken}`, which the dataset adds");
            return Err(Error::file(self.subject, expected, "one", advice));
        }
        let id = self.table.column("track_id");
        let path = self.table.require("path", "the catalogue")?;
        let mut list = Table { columns: self.table.columns.clone(), rows: Vec::with_capacity(rows.len()) };
        list.columns.extend(id.is_none().then(|| "track_id".to_owned()));
        list.columns.extend(columns.iter().map(|&column| column.to_owned()));
        for (row, added) in rows {
            let mut cells = self.table.rows[*row].clone();
            cells.extend(id.is_none().then(|| self.table.rows[*row][path].clone()));
            cells.extend(added.iter().cloned());
            list.rows.push(cells);
        }
        Ok(list)
    }

    /// The source without the artists of another list.
    pub fn without(table: &Table, artist_column: &str, other: &Table, other_path: &Path) -> Result<Table> {
        let column = table.require(artist_column, "--artist-column")?;
        let theirs = other.column(artist_column).ok_or_else(|| {
            let found = format!("the columns {}", other.columns.join(", "));
            Error::file(other_path, format!("a column `{artist_column}`"), found, "name a list of the same catalogue")
        })?;
        let known: HashSet<&str> = other.values(theirs).collect();
        let kept: Vec<usize> =
            (0..table.rows.len()).filter(|&row| !known.contains(table.rows[row][column].as_str())).collect();
        Ok(table.select(&kept))
    }
}

/// A share that an option gives.
pub(super) fn share(value: Option<f64>, default: f64, name: &str) -> Result<f64> {
    let value = value.unwrap_or(default);
    if (0.0..1.0).contains(&value) { Ok(value) } else { Err(Error::setting(name, "must be within 0..1")) }
}

/// A size that an option gives, at least `least`.
pub(super) fn size(value: Option<usize>, default: usize, least: usize, name: &str) -> Result<usize> {
    let value = value.unwrap_or(default);
    if value >= least { Ok(value) } else { Err(Error::setting(name, format!("must be at least {least}"))) }
}

/// The length of a sample.
pub(super) fn seconds(options: &Options, default: f64) -> Result<f64> {
    let value = options.seconds.unwrap_or(default);
    let good = value > 0.0 && value.is_finite();
    if good { Ok(value) } else { Err(Error::setting("--seconds", "must be positive")) }
}
