//! The training loop.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::config::{TrainConfig, UNLIMITED};
use super::log::{Line, Log};
use super::state::{self, Progress};
use super::updater::{Step, Updater};
use super::validation::held_out_error;
use crate::catalogue::list::keys;
use crate::hash::digits;
use crate::models::{self, Header, Kinds, Model, NetworkSpec, Segments, Standardisation, TrackMap};
use crate::sampling::{Drawer, Drawing, LabelledTracks, TrackList, TrainingSet};
use crate::similarity::Oracle;
use crate::store::Store;
use crate::store::embeddings::TAGS;
use crate::{Error, Monitor, Result, output};

/// Training tracks that the input's standardisation is fitted to at most, and segments of each.
const SURVEY: (usize, usize) = (400, 3);
/// Training tracks that the map of track vectors is fitted to at most, each with as many segments as it will have.
const MAPPED: usize = 1000;
/// Steps in a row that look collapsed before the run is given up.
const COLLAPSED_STEPS: u32 = 30;
/// The column by which every track is on its own, where artists do not matter.
const TRACK: &str = "path";

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

/// Trains on tracks of a store and keeps the best model at `out`; `log` gets a line for each step.
///
/// Early stopping is judged by the set's validation tracks, or else by artists that the configuration keeps out.
///
/// With `resume`, goes on from the state that an interrupted run to the same `out` left behind, to the same model as if
/// it had not been interrupted; begins where there is neither state nor model.
///
/// # Errors
/// [`Error::Interrupted`] when the monitor asks to stop (the state is saved), [`Error::Failed`] when the embedding
/// collapses or diverges, [`Error::Input`] and [`Error::Setting`] for data and settings that cannot be used.
pub fn train(
    store: &Store,
    set: &TrainingSet,
    config: &TrainConfig,
    out: &Path,
    log: &Path,
    resume: bool,
    monitor: &dyn Monitor,
) -> Result<Report> {
    config.validate()?;
    config.network.check_front_end(store.recipe())?;
    let _scattered = store.scattered();
    let drawing = config.drawing(store.recipe(), set.triplets.is_some())?;
    let (tracks, held_out) = labelled(store, set, config)?;
    check_oracle(config, &tracks)?;
    let [notions, held_out_notions] = notions(store, set, config, &held_out)?;
    tracks.check_segment(config.segment)?;
    if config.proximity.is_some() {
        if set.train.samples.is_some() {
            return Err(Error::setting("proximity", "has no meaning for a dataset, which says where segments are"));
        }
        if tracks.artists() < tracks.tracks() {
            return Err(Error::setting("proximity", "needs every track on its own: artist_column = \"path\""));
        }
    }
    let frames = store.recipe().seconds_to_frames(config.segment);
    let all: Vec<_> = [&tracks, &held_out].into_iter().chain(&notions).chain(&held_out_notions).collect();
    let mut model = fresh_model(store, config, &all, frames)?;
    let network = model.network()?;
    if network.dims() < notions.len() {
        let problem = format!("{} notions need more than the {} values of an embedding", notions.len(), network.dims());
        return Err(Error::setting("notions", problem));
    }
    let mut updater = Updater::new(&*network, config, tracks.artists(), model.params.clone())?;
    let mut progress = Progress::default();
    let state_path = state::path(out);
    let resumed = resume && state_path.exists();
    if resume && !resumed && out.exists() {
        let (out, state) = (out.display(), state_path.display());
        let problem = format!("the run of {out} is complete, there is no {state} to go on from; train it anew instead");
        return Err(Error::setting("resume", problem));
    }
    if resumed {
        (updater.weights, progress) = state::open(&state_path, &model, &updater.weights)?;
    }
    let log = Log::open(log, resumed.then_some(&progress))?;
    if matches!(config.network, NetworkSpec::Twins { .. }) {
        model.header.kinds = kinds(set, config)?;
    }
    (model.header.head, model.head) = (updater.kept_head().0, updater.kept_head().1.to_vec());
    let mut run = Run {
        config,
        drawing,
        tracks: &tracks,
        drawn_from: if notions.is_empty() { std::slice::from_ref(&tracks) } else { &notions },
        held_out: &held_out,
        held_out_notions: &held_out_notions,
        out,
        state_path: &state_path,
        model,
        updater,
        progress,
        log,
        frames,
    };
    let report = run.run(monitor)?;
    output::remove(&state_path)?;
    Ok(report)
}

