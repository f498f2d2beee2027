//! What a training run learns from: rows of a store, their labels and samples, and what early stopping is judged by.

use std::path::Path;

use crate::Result;
use crate::catalogue::samples::Samples;
use crate::catalogue::table::Table;
use crate::catalogue::{datasets, list};
use crate::similarity::Oracle;
use crate::store::Store;

/// Tracks of a store.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackList {
    /// Rows of the store.
    pub rows: Vec<usize>,
    /// What is known of each.
    pub table: Table,
    /// Which samples of each are used; any part of a track where there is nothing said.
    pub samples: Option<Vec<Samples>>,
    /// Tracks of the list that the store does not hold.
    pub missing: usize,
    /// What each is to the set's oracle; empty where there is none.
    pub items: Vec<usize>,
}

/// Training tracks, and those for early stopping where they are chosen already.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSet {
    /// To learn from.
    pub train: TrackList,
    /// To judge by; without them some of the artists are kept out.
    pub validation: Option<TrackList>,
    /// What says which tracks are alike, where something does.
    pub oracle: Option<Oracle>,
    /// Comparisons of training tracks (anchor, positive, negative), where those are learnt from in place of artists.
    pub triplets: Option<Vec<[usize; 3]>>,
}

impl TrackList {
    /// The given rows.
    pub fn of_rows(store: &Store, rows: &[usize]) -> Result<Self> {
        let table = store.table()?.select(rows);
        Ok(Self { rows: rows.to_vec(), table, samples: None, missing: 0, items: Vec::new() })
    }

    /// The tracks of a list that the store holds, with the list's columns.
    pub fn of_list(store: &Store, table: &Table, path: &Path) -> Result<Self> {
        let found = list::find(table, path, store.table()?, store.folder())?;
        let samples = Samples::of_list(table, path)?;
        let held: Vec<usize> = (0..found.len()).filter(|&row| found[row].is_some()).collect();
        Ok(Self {
            rows: found.iter().flatten().copied().collect(),
            table: table.select(&held),
            samples: samples.map(|samples| held.iter().map(|&row| samples[row]).collect()),
            missing: found.len() - held.len(),
            items: Vec::new(),
        })
    }

    /// Those that an oracle knows; the others count as missing.
    fn known_to(self, oracle: &Oracle, store: &Store) -> Result<Self> {
        let items = oracle.find(&self.table, store.folder())?;
        let known: Vec<usize> = (0..items.len()).filter(|&place| items[place].is_some()).collect();
        Ok(Self {
            rows: known.iter().map(|&place| self.rows[place]).collect(),
            table: self.table.select(&known),
            samples: self.samples.map(|samples| known.iter().map(|&place| samples[place]).collect()),
            missing: self.missing + items.len() - known.len(),
            items: items.into_iter().flatten().collect(),
        })
    }
}

impl TrainingSet {
    /// The given rows; early stopping is up to the configuration.
    pub fn of_rows(store: &Store, rows: &[usize]) -> Result<Self> {
        Ok(Self { train: TrackList::of_rows(store, rows)?, validation: None, triplets: None, oracle: None })
    }

    /// Comparisons of rows of the store.
    pub fn of_triplets(store: &Store, triplets: &[[usize; 3]]) -> Result<Self> {
        let mut rows = triplets.concat();
        rows.sort_unstable();
        rows.dedup();
        let place = |row| rows.binary_search(&row).expect("every row of a comparison is listed");
        let triplets = triplets.iter().map(|rows| rows.map(place)).collect();
        Ok(Self { triplets: Some(triplets), ..Self::of_rows(store, &rows)? })
    }

    /// The lists of a dataset.
    pub fn of_dataset(store: &Store, folder: &Path) -> Result<Self> {
        let (train, validation) = datasets::open(folder)?;
        let part = |table: &Table, name: &str| TrackList::of_list(store, table, &folder.join(name));
        Ok(Self {
            train: part(&train, "train.csv")?,
            validation: validation.map(|table| part(&table, "validation.csv")).transpose()?,
            oracle: None,
            triplets: None,
        })
    }

    /// The tracks that an oracle knows, and the oracle.
    ///
    /// # Errors
    /// Where it knows none of them.
    pub fn with_oracle(self, oracle: Oracle, store: &Store) -> Result<Self> {
        let part = |part: TrackList| part.known_to(&oracle, store);
        let (train, validation) = (part(self.train)?, self.validation.map(part).transpose()?);
        Ok(Self { train, validation, oracle: Some(oracle), triplets: None })
    }

    /// Tracks that the store does not hold, or the oracle does not know.
    pub fn missing(&self) -> usize {
        self.train.missing + self.validation.as_ref().map_or(0, |part| part.missing)
    }
}
