//! `homonym evaluate`: the paper's protocols on labelled embeddings.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::{Console, Outcome};
use crate::catalogue::filter::{Filter, matching};
use crate::eval::protocols::{Options, PROTOCOLS, Protocol};
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
    /// Use only rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
    /// The column with the true artist.
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    artist_column: String,
    /// Compare only artists that share this column's value.
    #[arg(long, value_name = "COLUMN")]
    within: Option<String>,
    /// Model the artist of a test track only by tracks with another value of this column (classification, verification).
    #[arg(long, value_name = "COLUMN")]
    across: Option<String>,
    /// Share of an artist's tracks that make its model (classification, verification) [default: 0.75].
    #[arg(long, value_name = "SHARE")]
    model_share: Option<f64>,
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
        if !self.filters.is_empty() {
            embeddings = embeddings.select(&matching(&embeddings.table, &self.filters)?);
        }
        let report = (protocol.run)(&embeddings, &self.options(), console)?;
        console.result("homonym.evaluate/1", &report, || report.to_string())?;
        Ok(Outcome::Done)
    }

    /// Refuses options that the protocol would not read.
    fn check_options(&self, protocol: &Protocol) -> Result<()> {
        let given = [
            ("within", self.within.is_some()),
            ("across", self.across.is_some()),
            ("model_share", self.model_share.is_some()),
            ("name_column", self.name_column.is_some()),
            ("group_sizes", self.group_sizes.is_some()),
            ("min_tracks", self.min_tracks.is_some()),
            ("folds", self.folds.is_some()),
        ];
        match given.iter().find(|(name, given)| *given && !protocol.options.contains(name)) {
            Some((name, _)) => {
                let problem = format!("has no meaning for {}", protocol.name);
                Err(Error::setting(format!("--{}", name.replace('_', "-")), problem))
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
            name_column: self.name_column.clone(),
            group_sizes: self.group_sizes.unwrap_or(default.group_sizes),
            min_tracks: self.min_tracks.unwrap_or(default.min_tracks),
            folds: self.folds.unwrap_or(default.folds),
            repeats: self.repeats,
            seed: self.seed,
        }
    }
}
