//! Comparisons of tracks: an anchor is more like its positive than like its negative.

use std::collections::HashMap;
use std::path::Path;

use super::list::keys;
use super::table::Table;
use crate::random::Random;
use crate::{Error, Result};

/// Comparisons of rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triplets {
    /// Anchor, positive and negative of each.
    pub rows: Vec<[usize; 3]>,
    /// Comparisons with a track that the table does not hold.
    pub missing: usize,
}

/// The columns of a file of comparisons.
const COLUMNS: [&str; 3] = ["anchor", "positive", "negative"];
/// Purpose of a random stream.
const FOLDS: u64 = 8;

impl Triplets {
    /// Reads a table with the columns `anchor`, `positive` and `negative`, which name tracks of `held` by `track_id` or `path`.
    ///
    /// # Errors
    /// Other columns, a track compared with itself, and files of which nothing is held.
    pub fn read(path: &Path, held: &Table, held_path: &Path) -> Result<Self> {
        let table = Table::read(path)?;
        let refuse = |expected: &str, found: String, advice: &str| Error::file(path, expected, found, advice);
        let columns = COLUMNS.map(|name| table.column(name));
        let [Some(anchor), Some(positive), Some(negative)] = columns else {
            let found = format!("the columns {}", table.columns.join(", "));
            return Err(refuse("the columns anchor, positive and negative", found, "name them so in the first line"));
        };
        let places: HashMap<&str, usize> =
            keys(held, held_path)?.into_iter().enumerate().rev().map(|(row, key)| (key, row)).collect();
        let mut rows = Vec::new();
        for (number, row) in table.rows.iter().enumerate() {
            let names = [anchor, positive, negative].map(|column| row[column].as_str());
            if names[0] == names[1] || names[0] == names[2] || names[1] == names[2] {
                let found = format!("{} twice in line {}", names[0], number + 2);
                return Err(refuse("three different tracks in each line", found, "leave that line out"));
            }
            if let [Some(anchor), Some(positive), Some(negative)] = names.map(|name| places.get(name).copied()) {
                rows.push([anchor, positive, negative]);
            }
        }
        if rows.is_empty() {
            let expected = format!("tracks of {}", held_path.display());
            return Err(refuse(&expected, "no line of such".to_owned(), "name them by their `track_id` or `path`"));
        }
        Ok(Self { missing: table.rows.len() - rows.len(), rows })
    }

    /// Deals the comparisons into `count` folds at random; those of the same three tracks come into the same fold.
    ///
    /// # Errors
    /// [`Error::Setting`] where a fold would be empty or there is only one.
    pub fn folds(&self, count: usize, seed: u64) -> Result<Vec<usize>> {
        let mut sorted: Vec<[usize; 3]> = self.rows.clone();
        sorted.iter_mut().for_each(|tracks| tracks.sort_unstable());
        let of_row = sorted.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if count < 2 || sorted.len() < count {
            let problem =
                format!("{count} of {} comparisons of different tracks; take from 2 to as many", sorted.len());
            return Err(Error::setting("folds", problem));
        }
        Random::keyed(seed, &[FOLDS]).shuffle(&mut sorted);
        let fold: HashMap<[usize; 3], usize> =
            sorted.into_iter().enumerate().map(|(place, tracks)| (tracks, place % count)).collect();
        Ok(of_row.iter().map(|tracks| fold[tracks]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Triplets> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        let rows = ["a", "b", "c", "d", "e"].map(|name| vec![name.to_owned()]).to_vec();
        Triplets::read(&path, &Table { columns: vec!["path".to_owned()], rows }, Path::new("store"))
    }

    #[test]
    fn comparisons_are_read_by_name() {
        let triplets = read("negative,anchor,positive\nc,a,b\nx,a,b\na,d,c\n").unwrap();
        assert_eq!(triplets, Triplets { rows: vec![[0, 1, 2], [3, 2, 0]], missing: 1 });
        for (text, says) in [
            ("anchor,positive\na,b\n", "the columns anchor, positive"),
            ("anchor,positive,negative\na,b,c\na,b,a\n", "a twice in line 3"),
            ("anchor,positive,negative\nx,y,z\n", "tracks of store"),
        ] {
            let told = read(text).unwrap_err().to_string();
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn comparisons_of_the_same_tracks_share_a_fold() {
        let rows = vec![[0, 1, 2], [3, 1, 2], [1, 2, 0], [4, 1, 2], [4, 3, 2], [0, 3, 4]];
        let triplets = Triplets { rows, missing: 0 };
        let folds = triplets.folds(2, 1).unwrap();
        assert_eq!(folds[0], folds[2]);
        assert_eq!([0, 1].map(|fold| folds.contains(&fold)), [true; 2]);
        assert_eq!(folds, triplets.folds(2, 1).unwrap());
        assert!(triplets.folds(6, 1).unwrap_err().to_string().contains("5 comparisons"));
        assert!(triplets.folds(1, 1).is_err());
    }
}
