//! The catalogue of an extraction: what it lists, and what a store holds of that already.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::catalogue::location;
use crate::catalogue::table::Table;
use crate::store::Keys;
use crate::{Error, Result};

/// A catalogue that names every track once.
pub(super) struct Listing {
    path: PathBuf,
    pub(super) table: Table,
    keys: Keys,
    artist: usize,
}

impl Listing {
    /// Reads and checks the catalogue.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let table = Table::read(path)?;
        let missing = |name: &str| {
            let advice = format!("name the column that holds it \"{name}\"");
            Error::file(
                path,
                format!("a column \"{name}\""),
                format!("the columns {}", table.columns.join(", ")),
                advice,
            )
        };
        let keys = Keys::of(&table.columns).ok_or_else(|| missing("path"))?;
        let artist = table.column("artist").ok_or_else(|| missing("artist"))?;
        let path = std::path::absolute(path).map_err(Error::io(path))?;
        let listing = Self { path, table, keys, artist };
        listing.refuse_doubtful_rows()?;
        Ok(listing)
    }

    fn refuse_doubtful_rows(&self) -> Result<()> {
        let mut first_rows = HashMap::new();
        for (row, cells) in self.table.rows.iter().enumerate() {
            if self.keys.path(cells).is_empty() {
                let found = format!("none in data row {}", row + 1);
                return Err(Error::file(&self.path, "a path in every row", found, "fill the cell or remove the row"));
            }
            if let Some(first) = first_rows.insert(self.keys.key(cells), row) {
                let found = format!("{:?} in data rows {} and {}", self.keys.key(cells), first + 1, row + 1);
                return Err(Error::file(&self.path, "every track once", found, "remove one of the rows"));
            }
        }
        Ok(())
    }

    /// The keys of the tracks that the store `folder` holds.
    pub(super) fn keys_in<'t>(&self, folder: &Path, held: &'t Table) -> Result<HashSet<&'t str>> {
        let keys = Keys::of(&held.columns).expect("the store has checked its column \"path\"");
        if keys.by_id() != self.keys.by_id() && !held.rows.is_empty() {
            let name = |keys: Keys| format!("tracks named by {}", if keys.by_id() { "track_id" } else { "path" });
            let advice = "give both or neither the column \"track_id\", or extract anew with --force";
            return Err(Error::file(folder, name(self.keys), name(keys), advice));
        }
        Ok(held.rows.iter().map(|row| keys.key(row)).collect())
    }

    /// The rows of tracks that are not in `stored`.
    pub(super) fn without(&self, stored: &HashSet<&str>) -> Vec<usize> {
        let rows = &self.table.rows;
        (0..rows.len()).filter(|&row| !stored.contains(self.keys.key(&rows[row]))).collect()
    }

    /// Brings the rows of a store up to date; returns whether any has changed.
    pub(super) fn update(&self, folder: &Path, held: &mut Table) -> Result<bool> {
        let keys = Keys::of(&held.columns).expect("the store has checked its column \"path\"");
        let rows: HashMap<&str, &Vec<String>> = self.table.rows.iter().map(|row| (self.keys.key(row), row)).collect();
        let same_columns = held.columns == self.table.columns;
        let mut changed = !same_columns;
        for row in &mut held.rows {
            match rows.get(keys.key(row)) {
                Some(&listed) if listed != row => (*row, changed) = (listed.clone(), true),
                None if !same_columns => {
                    let found =
                        format!("the columns {} but no row for {:?}", self.table.columns.join(", "), keys.key(row));
                    let expected = format!("the columns {}, or a row for every track", held.columns.join(", "));
                    let advice = format!("list all tracks of {} to change their columns", folder.display());
                    return Err(Error::file(&self.path, expected, found, advice));
                }
                _ => {}
            }
        }
        held.columns.clone_from(&self.table.columns);
        Ok(changed)
    }

    /// The catalogue's own path, absolute.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.table.columns
    }

    /// The `path` of a row, as the catalogue has it.
    pub(super) fn audio_path(&self, row: usize) -> &str {
        self.keys.path(&self.table.rows[row])
    }

    /// What names the track of a row: its `track_id`, or its `path` where it has none.
    pub(super) fn key(&self, row: usize) -> &str {
        self.keys.key(&self.table.rows[row])
    }

    /// The audio file of a row.
    pub(super) fn file(&self, row: usize) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(location::path(self.audio_path(row)))
    }

    /// How many rows name no artist.
    pub(super) fn without_artist(&self) -> usize {
        self.table.rows.iter().filter(|row| row[self.artist].trim().is_empty()).count()
    }
}
