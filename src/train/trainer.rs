//! The training loop.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::config::TrainConfig;
use super::log::{Line, Log};
use super::state::{self, Progress};
use super::validation::held_out_error;
use crate::loss::triplet_loss;
use crate::mining::{BatchLabels, MiningSpec, Selection, mine};
use crate::models::{self, Header, Layer, Model, Network, Segments, Standardisation, TrainingPass};
use crate::optim::RmsProp;
use crate::random::Random;
use crate::sampling::LabelledTracks;
use crate::store::Store;
use crate::{Error, Monitor, Result};

/// Training tracks that the standardisations are fitted to at most, and segments of each.
const SURVEY: (usize, usize) = (400, 3);
/// Steps in a row that look collapsed before the run is given up.
const COLLAPSED_STEPS: u32 = 30;
/// Purpose of the miner's random stream.
const MINING: u64 = 3;

/// What one update did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Mean loss of the kept triplets.
    pub loss: f32,
    /// Kept triplets over positive pairs.
    pub active: f64,
    /// Norm of the mean embedding of the batch: 1 when all are equal.
    pub mean_norm: f64,
}

/// Parameters, gradients and optimiser state, and how one batch changes them.
pub struct Updater<'n> {
    network: &'n dyn Network,
    pass: Box<dyn TrainingPass + 'n>,
    mining: MiningSpec,
    margin: f32,
    optimizer: RmsProp,
    seed: u64,
    /// The parameters.
    pub params: Vec<f32>,
    /// Those before the last update.
    pub previous: Vec<f32>,
    /// The optimiser's running squares.
    pub squares: Vec<f32>,
    grads: Vec<f32>,
}

impl<'n> Updater<'n> {
    /// Starts from `params`.
    pub fn new(network: &'n dyn Network, config: &TrainConfig, params: Vec<f32>) -> Self {
        let size = params.len();
        Self {
            network,
            pass: network.training_pass(),
            mining: config.mining.clone(),
            margin: config.margin,
            optimizer: config.optimizer.clone(),
            seed: config.seed,
            previous: params.clone(),
            params,
            squares: vec![0.0; size],
            grads: vec![0.0; size],
        }
    }

    /// One update: forward, mining, loss, backward, optimiser.
    pub fn update(&mut self, segments: &dyn Segments, labels: &BatchLabels, step: u64) -> Step {
        let mut random = Random::keyed(self.seed, &[MINING, step]);
        let dims = self.network.dims();
        let stale = matches!(self.mining.selection, Selection::Previous)
            .then(|| self.network.embed(&self.previous, segments, Layer::Embedding));
        let embeddings = self.pass.forward(&self.params, segments, (self.seed, step));
        let chooser = stale.as_deref().unwrap_or(embeddings);
        let triplets = mine(&self.mining, chooser, labels, self.margin, &mut random);
        let mut d_embeddings = vec![0.0; embeddings.len()];
        let loss = triplet_loss(self.margin, embeddings, dims, &triplets, &mut d_embeddings);
        let active = triplets.len() as f64 / labels.pairs().max(1) as f64;
        let mean_norm = mean_norm(embeddings, dims);
        self.grads.fill(0.0);
        self.pass.backward(&self.params, segments, &d_embeddings, &mut self.grads);
        self.previous.copy_from_slice(&self.params);
        self.optimizer.step(&mut self.params, &self.grads, &mut self.squares);
        Step { loss, active, mean_norm }
    }
}

fn mean_norm(points: &[f32], dims: usize) -> f64 {
    let mut mean = vec![0.0f64; dims];
    for point in points.chunks_exact(dims) {
        mean.iter_mut().zip(point).for_each(|(mean, &x)| *mean += f64::from(x));
    }
    mean.iter().map(|x| x * x).sum::<f64>().sqrt() / (points.len() / dims).max(1) as f64
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// All steps were done.
    Steps,
    /// The minutes were over.
    Minutes,
    /// The held-out error had stopped falling.
    EarlyStop,
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Why it ended.
    pub end: End,
    /// Updates done.
    pub steps: u64,
    /// Updates behind the parameters that were kept.
    pub best_step: u64,
    /// Their error on held-out artists, where some were held out.
    pub best_triplet_error: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
    /// Segments per second through forward, mining, backward and update.
    pub samples_per_s: f64,
    /// Artists and tracks trained on.
    pub artists: usize,
    /// Tracks trained on.
    pub tracks: usize,
    /// Artists held out for early stopping.
    pub held_out_artists: usize,
}

