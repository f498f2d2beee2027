//! What a training run learns from: rows of a store, their labels and samples, and what early stopping is judged by.

use std::path::Path;

use crate::Result;
use crate::catalogue::samples::Samples;
use crate::catalogue::table::Table;
use crate::catalogue::{datasets, list};
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
}

/// Training tracks, and those for early stopping where they are chosen already.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSet {
    /// To learn from.
    pub train: TrackList,
    /// To judge by; without them some of the artists are kept out.
    pub validation: Option<TrackList>,
}

impl TrackList {
    /// The given rows.
    pub fn of_rows(store: &Store, rows: &[usize]) -> Result<Self> {
        Ok(Self { rows: rows.to_vec(), table: store.table()?.select(rows), samples: None, missing: 0 })
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
        })
    }
}

impl TrainingSet {
    /// The given rows; early stopping is up to the configuration.
    pub fn of_rows(store: &Store, rows: &[usize]) -> Result<Self> {
        Ok(Self { train: TrackList::of_rows(store, rows)?, validation: None })
    }

    /// The lists of a dataset.
    pub fn of_dataset(store: &Store, folder: &Path) -> Result<Self> {
        let (train, validation) = datasets::open(folder)?;
        let part = |table: &Table, name: &str| TrackList::of_list(store, table, &folder.join(name));
        Ok(Self {
            train: part(&train, "train.csv")?,
            validation: validation.map(|table| part(&table, "validation.csv")).transpose()?,
        })
    }

    /// Tracks listed that the store does not hold.
    pub fn missing(&self) -> usize {
        self.train.missing + self.validation.as_ref().map_or(0, |part| part.missing)
    }
}
