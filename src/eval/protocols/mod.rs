//! The paper's three tests of an embedding (section 4.1), the tutorial's retrieval and the ranking of tracks by likeness, on labelled track embeddings of artists unseen in training.
//!
//! Everything random is drawn from a seed; repeats draw anew and are averaged. Counts of tests, pairs and names are
//! totals over all repeats.

mod classification;
mod clustering;
mod names;
mod ranking;
mod retrieval;
mod search;
mod spread;
mod threshold;
mod tracks;
mod trials;
mod verification;

pub use classification::{Classification, run as classification};
pub use clustering::{Clustering, FoldResult, NameResult, run as clustering};
pub use names::NamesLeftOut;
pub(crate) use names::{Name, names};
pub use ranking::{Figure, Ranking, run as ranking};
pub use retrieval::{DEPTHS, Retrieval, run as retrieval};
pub use search::{Direction, Search, run as search};
pub use spread::Spread;
pub use threshold::Objective;
pub use tracks::TracksLeftOut;
pub use verification::{Verification, run as verification};

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::monitor::Monitor;
use crate::similarity::OracleFiles;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// A protocol: what the command line shows and runs.
pub struct Protocol {
    /// Its name.
    pub name: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// The options it reads beside `artist_column`, `repeats` and `seed`.
    pub options: &'static [&'static str],
    /// Carries it out.
    pub run: fn(&Embeddings, &Options, &dyn Monitor) -> Result<Report>,
}

/// All protocols.
pub static PROTOCOLS: [Protocol; 6] = [
    Protocol {
        name: "classification",
        help: "Accuracy of finding a track's artist as the nearest of all artist models (mean track embeddings)",
        options: TRIALS,
        run: |embeddings, options, monitor| {
            classification::run(embeddings, options, monitor).map(Report::Classification)
        },
    },
    Protocol {
        name: "verification",
        help: "Equal error rate of telling by distance whether a track belongs to an artist model",
        options: TRIALS,
        run: |embeddings, options, monitor| verification::run(embeddings, options, monitor).map(Report::Verification),
    },
    Protocol {
        name: "retrieval",
        help: "Recall at 1 (the accuracy of the nearest neighbour) to 8, and MAP, of finding tracks of the same artist",
        options: &["within", "across", "part_column"],
        run: |embeddings, options, monitor| retrieval::run(embeddings, options, monitor).map(Report::Retrieval),
    },
    Protocol {
        name: "ranking",
        help: "MAP, recall, reciprocal rank and nDCG at 20 of finding what tags or ranked lists call most similar",
        options: &["likelihoods", "weights", "similarity", "lists", "tagged", "depth", "relevant"],
        run: |embeddings, options, monitor| ranking::run(embeddings, options, monitor).map(Report::Ranking),
    },
    Protocol {
        name: "search",
        help: "MAP, recall and ROC area of prototypes or mapped vectors that find tracks, and of tracks that find those",
        options: &["against"],
        run: |embeddings, options, monitor| search::run(embeddings, options, monitor).map(Report::Search),
    },
    Protocol {
        name: "clustering",
        help: "AMI and ARI of splitting names shared by several artists, threshold chosen on other names",
        options: &["within", "across", "name_column", "group_sizes", "min_tracks", "folds", "fold_column"],
        run: |embeddings, options, monitor| clustering::run(embeddings, options, monitor).map(Report::Clustering),
    },
];

/// What classification and verification read.
const TRIALS: &[&str] = &["within", "across", "model_share", "tracks", "part_column"];