/// Trains on rows of a store and keeps the best model at `out`; `log` gets a line for each step.
///
/// With `resume`, goes on from the state that an interrupted run to the same `out` left behind.
///
/// # Errors
/// [`Error::Interrupted`] when the monitor asks to stop (the state is saved), [`Error::Failed`] when the embedding
/// collapses, [`Error::Input`] and [`Error::Setting`] for data and settings that cannot be used.
pub fn train(
    store: &Store,
    rows: &[usize],
    config: &TrainConfig,
    out: &Path,
    log: &Path,
    resume: bool,
    monitor: &dyn Monitor,
) -> Result<Report> {
    config.validate()?;
    let tags = config.mining.tag_column.as_deref();
    let (tracks, held_out) =
        LabelledTracks::new(store, rows, &config.artist_column, tags)?.part(config.validation.share, config.seed);
    let frames = store.recipe().seconds_to_frames(config.segment);
    let mut model = fresh_model(store, config, &tracks, frames)?;
    let network = model.network()?;
    let mut updater = Updater::new(&*network, config, model.params.clone());
    let mut progress = Progress::default();
    let state_path = state::path(out);
    if resume && state_path.exists() {
        (model, progress, updater.squares, updater.previous) = state::open(&state_path, &model)?;
        updater.params.clone_from(&model.params);
    }
    let log = Log::open(log, progress.step)?;
    let mut run = Run {
        config,
        tracks: &tracks,
        held_out: &held_out,
        out,
        state_path: &state_path,
        model,
        updater,
        progress,
        log,
        frames,
    };
    let report = run.run(monitor)?;
    match std::fs::remove_file(&state_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&state_path)(error)),
        _ => Ok(report),
    }
}

/// The model before the first update.
fn fresh_model(store: &Store, config: &TrainConfig, tracks: &LabelledTracks<'_>, frames: usize) -> Result<Model> {
    let bands = store.bands();
    let input = match config.standardise {
        true => config.network.fit_input(&tracks.survey(SURVEY.0, frames, SURVEY.1), frames, bands)?,
        false => Standardisation::identity(bands),
    };
    let network = config.network.build(frames, bands, input.clone())?;
    let training = serde_json::json!({ "config": config });
    let header = Header {
        format: models::FORMAT,
        network: config.network.clone(),
        front_end: store.recipe().clone(),
        frames,
        track: config.track,
        step: 0,
        training,
    };
    let output = Standardisation::identity(config.track.layer.width(&*network));
    Ok(Model { header, input, output, params: network.params().initial(config.seed) })
}

struct Run<'a> {
    config: &'a TrainConfig,
    tracks: &'a LabelledTracks<'a>,
    held_out: &'a LabelledTracks<'a>,
    out: &'a Path,
    state_path: &'a Path,
    model: Model,
    updater: Updater<'a>,
    progress: Progress,
    log: Log,
    frames: usize,
}

