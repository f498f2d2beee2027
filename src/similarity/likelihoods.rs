//! Tag likelihoods of tracks, and weights of tags.

use std::path::Path;

use crate::catalogue::list;
use crate::catalogue::table::Table;
use crate::matrix::Matrix;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// How likely each tag is for each track.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Likelihoods {
    /// Names of the tags.
    pub(super) tags: Vec<String>,
    /// tracks × tags, within 0..=1.
    pub(super) values: Matrix<f32>,
}

/// Columns that name a track; all others are tags.
const KEYS: [&str; 2] = ["track_id", "path"];

impl Likelihoods {
    /// Reads a table, or a matrix beside one; also returns what names the tracks.
    pub(super) fn read(path: &Path) -> Result<(Table, Self)> {
        let (table, likelihoods) = match path.extension().is_some_and(|extension| extension == "npy") {
            true => Self::of_matrix(path)?,
            false => Self::of_table(Table::read(path)?, path)?,
        };
        list::keys(&table, path)?;
        Ok((table, likelihoods))
    }

    fn of_table(table: Table, path: &Path) -> Result<(Table, Self)> {
        let (keys, tags): (Vec<usize>, Vec<usize>) =
            (0..table.columns.len()).partition(|&column| KEYS.contains(&table.columns[column].as_str()));
        if tags.is_empty() {
            let found = format!("the columns {}", table.columns.join(", "));
            return Err(Error::file(path, "a column for each tag", found, "add one with likelihoods from 0 to 1"));
        }
        let mut values = Vec::with_capacity(table.rows.len() * tags.len());
        for (number, row) in table.rows.iter().enumerate() {
            for &column in &tags {
                let likelihood = row[column].parse().ok().filter(|likelihood| (0.0..=1.0).contains(likelihood));
                values.push(likelihood.ok_or_else(|| {
                    let (cell, tag) = (&row[column], &table.columns[column]);
                    let found = format!("`{cell}` in column `{tag}` of data row {}", number + 1);
                    let advice = "keep only `track_id`, `path` and columns of likelihoods";
                    Error::file(path, "a likelihood from 0 to 1", found, advice)
                })?);
            }
        }
        let names = tags.iter().map(|&column| table.columns[column].clone()).collect();
        let values = Matrix::new(table.rows.len(), tags.len(), values);
        let pick = |row: &[String]| keys.iter().map(|&column| row[column].clone()).collect::<Vec<_>>();
        let keyed = Table { columns: pick(&table.columns), rows: table.rows.iter().map(|row| pick(row)).collect() };
        Ok((keyed, Self { tags: names, values }))
    }

    /// The tags of a matrix are those that an auto-tagger left beside it, or else numbers.
    fn of_matrix(path: &Path) -> Result<(Table, Self)> {
        let Embeddings { points: values, table, origin } = Embeddings::open(path)?;
        if let Some(at) = values.data.iter().position(|likelihood| !(0.0..=1.0).contains(likelihood)) {
            let found = format!("{} in row {}, column {}", values.data[at], at / values.cols, at % values.cols);
            return Err(Error::file(path, "likelihoods from 0 to 1", found, "write what each tag's likelihood is"));
        }
        let named = origin.as_ref().and_then(|origin| origin.tags());
        let tags = named.unwrap_or_else(|| (0..values.cols).map(|tag| tag.to_string()).collect());
        if tags.len() != values.cols {
            let expected = format!("a name for each of {} tags", values.cols);
            return Err(Error::file(path, expected, tags.len(), "embed the tracks again"));
        }
        Ok((table, Self { tags, values }))
    }
}

/// The weight of each of some `tags` by a table with `tag` and `weight`, 1 where it is not named.
///
/// # Errors
/// Other columns, unknown tags, and weights that are negative or all 0.
pub fn weights(tags: &[String], path: &Path) -> Result<Vec<f32>> {
    let table = Table::read(path)?;
    let [tag, weight] = super::columns(&table, ["tag", "weight"], path)?;
    let mut weights = vec![1.0; tags.len()];
    for (number, row) in table.rows.iter().enumerate() {
        let wrong = |expected: &str, cell: &str| {
            Error::file(path, expected, format!("`{cell}` in data row {}", number + 1), "correct that row")
        };
        let place = tags.iter().position(|known| *known == row[tag]);
        let value = row[weight].parse().ok().filter(|weight: &f32| *weight >= 0.0 && weight.is_finite());
        weights[place.ok_or_else(|| wrong("one of the tags", &row[tag]))?] =
            value.ok_or_else(|| wrong("a weight that is not negative", &row[weight]))?;
    }
    match weights.iter().all(|&weight| weight == 0.0) {
        true => Err(Error::file(path, "a weight above 0", "only zeros", "give a weight to what counts")),
        false => Ok(weights),
    }
}
