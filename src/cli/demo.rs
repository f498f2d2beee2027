//! `homonym demo`: the whole house at work on a catalogue that it composes itself.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::{Console, Outcome, split};
use crate::catalogue::filter::{Filter, matching};
use crate::demo::{self, Catalogue};
use crate::disambiguate::Rules;
use crate::embed::{Embedder, Statistics};
use crate::eval::protocols::{Options, clustering, verification};
use crate::extract::Extraction;
use crate::frontend::Recipe;
use crate::models::Model;
use crate::sampling::TrainingSet;
use crate::store::embeddings::Embeddings;
use crate::store::{Precision, Spec, Store};
use crate::train::{TrainConfig, train};
use crate::{Error, Result};

/// The file by which a folder is known as a demo's.
const MARK: &str = "demo.json";

/// See it work without any music: synthetic artists are composed, recorded, learned from and told apart.
///
/// Trains on some artists, then splits names that other, unseen artists share, and compares with plain mel statistics
/// and with the network before training. Takes a minute or two.
#[derive(clap::Args)]
pub(super) struct Demo {
    /// The folder to write to; that of an earlier demo is made anew.
    #[arg(long, short, value_name = "DIR", default_value = "homonym-demo")]
    out: PathBuf,
    /// Write into a folder that holds something else; only files of the demo's names are replaced.
    #[arg(long)]
    force: bool,
    /// What the artists, their music and the training depend on.
    #[arg(long, value_name = "S", env = "HOMONYM_SEED", default_value_t = 0)]
    seed: u64,
}

/// How well some embeddings tell the unseen artists apart.
#[derive(Serialize)]
struct Quality {
    ami: f64,
    ami_interval: [f64; 2],
    ari: f64,
    ari_interval: [f64; 2],
    eer: f64,
    eer_interval: [f64; 2],
    threshold: f64,
}

/// What was done in how many seconds.
#[derive(Serialize)]
struct Stage {
    stage: &'static str,
    seconds: f64,
}

/// The result: `homonym.demo/1`.
#[derive(Serialize)]
struct Summary {
    seed: u64,
    tracks: usize,
    training_artists: usize,
    unseen_artists: usize,
    shared_names: usize,
    mel_statistics: Quality,
    untrained: Quality,
    trained: Quality,
    seconds: f64,
    stages: Vec<Stage>,
    folder: PathBuf,
}

impl Demo {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        self.claim_folder()?;
        let mut clock = Clock::start();
        let size = Catalogue::default();
        size.write(&self.out, self.seed, console)?;
        clock.lap("recording");
        let store = self.extract(console)?;
        clock.lap("extraction");
        let models = ["untrained", "model"].map(|name| self.out.join(name).with_extension("safetensors"));
        let config = TrainConfig { seed: self.seed, ..demo::training() };
        let before = learn(&store, &TrainConfig { steps: 0, ..config.clone() }, &models[0], console)?;
        let after = learn(&store, &config, &models[1], console)?;
        clock.lap("training");
        let (_, mel_statistics) = judge(&store, Embedder::Statistics(Statistics::Mel), console)?;
        let (_, untrained) = judge(&store, Embedder::Model(&before), console)?;
        let (embeddings, trained) = judge(&store, Embedder::Model(&after), console)?;
        embeddings.write(&self.out.join("embeddings"))?;
        let rules = Rules { threshold: trained.threshold, ..Rules::default() };
        split::decide(&embeddings, "name", rules, None, &self.out.join("labels.csv"), console)?;
        clock.lap("embedding, splitting and evaluation");
        let summary = Summary {
            seed: self.seed,
            tracks: store.len(),
            training_artists: size.training_artists,
            unseen_artists: size.unseen_artists(),
            shared_names: size.shared_names,
            mel_statistics,
            untrained,
            trained,
            seconds: clock.stages.iter().map(|stage| stage.seconds).sum(),
            stages: clock.stages,
            folder: self.out,
        };
        console.result("homonym.demo/1", &summary, || summary.to_string())?;
        Ok(Outcome::Done)
    }

    /// Makes sure that nobody's files are lost, and marks the folder.
    fn claim_folder(&self) -> Result<()> {
        let folder = &self.out;
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let mark = folder.join(MARK);
        let is_empty = fs::read_dir(folder).map_err(Error::io(folder))?.next().is_none();
        if !is_empty && !mark.exists() && !self.force {
            let advice = "name another folder, or use --force to write beside what is there";
            return Err(Error::file(folder, "an empty folder or that of an earlier demo", "other files", advice));
        }
        let text = serde_json::json!({ "made_by": "homonym demo", "seed": self.seed }).to_string();
        fs::write(&mark, text).map_err(Error::io(&mark))
    }

    fn extract(&self, console: &Console) -> Result<Store> {
        let folder = self.out.join("store");
        let extraction = Extraction {
            catalogue: self.out.join("catalogue.csv"),
            out: folder.clone(),
            spec: Spec { recipe: Recipe::default(), precision: Precision::F16 },
            force: true,
            report: None,
        };
        let summary = extraction.run(console)?;
        match summary.failed.first() {
            Some(failure) => Err(Error::Failed(format!("{}: {}", failure.path, failure.error))),
            None => Store::open(&folder),
        }
    }
}

