//! `metrics.jsonl`: one line a step and one an evaluation.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::updater::Step;
use crate::{Error, Result};

/// A line of the log.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    Step {
        step: u64,
        #[serde(flatten)]
        result: &'a Step,
        samples_per_s: f64,
    },
    Evaluation {
        step: u64,
        triplet_error: Option<f64>,
        best: bool,
        minutes: f64,
    },
}

/// The log of a run.
pub(super) struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Log {
    /// Opens the log of a new run, or of one that continues after some updates: what it wrote beyond them is dropped.
    pub(super) fn open(path: &Path, continues_after: Option<u64>) -> Result<Self> {
        let kept = continues_after.map_or(Vec::new(), |step| kept_lines(path, step));
        let mut file = BufWriter::new(
            OpenOptions::new().create(true).write(true).truncate(true).open(path).map_err(Error::io(path))?,
        );
        for line in kept {
            writeln!(file, "{line}").map_err(Error::io(path))?;
        }
        Ok(Self { path: path.to_path_buf(), file })
    }

    pub(super) fn write(&mut self, line: &Line<'_>) -> Result<()> {
        let text = serde_json::to_string(line).expect("a line is plain data");
        writeln!(self.file, "{text}").map_err(Error::io(&self.path))
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(Error::io(&self.path))
    }
}

/// The lines of the first `step` updates.
fn kept_lines(path: &Path, step: u64) -> Vec<String> {
    #[derive(Deserialize)]
    struct At {
        step: u64,
    }
    let Ok(file) = File::open(path) else { return Vec::new() };
    let lines = BufReader::new(file).lines().map_while(std::io::Result::ok);
    lines.take_while(|line| serde_json::from_str::<At>(line).is_ok_and(|at| at.step <= step)).collect()
}
