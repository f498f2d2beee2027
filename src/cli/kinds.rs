//! The kinds of files that this software makes or reads: how each is recognised, shown and verified.

use std::collections::HashSet;
use std::path::Path;

use super::{Console, config, experiment, inspect};
use crate::catalogue::list::keys;
use crate::catalogue::table::Table;
use crate::disambiguate::{Calibration, Labels, read_decisions};
use crate::linear::LinearMap;
use crate::models::Model;
use crate::output::beside;
use crate::store::embeddings::Embeddings;
use crate::store::{Store, npy};
use crate::train::TrainConfig;
use crate::{Error, Result};

/// A kind of file or folder.
pub(super) struct Kind {
    /// What it is, and how its name shows it.
    pub(super) name: &'static str,
    recognises: fn(&Path) -> bool,
    /// Says what it holds.
    pub(super) inspect: fn(&Path, &Console, bool) -> Result<()>,
    /// Reads it all; an error for the first damage.
    pub(super) verify: fn(&Path, &Console) -> Result<()>,
    /// What its verification notices.
    pub(super) covers: &'static str,
}

const ALL: &str = "every value is covered by a checksum";
const FORM: &str = "its form is sound; it carries no checksum, so other values of the same form pass";

/// To inspect and verify a further kind, add a row. The first that recognises a file is taken.
static KINDS: &[Kind] = &[
    Kind {
        name: "a feature store (a folder)",
        recognises: Path::is_dir,
        inspect: inspect::store,
        verify: verify_store,
        covers: ALL,
    },
    Kind {
        name: "a linear map (.safetensors)",
        recognises: |path| has_extension(path, &["safetensors"]) && LinearMap::is_at(path),
        inspect: inspect::map,
        verify: |path, _| LinearMap::verify(path),
        covers: ALL,
    },
    Kind {
        name: "a model (.safetensors)",
        recognises: |path| has_extension(path, &["safetensors", "state"]),
        inspect: inspect::model,
        verify: |path, _| Model::verify(path),
        covers: ALL,
    },
    Kind {
        name: "embeddings (PREFIX, or PREFIX.npy beside PREFIX.json)",
        recognises: |path| !path.exists() && [".npy", ".csv"].iter().all(|ending| beside(path, ending).is_file()),
        inspect: inspect::embeddings,
        verify: |path, _| Embeddings::verify(path),
        covers: ALL,
    },
    Kind {
        name: "a matrix (.npy)",
        recognises: |path| has_extension(path, &["npy"]),
        inspect: inspect::matrix,
        verify: verify_matrix,
        covers: "shape and length fit and all numbers are finite; where a PREFIX.json says its checksum, it has that one",
    },
    Kind {
        name: "a calibration (.json)",
        recognises: |path| has_extension(path, &["json"]),
        inspect: inspect::calibration,
        verify: |path, _| Calibration::verify(path),
        covers: ALL,
    },
    Kind {
        name: "decisions (.jsonl)",
        recognises: holds_decisions,
        inspect: inspect::decisions,
        verify: |path, _| read_decisions(path).map(drop),
        covers: FORM,
    },
    Kind {
        name: "labels or another table (.csv, .tsv, .jsonl)",
        recognises: |path| has_extension(path, &["csv", "tsv", "tab", "jsonl", "ndjson"]),
        inspect: inspect::table,
        verify: verify_table,
        covers: FORM,
    },
    Kind {
        name: "the plan of an experiment (.toml with cells)",
        recognises: |path| has_extension(path, &["toml"]) && experiment::is_plan(path),
        inspect: inspect::plan,
        verify: |path, _| experiment::read(path)?.1.cells().map(drop),
        covers: FORM,
    },
    Kind {
        name: "a configuration (.toml)",
        recognises: |path| has_extension(path, &["toml"]),
        inspect: inspect::configuration,
        verify: |path, _| config::overlay(&TrainConfig::default(), path)?.validate(),
        covers: FORM,
    },
];

/// The kind of `path`.
///
/// # Errors
/// Where it is of none; the message lists them all.
pub(super) fn of(path: &Path) -> Result<&'static Kind> {
    KINDS.iter().find(|kind| (kind.recognises)(path)).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        let found = if path.exists() { "something else" } else { "nothing" };
        Error::file(path, known.join(" or "), found, "check the name")
    })
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let is = |found: &std::ffi::OsStr| extensions.iter().any(|extension| found.eq_ignore_ascii_case(extension));
    path.is_file() && path.extension().is_some_and(is)
}

/// Whether the first line of JSON Lines is a decision, sound or not.
fn holds_decisions(path: &Path) -> bool {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut line = String::new();
    let first = std::fs::File::open(path).and_then(|file| BufReader::new(file.take(1 << 16)).read_line(&mut line));
    has_extension(path, &["jsonl", "ndjson"]) && first.is_ok() && line.contains("\"decision\"")
}

fn verify_store(path: &Path, console: &Console) -> Result<()> {
    let store = Store::open(path)?;
    store.verify(console)?;
    if store.is_complete() {
        return Ok(());
    }
    let expected = format!("{} tracks and {} that failed, as store.json says", store.planned(), store.failed());
    let found = format!("{} tracks", store.len());
    Err(Error::file(path, expected, found, "run extract again: the store is unfinished or cut short"))
}

fn verify_matrix(path: &Path, _: &Console) -> Result<()> {
    npy::read_finite::<f64>(path)?;
    let prefix = path.with_extension("");
    if beside(&prefix, ".json").is_file() && beside(&prefix, ".csv").is_file() {
        return Embeddings::verify(&prefix);
    }
    Ok(())
}

/// Every row names a track of its own where it names one at all; labels have clusters and confidences.
fn verify_table(path: &Path, _: &Console) -> Result<()> {
    let table = Table::read(path)?;
    if ["track_id", "name", "cluster"].iter().all(|name| table.column(name).is_some()) {
        Labels::read(path)?.check(path)?;
    }
    let Ok(keys) = keys(&table, path) else { return Ok(()) };
    let mut seen = HashSet::new();
    match keys.iter().enumerate().find(|&(_, key)| !seen.insert(key)) {
        None => Ok(()),
        Some((row, key)) => {
            let found = format!("{key:?} again in data row {}", row + 1);
            Err(Error::file(path, "every track once", found, "remove one of the rows"))
        }
    }
}
