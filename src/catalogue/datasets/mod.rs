//! The paper's datasets from a catalogue (section 4): lists of tracks, deterministic by seed.
//!
//! A list holds the user's columns untouched, behind them what the dataset adds: the [`super::samples`] of a
//! track, its part, name or fold, and `track_id` where the catalogue had none, so that the list can be matched with a
//! store or embeddings of the catalogue.

mod artists;
mod balanced;
mod cleaning;
mod deezer;
mod homonyms;
mod msd_small;
mod splits;
mod unbalanced;
mod unseen;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::table::Table;
use super::{list, samples};
use crate::hash::digits;
use crate::output::{Output, commit_together};
use crate::{Error, Result};
pub use artists::Source;

/// A kind of dataset: what the command line shows and builds.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// The options it reads beside `artist_column` and `seed`.
    pub options: &'static [&'static str],
    build: fn(&Source, &Options) -> Result<Dataset>,
}

/// All kinds.
pub static KINDS: &[Kind] = &[
    Kind {
        name: "msd-small",
        help: "little audio an artist: 15 + 2 tracks, ten 3-s samples of a random 30-s excerpt of each",
        options: &["artists", "clean_with", "train_tracks", "validation_tracks", "excerpt", "seconds"],
        build: msd_small::build,
    },
    Kind {
        name: "balanced",
        help: "much audio of popular artists: as many 9-s samples of each, split by album",
        options: &[
            "artists",
            "album_column",
            "popularity_column",
            "among",
            "albums",
            "album_tracks",
            "samples",
            "train_share",
            "validation_share",
            "seconds",
        ],
        build: balanced::build,
    },
    Kind {
        name: "unbalanced",
        help: "a catalogue as it is, long tail and all: ten 9-s samples a track, split by artist",
        options: &["artists", "min_tracks", "positions", "validation_share", "test_share", "seconds"],
        build: unbalanced::whole,
    },
    Kind {
        name: "unbalanced-a",
        help: "for classifiers: the training artists of `unbalanced` with enough samples, cut down to as many of each",
        options: UNBALANCED_CLASSES,
        build: unbalanced::cut_down,
    },
    Kind {
        name: "unbalanced-b",
        help: "for classifiers: all training artists of `unbalanced`, samples repeated to as many of each",
        options: UNBALANCED_CLASSES,
        build: unbalanced::repeated,
    },
    Kind {
        name: "side-information",
        help: "one 9-s sample a track, with tags: for negatives that share a tag with the anchor",
        options: &["artists", "tag_column", "min_tracks", "validation_share", "test_share", "seconds"],
        build: unbalanced::side_information,
    },
    Kind {
        name: "homonyms",
        help: "names that 2 to 4 artists share, in 5 folds disjoint by name: the clustering task",
        options: &["names", "name_column", "within", "min_tracks", "max_tracks", "folds"],
        build: homonyms::build,
    },
    Kind {
        name: "unseen",
        help: "15 + 5 tracks an artist: the classification and verification tasks",
        options: &["artists", "model_tracks", "test_tracks"],
        build: unseen::build,
    },
    Kind {
        name: "deezer",
        help: "the track lists that the paper's authors published, matched with local files by their ids",
        options: &["lists", "id_column"],
        build: deezer::build,
    },
];

/// What `unbalanced-a` and `unbalanced-b` read.
const UNBALANCED_CLASSES: &[&str] = &[
    "artists",
    "min_tracks",
    "positions",
    "validation_share",
    "test_share",
    "validation_tracks",
    "per_artist",
    "seconds",
];

