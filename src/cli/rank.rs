//! `homonym rank`: tracks like this one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, Outcome, console};
use crate::catalogue::filter::{Filter, matching};
use crate::catalogue::list::keys;
use crate::catalogue::table::Table;
use crate::similarity::{Comparison, Similar, Similarity, most_similar, weights};
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// Find the tracks of a catalogue that are most like others.
///
/// The index is what `embed` wrote of the catalogue; every track in it is looked at. Nearest are the points at the lowest
/// Euclidean distance; likelihoods that an auto-tagger guessed are compared by --similarity.
#[derive(clap::Args)]
pub(super) struct Rank {
    /// The catalogue: PREFIX.npy and PREFIX.csv.
    prefix: PathBuf,
    /// Ask for the like of this track, by its `track_id` or else `path`; may be repeated [default: of every track].
    #[arg(long = "like", value_name = "TRACK")]
    tracks: Vec<String>,
    /// Ask for the like of the tracks of these embeddings, made by the same model, in place of the catalogue's own.
    #[arg(long, value_name = "PREFIX")]
    queries: Option<PathBuf>,
    /// Answers to each track.
    #[arg(long, value_name = "K", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    top: u16,
    /// The points are tag likelihoods, which are compared so in place of by distance.
    #[arg(long, value_enum)]
    similarity: Option<Similarity>,
    /// Weights of the tags: a CSV with `tag` and `weight`; tags that it does not name weigh 1.
    #[arg(long, value_name = "WEIGHTS.csv", requires = "similarity")]
    weights: Option<PathBuf>,
    /// Answer only with rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
    /// Where to write a row an answer: track_id,rank,similar_id and the distance or similarity [default: print them].
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The result: `homonym.rank/1`.
#[derive(Serialize)]
struct Summary<'a> {
    queries: usize,
    candidates: usize,
    seconds: f64,
    /// Where they are not written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<&'a [Answer<'a>]>,
}

/// An answer; either a distance or a similarity.
#[derive(Serialize)]
struct Answer<'a> {
    track_id: &'a str,
    rank: usize,
    similar_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity: Option<f64>,
}

impl Rank {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let catalogue = Embeddings::open(&self.prefix)?;
        let found = matching(&catalogue.table, &self.filters)?;
        let weights = self.tag_weights(&catalogue)?;
        let by = match self.similarity {
            None => Comparison::Distance,
            Some(similarity) => Comparison::Tags(similarity, &weights),
        };
        let others = self.queries.as_ref().map(|prefix| open_like(prefix, &catalogue, &self.prefix)).transpose()?;
        let (asking, prefix) = match (&others, &self.queries) {
            (Some(others), Some(prefix)) => (others, prefix),
            _ => (&catalogue, &self.prefix),
        };
        let (names, asked_names) = (keys(&catalogue.table, &self.prefix)?, keys(&asking.table, prefix)?);
        let asked = self.asked(&asked_names, others.is_none().then_some(&found), prefix)?;
        let queries = asking.points.select(&asked);
        let (clock, top) = (std::time::Instant::now(), usize::from(self.top));
        // One more, for a track that finds itself.
        let similar = most_similar(&catalogue.points.select(&found), &queries, by, top + 1, console)?;
        let seconds = clock.elapsed().as_secs_f64();
        let mut answers = Vec::new();
        for (&row, similar) in asked.iter().zip(&similar) {
            let others = similar.iter().filter(|similar| names[found[similar.row]] != asked_names[row]).take(top);
            answers.extend(others.zip(1..).map(|(&Similar { row: other, value }, rank)| {
                let (distance, similarity) =
                    if self.similarity.is_some() { (None, Some(value)) } else { (Some(value), None) };
                Answer { track_id: asked_names[row], rank, similar_id: names[found[other]], distance, similarity }
            }));
        }
        if let Some(out) = &self.out {
            self.table(&answers).write(out)?;
        }
        let shown = self.out.is_none().then_some(answers.as_slice());
        let summary = Summary { queries: asked.len(), candidates: found.len(), seconds, answers: shown };
        console.result("homonym.rank/1", &summary, || self.text(&summary))?;
        Ok(Outcome::Done)
    }

    /// The rows that ask: those named, else all (that may be found, where the catalogue asks itself).
    fn asked(&self, names: &[&str], found: Option<&Vec<usize>>, prefix: &Path) -> Result<Vec<usize>> {
        if self.tracks.is_empty() {
            return Ok(found.cloned().unwrap_or_else(|| (0..names.len()).collect()));
        }
        let row = |track: &String| {
            names
                .iter()
                .position(|name| name == track)
                .ok_or_else(|| Error::setting("--like", format!("there is no track `{track}` in {}", prefix.display())))
        };
        self.tracks.iter().map(row).collect()
    }

    /// The weight of each value of the points.
    fn tag_weights(&self, catalogue: &Embeddings) -> Result<Vec<f32>> {
        let Some(path) = &self.weights else { return Ok(vec![1.0; catalogue.points.cols]) };
        let tags = catalogue.origin.as_ref().and_then(|origin| origin.tags());
        let tags = tags.filter(|tags| tags.len() == catalogue.points.cols).ok_or_else(|| {
            let advice = "embed the tracks with a model that guesses tags";
            Error::file(&self.prefix, "likelihoods of named tags, to be weighed", "values without names", advice)
        })?;
        weights(&tags, path)
    }

    fn measure(&self) -> &'static str {
        if self.similarity.is_some() { "similarity" } else { "distance" }
    }

    fn table(&self, answers: &[Answer<'_>]) -> Table {
        let columns = ["track_id", "rank", "similar_id", self.measure()].map(str::to_owned).to_vec();
        let row = |answer: &Answer<'_>| {
            let value = answer.distance.or(answer.similarity).expect("one of them");
            vec![
                answer.track_id.to_owned(),
                answer.rank.to_string(),
                answer.similar_id.to_owned(),
                format!("{value:.6}"),
            ]
        };
        Table { columns, rows: answers.iter().map(row).collect() }
    }

    fn text(&self, summary: &Summary<'_>) -> String {
        let Summary { queries, candidates, seconds, answers } = summary;
        let mut text = String::new();
        for answer in answers.iter().copied().flatten() {
            if answer.rank == 1 {
                writeln!(text, "{}, by {}", console::name(answer.track_id), self.measure()).expect("a string");
            }
            let value = answer.distance.or(answer.similarity).expect("one of them");
            writeln!(text, "{:>5}  {value:.4}  {}", answer.rank, console::name(answer.similar_id)).expect("a string");
        }
        let out = self.out.as_ref().map_or(String::new(), |out| format!("{}: ", out.display()));
        write!(text, "{out}{queries} tracks compared with {candidates} in {seconds:.1} s").expect("a string");
        text
    }
}

/// Embeddings that can be compared with those of the catalogue.
fn open_like(prefix: &Path, catalogue: &Embeddings, own: &Path) -> Result<Embeddings> {
    let others = Embeddings::open(prefix)?;
    let made_by = |embeddings: &Embeddings| {
        embeddings.origin.as_ref().map(|origin| format!("model {} on {}", origin.model, origin.frontend))
    };
    let (expected, found) = match (made_by(catalogue), made_by(&others)) {
        (Some(expected), Some(found)) if expected != found => (expected, found),
        _ if others.points.cols != catalogue.points.cols => {
            let values = |embeddings: &Embeddings| format!("points of {} values", embeddings.points.cols);
            (values(catalogue), values(&others))
        }
        _ => return Ok(others),
    };
    let expected = format!("{expected}, as {}", own.display());
    Err(Error::file(prefix, expected, found, "embed both with one model"))
}
