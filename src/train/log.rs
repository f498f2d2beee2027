//! `metrics.jsonl`: one line a step and one an evaluation.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::state::Progress;
use super::updater::Step;
use crate::{Error, Result, output};

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

/// The log of a run, locked: a second run to the same place is refused.
pub(super) struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Log {
    /// Opens the log of a new run, or of one that continues from `progress`: what it wrote beyond that is dropped.
    pub(super) fn open(path: &Path, progress: Option<&Progress>) -> Result<Self> {
        let mut file = output::lock(path, (path, "training log"))?;
        let mut open = || {
            let kept = progress.map_or(Ok(0), |progress| kept_bytes(&file, progress))?;
            file.set_len(kept)?;
            file.seek(SeekFrom::Start(kept))
        };
        open().map_err(Error::io(path))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::new(file) })
    }

    pub(super) fn write(&mut self, line: &Line<'_>) -> Result<()> {
        let text = serde_json::to_string(line).expect("a line is plain data");
        writeln!(self.file, "{text}").map_err(Error::io(&self.path))
    }

    /// Brings all lines to disk.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_data()).map_err(Error::io(&self.path))
    }
}

/// The length of the lines from the first on that tell of what `progress` knows.
fn kept_bytes(file: &File, progress: &Progress) -> std::io::Result<u64> {
    #[derive(Deserialize)]
    struct At {
        event: String,
        step: u64,
    }
    let (mut reader, mut line, mut kept) = (BufReader::new(file), Vec::new(), 0);
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        let is_known = serde_json::from_slice::<At>(&line).is_ok_and(|At { event, step }| match event.as_str() {
            "evaluation" => Some(step) <= progress.evaluated,
            _ => step <= progress.step,
        });
        if !(is_known && line.ends_with(b"\n")) {
            return Ok(kept);
        }
        kept += line.len() as u64;
    }
}
