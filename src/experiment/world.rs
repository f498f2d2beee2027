//! What all cells of an experiment share: the catalogue, its folds, feature stores, and the folder of results.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::cell::{CellResult, Judge};
use super::plan::{Cell, Plan};
use crate::catalogue::datasets::{self, Source};
use crate::catalogue::groups::{Groups, most_frequent};
use crate::catalogue::samples::Samples;
use crate::catalogue::table::Table;
use crate::embed::{Embedder, Statistics};
use crate::extract::Extraction;
use crate::frontend::Recipe;
use crate::hash::digits;
use crate::models::Model;
use crate::output::write_whole;
use crate::random::Random;
use crate::sampling::{TrackList, TrainingSet};
use crate::store::{Precision, Spec, Store, seal};
use crate::train::{self, train};
use crate::{Error, Monitor, Result};

/// The number of the experiment's own random stream.
const FOLDS: u64 = 1;

pub(super) struct World<'a> {
    plan: &'a Plan,
    catalogue: PathBuf,
    out: PathBuf,
    table: Table,
    catalogue_hash: String,
    /// The fold of every row; None of rows without an artist.
    folds: Vec<Option<usize>>,
    /// A store for each front end.
    stores: BTreeMap<String, Store>,
}

impl<'a> World<'a> {
    /// Reads the catalogue, deals its artists and extracts what is missing.
    pub(super) fn open(plan: &'a Plan, base: &Path, out: &Path, monitor: &dyn Monitor) -> Result<Self> {
        let catalogue = base.join(&plan.catalogue);
        let table = Table::read(&catalogue)?;
        let folds = folds(&table, plan)?;
        let folder = plan.stores.as_ref().map_or(out.join("stores"), |stores| base.join(stores));
        for folder in [&folder, &out.join("cells"), &out.join("models"), &out.join("datasets")] {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let mut stores = BTreeMap::new();
        for recipe in recipes(plan)? {
            let place = folder.join(recipe.hash());
            let spec = Spec { recipe: recipe.clone(), precision: Precision::F16 };
            let extraction =
                Extraction { catalogue: catalogue.clone(), out: place.clone(), spec, force: false, report: None };
            let summary = extraction.run(monitor)?;
            for failure in &summary.failed {
                monitor.warn(&format!("{} is left out: {}", failure.path, failure.error));
            }
            stores.insert(recipe.hash(), Store::open(&place)?);
        }
        let source = Source { table: &table, subject: &catalogue, artist_column: &plan.artist_column, seed: 0 };
        let catalogue_hash = source.hash();
        Ok(Self { plan, catalogue, out: out.to_path_buf(), table, catalogue_hash, folds, stores })
    }

    pub(super) fn catalogue_hash(&self) -> &str {
        &self.catalogue_hash
    }

    pub(super) fn front_ends(&self) -> Value {
        self.stores.iter().map(|(hash, store)| (hash.clone(), json!(store.recipe()))).collect()
    }

    /// Artists in each fold.
    pub(super) fn sizes(&self) -> Value {
        let count = |fold: usize| self.artists(|other| other == fold).len();
        json!({ "by_fold": (0..self.plan.folds).map(count).collect::<Vec<_>>() })
    }

    fn artists(&self, chosen: impl Fn(usize) -> bool) -> HashSet<&str> {
        let column = self.table.column(&self.plan.artist_column).expect("checked when the folds were dealt");
        let rows = self.table.rows.iter().zip(&self.folds).filter(|(_, fold)| fold.is_some_and(&chosen));
        rows.map(|(row, _)| row[column].as_str()).collect()
    }

    fn source<'t>(&'t self, table: &'t Table, seed: u64) -> Source<'t> {
        Source { table, subject: &self.catalogue, artist_column: &self.plan.artist_column, seed }
    }

    /// The rows of the catalogue that a cell may learn from, or is judged by.
    fn side(&self, seed: u64, judged: bool) -> Vec<usize> {
        let own = (seed % self.plan.folds as u64) as usize;
        (0..self.folds.len()).filter(|&row| self.folds[row].is_some_and(|fold| (fold == own) == judged)).collect()
    }

    /// All that decides the result of a cell, in short.
    fn key(&self, cell: &Cell) -> String {
        let Plan { within, across, folds, tracks, name_folds, repeats, artist_column, .. } = self.plan;
        let rules =
            json!([within, across, folds, tracks, name_folds, repeats, artist_column, env!("CARGO_PKG_VERSION")]);
        let all = json!([cell, rules, self.catalogue_hash(), self.stores.keys().collect::<Vec<_>>()]);
        digits(all.to_string().as_bytes())
    }

    fn result_path(&self, cell: &Cell) -> PathBuf {
        self.out.join("cells").join(format!("{}.json", cell.id()))
    }

    /// The result of a cell that was run before, under the same settings and data.
    pub(super) fn finished(&self, cell: &Cell) -> Result<Option<CellResult>> {
        let path = self.result_path(cell);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(&path)(error)),
        };
        let refuse = |error: serde_json::Error| {
            Error::file(&path, "the result of a cell", error, "remove it; its cell is then run again")
        };
        let mut value: Value = serde_json::from_str(&text).map_err(refuse)?;
        seal::take(&mut value).check(&path)?;
        let result: CellResult = serde_json::from_value(value).map_err(refuse)?;
        Ok((result.key == self.key(cell)).then_some(result))
    }

    /// Runs a cell: dataset, training, embedding, tasks.
    pub(super) fn run(&self, cell: &Cell, monitor: &dyn Monitor) -> Result<CellResult> {
        let store = self.store(cell)?;
        let mut result = CellResult { key: self.key(cell), cell: cell.clone(), ..CellResult::default() };
        let judged = self.table.select(&self.side(cell.seed, true));
        let rows = TrackList::of_list(store, &judged, &self.catalogue)?.rows;
        let embeddings = match &cell.config {
            None => {
                let statistics =
                    [Statistics::Mel, Statistics::Mfcc].into_iter().find(|kind| kind.name() == cell.system);
                Embedder::Statistics(statistics.expect("the plan's own name")).embed(store, &rows, monitor)?
            }
            Some(config) => {
                let selection = self.selection(cell, store, &mut result)?;
                let model = self.train(cell, store, &selection, config, &mut result, monitor)?;
                Embedder::Model(&model).embed(store, &rows, monitor)?
            }
        };
        Judge { plan: self.plan, seed: cell.seed }.judge(&embeddings, &mut result, monitor)?;
        write_whole(&self.result_path(cell), seal::to_text(&result).as_bytes())?;
        Ok(result)
    }

    fn store(&self, cell: &Cell) -> Result<&Store> {
        let name = cell.system.strip_suffix("-untrained").unwrap_or(&cell.system);
        let recipe = match self.plan.systems.get(name) {
            Some(system) => (train::preset(&system.preset)?.recipe)(),
            None => Recipe::default(),
        };
        Ok(&self.stores[&recipe.hash()])
    }

    /// Makes the dataset of a cell from the artists it is not judged by; all their tracks where the cell names none.
    fn selection(&self, cell: &Cell, store: &Store, result: &mut CellResult) -> Result<TrainingSet> {
        let known = self.table.select(&self.side(cell.seed, false));
        if cell.dataset.is_empty() {
            let train = TrackList::of_list(store, &known, &self.catalogue)?;
            return Ok(TrainingSet { train, validation: None, oracle: None, triplets: None });
        }
        let source = self.source(&known, cell.seed);
        let kind = datasets::kind(&cell.dataset)?;
        let dataset = kind.build(&source, &cell.options)?;
        let artists = cell.artists.map_or(String::new(), |artists| format!("-{artists}a"));
        let folder = self.out.join("datasets").join(format!("{}{artists}-s{}", cell.dataset, cell.seed));
        dataset.write(&folder, kind, &source, &cell.options)?;
        result.dataset = dataset.sizes(&self.plan.artist_column);
        TrainingSet::of_dataset(store, &folder)
    }

    fn train(
        &self,
        cell: &Cell,
        store: &Store,
        selection: &TrainingSet,
        config: &train::TrainConfig,
        result: &mut CellResult,
        monitor: &dyn Monitor,
    ) -> Result<Model> {
        let path = self.out.join("models").join(format!("{}.safetensors", cell.id()));
        let log = path.with_extension("metrics.jsonl");
        let state = train::state_path(&path);
        // A state of other settings is refused by `train`; then the cell begins anew.
        let resumed = state.exists().then(|| train(store, selection, config, &path, &log, true, monitor));
        let report = match resumed {
            Some(Ok(report)) => report,
            Some(Err(error @ (Error::Interrupted(_) | Error::Failed(_)))) => return Err(error),
            _ => train(store, selection, config, &path, &log, false, monitor)?,
        };
        let model = Model::open(&path)?;
        result.model = Some(model.hash()?);
        result.train_seconds = report.seconds;
        result.steps = report.steps;
        result.best_step = report.best_step;
        result.trained_artists = report.artists;
        Ok(model)
    }

    /// Draws of each training artist of the unbalanced datasets of the first seed, most first: name of the dataset and counts.
    pub(super) fn distributions(&self) -> Result<Vec<(String, Vec<usize>)>> {
        let seed = self.plan.seeds[0];
        let mut distributions: Vec<(String, Vec<usize>)> = Vec::new();
        for name in ["unbalanced", "side-information", "unbalanced-a", "unbalanced-b"] {
            let path = self.out.join("datasets").join(format!("{name}-s{seed}")).join("train.csv");
            if path.exists() {
                let list = Table::read(&path)?;
                let column = list.require(&self.plan.artist_column, "artist_column")?;
                let draws = Samples::of_list(&list, &path)?.unwrap_or_default();
                let groups = Groups::of(list.values(column).enumerate()).members;
                let count = |rows: &Vec<usize>| rows.iter().map(|&row| draws[row].draws).sum();
                let mut counts: Vec<usize> = groups.iter().map(count).collect();
                counts.sort_unstable_by(|a, b| b.cmp(a));
                distributions.push((name.to_owned(), counts));
            }
        }
        Ok(distributions)
    }
}