/// The tracks to learn from and those to judge by.
fn labelled<'s>(
    store: &'s Store,
    set: &'s TrainingSet,
    config: &TrainConfig,
) -> Result<(LabelledTracks<'s>, LabelledTracks<'s>)> {
    let tags = config.mining.tag_column.as_deref();
    if let Some(triplets) = &set.triplets {
        let (tracks, none) = LabelledTracks::new(store, &set.train, TRACK, tags)?.part(0.0, config.seed);
        if tracks.artists() < set.train.rows.len() {
            let advice = "extract a catalogue that lists each track once";
            return Err(Error::file(store.folder(), "tracks of different paths", "a path twice", advice));
        }
        return Ok((tracks.with_triplets(triplets), none));
    }
    let vectors = config.objective.vectors()?;
    let names = vectors.as_ref().map(|vectors| keys(&vectors.table, Path::new("the vectors"))).transpose()?;
    let numbers: Option<HashMap<&str, u32>> =
        names.map(|names| names.into_iter().enumerate().map(|(number, name)| (name, number as u32)).collect());
    let kinds = kinds(set, config)?;
    let tracks = |part: &TrackList| -> Result<LabelledTracks<'s>> {
        let tracks = match (&numbers, &kinds) {
            (Some(numbers), _) => LabelledTracks::tagged(store, part, TRACK, tags.unwrap_or_default(), numbers),
            (None, Some(kinds)) => {
                let kinds = kinds.of_rows(&part.table, store.folder())?;
                Ok(LabelledTracks::new(store, part, &config.artist_column, tags)?.with_kinds(&kinds))
            }
            (None, None) => LabelledTracks::new(store, part, &config.artist_column, tags),
        }?;
        Ok(tracks.with_oracle(set.oracle.as_ref()))
    };
    match &set.validation {
        Some(validation) => Ok((tracks(&set.train)?, tracks(validation)?)),
        None => Ok(tracks(&set.train)?.part(config.validation.share, config.seed)),
    }
}

/// Refuses an objective without what it learns from, and the contrary.
fn check_oracle(config: &TrainConfig, tracks: &LabelledTracks<'_>) -> Result<()> {
    let refuse = |problem: &str| Err(Error::setting("objective", problem));
    match (config.objective.drawing(), tracks.oracle()) {
        (Drawing::Ranked { triplets, .. }, _) => tracks.check_triplets(triplets),
        (_, Some(oracle)) if config.network.is_tagger() && oracle.tags().is_some() => Ok(()),
        _ if config.network.is_tagger() => refuse("learns tags: give it --likelihoods"),
        (_, Some(_)) => refuse("does not learn from what tracks are alike by: leave that out"),
        (_, None) => Ok(()),
    }
}

/// The two kinds of audio that are told apart, if any.
fn kinds(set: &TrainingSet, config: &TrainConfig) -> Result<Option<Kinds>> {
    config.kind_column.as_ref().map(|column| Kinds::of(&set.train.table, column)).transpose()
}

/// The tracks to learn from, and those to judge by, by each of the columns that have a part of the embedding of their own.
fn notions<'s>(
    store: &'s Store,
    set: &TrainingSet,
    config: &TrainConfig,
    held_out: &LabelledTracks<'s>,
) -> Result<[Vec<LabelledTracks<'s>>; 2]> {
    let (tags, judged) = (config.mining.tag_column.as_deref(), held_out.rows());
    let kept_out: HashSet<usize> =
        if set.validation.is_some() { HashSet::new() } else { judged.iter().copied().collect() };
    let learnt: Vec<usize> = (0..set.train.rows.len()).filter(|row| !kept_out.contains(row)).collect();
    let by_each = |part: &TrackList, rows: &[usize]| -> Result<Vec<LabelledTracks<'s>>> {
        let of_column = |column: &String| LabelledTracks::by_value(store, part, column, tags, rows);
        config.objective.notions().iter().map(of_column).collect()
    };
    Ok([by_each(&set.train, &learnt)?, by_each(set.validation.as_ref().unwrap_or(&set.train), &judged)?])
}