impl Run<'_> {
    fn run(&mut self, monitor: &dyn Monitor) -> Result<Report> {
        let batch = self.config.batch.fit(self.tracks.artists())?;
        monitor.begin("training", Some(self.config.steps));
        monitor.advance(self.progress.step);
        let first_step = self.progress.step;
        let mut work_seconds = 0.0;
        let mut collapsed = 0;
        if self.progress.step == 0 {
            self.evaluate(monitor)?;
        }
        let end = loop {
            if let Some(end) = self.end() {
                break end;
            }
            if monitor.interrupted() {
                self.save_state()?;
                return Err(Error::Interrupted(format!("stopped at step {}; go on with --resume", self.progress.step)));
            }
            let clock = Instant::now();
            let drawn =
                self.tracks.batch(batch, self.config.augmentation, self.frames, self.config.seed, self.progress.step);
            let step = self.updater.update(&drawn, &drawn.labels, self.progress.step);
            let seconds = clock.elapsed().as_secs_f64();
            work_seconds += seconds;
            self.progress.seconds += seconds;
            self.progress.step += 1;
            let rate = drawn.count() as f64 / seconds;
            self.log.write(&Line::Step { step: self.progress.step, result: &step, samples_per_s: rate })?;
            monitor.advance(1);
            monitor.status(&self.status(&step, rate));
            collapsed = if self.looks_collapsed(&step) { collapsed + 1 } else { 0 };
            if collapsed >= COLLAPSED_STEPS {
                return Err(self.collapse(&step));
            }
            if self.progress.step.is_multiple_of(self.config.validation.every) {
                self.evaluate(monitor)?;
            }
        };
        if !self.progress.step.is_multiple_of(self.config.validation.every) {
            self.evaluate(monitor)?;
        }
        monitor.end();
        let samples = (self.progress.step - first_step) * (batch.artists * batch.samples) as u64;
        Ok(Report {
            end,
            steps: self.progress.step,
            best_step: self.progress.best_step,
            best_triplet_error: self.progress.best_error,
            seconds: self.progress.seconds,
            samples_per_s: if samples == 0 { 0.0 } else { samples as f64 / work_seconds },
            artists: self.tracks.artists(),
            tracks: self.tracks.tracks(),
            held_out_artists: self.held_out.artists(),
        })
    }

    fn end(&self) -> Option<End> {
        let Progress { step, seconds, best_step, .. } = self.progress;
        let validation = &self.config.validation;
        if step >= self.config.steps {
            Some(End::Steps)
        } else if self.config.minutes.is_some_and(|minutes| seconds >= 60.0 * minutes) {
            Some(End::Minutes)
        } else if self.held_out.artists() > 1 && step - best_step > validation.patience * validation.every {
            Some(End::EarlyStop)
        } else {
            None
        }
    }

    fn status(&self, step: &Step, rate: f64) -> String {
        let left = self
            .config
            .minutes
            .map_or(String::new(), |minutes| format!(", {:.1} of {minutes} min", self.progress.seconds / 60.0));
        let error = self.progress.best_error.map_or(String::new(), |error| format!(", held out {error:.3}"));
        format!("loss {:.3}, active {:.2}{error}, {rate:.0} samples/s{left}", step.loss, step.active)
    }

    /// All embeddings (nearly) equal: then every triplet loses exactly the margin.
    fn looks_collapsed(&self, step: &Step) -> bool {
        let margin = self.config.margin;
        step.mean_norm > 0.99 && step.active > 0.9 && (step.loss - margin).abs() < 0.1 * margin
    }

    fn collapse(&self, step: &Step) -> Error {
        Error::Failed(format!(
            "training collapsed at step {}: all embeddings are nearly equal (norm of their mean {:.4}, loss {:.3} at \
             margin {}); {} keeps the best state before. Use a lower learning rate, more artists per batch, or random \
             negatives",
            self.progress.step,
            step.mean_norm,
            step.loss,
            self.config.margin,
            self.out.display()
        ))
    }

    /// Measures the held-out error, keeps the model if it is the best yet, and saves the state.
    fn evaluate(&mut self, monitor: &dyn Monitor) -> Result<()> {
        let network = self.updater.network;
        let error = match self.held_out.artists() {
            0 | 1 => None,
            _ => held_out_error(
                network,
                &self.updater.params,
                self.config.track,
                &self.config.validation,
                self.held_out,
            )?,
        };
        let best = match (error, self.progress.best_error) {
            (Some(error), Some(best)) => error < best,
            _ => true,
        };
        self.model.params.clone_from(&self.updater.params);
        self.model.header.step = self.progress.step;
        if best {
            self.progress.best_error = error;
            self.progress.best_step = self.progress.step;
            self.keep_best(error)?;
        }
        let minutes = self.progress.seconds / 60.0;
        self.log.write(&Line::Evaluation { step: self.progress.step, triplet_error: error, best, minutes })?;
        self.log.flush()?;
        if let Some(error) = error {
            monitor.status(&format!("held-out triplet error {error:.4}{}", if best { " (best)" } else { "" }));
        }
        if self.progress.step > 0 { self.save_state() } else { Ok(()) }
    }

    fn keep_best(&mut self, error: Option<f64>) -> Result<()> {
        let (network, track) = (self.updater.network, self.config.track);
        let mut best = self.model.clone();
        if track.standardise {
            let survey = self.tracks.survey(SURVEY.0, self.frames, SURVEY.1);
            let rows = network.embed(&best.params, &survey, track.layer);
            let width = track.layer.width(network);
            best.output = track.output_map(&crate::embed::average(&rows, width, SURVEY.1), width);
        }
        best.header.training["triplet_error"] = serde_json::json!(error);
        best.save(self.out, &[])
    }

    fn save_state(&mut self) -> Result<()> {
        self.log.flush()?;
        self.model.params.clone_from(&self.updater.params);
        self.model.header.step = self.progress.step;
        state::save(self.state_path, &self.model, &self.progress, &self.updater.squares, &self.updater.previous)
    }
}
