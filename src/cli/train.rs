//! `homonym train`: learns to place the tracks of one artist close together.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};
use serde::Serialize;

use super::{Console, Outcome, config};
use crate::catalogue::filter::{Filter, matching};
use crate::catalogue::triplets::Triplets;
use crate::models::{Arithmetic, Model, NetworkSpec, TrackVector};
use crate::sampling::TrainingSet;
use crate::similarity::OracleFiles;
use crate::store::Store;
use crate::train::{End, OBJECTIVES, ObjectiveSpec, PRESETS, Report, TrainConfig, UNLIMITED, overlay, preset, train};
use crate::{Error, Monitor as _, Result};

/// Train a network on the tracks of a feature store.
///
/// Where the configuration keeps artists out of training, the best model by them is kept, else the last. Beside it,
/// MODEL.metrics.jsonl gets a line for each step and evaluation. Ctrl-C saves the state; --resume goes on from it.
#[derive(clap::Args)]
pub(super) struct Train {
    /// The feature store.
    #[arg(required_unless_present = "print_config")]
    store: Option<PathBuf>,
    /// Where to write the model.
    #[arg(long, short, value_name = "MODEL.safetensors", required_unless_present = "print_config")]
    out: Option<PathBuf>,
    /// The named configuration to start from.
    #[arg(long, value_parser = preset_names(), default_value = "best")]
    preset: String,
    /// A TOML file with settings that differ from the preset's.
    #[arg(long, value_name = "FILE.toml", env = "HOMONYM_CONFIG")]
    config: Option<PathBuf>,
    /// What to learn by, with the settings of the configuration or else its defaults, in place of the preset's.
    #[arg(long, value_parser = objective_names())]
    objective: Option<String>,
    /// Learn a part of the embedding for each of these columns, such as genre, mood, instrument and tempo (`masks`); cells hold
    /// several values apart by `;`.
    #[arg(long, value_name = "COLUMN,COLUMN", value_delimiter = ',', conflicts_with = "objective")]
    notions: Vec<String>,
    /// The column that tells two kinds of audio apart, such as mix and mono or imitation and recording: tracks are compared only
    /// with those of the other kind.
    #[arg(long, value_name = "COLUMN")]
    kind_column: Option<String>,
    /// The column that says what belongs together, in place of the preset's.
    #[arg(long, value_name = "COLUMN")]
    artist_column: Option<String>,
    /// Weights of their own for each kind.
    #[arg(long, requires = "kind_column")]
    untied: bool,
    /// Learn from comparisons of tracks, a table with the columns anchor, positive and negative, in place of artists.
    #[arg(long, value_name = "TRIPLETS.csv", conflicts_with_all = ["dataset", "filters", "likelihoods", "lists"])]
    triplets: Option<PathBuf>,
    /// Learn to lie near given vectors (PREFIX.npy and PREFIX.csv, whose `track_id` names each) of what stands in the
    /// `--tag-column` (`two-towers`).
    #[arg(long, value_name = "PREFIX", requires = "tag_column", conflicts_with_all = ["objective", "notions"])]
    vectors: Option<PathBuf>,
    /// Length of a segment in seconds: 9 or 3 in the paper.
    #[arg(long, value_name = "SECONDS")]
    segment: Option<f64>,
    /// Updates at most; 0 keeps the untrained network.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Minutes of training at most, without preparation, in place of the preset's number of steps.
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// What every random choice depends on.
    #[arg(long, value_name = "S", env = "HOMONYM_SEED")]
    seed: Option<u64>,
    /// How the convolutions of forward passes compute.
    #[arg(long, value_enum)]
    arithmetic: Option<Arithmetic>,
    /// The column with side information such as genre (tags apart by `;`): half of the negatives share a tag; with `--vectors`,
    /// what they are of.
    #[arg(long, value_name = "COLUMN")]
    tag_column: Option<String>,
    #[command(flatten)]
    oracle: OracleFiles,
    /// Train on the lists of this folder, as `dataset` writes it: train.csv, and validation.csv for early stopping.
    #[arg(long, value_name = "DIR", conflicts_with = "filters")]
    dataset: Option<PathBuf>,
    /// Train on rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
    /// Go on with an interrupted run.
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Replace an existing model.
    #[arg(long)]
    force: bool,
    /// Print the merged configuration as TOML and do nothing.
    #[arg(long)]
    print_config: bool,
    /// Check everything and say what would be trained.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn preset_names() -> PossibleValuesParser {
    PRESETS.iter().map(|preset| PossibleValue::new(preset.name).help(preset.help)).into()
}

fn objective_names() -> PossibleValuesParser {
    OBJECTIVES.iter().map(|objective| PossibleValue::new(objective.name).help(objective.help)).into()
}

#[derive(Serialize)]
struct Summary<'a> {
    model: &'a Path,
    model_hash: String,
    metrics: &'a Path,
    config: &'a TrainConfig,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(Serialize)]
struct Plan<'a> {
    tracks: usize,
    config: &'a TrainConfig,
}

