//! `homonym constraints`: how many comparisons of tracks are fulfilled, by cross-validation.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome, config, train::preset_names};
use crate::catalogue::triplets::Triplets;
use crate::embed::{LearntDistances, Statistics, embed_tracks};
use crate::eval::measures::fulfilment;
use crate::linear;
use crate::matrix::Matrix;
use crate::models::Model;
use crate::monitor::Monitor as _;
use crate::sampling::TrainingSet;
use crate::store::Store;
use crate::train::{TrainConfig, preset, state_path, train};
use crate::{Error, Result};

/// Learn from comparisons of tracks and count how many of the others are fulfilled, by cross-validation (Triplet MatchNet's
/// evaluation).
///
/// A comparison is fulfilled where its anchor is nearer to the positive than to the negative. For each fold a network learns
/// from the comparisons of all others; beside its distance stand Euclidean distance and principal components, of plain
/// statistics (cepstra and chroma) and of what the network makes of a track. The models stay in DIR; run again, the command
/// takes those that are there and goes on with the one that was interrupted.
#[derive(clap::Args)]
pub(super) struct Constraints {
    /// The feature store.
    store: PathBuf,
    /// The comparisons: a table with the columns anchor, positive and negative, which name tracks.
    #[arg(long, value_name = "TRIPLETS.csv")]
    triplets: PathBuf,
    /// Where to write the models.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// The named configuration to start from.
    #[arg(long, value_parser = preset_names(), default_value = "matchnet")]
    preset: String,
    /// A TOML file with settings that differ from the preset's.
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Updates at most.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Parts that the comparisons are dealt into.
    #[arg(long, value_name = "N", default_value_t = 10)]
    folds: usize,
    /// Principal components at most.
    #[arg(long, value_name = "K", default_value_t = 16)]
    components: usize,
    /// What every random choice depends on.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

/// The result: `homonym.constraints/1`.
#[derive(Serialize)]
struct Summary {
    triplets: usize,
    triplets_left_out: usize,
    tracks: usize,
    systems: Vec<System>,
}

#[derive(Serialize)]
struct System {
    name: &'static str,
    /// Mean over the folds.
    fulfilment: f64,
    /// Standard deviation over the folds.
    deviation: f64,
    folds: Vec<f64>,
}

/// The systems compared, the network's own distance last.
const SYSTEMS: [&str; 5] = [
    "plain statistics, Euclidean",
    "plain statistics, principal components",
    "learnt features, Euclidean",
    "learnt features, principal components",
    "learnt distance",
];

/// Comparisons whose tracks are numbered as in `tracks`.
struct Problem {
    /// Rows of the store, ascending.
    tracks: Vec<usize>,
    triplets: Vec<[usize; 3]>,
    fold: Vec<usize>,
    /// Tracks × values.
    statistics: Matrix<f32>,
}

impl Constraints {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let store = super::open_store(&self.store, console)?;
        let triplets = Triplets::read(&self.triplets, store.table()?, &self.store)?;
        if triplets.missing > 0 {
            console.warn(&format!("{} comparisons name tracks that are not in the store", triplets.missing));
        }
        let fold = triplets.folds(self.folds, self.seed)?;
        let mut tracks = triplets.rows.concat();
        tracks.sort_unstable();
        tracks.dedup();
        let statistics = matrix(Statistics::MfccChroma.of_tracks(&store, &tracks, console)?, tracks.len());
        let place = |row| tracks.binary_search(&row).expect("every track of a comparison is listed");
        let problem = Problem {
            triplets: triplets.rows.iter().map(|rows| rows.map(place)).collect(),
            fold,
            statistics,
            tracks: tracks.clone(),
        };
        let config = self.merged()?;
        std::fs::create_dir_all(&self.out).map_err(Error::io(&self.out))?;
        let mut rates: [Vec<f64>; SYSTEMS.len()] = Default::default();
        for fold in 0..self.folds {
            let model = self.learn(&store, &problem, fold, &config, console)?;
            let judged = problem.judge(&store, &model, fold, self.components, console)?;
            rates.iter_mut().zip(judged).for_each(|(rates, rate)| rates.push(rate));
        }
        let summary = Summary {
            triplets: problem.triplets.len(),
            triplets_left_out: triplets.missing,
            tracks: tracks.len(),
            systems: SYSTEMS.into_iter().zip(rates).map(|(name, folds)| System::of(name, folds)).collect(),
        };
        console.result("homonym.constraints/1", &summary, || describe(&summary))?;
        Ok(Outcome::Done)
    }