/// The sizes and columns of a dataset; what is not given is as in the paper.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Artists to take [default: all that qualify, at most the paper's number].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub artists: Option<usize>,
    /// A second label of the artist: leave out labels of either kind that come with several of the other.
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub clean_with: Option<String>,
    /// Training tracks of an artist [default: 15].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub train_tracks: Option<usize>,
    /// Tracks of an artist for early stopping [default: 2].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub validation_tracks: Option<usize>,
    /// Seconds of the excerpt of a track [default: 30].
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS"))]
    pub excerpt: Option<f64>,
    /// Seconds of a sample [default: 3 for msd-small, else 9].
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS"))]
    pub seconds: Option<f64>,
    /// The column with the album [default: album].
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub album_column: Option<String>,
    /// The column with the popularity of a track; an artist's is their sum [default: the number of tracks].
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub popularity_column: Option<String>,
    /// Choose among so many of the most popular artists [default: 1000].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub among: Option<usize>,
    /// Albums that an artist must have [default: 4].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub albums: Option<usize>,
    /// Tracks that an album must have to count [default: 4].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub album_tracks: Option<usize>,
    /// Samples of an artist, those of all parts [default: 1000].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub samples: Option<usize>,
    /// Share of the samples for training [default: 1/3].
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub train_share: Option<f64>,
    /// Share for early stopping: of the samples (balanced) [default: 1/6], of the artists (unbalanced) [default: 0.1].
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub validation_share: Option<f64>,
    /// Share of the artists that is neither trained on nor used for early stopping [default: 0.1].
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub test_share: Option<f64>,
    /// Tracks that an artist must have [default: 4; 2 for side-information, 8 for homonyms].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub min_tracks: Option<usize>,
    /// Tracks that an artist may have at most [default: 168].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub max_tracks: Option<usize>,
    /// Samples of a track [default: 10].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub positions: Option<usize>,
    /// Samples that each artist ends with, cut down or repeated [default: 2000].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub per_artist: Option<usize>,
    /// The column with the tags of a track, apart by `;` [default: genre].
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub tag_column: Option<String>,
    /// Names to make [default: all that the artists are enough for, at most 122].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub names: Option<usize>,
    /// The column with names that several artists share [default: make names by grouping artists].
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub name_column: Option<String>,
    /// Make names of artists that share this column's value.
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub within: Option<String>,
    /// Folds that the names are dealt into [default: 5].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub folds: Option<usize>,
    /// Tracks that make the model of an artist [default: 15].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub model_tracks: Option<usize>,
    /// Tracks that test it [default: 5].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub test_tracks: Option<usize>,
    /// The folder of the published lists, with `evaluation` and `train` in it.
    #[cfg_attr(feature = "cli", arg(long, value_name = "DIR"))]
    pub lists: Option<PathBuf>,
    /// The catalogue's column with Deezer's track ids [default: track_id].
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id_column: Option<String>,
}

impl Options {
    /// The options that are given, by name.
    pub fn given(&self) -> Map<String, Value> {
        let Ok(Value::Object(all)) = serde_json::to_value(self) else { unreachable!("options are plain data") };
        all.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }
}

/// Lists of tracks by name (`train`, `validation`, …), and what the reader should know of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// The lists; a name may hold a folder.
    pub parts: Vec<(String, Table)>,
    /// Remarks.
    pub notes: Vec<String>,
}

/// How much a list holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// The list.
    pub part: String,
    /// Its artists.
    pub artists: usize,
    /// Its tracks.
    pub tracks: usize,
    /// Draws of samples in a pass over it; 0 where the list says nothing of samples.
    pub samples: usize,
}

/// The kind called `name`.
pub fn kind(name: &str) -> Result<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        Error::setting("kind", format!("there is no dataset `{name}`; there are {}", known.join(", ")))
    })
}

impl Kind {
    /// Builds the dataset of this kind.
    ///
    /// # Errors
    /// Options that the kind does not read or that are out of range, columns that are missing, and catalogues with too
    /// few artists that qualify: the message says how many do.
    pub fn build(&self, source: &Source, options: &Options) -> Result<Dataset> {
        if let Some(name) = options.given().keys().find(|name| !self.options.contains(&name.as_str())) {
            let problem = format!("has no meaning for {}", self.name);
            return Err(Error::setting(format!("--{}", name.replace('_', "-")), problem));
        }
        let dataset = (self.build)(source, options)?;
        match dataset.parts.iter().find(|(_, table)| table.rows.is_empty()) {
            Some((part, _)) if part == "train" => {
                Err(Error::file(source.subject, "training tracks", "none", "loosen the sizes or shares"))
            }
            _ => Ok(dataset),
        }
    }
}