/// The tracks of one part of the catalogue.
fn part(store: &Store, split: &str) -> Result<Vec<usize>> {
    matching(store.table()?, &[format!("split={split}").parse::<Filter>()?])
}

fn learn(store: &Store, config: &TrainConfig, model: &Path, console: &Console) -> Result<Model> {
    let rows = part(store, "train")?;
    train(
        store,
        &TrainingSet::of_rows(store, &rows)?,
        config,
        model,
        &model.with_extension("metrics.jsonl"),
        false,
        console,
    )?;
    Model::open(model)
}

/// Embeds the unseen artists and measures how well that tells them apart.
fn judge(store: &Store, embedder: Embedder<'_>, console: &Console) -> Result<(Embeddings, Quality)> {
    let embeddings = embedder.embed(store, &part(store, "unseen")?, console)?;
    let named = Options { name_column: Some("name".to_owned()), ..Options::default() };
    let clusters = clustering(&embeddings, &named, console)?;
    let pairs = verification(&embeddings, &Options::default(), console)?;
    let quality = Quality {
        ami: clusters.ami,
        ami_interval: clusters.ami_spread.interval,
        ari: clusters.ari,
        ari_interval: clusters.ari_spread.interval,
        eer: pairs.eer,
        eer_interval: pairs.eer_spread.interval,
        threshold: clusters.threshold,
    };
    Ok((embeddings, quality))
}

/// Times one stage after the other.
struct Clock {
    begin: Instant,
    stages: Vec<Stage>,
}

impl Clock {
    fn start() -> Self {
        Self { begin: Instant::now(), stages: Vec::new() }
    }

    fn lap(&mut self, stage: &'static str) {
        self.stages.push(Stage { stage, seconds: self.begin.elapsed().as_secs_f64() });
        self.begin = Instant::now();
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tracks, training_artists, unseen_artists, shared_names, seed, .. } = self;
        write!(
            f,
            "{tracks} tracks of artists made up for this demo (seed {seed}): {training_artists} to learn from, "
        )?;
        writeln!(f, "{unseen_artists} unseen ones behind {shared_names} names\n")?;
        writeln!(f, "unseen artists         AMI                  ARI                  EER")?;
        writeln!(f, "plain mel statistics   {}", self.mel_statistics)?;
        writeln!(f, "untrained network      {}", self.untrained)?;
        writeln!(f, "trained network        {}", self.trained)?;
        writeln!(
            f,
            "in brackets: 95 % intervals; AMI and ARI 0 is chance and 1 perfect, EER 0.5 is chance and 0 perfect\n"
        )?;
        for Stage { stage, seconds } in &self.stages {
            writeln!(f, "{seconds:>6.1} s  {stage}")?;
        }
        writeln!(f, "{:>6.1} s  in total\n", self.seconds)?;
        self.write_files(f)?;
        self.write_way_on(f)
    }
}

impl Summary {
    fn write_files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.folder.display())?;
        writeln!(f, "  catalogue.csv, audio/    the music; column `artist` is the truth, `name` is shared")?;
        writeln!(f, "  store/                   its mel spectrograms")?;
        writeln!(f, "  model.safetensors        the network, before learning in untrained.safetensors")?;
        writeln!(f, "  embeddings.npy, .csv     the unseen artists' tracks as points")?;
        writeln!(
            f,
            "  labels.csv               each name split into artists at distance {:.3}\n",
            self.trained.threshold
        )
    }

    fn write_way_on(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "With your own music, listed in a table with the columns `path` and `artist`:")?;
        writeln!(f, "  homonym extract music.csv --out store")?;
        writeln!(f, "  homonym train store --out model.safetensors")?;
        writeln!(f, "  homonym embed store --model model.safetensors --out embeddings")?;
        write!(f, "  homonym split embeddings --distance {:.2} --out labels.csv", self.trained.threshold)
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = [(self.ami, self.ami_interval), (self.ari, self.ari_interval), (self.eer, self.eer_interval)];
        let cells = figures.map(|(value, [low, high])| format!("{value:.2} ({low:.2} to {high:.2})"));
        write!(f, "{}", cells.map(|cell| format!("{cell:<21}")).concat().trim_end())
    }
}
