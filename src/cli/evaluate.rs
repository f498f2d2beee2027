//! `homonym evaluate`: the paper's protocols on labelled embeddings.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::{Console, Outcome};
use crate::catalogue::filter::{Filter, matching};
use crate::catalogue::list;
use crate::catalogue::table::Table;
use crate::eval::protocols::{NameResult, Options, PROTOCOLS, Protocol, Report};
use crate::monitor::Monitor as _;
use crate::similarity::OracleFiles;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// Evaluate embeddings of artists unseen in training.
#[derive(clap::Args)]
pub(crate) struct Evaluate {
    /// What to evaluate.
    #[arg(value_parser = protocol_names())]
    protocol: String,
    /// The embeddings: PREFIX.npy and PREFIX.csv.
    prefix: PathBuf,
    /// Evaluate the tracks of this list, by its columns (matched by `track_id`, else `path`), as `dataset` writes it.
    #[arg(long, value_name = "LIST.csv")]
    list: Option<PathBuf>,
    /// Use only rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
    /// The column with the true artist, or with the names of what is searched for, apart by `;` (search).
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    artist_column: String,
    /// Compare only artists that share this column's value.
    #[arg(long, value_name = "COLUMN")]
    within: Option<String>,
    /// Compare only tracks with another value of this column, such as the album: in the model of a test track's own artist;
    /// for clustering, one track of each value.
    #[arg(long, value_name = "COLUMN")]
    across: Option<String>,
    /// Share of an artist's tracks that make its model (classification, verification) [default: 0.75].
    #[arg(long, value_name = "SHARE")]
    model_share: Option<f64>,
    /// Tracks that make an artist's model and tracks that test it, such as 15-5, in place of the share (classification,
    /// verification).
    #[arg(long, value_name = "M-T", value_parser = sizes, conflicts_with = "model_share")]
    tracks: Option<(usize, usize)>,
    /// The column that says `model` or `test` of each track (classification, verification) [default: random draws].
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["model_share", "tracks"])]
    part_column: Option<String>,
    /// The column with names that several artists share (clustering) [default: make names by grouping artists].
    #[arg(long, value_name = "COLUMN")]
    name_column: Option<String>,
    /// Fewest and most artists under a made name (clustering) [default: 2-4].
    #[arg(long, value_name = "A-B", value_parser = sizes)]
    group_sizes: Option<(usize, usize)>,
    /// Leave out artists with fewer tracks under a name (clustering) [default: 2].
    #[arg(long, value_name = "N")]
    min_tracks: Option<usize>,
    /// Parts that names are dealt into; the threshold for each is chosen on the others (clustering) [default: 5].
    #[arg(long, value_name = "N")]
    folds: Option<usize>,
    /// The column with the fold of each name (clustering) [default: random folds].
    #[arg(long, value_name = "COLUMN", conflicts_with = "folds")]
    fold_column: Option<String>,
    #[command(flatten)]
    oracle: OracleFiles,
    /// The points are likelihoods of the tags of --likelihoods, as an auto-tagger guesses them: compare them as these, not by
    /// distance (ranking).
    #[arg(long, requires = "likelihoods")]
    tagged: bool,
    /// Answers to each track that are looked at (ranking) [default: 20].
    #[arg(long, value_name = "K")]
    depth: Option<usize>,
    /// Most similar tracks that are relevant (ranking) [default: 5].
    #[arg(long, value_name = "N")]
    relevant: Option<usize>,
    /// The embeddings of what is searched for and searches, such as prototypes (search).
    #[arg(long, value_name = "PREFIX")]
    against: Option<PathBuf>,
    /// Where to write a table of the names with their measures (clustering).
    #[arg(long, value_name = "NAMES.csv")]
    names: Option<PathBuf>,
    /// Average over this many random draws.
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeats: usize,
    /// What random draws depend on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn protocol_names() -> PossibleValuesParser {
    PROTOCOLS.iter().map(|protocol| PossibleValue::new(protocol.name).help(protocol.help)).into()
}

