//! Lists of tracks that name rows of another table: a dataset's tracks in a store, a task's tracks among embeddings.

use std::collections::HashMap;
use std::path::Path;

use super::table::Table;
use crate::{Error, Result};

/// What names the track of every row: its `track_id`, or its `path` where it has none.
pub fn keys<'a>(table: &'a Table, subject: &Path) -> Result<Vec<&'a str>> {
    let (id, path) = (table.column("track_id"), table.column("path"));
    if id.is_none() && path.is_none() {
        let found = format!("the columns {}", table.columns.join(", "));
        return Err(Error::file(subject, "a column `track_id` or `path`", found, "add one that names tracks"));
    }
    let cell = |row: &'a [String], column: Option<usize>| column.map_or("", |column| row[column].as_str());
    let key = |row: &'a Vec<String>| Some(cell(row, id)).filter(|id| !id.is_empty()).unwrap_or(cell(row, path));
    Ok(table.rows.iter().map(key).collect())
}

/// For each row of `list` the row of `held` with the same key; None where there is none.
///
/// # Errors
/// Where nothing matches at all, or a table has nothing that names its tracks.
pub fn find(list: &Table, list_path: &Path, held: &Table, held_path: &Path) -> Result<Vec<Option<usize>>> {
    let mut places = HashMap::new();
    for (row, key) in keys(held, held_path)?.into_iter().enumerate() {
        places.entry(key).or_insert(row);
    }
    let found: Vec<Option<usize>> = keys(list, list_path)?.iter().map(|key| places.get(key).copied()).collect();
    if found.iter().all(Option::is_none) {
        let expected = format!("tracks of {}", held_path.display());
        let advice = "give both the same `track_id`, or make the list from the catalogue that was extracted";
        return Err(Error::file(list_path, expected, "none of them", advice));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str], rows: &[&[&str]]) -> Table {
        let strings = |row: &[&str]| row.iter().map(|&cell| cell.to_owned()).collect();
        Table { columns: strings(columns), rows: rows.iter().map(|row| strings(row)).collect() }
    }

    #[test]
    fn rows_are_found_by_id_else_by_path() {
        let held = table(&["path"], &[&["a.ogg"], &["b.ogg"]]);
        let list = table(&["path", "track_id"], &[&["../b.ogg", "b.ogg"], &["../c.ogg", "c.ogg"], &["a.ogg", ""]]);
        let (list_path, held_path) = (Path::new("list.csv"), Path::new("store"));
        assert_eq!(find(&list, list_path, &held, held_path).unwrap(), [Some(1), None, Some(0)]);
        let other = table(&["path"], &[&["x"]]);
        assert!(find(&other, list_path, &held, held_path).unwrap_err().to_string().contains("list.csv"));
        assert!(keys(&table(&["title"], &[]), list_path).unwrap_err().to_string().contains("title"));
    }
}
