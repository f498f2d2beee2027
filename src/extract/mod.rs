//! From a catalogue to a feature store: every listed track is decoded and turned into frames, by all cores, in order.

mod listing;
mod report;
mod work;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use crate::audio::{AudioInfo, Health};
use crate::frontend::frames_of_file;
use crate::store::{Replacement, Spec, Store, Writer};
use crate::{Error, Monitor, Result};
use listing::Listing;
use report::Report;
use work::{Done, Work};

/// Takes the frames (rows × bands, row-major) of a track piece by piece.
pub type Sink<'a> = dyn FnMut(&[f32]) -> Result<()> + 'a;

/// What to extract, how, and where to.
#[derive(Clone, Debug)]
pub struct Extraction {
    /// The table of tracks, with the columns `path` (relative to the table's folder) and `artist`.
    pub catalogue: PathBuf,
    /// The folder of the store.
    pub out: PathBuf,
    /// Front end and precision.
    pub spec: Spec,
    /// Whether to extract everything anew, even what the store holds already.
    pub force: bool,
    /// Where to write the health report, if anywhere: a row for every listed track, named by
    /// [`HEALTH`](crate::audio::HEALTH).
    pub report: Option<PathBuf>,
}

/// What an extraction would do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Rows of the catalogue.
    pub listed: usize,
    /// Listed tracks that the store holds already.
    pub stored: usize,
    /// Tracks to extract.
    pub to_extract: usize,
    /// Tracks to extract whose files are not there.
    pub missing: Vec<PathBuf>,
    /// Rows of the catalogue that name no artist.
    pub without_artist: usize,
}

/// What an extraction did.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Tracks in the store.
    pub tracks: usize,
    /// Tracks extracted now.
    pub added: usize,
    /// Tracks that could not be extracted, also listed in the store's `failures.csv`.
    pub failed: Vec<Failure>,
    /// How many of the tracks worked on had which outcome.
    pub outcomes: BTreeMap<Health, usize>,
    /// Rows of the catalogue that name no artist.
    pub without_artist: usize,
    /// Frames extracted now.
    pub frames: u64,
    /// Seconds of audio extracted now.
    pub audio_seconds: f64,
    /// Seconds it took.
    pub seconds: f64,
    /// Bytes of the store on the disk.
    pub bytes: u64,
}

/// A track left out.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Its `path` in the catalogue.
    pub path: String,
    /// Why, in a word of [`HEALTH`](crate::audio::HEALTH).
    pub outcome: Health,
    /// Why.
    pub error: String,
}

impl Extraction {
    /// Looks at catalogue, store and audio files, and changes nothing.
    ///
    /// # Errors
    /// Those that would keep [`run`](Self::run) from starting, and damage that it would repair.
    pub fn plan(&self) -> Result<Plan> {
        let listing = Listing::read(&self.catalogue)?;
        let store = (!self.force && Writer::continues(&self.out, &self.spec)?).then(|| Store::open(&self.out));
        let store = store.transpose()?;
        let stored = match &store {
            Some(store) => listing.keys_in(&self.out, store.table()?)?,
            None => HashSet::new(),
        };
        let todo = listing.without(&stored);
        let files = todo.iter().map(|&row| listing.file(row));
        Ok(Plan {
            listed: listing.table.rows.len(),
            stored: listing.table.rows.len() - todo.len(),
            to_extract: todo.len(),
            missing: files.filter(|file| !file.is_file()).collect(),
            without_artist: listing.without_artist(),
        })
    }

    /// [`run_with`](Self::run_with) the front end of the recipe.
    pub fn run(&self, monitor: &dyn Monitor) -> Result<Summary> {
        self.spec.recipe.validate()?;
        let idle = Mutex::new(Vec::new());
        let lock = || idle.lock().expect("no thread panics while it holds the idle streams");
        let frames_of = |path: &Path, sink: &mut Sink<'_>| {
            let resting = lock().pop();
            let mut stream = resting.map_or_else(|| self.spec.recipe.stream(), Ok)?;
            let info = frames_of_file(path, &mut *stream, sink)?;
            lock().push(stream);
            info.check_useful(path, self.spec.recipe.n_fft as f64 / f64::from(self.spec.recipe.sample_rate))?;
            Ok(info)
        };
        self.run_with(frames_of, monitor)
    }

    /// Extracts the tracks that the store does not hold yet and appends them in the catalogue's order, so that the
    /// store's bytes depend neither on the thread count nor on how often the work was stopped and continued.
    ///
    /// `frames_of` decodes a file, gives its frames to the sink and returns what it found. A track for
    /// which it fails is left out, listed, and tried again by the next run. Rows of tracks in the store are brought up
    /// to date with the catalogue; tracks that it no longer lists stay.
    ///
    /// # Errors
    /// A catalogue or store that cannot be used, a disk that is full, or [`Error::Interrupted`]: then all tracks
    /// finished by that time are in the store, and running again goes on from there.
    pub fn run_with<F>(&self, frames_of: F, monitor: &dyn Monitor) -> Result<Summary>
    where
        F: Fn(&Path, &mut Sink<'_>) -> Result<AudioInfo> + Sync,
    {
        let begin = Instant::now();
        let listing = Listing::read(&self.catalogue)?;
        Replacement::recover(&self.out)?;
        let replacement = if self.force { Replacement::begin(&self.out)? } else { None };
        let folder = replacement.as_ref().map_or(self.out.as_path(), Replacement::folder);
        let done = self.fill(folder, &listing, frames_of, monitor).map_err(|error| match error {
            Error::Interrupted(_) if replacement.is_some() => {
                Error::Interrupted(format!("stopped; {} is as it was before", self.out.display()))
            }
            error => error,
        })?;
        if let Some(replacement) = replacement {
            replacement.finish()?;
        }
        let store = Store::open(&self.out)?;
        Ok(Summary {
            tracks: store.len(),
            added: done.added,
            failed: done.failed,
            outcomes: done.outcomes,
            without_artist: listing.without_artist(),
            frames: done.frames,
            audio_seconds: done.audio_seconds,
            seconds: begin.elapsed().as_secs_f64(),
            bytes: store.bytes()?,
        })
    }

    /// Brings the store in `folder` up to date with the catalogue.
    fn fill<F>(&self, folder: &Path, listing: &Listing, frames_of: F, monitor: &dyn Monitor) -> Result<Done>
    where
        F: Fn(&Path, &mut Sink<'_>) -> Result<AudioInfo> + Sync,
    {
        let (mut writer, mut held) = Writer::open(folder, &self.spec, listing.path(), listing.columns(), monitor)?;
        let todo = listing.without(&listing.keys_in(folder, &held)?);
        if listing.update(folder, &mut held)? {
            writer.replace_table(&held)?;
        }
        drop(held); // work may take days
        writer.plan(todo.len())?;
        let mut report = self.report.as_deref().map(|path| Report::create(path, listing)).transpose()?;
        let work = Work { listing, folder, spec: &self.spec, todo: &todo, frames_of, monitor };
        let outcome = work.run(&mut writer, &mut report);
        // A run that was stopped reports up to there.
        let rows = if outcome.is_ok() { listing.table.rows.len() } else { 0 };
        let reported = report.map_or(Ok(()), |report| report.finish(rows));
        let done = outcome?;
        reported?;
        let failures: Vec<_> =
            done.failed.iter().map(|failure| [failure.path.clone(), failure.error.clone()]).collect();
        writer.finish(&failures)?;
        Ok(done)
    }
}
