//! Made-up artists in a store, and a run of training on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use homonym::frontend::Recipe;
use homonym::models::{MetricCnnSpec, NetworkSpec};
use homonym::random::Random;
use homonym::sampling::{Augmentation, BatchSpec, TrainingSet};
use homonym::store::{Encoder, Precision, Spec, Store, Writer};
use homonym::train::{Report, TrainConfig, Validation, train};
use homonym::{Monitor, Result};
use serde_json::Value;

pub(crate) const BANDS: usize = 40;
pub(crate) const ARTISTS: usize = 12;
pub(crate) const TRACKS: usize = 5;

/// A store of made-up artists and a place for models.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

/// Frames of a track: an artist has a spectrum of its own, a track a loudness of its own, which tells nothing.
pub(crate) fn frames(artist: usize, track: usize, bands: usize) -> Vec<f32> {
    let mut random = Random::keyed(artist as u64, &[]);
    let spectrum: Vec<f64> = (0..bands).map(|_| random.normal()).collect();
    let mut random = Random::keyed(artist as u64, &[track as u64]);
    let loudness = 2.0 * random.normal() - 4.0;
    let count = if track == 0 { 20 } else { 60 + random.below(140) }; // the first is shorter than a segment
    let value = |band: usize| spectrum[band] + loudness + random.normal();
    (0..count * bands).map(|place| place % bands).map(value).map(|level| level.exp() as f32).collect()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_recipe(Recipe { bands: BANDS, ..Recipe::default() })
    }

    /// Features of another recipe.
    pub(crate) fn with_recipe(recipe: Recipe) -> Self {
        let bands = recipe.bands;
        let tracks = (0..ARTISTS * TRACKS).map(|place| (place % ARTISTS, place / ARTISTS)).map(|(artist, track)| {
            let row = [format!("{artist}/{track}.wav"), format!("artist {artist}"), format!("genre {}", artist % 3)];
            (row, frames(artist, track, bands))
        });
        Self::of(recipe, ["path", "artist", "genre"], tracks.collect())
    }

    /// Tracks with their cells and frames.
    pub(crate) fn of<const N: usize>(recipe: Recipe, columns: [&str; N], tracks: Vec<([String; N], Vec<f32>)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("store");
        let spec = Spec { recipe, precision: Precision::F32 };
        let columns = columns.map(str::to_owned);
        let (mut writer, _) = Writer::open(&place, &spec, Path::new("catalogue.csv"), &columns, &()).unwrap();
        writer.plan(tracks.len()).unwrap();
        for (row, frames) in tracks {
            let mut encoder = Encoder::new(&spec, &place);
            encoder.push(&frames).unwrap();
            writer.push(encoder.finish().unwrap(), &row, 1.0).unwrap();
        }
        writer.finish(&[]).unwrap();
        Self { store: Store::open(place).unwrap(), folder }
    }

    pub(crate) fn rows(&self) -> Vec<usize> {
        (0..self.store.len()).collect()
    }

    pub(crate) fn all(&self) -> TrainingSet {
        TrainingSet::of_rows(&self.store, &self.rows()).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn train(
        &self,
        name: &str,
        config: &TrainConfig,
        resume: bool,
        monitor: &dyn Monitor,
    ) -> Result<Report> {
        train(&self.store, &self.all(), config, &self.path(name), &self.path("log"), resume, monitor)
    }

    /// Trains; returns the bytes of the model and the log without what a clock wrote.
    pub(crate) fn outcome(&self, name: &str, config: &TrainConfig, resume: bool) -> (Vec<u8>, Vec<Value>) {
        self.train(name, config, resume, &()).unwrap();
        (fs::read(self.path(name)).unwrap(), self.log())
    }

    pub(crate) fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("log")).unwrap();
        let timeless = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let fields = line.as_object_mut().unwrap();
            assert!(fields.remove("samples_per_s").is_some() != fields.remove("minutes").is_some());
            line
        };
        text.lines().map(timeless).collect()
    }
}

pub(crate) fn config() -> TrainConfig {
    TrainConfig {
        steps: 12,
        seed: 1,
        segment: 0.82, // 36 frames
        standardise: true,
        network: NetworkSpec::MetricCnn(MetricCnnSpec { dims: 16, ..MetricCnnSpec::default() }),
        batch: BatchSpec { artists: 6, samples: 3 },
        augmentation: Augmentation { level: 3.0, ..Augmentation::default() },
        validation: Validation { share: 0.25, every: 5, ..Validation::default() },
        ..TrainConfig::default()
    }
}

pub(crate) fn evaluations(log: &[Value]) -> Vec<f64> {
    log.iter().filter_map(|line| line["triplet_error"].as_f64()).collect()
}

pub(crate) fn with_threads<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

/// Asks to stop after some steps.
pub(crate) struct StopAfter(pub(crate) AtomicU64);

impl Monitor for StopAfter {
    fn advance(&self, units: u64) {
        self.0.fetch_sub(units, Ordering::SeqCst);
    }
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}