impl Dataset {
    /// Sizes of the lists.
    pub fn sizes(&self, artist_column: &str) -> Vec<Size> {
        let size = |(part, table): &(String, Table)| {
            let values = |name: &str| table.column(name).map(|column| table.values(column));
            let artists: HashSet<&str> = values(artist_column).into_iter().flatten().collect();
            let draws = values(samples::COLUMNS[2]).into_iter().flatten();
            let samples = draws.filter_map(|draws| draws.parse::<usize>().ok()).sum();
            Size { part: part.clone(), artists: artists.len(), tracks: table.rows.len(), samples }
        };
        self.parts.iter().map(size).collect()
    }

    /// Writes every list as `PART.csv` into `folder`, and `dataset.json`, which says what made them; the first list gets its
    /// name last, so that there are no training tracks beside those of another dataset to judge by.
    pub fn write(&self, folder: &Path, kind: &Kind, source: &Source, options: &Options) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let card = json!({
            "schema": "homonym.dataset/1",
            "kind": kind.name,
            "options": options.given(),
            "artist_column": source.artist_column,
            "seed": source.seed,
            "catalogue_hash": source.hash(),
            "parts": self.sizes(source.artist_column),
            "notes": self.notes,
        });
        let mut output = Output::create(&folder.join("dataset.json"))?;
        let text = serde_json::to_string_pretty(&card).expect("plain data");
        writeln!(output, "{text}").map_err(Error::io(output.path()))?;
        let mut outputs = vec![output];
        for (part, table) in self.parts.iter().rev() {
            let path = folder.join(format!("{part}.csv"));
            let parent = path.parent().expect("a file in a folder");
            std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
            let mut output = Output::create(&path)?;
            relocated(table, source.subject.parent().unwrap_or(Path::new("")), parent)?.write_to(&mut output)?;
            outputs.push(output);
        }
        commit_together(outputs, None)
    }
}

/// Reads the lists `train.csv` and, where there is one, `validation.csv` of a dataset.
///
/// # Errors
/// Where every validation track is a training track: such a list says nothing of unseen tracks. One of the published
/// datasets has this flaw.
pub fn open(folder: &Path) -> Result<(Table, Option<Table>)> {
    let path = |part: &str| folder.join(format!("{part}.csv"));
    let train = Table::read(&path("train"))?;
    if !path("validation").exists() {
        return Ok((train, None));
    }
    let validation = Table::read(&path("validation"))?;
    if same_tracks(&list::keys(&train, &path("train"))?, &list::keys(&validation, &path("validation"))?) {
        let (expected, found) = ("tracks that are not trained on", "only tracks of train.csv");
        let advice = "remove the file to train without early stopping, or make another split";
        return Err(Error::file(path("validation"), expected, found, advice));
    }
    Ok((train, Some(validation)))
}

/// Whether a validation list is not empty and holds nothing but training tracks.
fn same_tracks(train: &[&str], validation: &[&str]) -> bool {
    let known: HashSet<&str> = train.iter().copied().collect();
    !validation.is_empty() && validation.iter().all(|track| known.contains(track))
}

/// The table with its relative paths, which start from the folder `from`, made to start from `to`.
fn relocated(table: &Table, from: &Path, to: &Path) -> Result<Table> {
    let mut table = table.clone();
    let Some(column) = table.column("path") else { return Ok(table) };
    let absolute = |folder: &Path| {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        folder.canonicalize().map_err(Error::io(folder))
    };
    let (from, to) = (absolute(from)?, absolute(to)?);
    for row in &mut table.rows {
        let path = from.join(&row[column]);
        if !Path::new(&row[column]).is_absolute() {
            row[column] = relative(&path, &to).to_string_lossy().into_owned();
        }
    }
    Ok(table)
}

/// `path` as seen from `folder`; both absolute.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let (path, folder): (Vec<Component>, Vec<Component>) = (path.components().collect(), folder.components().collect());
    let common = path.iter().zip(&folder).take_while(|(a, b)| a == b).count();
    let up = folder[common..].iter().map(|_| Component::ParentDir);
    up.chain(path[common..].iter().copied()).collect()
}

/// A fraction that names a catalogue: of its columns and rows.
fn table_hash(table: &Table) -> String {
    let json = serde_json::to_vec(&(&table.columns, &table.rows)).expect("text is plain data");
    digits(&json)
}

#[cfg(test)]
mod tests;