fn sizes(text: &str) -> Result<(usize, usize), String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    match (least.parse(), most.parse()) {
        (Ok(least), Ok(most)) => Ok((least, most)),
        _ => Err("expected two numbers such as 2-4".to_owned()),
    }
}

impl Evaluate {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == self.protocol);
        let protocol = protocol.expect("the parser accepts only names from the table");
        self.check_options(protocol)?;
        let mut embeddings = Embeddings::open(&self.prefix)?;
        if let Some(path) = &self.list {
            embeddings = self.listed(embeddings, path, console)?;
        }
        if !self.filters.is_empty() {
            embeddings = embeddings.select(&matching(&embeddings.table, &self.filters)?);
        }
        let report = (protocol.run)(&embeddings, &self.options(), console)?;
        if let (Some(path), Report::Clustering(report)) = (&self.names, &report) {
            NameResult::table(&report.per_name).write(path)?;
        }
        console.result("homonym.evaluate/1", &report, || report.to_string())?;
        Ok(Outcome::Done)
    }

    /// The embeddings of the tracks on a list, with its columns.
    fn listed(&self, embeddings: Embeddings, path: &Path, console: &Console) -> Result<Embeddings> {
        let list = Table::read(path)?;
        let found = list::find(&list, path, &embeddings.table, &self.prefix)?;
        let known: Vec<(usize, usize)> =
            found.iter().enumerate().filter_map(|(row, place)| Some((row, (*place)?))).collect();
        if known.len() < found.len() {
            let missing = found.len() - known.len();
            console.warn(&format!("{missing} of {} tracks of {} are not embedded", found.len(), path.display()));
        }
        let (rows, places): (Vec<usize>, Vec<usize>) = known.into_iter().unzip();
        Embeddings::new(embeddings.points.select(&places), list.select(&rows), embeddings.origin, path)
    }

    /// Refuses options that the protocol would not read.
    fn check_options(&self, protocol: &Protocol) -> Result<()> {
        let given = [
            ("within", self.within.is_some()),
            ("across", self.across.is_some()),
            ("model_share", self.model_share.is_some()),
            ("tracks", self.tracks.is_some()),
            ("part_column", self.part_column.is_some()),
            ("name_column", self.name_column.is_some()),
            ("group_sizes", self.group_sizes.is_some()),
            ("min_tracks", self.min_tracks.is_some()),
            ("folds", self.folds.is_some()),
            ("fold_column", self.fold_column.is_some()),
            ("likelihoods", self.oracle.likelihoods.is_some()),
            ("weights", self.oracle.weights.is_some()),
            ("similarity", self.oracle.similarity.is_some()),
            ("lists", self.oracle.lists.is_some()),
            ("tagged", self.tagged),
            ("depth", self.depth.is_some()),
            ("relevant", self.relevant.is_some()),
            ("against", self.against.is_some()),
        ];
        match given.iter().find(|(name, given)| *given && !protocol.options.contains(name)) {
            Some((name, _)) => {
                let problem = format!("has no meaning for {}", protocol.name);
                Err(Error::setting(format!("--{}", name.replace('_', "-")), problem))
            }
            None if self.names.is_some() && protocol.name != "clustering" => {
                Err(Error::setting("--names", format!("has no meaning for {}", protocol.name)))
            }
            None => Ok(()),
        }
    }

    fn options(&self) -> Options {
        let default = Options::default();
        Options {
            artist_column: self.artist_column.clone(),
            within: self.within.clone(),
            across: self.across.clone(),
            model_share: self.model_share.unwrap_or(default.model_share),
            tracks: self.tracks,
            part_column: self.part_column.clone(),
            name_column: self.name_column.clone(),
            group_sizes: self.group_sizes.unwrap_or(default.group_sizes),
            min_tracks: self.min_tracks.unwrap_or(default.min_tracks),
            folds: self.folds.unwrap_or(default.folds),
            objective: default.objective,
            oracle: self.oracle.clone(),
            tagged: self.tagged,
            depth: self.depth.unwrap_or(default.depth),
            relevant: self.relevant.unwrap_or(default.relevant),
            against: self.against.clone(),
            fold_column: self.fold_column.clone(),
            repeats: self.repeats,
            seed: self.seed,
        }
    }
}
