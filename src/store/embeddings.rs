//! Embeddings on disk: `PREFIX.npy` (n × d, f32), `PREFIX.csv` (their rows, in the same order) and, where known,
//! `PREFIX.json` (which model and front end made them, and the checksums of the other two).

use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::npy;
use super::seal::{self, Seal};
use crate::catalogue::table::Table;
use crate::matrix::Matrix;
use crate::output::{self, Output, beside};
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

/// Where an [`Origin`] says which values are which notion's: first and last but one.
pub const NOTIONS: &str = "notions";

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

impl Origin {
    /// The names of the values, where a network that guesses tags made them.
    pub fn tags(&self) -> Option<Vec<String>> {
        self.rest.get(TAGS).and_then(|tags| serde_json::from_value(tags.clone()).ok())
    }
}

/// Member of the rest of an [`Origin`].
pub(crate) const TAGS: &str = "tags";

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
        let origin = Recorded::read(&beside(prefix, ".json"))?.map(|recorded| recorded.origin);
        Self::new(points, table, origin, prefix)
    }

    /// [`open`](Self::open), and compares every file with its checksum.
    ///
    /// # Errors
    /// As there, and [`Error::Input`] where `PREFIX.json` is missing or older than checksums.
    pub fn verify(prefix: &Path) -> Result<()> {
        Self::open(prefix)?;
        let path = beside(prefix, ".json");
        let recorded = Recorded::read(&path)?.ok_or_else(|| {
            Error::file(
                &path,
                "what made the embeddings, and their checksums",
                "no such file",
                "embed the tracks again",
            )
        })?;
        recorded.seal.require(&path)?;
        for (ending, expected) in [(".npy", &recorded.npy), (".csv", &recorded.csv)] {
            let (file, expected) = (beside(prefix, ending), expected.as_deref().unwrap_or("none"));
            let found = seal::checksum_of_file(&file)?;
            if found != expected {
                let expected = format!("the checksum {expected} of {}", path.display());
                return Err(Error::file(file, expected, found, "restore it from a copy, or embed the tracks again"));
            }
        }
        Ok(())
    }

    /// Writes the files that [`open`](Self::open) reads.
    pub fn write(&self, prefix: &Path) -> Result<()> {
        Destination::create(prefix)?.write(self)
    }

    /// The values of one notion alone, where a model has learnt several (`homonym train --notions`).
    ///
    /// # Errors
    /// [`Error::Input`] where `PREFIX.json` says of no such notion.
    pub fn subspace(&self, notion: &str, subject: &Path) -> Result<Self> {
        let recorded = self.origin.as_ref().and_then(|origin| origin.rest.get(NOTIONS)).and_then(Value::as_object);
        let place = recorded.and_then(|notions| notions.get(notion)).map(|place| [0, 1].map(|end| place[end].as_u64()));
        let known =
            recorded.map_or("none".to_owned(), |notions| notions.keys().cloned().collect::<Vec<_>>().join(", "));
        let refuse = |found| {
            let advice = "embed with a model that learnt the notion, and take it from what `embed` wrote";
            Error::file(subject, format!("a part of the values for `{notion}`"), found, advice)
        };
        let Some([Some(start), Some(end)]) = place else { return Err(refuse(known)) };
        let (start, end) = (start as usize, end as usize);
        if start >= end || end > self.points.cols {
            return Err(refuse(format!("{start} to {end} of {} values", self.points.cols)));
        }
        let data = self.points.iter_rows().flat_map(|row| &row[start..end]).copied().collect();
        let mut origin = self.origin.clone();
        if let Some(origin) = &mut origin {
            origin.rest.remove(NOTIONS);
            origin.model = format!("{}/{notion}", origin.model);
        }
        Self::new(Matrix::new(self.points.rows, end - start, data), self.table.clone(), origin, subject)
    }

    /// A copy of some rows, in the order given.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { points: self.points.select(rows), table: self.table.select(rows), origin: self.origin.clone() }
    }
}

/// The files of embeddings to be, taken before the work that fills them (see [`Output::create`]).
#[derive(Debug)]
pub struct Destination {
    table: Output,
    origin: Output,
    points: Output,
}

impl Destination {
    /// Opens the files of `prefix` under their temporary names.
    pub fn create(prefix: &Path) -> Result<Self> {
        let create = |ending| Output::create(&beside(prefix, ending));
        Ok(Self { table: create(".csv")?, origin: create(".json")?, points: create(".npy")? })
    }

    /// Writes the embeddings; a stop at any moment leaves the old files, or none that can be opened, or the new ones.
    pub fn write(self, embeddings: &Embeddings) -> Result<()> {
        let Self { mut table, mut origin, points } = self;
        embeddings.table.write_to(&mut table)?;
        let mut points = npy::fill(points, &embeddings.points)?;
        match &embeddings.origin {
            Some(made_by) => {
                let mut recorded = made_by.clone();
                for (name, file) in [(NPY, &mut points), (CSV, &mut table)] {
                    let sum = file.read_back().and_then(seal::checksum_of).map_err(Error::io(file.path()))?;
                    recorded.rest.insert(name.to_owned(), sum.into());
                }
                origin.write_all(seal::to_text(&recorded).as_bytes()).map_err(Error::io(origin.path()))?;
                output::commit_together(vec![table, origin, points], None)
            }
            None => output::commit_together(vec![table, points], Some(origin.path())),
        }
    }
}

/// Members of `PREFIX.json` beside the origin: the CRC-32 of the other files.
const NPY: &str = "npy_crc32";
const CSV: &str = "csv_crc32";

/// What `PREFIX.json` holds.
struct Recorded {
    origin: Origin,
    npy: Option<String>,
    csv: Option<String>,
    seal: Seal,
}

impl Recorded {
    fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path)(error)),
        };
        let refuse =
            |error| Error::file(path, "a JSON object with `model` and `frontend`", error, "embed the tracks again");
        let mut value: Value = serde_json::from_str(&text).map_err(refuse)?;
        let seal = seal::take(&mut value);
        let mut origin: Origin = serde_json::from_value(value).map_err(refuse)?;
        seal.check(path)?;
        let mut sum = |name: &str| origin.rest.remove(name).and_then(|sum| sum.as_str().map(str::to_owned));
        let (npy, csv) = (sum(NPY), sum(CSV));
        Ok(Some(Self { origin, npy, csv, seal }))
    }
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
