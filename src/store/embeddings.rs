//! Embeddings on disk: `PREFIX.npy` (n × d, f32), `PREFIX.csv` (their rows, in the same order) and, where known,
//! `PREFIX.json` (which model and front end made them).

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::npy;
use crate::catalogue::table::Table;
use crate::matrix::Matrix;
use crate::output::Output;
use crate::{Error, Result};

/// Points with what is known about each of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One row a track; finite, not necessarily of unit length.
    pub points: Matrix<f32>,
    /// As many rows, in the same order.
    pub table: Table,
    /// What made the points, where it was recorded.
    pub origin: Option<Origin>,
}

/// What made some embeddings; only embeddings of equal origin may be compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Hash of the model's weights.
    pub model: String,
    /// Hash of the front end's settings.
    pub frontend: String,
    /// Anything else that was recorded.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Embeddings {
    /// Joins points and their rows; an error where their counts differ or a point is not finite. `subject` is what the
    /// error is about.
    pub fn new(points: Matrix<f32>, table: Table, origin: Option<Origin>, subject: &Path) -> Result<Self> {
        if points.rows != table.rows.len() {
            let (expected, found) = (format!("{} rows, one a point", points.rows), table.rows.len());
            return Err(Error::file(subject, expected, found, "use the table that was written with the points"));
        }
        if let Some((row, _)) = points.non_finite() {
            let found = format!("NaN or infinity in row {row}");
            return Err(Error::file(subject, "finite embeddings", found, "embed that track again or leave it out"));
        }
        Ok(Self { points, table, origin })
    }

    /// Reads `PREFIX.npy`, `PREFIX.csv` and, where it exists, `PREFIX.json`. A matrix named whole, `X.npy`, may be without
    /// a table; its rows then have just a number, in the column `row`.
    pub fn open(prefix: &Path) -> Result<Self> {
        let whole = prefix.extension().is_some_and(|extension| extension == "npy");
        let prefix = &if whole { prefix.with_extension("") } else { prefix.to_owned() };
        let points: Matrix<f32> = npy::read(&beside(prefix, ".npy"))?;
        let path = beside(prefix, ".csv");
        let table = match whole && !path.exists() {
            true => Table {
                columns: vec!["row".to_owned()],
                rows: (0..points.rows).map(|row| vec![row.to_string()]).collect(),
            },
            false => Table::read(&path)?,
        };
        Self::new(points, table, read_origin(&beside(prefix, ".json"))?, prefix)
    }

    /// Writes the files that [`open`](Self::open) reads.
    pub fn write(&self, prefix: &Path) -> Result<()> {
        self.table.write(&beside(prefix, ".csv"))?;
        if let Some(origin) = &self.origin {
            let path = beside(prefix, ".json");
            let mut output = Output::create(&path)?;
            let text = serde_json::to_string_pretty(origin).expect("plain data");
            writeln!(output, "{text}").map_err(Error::io(&path))?;
            output.commit()?;
        }
        npy::write(&beside(prefix, ".npy"), &self.points)
    }

    /// A copy of some rows, in the order given.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { points: self.points.select(rows), table: self.table.select(rows), origin: self.origin.clone() }
    }
}

fn read_origin(path: &Path) -> Result<Option<Origin>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path)(error)),
    };
    let refuse =
        |error| Error::file(path, "a JSON object with `model` and `frontend`", error, "embed the tracks again");
    serde_json::from_str(&text).map(Some).map_err(refuse)
}

/// `prefix` with `ending` appended, whatever dots it holds.
fn beside(prefix: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_points() -> Embeddings {
        let rows = vec![vec!["a.ogg".to_owned()], vec!["b.ogg".to_owned()]];
        let table = Table { columns: vec!["path".into()], rows };
        let rest = Map::from_iter([("segments".to_owned(), Value::from(10))]);
        let origin = Origin { model: "m1".into(), frontend: "f1".into(), rest };
        Embeddings { points: Matrix::new(2, 2, vec![1.0, 0.0, 0.6, 0.8]), table, origin: Some(origin) }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("v1.2");
        two_points().write(&prefix).unwrap();
        assert_eq!(Embeddings::open(&prefix).unwrap(), two_points());
        std::fs::remove_file(beside(&prefix, ".json")).unwrap();
        assert_eq!(Embeddings::open(&prefix).unwrap().origin, None);
        std::fs::write(beside(&prefix, ".json"), "{}").unwrap();
        assert!(Embeddings::open(&prefix).unwrap_err().to_string().contains("v1.2.json"));
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let Embeddings { points, table, .. } = two_points();
        let error = Embeddings::new(points.select(&[0]), table.clone(), None, Path::new("p")).unwrap_err();
        assert!(error.to_string().contains("expected 1 rows, one a point, found 2"), "{error}");
        let broken = Matrix::new(2, 1, vec![0.0, f32::NAN]);
        assert!(Embeddings::new(broken, table, None, Path::new("p")).unwrap_err().to_string().contains("row 1"));
    }
}
