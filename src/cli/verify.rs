//! `homonym verify`: is a file whole?

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome, kinds};
use crate::{Error, Result};

/// Read a file or folder as a whole and say whether it is sound: checksums where it has them, its form where not.
///
/// Knows what `inspect` knows: stores, models, embeddings, matrices, calibrations, decisions, tables, plans, configurations.
#[derive(clap::Args)]
pub(super) struct Verify {
    /// What to verify.
    file: PathBuf,
}

/// The result: `homonym.verify/1`.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a PathBuf,
    kind: &'static str,
    covers: &'static str,
}

impl Verify {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let kind = kinds::of(&self.file)?;
        (kind.verify)(&self.file, console).map_err(|error| match error {
            // Here a setting is no slip of who runs the command.
            Error::Setting { name, problem } => {
                Error::file(&self.file, "settings that can be used", format!("{name}: {problem}"), "mend the file")
            }
            error => error,
        })?;
        let report = Report { file: &self.file, kind: kind.name, covers: kind.covers };
        console.result("homonym.verify/1", &report, || {
            format!("{}: {}, sound: {}", self.file.display(), report.kind, report.covers)
        })?;
        Ok(Outcome::Done)
    }
}