/// The front ends of all systems, and the default for statistics.
fn recipes(plan: &Plan) -> Result<Vec<Recipe>> {
    let mut recipes = Vec::new();
    if !plan.baselines.is_empty() {
        recipes.push(Recipe::default());
    }
    for system in plan.systems.values() {
        recipes.push((train::preset(&system.preset)?.recipe)());
    }
    recipes.sort_by_key(Recipe::hash);
    recipes.dedup();
    Ok(recipes)
}

/// Deals the artists of every `within` value into folds, as evenly as can be.
fn folds(table: &Table, plan: &Plan) -> Result<Vec<Option<usize>>> {
    let column = table.require(&plan.artist_column, "artist_column")?;
    let within = plan.within.as_deref().map(|name| table.require(name, "within")).transpose()?;
    if let Some(across) = &plan.across {
        table.require(across, "across")?;
    }
    let artists = Groups::of(table.values(column).enumerate().filter(|(_, artist)| !artist.is_empty()));
    let group = |rows: &Vec<usize>| {
        let values = |column: usize| most_frequent(rows.iter().map(|&row| table.rows[row][column].as_str()));
        within.and_then(values).unwrap_or("")
    };
    let mut folds = vec![None; table.rows.len()];
    let mut dealt = 0;
    for mut members in Groups::of(artists.members.iter().map(group).enumerate()).members {
        Random::keyed(FOLDS, &[dealt as u64]).shuffle(&mut members);
        for artist in members {
            artists.members[artist].iter().for_each(|&row| folds[row] = Some(dealt % plan.folds));
            dealt += 1;
        }
    }
    if dealt < 2 * plan.folds {
        let found = format!("{dealt} artists");
        return Err(Error::input("the catalogue", "two artists a fold at least", found, "use fewer folds"));
    }
    Ok(folds)
}
