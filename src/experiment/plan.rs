//! What an experiment is: a file that lists systems, and datasets to train them on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalogue::datasets::{self, Options};
use crate::embed::Statistics;
use crate::train::{self, TrainConfig, overlay};
use crate::{Error, Result};

/// More would never be run.
const MOST_CELLS: usize = 100_000;

/// An experiment. Paths start from the folder of its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The catalogue.
    pub catalogue: PathBuf,
    /// Where feature stores are kept, for several experiments on one catalogue [default: in the experiment's folder].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stores: Option<PathBuf>,
    /// The column with the artist.
    #[serde(default = "artist")]
    pub artist_column: String,
    /// Names are made, and artists compared, within this column's values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// The tasks are also done across this column's values, as between albums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub across: Option<String>,
    /// Parts that the artists are dealt into: a cell is judged by the part that its seed says, and trained on the others.
    #[serde(default = "three")]
    pub folds: usize,
    /// A seed for each repeat of every cell.
    pub seeds: Vec<u64>,
    /// Tracks that make an artist's model and tracks that test it, such as [15, 5] [default: three quarters and the rest].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracks: Option<(usize, usize)>,
    /// Folds of names: the distance to cut at is chosen on the names of the others.
    #[serde(default = "five")]
    pub name_folds: usize,
    /// Random draws that every task is averaged over.
    #[serde(default = "five")]
    pub repeats: usize,
    /// Plain statistics to compare with.
    #[serde(default)]
    pub baselines: Vec<Statistics>,
    /// Whether every system is also judged without training.
    #[serde(default)]
    pub untrained: bool,
    /// Settings of every system's training.
    #[serde(default)]
    pub training: Value,
    /// The systems by name; the paper's two are `ml` and `cl`.
    #[serde(default = "systems")]
    pub systems: BTreeMap<String, System>,
    /// What to train on.
    pub cells: Vec<CellSpec>,
}

/// A system: a named configuration and what differs from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// The named configuration.
    pub preset: String,
    /// Settings that differ.
    #[serde(default)]
    pub training: Value,
}

/// Cells that share a kind of dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellSpec {
    /// The kind of dataset.
    pub dataset: String,
    /// Its sizes and columns.
    #[serde(default)]
    pub options: Options,
    /// The systems to train on it.
    pub systems: Vec<String>,
    /// Numbers of artists [default: all that qualify].
    #[serde(default)]
    pub artists: Vec<usize>,
    /// Probabilities of preferring negatives that share a tag [default: no tags].
    #[serde(default)]
    pub p: Vec<f64>,
    /// The column with the tags.
    #[serde(default = "genre")]
    pub tag_column: String,
}

/// One thing to run. What it is called and trained with is all that decides its result, beside the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The kind of dataset; empty for what is not trained.
    pub dataset: String,
    /// Its sizes and columns.
    pub options: Options,
    /// The system, or the statistics.
    pub system: String,
    /// How many artists were asked for.
    pub artists: Option<usize>,
    /// Probability of side information.
    pub p: Option<f64>,
    /// The seed.
    pub seed: u64,
    /// The configuration of the training; none for statistics.
    pub config: Option<TrainConfig>,
}

fn artist() -> String {
    "artist".to_owned()
}

fn genre() -> String {
    "genre".to_owned()
}

fn three() -> usize {
    3
}

fn five() -> usize {
    5
}

/// The paper's two systems.
fn systems() -> BTreeMap<String, System> {
    let system = |preset: &str| System { preset: preset.to_owned(), training: Value::Null };
    [("ml".to_owned(), system("paper")), ("cl".to_owned(), system("classifier"))].into()
}