/// What the protocols can be told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Options {
    /// The column with the true artist; tracks without a value are left out.
    pub artist_column: String,
    /// Compare only artists that share this column's value; an artist's value is the most frequent of its tracks.
    pub within: Option<String>,
    /// Only tracks with another value of this column (another album, say) are compared: of a test track's own artist
    /// model they are the only ones used; to clustering comes one track of each value, drawn anew for every repeat. A
    /// track without a value is neither tested nor used in such models.
    pub across: Option<String>,
    /// The share of an artist's tracks that make its model, at least one track and not all.
    pub model_share: f64,
    /// Tracks that make an artist's model and tracks that test it (15 and 5 in the paper), in place of the share; artists
    /// with fewer are left out.
    pub tracks: Option<(usize, usize)>,
    /// The column that says which tracks make models (`model`) and which test them (`test`), in place of random draws.
    pub part_column: Option<String>,
    /// The column with names that several artists share; without it, names are made by grouping artists at random.
    pub name_column: Option<String>,
    /// Fewest and most artists under a made name, all sizes equally likely.
    pub group_sizes: (usize, usize),
    /// Artists with fewer tracks under a name are left out of it.
    pub min_tracks: usize,
    /// Parts that the names are dealt into; the threshold for each is chosen on all others.
    pub folds: usize,
    /// The column with the fold of each name, in place of random ones.
    pub fold_column: Option<String>,
    /// What thresholds are chosen by.
    pub objective: Objective,
    /// What says which tracks are alike.
    pub oracle: OracleFiles,
    /// Whether the points are likelihoods of the oracle's tags, compared as it compares.
    pub tagged: bool,
    /// Answers of a query that are looked at.
    pub depth: usize,
    /// Tracks that are relevant to a query: the most similar ones.
    pub relevant: usize,
    /// The embeddings that tracks are searched by and search among.
    pub against: Option<PathBuf>,
    /// How often everything random is drawn anew.
    pub repeats: usize,
    /// What random draws depend on.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            artist_column: "artist".to_owned(),
            within: None,
            across: None,
            model_share: 0.75,
            tracks: None,
            part_column: None,
            name_column: None,
            group_sizes: (2, 4),
            min_tracks: 2,
            folds: 5,
            fold_column: None,
            objective: Objective::Ami,
            oracle: OracleFiles::default(),
            tagged: false,
            depth: 20,
            relevant: 5,
            against: None,
            repeats: 1,
            seed: 0,
        }
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        let refuse = |name: &str, problem: &str| Err(Error::setting(name, problem));
        match self {
            Self { repeats: 0, .. } => refuse("repeats", "must be at least 1"),
            Self { depth: 0, .. } | Self { relevant: 0, .. } => refuse("depth, relevant", "must be at least 1"),
            Self { folds: 0 | 1, .. } => refuse("folds", "must be at least 2: one to test, the others to choose"),
            Self { min_tracks: 0, .. } => refuse("min_tracks", "must be at least 1"),
            Self { group_sizes: (least, most), .. } if *least < 2 || least > most => {
                refuse("group_sizes", "must be two numbers, at least 2, the lower first")
            }
            Self { model_share: share, .. } if !(*share > 0.0 && *share < 1.0) => {
                refuse("model_share", "must lie between 0 and 1")
            }
            Self { tracks: Some((0, _) | (_, 0)), .. } => refuse("tracks", "must be two numbers, at least 1"),
            Self { tracks: Some(_), part_column: Some(_), .. } => {
                refuse("tracks", "has no meaning where a part column says which tracks are which")
            }
            Self { objective: Objective::Cost { merge, split }, .. }
                if !(*merge > 0.0 && *split > 0.0 && merge.is_finite() && split.is_finite()) =>
            {
                refuse("cost", "must be two positive numbers")
            }
            Self { fold_column: Some(_), name_column: None, .. } => {
                refuse("fold_column", "needs a name column: made names have no folds of their own")
            }
            _ => Ok(()),
        }
    }
}

/// What a protocol found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "protocol", rename_all = "lowercase")]
pub enum Report {
    /// Of `classification`.
    Classification(Classification),
    /// Of `verification`.
    Verification(Verification),
    /// Of `retrieval`.
    Retrieval(Retrieval),
    /// Of `ranking`.
    Ranking(Ranking),
    /// Of `search`.
    Search(Search),
    /// Of `clustering`.
    Clustering(Clustering),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Classification(report) => report.fmt(f),
            Self::Verification(report) => report.fmt(f),
            Self::Retrieval(report) => report.fmt(f),
            Self::Ranking(report) => report.fmt(f),
            Self::Search(report) => report.fmt(f),
            Self::Clustering(report) => report.fmt(f),
        }
    }
}

/// What a random stream is for; the first part of its key.
#[derive(Clone, Copy)]
enum Purpose {
    Models,
    Groups,
    Folds,
    Bootstrap,
    Albums,
}

/// Runs `once` for every repeat.
fn repeated<T>(options: &Options, monitor: &dyn Monitor, once: impl Fn(u64) -> Result<T>) -> Result<Vec<T>> {
    options.check()?;
    monitor.begin("evaluate", Some(options.repeats as u64));
    let results = (0..options.repeats as u64).map(|repeat| {
        if monitor.interrupted() {
            return Err(Error::Interrupted("evaluation stopped; no figures were made".to_owned()));
        }
        let result = once(repeat);
        monitor.advance(1);
        result
    });
    let results = results.collect();
    monitor.end();
    results
}

#[cfg(test)]
mod tests;