    fn merged(&self) -> Result<TrainConfig> {
        let mut config = (preset(&self.preset)?.config)();
        if let Some(path) = &self.config {
            config = config::overlay(&config, path)?;
        }
        config.steps = self.steps.unwrap_or(config.steps);
        config.seed = self.seed;
        config.validate()?;
        Ok(config)
    }

    /// The model that learnt from all folds but one, counted from 0.
    fn learn(
        &self,
        store: &Store,
        problem: &Problem,
        fold: usize,
        config: &TrainConfig,
        console: &Console,
    ) -> Result<Model> {
        let out = self.out.join(format!("fold-{}.safetensors", fold + 1));
        if !out.exists() || state_path(&out).exists() {
            let rows = problem.part(|of| of != fold).into_iter().map(|tracks| tracks.map(|at| problem.tracks[at]));
            let set = TrainingSet::of_triplets(store, &rows.collect::<Vec<_>>())?;
            console.remark(&format!("fold {} of {}", fold + 1, self.folds));
            train(store, &set, config, &out, &out.with_extension("metrics.jsonl"), true, console)?;
        }
        let model = Model::open(&out)?;
        let made_by = &model.header.training["config"];
        if made_by != &serde_json::to_value(config).expect("a configuration is plain data") {
            let advice = "take another folder for other settings";
            return Err(Error::file(&out, "a model of these settings", "other settings", advice));
        }
        Ok(model)
    }
}

impl Problem {
    /// The comparisons of some folds.
    fn part(&self, fold: impl Fn(usize) -> bool) -> Vec<[usize; 3]> {
        self.triplets.iter().zip(&self.fold).filter(|(_, of)| fold(**of)).map(|(tracks, _)| *tracks).collect()
    }

    /// The rate of each system on the comparisons of a fold.
    fn judge(
        &self,
        store: &Store,
        model: &Model,
        fold: usize,
        components: usize,
        console: &Console,
    ) -> Result<[f64; SYSTEMS.len()]> {
        let test = self.part(|of| of == fold);
        let mut known = self.part(|of| of != fold).concat();
        known.sort_unstable();
        known.dedup();
        let features = matrix(embed_tracks(store, &self.tracks, model, console)?, self.tracks.len());
        let learnt = LearntDistances::new(store, &self.tracks, model, console)?;
        let rate = |distance: &dyn Fn(usize, usize) -> f64| fulfilment(&test, distance).expect("no fold is empty");
        let euclidean = |points: &Matrix<f32>| {
            rate(&|a, b| points.row(a).iter().zip(points.row(b)).map(|(&a, &b)| f64::from(a - b).powi(2)).sum())
        };
        let reduced = |points: &Matrix<f32>| -> Result<Matrix<f32>> {
            let dims = Some(components.clamp(1, points.cols.min(known.len())));
            let options = linear::Options { dims, ..linear::Options::default() };
            let (map, _) = linear::fit(linear::method("pca")?, &points.select(&known), None, &options, &())?;
            map.apply(points, store.folder())
        };
        Ok([
            euclidean(&self.statistics),
            euclidean(&reduced(&self.statistics)?),
            euclidean(&features),
            euclidean(&reduced(&features)?),
            rate(&|a, b| learnt.between(a, b)),
        ])
    }
}

impl System {
    fn of(name: &'static str, folds: Vec<f64>) -> Self {
        let count = folds.len() as f64;
        let mean = folds.iter().sum::<f64>() / count;
        let square = folds.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { name, fulfilment: mean, deviation: square.sqrt(), folds }
    }
}

/// Values as so many rows.
fn matrix(values: Vec<f32>, rows: usize) -> Matrix<f32> {
    Matrix::new(rows, values.len() / rows, values)
}

fn describe(summary: &Summary) -> String {
    let mut text = format!("{} comparisons of {} tracks fulfilled\n", summary.triplets, summary.tracks);
    for System { name, fulfilment, deviation, .. } in &summary.systems {
        let (rate, deviation) = (100.0 * fulfilment, 100.0 * deviation);
        writeln!(text, "{name:<40} {rate:5.1} % ± {deviation:.1}").expect("text takes text");
    }
    text
}
