//! Ranked lists: for each track those that are like it, the most similar first.

use std::collections::HashMap;
use std::path::Path;

use crate::catalogue::table::Table;
use crate::{Error, Result};

/// The lists of some items.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lists {
    /// Of each item those on its list, with their similarity: above 0, not increasing.
    lists: Vec<Vec<(u32, f64)>>,
    /// Whether similarities were given; else they say the order only, 1/rank.
    pub(super) graded: bool,
}

impl Lists {
    /// Reads lists; also returns what names the items: all tracks that occur.
    pub(super) fn read(path: &Path) -> Result<(Table, Self)> {
        let table = Table::read(path)?;
        let [track, similar] = super::columns(&table, ["track_id", "similar_id"], path)?;
        let graded = table.column("similarity");
        let mut items: HashMap<&str, u32> = HashMap::new();
        let mut names: Vec<Vec<String>> = Vec::new();
        let mut lists: Vec<Vec<(u32, f64)>> = Vec::new();
        for (number, row) in table.rows.iter().enumerate() {
            let wrong = |expected: &str, found: String| {
                Error::file(path, expected, format!("{found} in data row {}", number + 1), "correct that row")
            };
            let [track, other] = [track, similar].map(|column| {
                *items.entry(&row[column]).or_insert_with(|| {
                    names.push(vec![row[column].clone()]);
                    lists.push(Vec::new());
                    lists.len() as u32 - 1
                })
            });
            let list = &mut lists[track as usize];
            let similarity = match graded {
                Some(column) => {
                    let similarity = row[column].parse().ok().filter(|x: &f64| *x >= 0.0 && x.is_finite());
                    similarity
                        .ok_or_else(|| wrong("a similarity that is not negative", format!("`{}`", row[column])))?
                }
                None => 1.0 / (list.len() + 1) as f64,
            };
            list.push((other, similarity));
        }
        for (list, name) in lists.iter_mut().zip(&names) {
            list.sort_by(|a, b| b.1.total_cmp(&a.1));
            let mut others: Vec<u32> = list.iter().map(|&(other, _)| other).collect();
            others.sort_unstable();
            if let Some(pair) = others.windows(2).find(|pair| pair[0] == pair[1]) {
                let found = format!("`{}` twice for `{}`", names[pair[0] as usize][0], name[0]);
                return Err(Error::file(path, "each track once on a list", found, "remove one of them"));
            }
        }
        let table = Table { columns: vec!["track_id".to_owned()], rows: names };
        Ok((table, Self { lists, graded: graded.is_some() }))
    }

    /// The similarity of those on an item's list.
    pub(super) fn of(&self, item: usize) -> HashMap<usize, f64> {
        self.lists[item].iter().map(|&(other, similarity)| (other as usize, similarity)).collect()
    }

    /// All of it, to be hashed.
    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&(&self.lists, self.graded)).expect("numbers are plain data")
    }
}
