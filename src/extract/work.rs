//! The work of an extraction: tracks in, frames into the store.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use super::listing::Listing;
use super::{Failure, Sink};
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
    pub(super) frames: u64,
    pub(super) audio_seconds: f64,
}

impl<F: Fn(&Path, &mut Sink<'_>) -> Result<f64> + Sync> Work<'_, F> {
    /// Extracts all tracks; when that is stopped, what is finished has been committed.
    pub(super) fn run(&self, writer: &mut Writer) -> Result<Done> {
        let begin = Instant::now();
        let mut done = Done::default();
        self.monitor.begin("extracting", Some(self.todo.len() as u64));
        let consume = |item: usize, track: Result<(Encoded, f64)>| {
            match track {
                Ok((track, seconds)) => {
                    done.added += 1;
                    done.frames += track.rows();
                    done.audio_seconds += seconds;
                    writer.push(track, &self.listing.table.rows[self.todo[item]], seconds)?;
                }
                Err(error) if self.ends_all(&error) => return Err(error),
                Err(error) => {
                    let path = self.listing.audio_path(self.todo[item]).to_owned();
                    done.failed.push(Failure { path, error: error.to_string() });
                }
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

    /// Whether an error is none of its track: the user's wish, or a disk without room for long tracks on their way.
    fn ends_all(&self, error: &Error) -> bool {
        match error {
            Error::Interrupted(_) => true,
            Error::Io { path, .. } => path == self.folder,
            _ => false,
        }
    }

    /// Decodes and encodes one track. A decoder that panics fails for its own track only.
    fn encode(&self, item: usize) -> Result<(Encoded, f64)> {
        let mut encoder = Encoder::new(self.spec, self.folder);
        let mut sink = |frames: &[f32]| {
            if self.monitor.interrupted() {
                return Err(Error::Interrupted("stopped within a track".into()));
            }
            encoder.push(frames)
        };
        let file = self.listing.file(self.todo[item]);
        let seconds = catch_unwind(AssertUnwindSafe(|| (self.frames_of)(&file, &mut sink)))
            .unwrap_or_else(|_| Err(Error::Failed(format!("{}: the decoder gave up on it (panic)", file.display()))))?;
        Ok((encoder.finish()?, seconds))
    }
}
