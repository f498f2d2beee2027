//! The work of an extraction: tracks in, frames into the store.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use super::listing::Listing;
use super::report::{Patient, Report};
use super::{Failure, Sink};
use crate::audio::{AudioInfo, Health};
use crate::store::{Encoded, Encoder, Spec, Writer};
use crate::{Error, Monitor, Result, parallel};

/// The tracks on their way into the store.
pub(super) struct Work<'a, F> {
    pub(super) listing: &'a Listing,
    pub(super) folder: &'a Path,
    pub(super) spec: &'a Spec,
    pub(super) todo: &'a [usize],
    pub(super) frames_of: F,
    pub(super) monitor: &'a dyn Monitor,
}

/// What came of them.
#[derive(Default)]
pub(super) struct Done {
    pub(super) added: usize,
    pub(super) failed: Vec<Failure>,
    pub(super) outcomes: BTreeMap<Health, usize>,
    pub(super) frames: u64,
    pub(super) audio_seconds: f64,
}

impl<F: Fn(&Path, &mut Sink<'_>) -> Result<AudioInfo> + Sync> Work<'_, F> {
    /// Extracts all tracks; when that is stopped, what is finished has been committed.
    pub(super) fn run(&self, writer: &mut Writer, report: &mut Option<Report<'_>>) -> Result<Done> {
        let begin = Instant::now();
        let mut done = Done::default();
        self.monitor.begin("extracting", Some(self.todo.len() as u64));
        let consume = |item: usize, (track, patient): (Result<Encoded>, Patient)| {
            let row = self.todo[item];
            match track {
                Ok(track) => {
                    let seconds = patient.info.as_ref().map_or(0.0, |info| info.seconds);
                    done.added += 1;
                    done.frames += track.rows();
                    done.audio_seconds += seconds;
                    writer.push(track, &self.listing.table.rows[row], seconds)?;
                }
                // The store's folder, not the track's file, is at fault: its own errors say so.
                Err(error @ (Error::Interrupted(_) | Error::Io { .. })) => return Err(error),
                Err(_) => done.failed.push(Failure {
                    path: self.listing.audio_path(row).to_owned(),
                    outcome: patient.health,
                    error: patient.detail.clone(),
                }),
            }
            *done.outcomes.entry(patient.health).or_default() += 1;
            if let Some(report) = report {
                report.push(row, &patient)?;
            }
            let rate = (item + 1) as f64 / begin.elapsed().as_secs_f64();
            self.monitor.status(&format!("{rate:.1} tracks/s, {:.1} h of audio", done.audio_seconds / 3600.0));
            self.monitor.advance(1);
            Ok(())
        };
        let outcome = parallel::ordered(self.todo.len(), self.monitor, |item| self.encode(item), consume);
        self.monitor.end();
        let committed = writer.commit();
        outcome.map_err(|error| match error {
            Error::Interrupted(_) => Error::Interrupted(format!(
                "stopped; {} holds {} tracks so far and {} are left: run extract again to go on",
                self.folder.display(),
                writer.len(),
                self.todo.len() - done.added - done.failed.len(),
            )),
            error => error,
        })?;
        committed.map(|()| done)
    }

    /// Decodes and encodes one track, and says how it was found.
    fn encode(&self, item: usize) -> (Result<Encoded>, Patient) {
        let begin = Instant::now();
        let file = self.listing.file(self.todo[item]);
        let bytes = std::fs::metadata(&file).ok().filter(|data| data.is_file()).map(|data| data.len());
        let outcome = self.decode(&file);
        let took = begin.elapsed();
        match outcome {
            Ok((track, info)) => {
                let remarks = info.remarks();
                let detail = remarks.iter().map(|(_, says)| says.as_str()).collect::<Vec<_>>().join("; ");
                let health = remarks.first().map_or(Health::Ok, |&(health, _)| health);
                (Ok(track), Patient { health, detail, info: Some(info), bytes, took })
            }
            Err(error) => {
                let (health, detail) = (Health::of(&error), error.to_string());
                (Err(error), Patient { health, detail, info: None, bytes, took })
            }
        }
    }

    /// A decoder that panics fails for its own track only.
    fn decode(&self, file: &Path) -> Result<(Encoded, AudioInfo)> {
        let mut encoder = Encoder::new(self.spec, self.folder);
        let mut sink = |frames: &[f32]| {
            if self.monitor.interrupted() {
                return Err(Error::Interrupted("stopped within a track".into()));
            }
            encoder.push(frames)
        };
        let info = catch_unwind(AssertUnwindSafe(|| (self.frames_of)(file, &mut sink)))
            .unwrap_or_else(|_| Err(Error::Failed(format!("{}: the decoder gave up on it (panic)", file.display()))))?;
        Ok((encoder.finish()?, info))
    }
}
