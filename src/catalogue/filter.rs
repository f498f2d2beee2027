//! Conditions on the rows of a table, as in `--where source=midi`.

use std::str::FromStr;

use super::table::Table;
use crate::{Error, Result};

/// `COLUMN=VALUE` or `COLUMN!=VALUE`, compared as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    column: String,
    value: String,
    equal: bool,
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((column, value)) = text.split_once('=') else {
            return Err(Error::setting("--where", format!("`{text}` is neither COLUMN=VALUE nor COLUMN!=VALUE")));
        };
        let unequal = column.strip_suffix('!');
        let column = unequal.unwrap_or(column);
        Ok(Self { column: column.to_owned(), value: value.to_owned(), equal: unequal.is_none() })
    }
}

/// The rows of `table` that meet all `filters`, ascending; an error where a column does not exist.
pub fn matching(table: &Table, filters: &[Filter]) -> Result<Vec<usize>> {
    let mut rows: Vec<usize> = (0..table.rows.len()).collect();
    for filter in filters {
        let column = table.require(&filter.column, "--where")?;
        rows.retain(|&row| (table.rows[row][column] == filter.value) == filter.equal);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_keep_rows_that_meet_all() {
        let table = Table {
            columns: vec!["source".into(), "genre".into()],
            rows: [["a", "x"], ["b", "x"], ["a", "y=z"]].map(|row| row.map(String::from).to_vec()).to_vec(),
        };
        let rows = |filters: &[&str]| -> Result<Vec<usize>> {
            let filters: Result<Vec<Filter>> = filters.iter().map(|text| text.parse()).collect();
            matching(&table, &filters?)
        };
        assert_eq!(rows(&[]).unwrap(), [0, 1, 2]);
        assert_eq!(rows(&["source=a"]).unwrap(), [0, 2]);
        assert_eq!(rows(&["source=a", "genre!=x"]).unwrap(), [2]);
        assert_eq!(rows(&["genre=y=z"]).unwrap(), [2]);
        assert!(rows(&["album=x"]).unwrap_err().to_string().contains("source, genre"));
        assert!(rows(&["source"]).is_err());
    }
}