impl Train {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let config = self.merged()?;
        if self.print_config {
            let text = toml::to_string(&config).expect("a configuration is plain data");
            console.result("homonym.config/1", &config, || text)?;
            return Ok(Outcome::Done);
        }
        let (Some(folder), Some(out)) = (&self.store, &self.out) else {
            unreachable!("the parser requires both unless the configuration is printed");
        };
        let store = super::open_store(folder, console)?;
        let selection = self.select(&store, console)?;
        if self.dry_run {
            let tracks = selection.train.rows.len();
            let plan = Plan { tracks, config: &config };
            let text = || format!("would train on {tracks} tracks of {}", folder.display());
            console.result("homonym.train.plan/1", &plan, text)?;
            return Ok(Outcome::Done);
        }
        self.spare_existing(out)?;
        self.learn(&store, &selection, &config, out, console)
    }

    fn select(&self, store: &Store, console: &Console) -> Result<TrainingSet> {
        if let Some(path) = &self.triplets {
            let triplets = Triplets::read(path, store.table()?, store.folder())?;
            if triplets.missing > 0 {
                console.warn(&format!("{} comparisons name tracks that are not in the store", triplets.missing));
            }
            return TrainingSet::of_triplets(store, &triplets.rows);
        }
        let selection = match &self.dataset {
            None => TrainingSet::of_rows(store, &matching(store.table()?, &self.filters)?)?,
            Some(folder) => TrainingSet::of_dataset(store, folder)?,
        };
        if let (Some(folder), missing @ 1..) = (&self.dataset, selection.missing()) {
            let (folder, store) = (folder.display(), store.folder().display());
            console.warn(&format!("{missing} tracks of {folder} are not in {store}"));
        }
        let Some(oracle) = self.oracle.open()? else { return Ok(selection) };
        let missing = selection.missing();
        let selection = selection.with_oracle(oracle, store)?;
        if selection.missing() > missing {
            let unknown = selection.missing() - missing;
            console.warn(&format!("{unknown} tracks are left out: nothing says what they are like"));
        }
        Ok(selection)
    }

    fn merged(&self) -> Result<TrainConfig> {
        let mut config = (preset(&self.preset)?.config)();
        if let Some(path) = &self.config {
            config = config::overlay(&config, path)?;
        }
        if let Some(kind) = &self.objective {
            let kind = serde_json::json!({ "objective": { "kind": kind } });
            config = overlay(&config, kind).map_err(|problem| Error::setting("--objective", problem))?;
        }
        if !self.notions.is_empty() {
            config.objective = ObjectiveSpec::Masks { notions: self.notions.clone() };
        }
        if let Some(vectors) = &self.vectors {
            let vectors = serde_json::json!({ "objective": { "kind": "two-towers", "vectors": vectors } });
            config = overlay(&config, vectors).map_err(|problem| Error::setting("--vectors", problem))?;
        }
        if self.untied || self.vectors.is_some() || !self.notions.is_empty() {
            config.track = TrackVector { segments: config.track.segments, ..TrackVector::default() };
        }
        config.kind_column = self.kind_column.clone().or(config.kind_column);
        config.artist_column = self.artist_column.clone().unwrap_or(config.artist_column);
        if self.untied && !matches!(config.network, NetworkSpec::Twins { .. }) {
            config.network = NetworkSpec::Twins { tower: Box::new(config.network) };
        }
        config.segment = self.segment.unwrap_or(config.segment);
        config.steps = self.steps.unwrap_or(if self.minutes.is_some() { UNLIMITED } else { config.steps });
        config.minutes = self.minutes.or(config.minutes);
        config.seed = self.seed.unwrap_or(config.seed);
        config.arithmetic = self.arithmetic.unwrap_or(config.arithmetic);
        config.mining.tag_column = self.tag_column.clone().or(config.mining.tag_column);
        config.validate()?;
        Ok(config)
    }

    fn spare_existing(&self, out: &Path) -> Result<()> {
        if out.exists() && !self.force && !self.resume {
            let problem = format!("{} exists; --force replaces it, --resume goes on with its run", out.display());
            return Err(Error::setting("--out", problem));
        }
        Ok(())
    }

    fn learn(
        &self,
        store: &Store,
        selection: &TrainingSet,
        config: &TrainConfig,
        out: &Path,
        console: &Console,
    ) -> Result<Outcome> {
        let metrics = out.with_extension("metrics.jsonl");
        let report = train(store, selection, config, out, &metrics, self.resume, console)?;
        if report.held_out_artists < 2 && config.validation.share > 0.0 && self.dataset.is_none() {
            console.warn("too few artists to keep some out: the last parameters are kept, not the best");
        }
        let model_hash = Model::open(out)?.hash()?;
        let summary = Summary { model: out, model_hash, metrics: &metrics, config, report: &report };
        console.result("homonym.train/1", &summary, || describe(&summary))?;
        Ok(Outcome::Done)
    }
}

fn describe(summary: &Summary<'_>) -> String {
    let Report { end, steps, best_step, best_triplet_error, seconds, samples_per_s, artists, tracks, .. } =
        summary.report;
    let why = match end {
        End::Steps => "all steps done",
        End::Minutes => "the time was over",
        End::EarlyStop => "held-out artists had stopped improving",
    };
    let error = best_triplet_error.map_or(String::new(), |error| {
        format!(
            "\nbest at step {best_step}: triplet error {error:.4} on {} held-out artists",
            summary.report.held_out_artists
        )
    });
    format!(
        "{}: {steps} steps in {:.1} min ({samples_per_s:.0} samples/s), {why}\ntrained on {tracks} tracks of {artists} artists{error}",
        summary.model.display(),
        seconds / 60.0,
    )
}