impl Plan {
    /// Every cell, seed by seed: the statistics and untrained networks first, then the trained ones.
    ///
    /// # Errors
    /// Names that do not exist and settings that cannot be used.
    pub fn cells(&self) -> Result<Vec<Cell>> {
        if self.folds < 2 || self.seeds.is_empty() || self.repeats == 0 {
            return Err(Error::setting("folds, seeds, repeats", "needs two folds, a seed and a repeat at least"));
        }
        let listed = |list: usize| list.max(1);
        let sizes = self.cells.iter().map(|spec| {
            [listed(spec.artists.len()), spec.systems.len(), listed(spec.p.len())]
                .iter()
                .fold(1, |all: usize, &n| all.saturating_mul(n))
        });
        let plain = self.baselines.len() + self.systems.len();
        let all = sizes.fold(plain, usize::saturating_add).saturating_mul(self.seeds.len());
        if all > MOST_CELLS {
            return Err(Error::setting("cells", format!("{all} cells are too many: {MOST_CELLS} at most")));
        }
        let bare = |system: String, seed: u64, config: Option<TrainConfig>| Cell {
            dataset: String::new(),
            options: Options::default(),
            system,
            artists: None,
            p: None,
            seed,
            config,
        };
        let mut cells = Vec::new();
        for &seed in &self.seeds {
            cells.extend(self.baselines.iter().map(|statistics| bare(statistics.name().to_owned(), seed, None)));
            if self.untrained {
                for name in self.systems.keys() {
                    let config = TrainConfig { steps: 0, ..self.config(name, seed)? };
                    cells.push(bare(format!("{name}-untrained"), seed, Some(config)));
                }
            }
        }
        for spec in &self.cells {
            self.expand(spec, &mut cells)?;
        }
        // Seed by seed, so that a run that is stopped has something to say of everything.
        cells.sort_by_key(|cell| self.seeds.iter().position(|&seed| seed == cell.seed));
        Ok(cells)
    }

    fn expand(&self, spec: &CellSpec, cells: &mut Vec<Cell>) -> Result<()> {
        datasets::kind(&spec.dataset)?;
        let sizes = if spec.artists.is_empty() { vec![None] } else { spec.artists.iter().copied().map(Some).collect() };
        let shares = if spec.p.is_empty() { vec![None] } else { spec.p.iter().copied().map(Some).collect() };
        for &artists in &sizes {
            for system in &spec.systems {
                for &p in &shares {
                    for &seed in &self.seeds {
                        let mut config = self.config(system, seed)?;
                        if let Some(p) = p {
                            config.mining.tag_column = Some(spec.tag_column.clone());
                            config.mining.tag_probability = p;
                        }
                        config.validate()?;
                        cells.push(Cell {
                            dataset: spec.dataset.clone(),
                            options: Options { artists: artists.or(spec.options.artists), ..spec.options.clone() },
                            system: system.clone(),
                            artists,
                            p,
                            seed,
                            config: Some(config),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// The configuration of a system.
    fn config(&self, name: &str, seed: u64) -> Result<TrainConfig> {
        let system = self.systems.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.systems.keys().map(String::as_str).collect();
            Error::setting("systems", format!("there is no system `{name}`; there are {}", known.join(", ")))
        })?;
        let mut config = (train::preset(&system.preset)?.config)();
        for settings in [&self.training, &system.training] {
            if !settings.is_null() {
                let refuse = |error: String| Error::setting(format!("systems.{name}"), error);
                config = overlay(&config, settings.clone()).map_err(refuse)?;
            }
        }
        Ok(TrainConfig { seed, artist_column: self.artist_column.clone(), ..config })
    }
}

impl Cell {
    /// A name that tells it from the others of a plan, fit for a file.
    pub fn id(&self) -> String {
        let dataset = if self.dataset.is_empty() { "plain" } else { &self.dataset };
        let artists = self.artists.map_or(String::new(), |artists| format!("-{artists}a"));
        let p = self.p.map_or(String::new(), |p| format!("-p{p}"));
        format!("{dataset}-{}{artists}{p}-s{}", self.system, self.seed)
    }

    /// Its name in figures: the system and what is varied.
    pub fn label(&self) -> String {
        let artists = self.artists.map_or(String::new(), |artists| format!(" – {artists}"));
        let p = self.p.map_or(String::new(), |p| format!(" p = {p}"));
        format!("{}{artists}{p}", self.system)
    }
}
