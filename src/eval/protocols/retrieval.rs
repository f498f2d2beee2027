//! Retrieval: are the tracks nearest to a track by the same artist?

use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::spread::{Spread, bootstrap, summary};
use super::tracks::{Artist, TracksLeftOut, artists};
use super::{Options, repeated};
use crate::monitor::Monitor;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// Neighbours among which one of the artist must be.
pub const DEPTHS: [usize; 4] = [1, 2, 4, 8];

/// How well tracks find others of their artist.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retrieval {
    /// Share of the queries with a track of their artist among the 1, 2, 4 and 8 nearest; the first is the accuracy of the
    /// nearest neighbour.
    pub recall: [f64; DEPTHS.len()],
    /// Uncertainty of the first, by bootstrap over artists.
    pub recall_spread: Spread,
    /// Mean over the queries of the average precision: the mean share of right tracks down to each right one.
    pub mean_average_precision: f64,
    /// Artists of the queries.
    pub artists: usize,
    /// Tracks that were queries.
    pub queries: usize,
    /// Queries left out: no track of their artist to be found, or nothing else beside those.
    pub queries_left_out: usize,
    /// What else was left out.
    pub left_out: TracksLeftOut,
    /// The options used.
    pub options: Options,
}

/// Ranks all other tracks by Euclidean distance from each track. A part column says which tracks are queries (`test`) and
/// which may be found (`model`); `across` hides tracks of the same artist and value; of equally near tracks those of other
/// artists come first.
///
/// # Errors
/// Options that cannot be used, and tables without the columns they name, with too few artists or without queries.
pub fn run(embeddings: &Embeddings, options: &Options, monitor: &dyn Monitor) -> Result<Retrieval> {
    let (artists, left_out) = artists(&embeddings.table, options, 1)?;
    let ground = Ground::new(embeddings, &artists, options)?;
    let search = |&row: &usize| Some((ground.artist[row]?, ground.search(row)?));
    // Nothing is drawn at random: one repeat is all.
    let once = |_| Ok(ground.queries.par_iter().filter_map(search).collect::<Vec<(usize, Found)>>());
    let found = repeated(&Options { repeats: 1, ..options.clone() }, monitor, once)?.concat();
    let queries_left_out = ground.queries.len() - found.len();
    if found.is_empty() {
        let found = format!("none among {queries_left_out}");
        let advice = "check the part column, --across and --where";
        return Err(Error::input("the embeddings to evaluate", "tracks with others to find", found, advice));
    }
    let share = |of: &dyn Fn(&Found) -> f64| found.iter().map(|(_, found)| of(found)).sum::<f64>() / found.len() as f64;
    let mut by_artist = vec![(0.0, 0.0); artists.len()];
    for (artist, found) in &found {
        by_artist[*artist].0 += f64::from(u8::from(found.first == 0));
        by_artist[*artist].1 += 1.0;
    }
    by_artist.retain(|(_, queries)| *queries > 0.0);
    let estimate = bootstrap(by_artist.len(), options, 0, |counts| {
        let sum = |part: fn(&(f64, f64)) -> f64| counts.iter().zip(&by_artist).map(|(n, a)| n * part(a)).sum::<f64>();
        sum(|artist| artist.0) / sum(|artist| artist.1)
    });
    Ok(Retrieval {
        recall: DEPTHS.map(|depth| share(&|found| f64::from(u8::from(found.first < depth)))),
        recall_spread: summary(&[estimate]).1,
        mean_average_precision: share(&|found| found.average_precision),
        artists: by_artist.len(),
        queries: found.len(),
        queries_left_out,
        left_out,
        options: options.clone(),
    })
}

/// What a query found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// Answers before the first right one.
    pub(super) first: usize,
    pub(super) average_precision: f64,
    /// Share of the pairs of a right and a wrong answer in which the right one is nearer.
    pub(super) area: f64,
}

/// What answers of some distances, right or wrong, come to; of equally near ones the wrong come first. None where all are
/// right or all wrong.
pub(super) fn rank(mut answers: Vec<(f64, bool)>) -> Option<Found> {
    answers.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let right: Vec<usize> = (0..answers.len()).filter(|&rank| answers[rank].1).collect();
    let wrong = (answers.len() - right.len()) as f64;
    let first = *right.first().filter(|_| wrong > 0.0)?;
    let mean = |of: &dyn Fn(usize, usize) -> f64| {
        right.iter().enumerate().map(|(before, &rank)| of(before, rank)).sum::<f64>() / right.len() as f64
    };
    let average_precision = mean(&|before, rank| (before + 1) as f64 / (rank + 1) as f64);
    let area = mean(&|before, rank| 1.0 - (rank - before) as f64 / wrong);
    Some(Found { first, average_precision, area })
}

/// Who may be asked for, and who may be found.
struct Ground<'a> {
    embeddings: &'a Embeddings,
    artists: &'a [Artist<'a>],
    /// The artist of each row that has one.
    artist: Vec<Option<usize>>,
    queries: Vec<usize>,
    findable: Vec<usize>,
    across: Option<usize>,
}

impl<'a> Ground<'a> {
    fn new(embeddings: &'a Embeddings, artists: &'a [Artist<'a>], options: &Options) -> Result<Self> {
        let table = &embeddings.table;
        let column =
            |name: &Option<String>, setting| name.as_ref().map(|name| table.require(name, setting)).transpose();
        let part = column(&options.part_column, "--part-column")?;
        let mut artist = vec![None; table.rows.len()];
        for (number, one) in artists.iter().enumerate() {
            one.rows.iter().for_each(|&row| artist[row] = Some(number));
        }
        let of_part = |name: &str| -> Vec<usize> {
            let is_part = |&row: &usize| artist[row].is_some() && part.is_none_or(|part| table.rows[row][part] == name);
            (0..table.rows.len()).filter(is_part).collect()
        };
        let (queries, findable) = (of_part("test"), of_part("model"));
        Ok(Self { embeddings, artists, artist, queries, findable, across: column(&options.across, "--across")? })
    }

    /// Ranks what a row may find.
    fn search(&self, query: usize) -> Option<Found> {
        let Embeddings { points, table, .. } = self.embeddings;
        let group = self.artists[self.artist[query]?].group;
        let mut ranked: Vec<(f64, bool)> = Vec::with_capacity(self.findable.len());
        for &row in self.findable.iter().filter(|&&row| row != query) {
            let own = self.artist[row] == self.artist[query];
            let hidden = |column: usize| {
                let values = [row, query].map(|row| table.rows[row][column].as_str());
                own && (values[0] == values[1] || values.contains(&""))
            };
            if self.artists[self.artist[row]?].group == group && !self.across.is_some_and(hidden) {
                let squares = points.row(row).iter().zip(points.row(query)).map(|(&x, &y)| f64::from(x - y).powi(2));
                ranked.push((squares.sum(), own));
            }
        }
        rank(ranked)
    }
}

impl fmt::Display for Retrieval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recall, recall_spread, mean_average_precision, queries, artists, .. } = self;
        writeln!(f, "recall at 1 {:.4} {recall_spread} on {queries} tracks of {artists} artists", recall[0])?;
        write!(f, "recall")?;
        DEPTHS.iter().zip(recall).skip(1).try_for_each(|(depth, recall)| write!(f, " at {depth} {recall:.4},"))?;
        writeln!(f, " mean average precision {mean_average_precision:.4}")?;
        write!(f, "{}", self.left_out)?;
        match self.queries_left_out {
            0 => Ok(()),
            count => {
                writeln!(f, "left out: {count} tracks without another of their artist to find, or without any other")
            }
        }
    }
}