/// The model before the first update; of `data` the first are the tracks to learn from.
fn fresh_model(store: &Store, config: &TrainConfig, data: &[&LabelledTracks<'_>], frames: usize) -> Result<Model> {
    let (tracks, bands, oracle) = (data[0], store.bands(), data[0].oracle());
    let tags = oracle.and_then(Oracle::tags);
    let spec = tags.map_or(config.network.clone(), |tags| config.network.for_tags(tags.len()));
    let input = match config.standardise {
        true => {
            let survey = tracks.survey(&tracks.spread(SURVEY.0), frames, SURVEY.1);
            spec.fit_input(&survey, frames, bands)?
        }
        false => Standardisation::identity(bands),
    };
    let network = spec.build(frames, bands, input.clone())?;
    let mut data: Vec<String> = data.iter().map(|tracks| tracks.fingerprint()).collect();
    data.extend(oracle.map(Oracle::fingerprint));
    data.extend(config.objective.vectors()?.map(|vectors| digits(bytemuck::cast_slice(&vectors.points.data))));
    let mut training = serde_json::json!({ "config": config, "data": data });
    if spec.is_tagger() {
        training[TAGS] = serde_json::json!(tags);
    }
    let header = Header {
        format: models::FORMAT,
        network: spec,
        front_end: store.recipe().clone(),
        frames,
        track: config.track,
        notions: config.objective.notions().to_vec(),
        head: None,
        kinds: None,
        step: 0,
        training,
    };
    let output = TrackMap::identity(config.track.layer.width(&*network));
    let params = network.initial(config.seed);
    Ok(Model { header, input, output, params, head: Vec::new(), arithmetic: config.arithmetic })
}

struct Run<'a> {
    config: &'a TrainConfig,
    drawing: Drawing,
    tracks: &'a LabelledTracks<'a>,
    /// What batches are drawn from: those, or the same by each notion, in turn.
    drawn_from: &'a [LabelledTracks<'a>],
    held_out: &'a LabelledTracks<'a>,
    /// The same by each notion.
    held_out_notions: &'a [LabelledTracks<'a>],
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
        let TrainConfig { batch, augmentation, seed, .. } = self.config;
        let mut drawers = Vec::new();
        for tracks in self.drawn_from {
            let size = batch.fit(self.drawing, tracks.artists())?;
            drawers.push(Drawer::new(tracks, (self.drawing, size), *augmentation, self.frames, *seed));
        }
        monitor.begin("training", Some(self.config.steps).filter(|&steps| steps < UNLIMITED));
        monitor.advance(self.progress.step);
        let (mut samples, mut work_seconds) = (0, 0.0);
        if self.progress.evaluated.is_none() {
            self.save_state()?; // before there is a model, which without a state would look like that of a complete run
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
            let drawn = drawers[self.config.objective.notion(self.progress.step)].batch(self.progress.step);
            let step = self.updater.update(&drawn, &drawn.labels, self.progress.step);
            let seconds = clock.elapsed().as_secs_f64();
            work_seconds += seconds;
            samples += drawn.count();
            self.progress.seconds += seconds;
            self.progress.step += 1;
            let rate = drawn.count() as f64 / seconds;
            self.log.write(&Line::Step { step: self.progress.step, result: &step, samples_per_s: rate })?;
            monitor.advance(1);
            monitor.status(&self.status(&step, rate));
            self.give_up_if_lost(&step)?;
            if self.progress.step.is_multiple_of(self.config.validation.every) {
                self.evaluate(monitor)?;
            }
        };
        if self.progress.evaluated != Some(self.progress.step) {
            self.evaluate(monitor)?;
        }
        monitor.end();
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
        } else if self.held_out.artists() > 1 && step - best_step >= validation.patience * validation.every {
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

    /// The error of a run that has diverged or stays collapsed.
    fn give_up_if_lost(&mut self, step: &Step) -> Result<()> {
        let finite = step.mean_norm.is_finite() && self.updater.weights.params.iter().all(|param| param.is_finite());
        if !finite {
            let (at, out) = (self.progress.step, self.out.display());
            let problem = "numbers have grown beyond all bounds";
            return Err(Error::Failed(format!(
                "training diverged at step {at}: {problem}; {out} keeps the best state before. Use a lower learning rate"
            )));
        }
        self.progress.collapsed = if self.looks_collapsed(step) { self.progress.collapsed + 1 } else { 0 };
        if self.progress.collapsed >= COLLAPSED_STEPS { Err(self.collapse(step)) } else { Ok(()) }
    }

    /// All embeddings (nearly) equal: then every triplet loses exactly the margin.
    fn looks_collapsed(&self, step: &Step) -> bool {
        let margin = self.config.margin;
        let mined = self.config.objective.mines();
        mined && step.mean_norm > 0.99 && step.active > 0.9 && (step.loss - margin).abs() < 0.1 * margin
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
            _ => {
                let kept = self.updater.kept();
                held_out_error(network, kept, self.config, self.held_out, self.held_out_notions)?
            }
        };
        let best = match (error, self.progress.best_error) {
            (Some(error), Some(best)) => error < best,
            _ => true,
        };
        self.model.params.copy_from_slice(self.updater.kept());
        self.model.head.copy_from_slice(self.updater.kept_head().1);
        self.model.header.step = self.progress.step;
        if best {
            self.progress.best_error = error;
            self.progress.best_step = self.progress.step;
            self.keep_best(error)?;
        }
        let minutes = self.progress.seconds / 60.0;
        self.log.write(&Line::Evaluation { step: self.progress.step, triplet_error: error, best, minutes })?;
        self.progress.evaluated = Some(self.progress.step);
        if let Some(error) = error {
            monitor.status(&format!("held-out triplet error {error:.4}{}", if best { " (best)" } else { "" }));
        }
        self.save_state()
    }

    fn keep_best(&mut self, error: Option<f64>) -> Result<()> {
        let (network, track) = (self.updater.network, self.config.track);
        let mut best = self.model.clone();
        if track.standardise {
            let survey = self.tracks.survey(&self.tracks.spread(MAPPED), self.frames, track.segments);
            let rows = network.embed(&best.params, &survey, track.layer);
            let width = track.layer.width(network);
            best.output = TrackMap::fit(track, &crate::embed::average(&rows, width, track.segments), width);
        }
        best.header.training["triplet_error"] = serde_json::json!(error);
        best.save(self.out, &[])
    }

    fn save_state(&mut self) -> Result<()> {
        self.log.sync()?;
        self.model.header.step = self.progress.step;
        state::save(self.state_path, &self.model, &self.progress, &self.updater.weights)
    }
}
