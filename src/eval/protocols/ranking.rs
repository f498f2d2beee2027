//! Ranking: do the points most like a track's stand for the tracks that an oracle finds most like it?

use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::spread::{bootstrap, summary};
use super::{Options, repeated};
use crate::eval::measures::{RankScores, rank_scores};
use crate::monitor::Monitor;
use crate::similarity::{Comparison, Oracle, most_similar};
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// A mean over the queries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The mean.
    pub mean: f64,
    /// Its 95 % interval by bootstrap over the queries.
    pub interval: [f64; 2],
}

/// How well tracks find what the oracle finds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// Average precision: MAP@depth.
    pub average_precision: Figure,
    /// Recall@depth.
    pub recall: Figure,
    /// RR@depth.
    pub reciprocal_rank: Figure,
    /// nDCG@depth.
    pub ndcg: Figure,
    /// Tracks that were queries; each could find all others.
    pub queries: usize,
    /// Queries left out: the oracle finds nothing like them.
    pub queries_left_out: usize,
    /// Queries whose last relevant track is as similar as one that does not count as relevant: chance chose between them.
    pub queries_tied: usize,
    /// Tracks that the oracle does not know.
    pub tracks_unknown: usize,
    /// The options used.
    pub options: Options,
}

/// Every track is a query, all others may be found; relevant are the first on the oracle's list (Prétet, Richard and Peeters
/// 2020, section 4.2). Points are compared by Euclidean distance, or, where they are tag likelihoods, as the oracle compares.
///
/// # Errors
/// Options without an oracle, an oracle that knows none of the tracks or nothing alike, and points that are no likelihoods of
/// its tags where they should be.
pub fn run(embeddings: &Embeddings, options: &Options, monitor: &dyn Monitor) -> Result<Ranking> {
    options.check()?;
    let oracle = options
        .oracle
        .open()?
        .ok_or_else(|| Error::setting("ranking", "needs what tracks are alike by: give it --likelihoods or --lists"))?;
    let subject = std::path::Path::new("the embeddings to evaluate");
    let found = oracle.find(&embeddings.table, subject)?;
    let rows: Vec<usize> = (0..found.len()).filter(|&row| found[row].is_some()).collect();
    let items: Vec<usize> = found.iter().flatten().copied().collect();
    let points = embeddings.points.select(&rows);
    let by = comparison(embeddings, &oracle, options)?;
    let relevant = |&item: &usize| {
        let ranking = oracle.rank(item, &items);
        let count = options.relevant.min(ranking.above(0.0));
        (count > 0).then(|| (ranking.places[..count].to_vec(), ranking.beyond(count - 1) > count))
    };
    let lists: Vec<Option<(Vec<u32>, bool)>> = items.par_iter().map(relevant).collect();
    let queries: Vec<usize> = (0..lists.len()).filter(|&row| lists[row].is_some()).collect();
    let relevant: Vec<&(Vec<u32>, bool)> = lists.iter().flatten().collect();
    if queries.is_empty() {
        let found = format!("none among {}", items.len());
        return Err(Error::input(subject.display(), "tracks that are alike", found, "check tags and filters"));
    }
    // Nothing is drawn at random: one repeat is all.
    let once = |_| most_similar(&points, &points.select(&queries), by, options.depth + 1, &());
    let answers = repeated(&Options { repeats: 1, ..options.clone() }, monitor, once)?.concat();
    let scores: Vec<RankScores> = answers
        .iter()
        .zip(queries.iter().zip(&relevant))
        .map(|(answers, (&query, (relevant, _)))| {
            let others = answers.iter().filter(|answer| answer.row != query);
            let others: Vec<u32> = others.map(|answer| answer.row as u32).collect();
            rank_scores(relevant, &others, options.depth)
        })
        .collect();
    let figure = |of: fn(&RankScores) -> f64| {
        let values: Vec<f64> = scores.iter().map(of).collect();
        let mean =
            |counts: &[f64]| counts.iter().zip(&values).map(|(n, x)| n * x).sum::<f64>() / counts.iter().sum::<f64>();
        let (mean, spread) = summary(&[bootstrap(values.len(), options, 0, mean)]);
        Figure { mean, interval: spread.interval }
    };
    Ok(Ranking {
        average_precision: figure(|scores| scores.average_precision),
        recall: figure(|scores| scores.recall),
        reciprocal_rank: figure(|scores| scores.reciprocal_rank),
        ndcg: figure(|scores| scores.ndcg),
        queries: queries.len(),
        queries_left_out: items.len() - queries.len(),
        queries_tied: relevant.iter().filter(|(_, tied)| *tied).count(),
        tracks_unknown: found.len() - items.len(),
        options: options.clone(),
    })
}

/// How the points are compared.
fn comparison<'o>(embeddings: &Embeddings, oracle: &'o Oracle, options: &Options) -> Result<Comparison<'o>> {
    if !options.tagged {
        return Ok(Comparison::Distance);
    }
    let by = oracle.comparison().zip(oracle.tags());
    let (by, tags) = by.ok_or_else(|| Error::setting("--tagged", "needs --likelihoods: lists compare no tags"))?;
    let named = embeddings.origin.as_ref().and_then(|origin| origin.tags());
    if embeddings.points.cols != tags.len() || named.is_some_and(|named| named != tags) {
        let expected = format!("likelihoods of the {} tags of --likelihoods, in their order", tags.len());
        let found = format!("{} values of other tags", embeddings.points.cols);
        let advice = "evaluate with the tags that the auto-tagger learnt";
        return Err(Error::input("the embeddings to evaluate", expected, found, advice));
    }
    Ok(by)
}

impl fmt::Display for Ranking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { average_precision, recall, reciprocal_rank, ndcg, queries, options, .. } = self;
        let depth = options.depth;
        for (name, Figure { mean, interval: [low, high] }) in
            [("MAP", average_precision), ("Recall", recall), ("RR", reciprocal_rank), ("nDCG", ndcg)]
        {
            writeln!(f, "{:<10} {mean:.4} (95 %: {low:.4} to {high:.4})", format!("{name}@{depth}"))?;
        }
        writeln!(f, "on {queries} tracks, the {} most similar of which are relevant", options.relevant)?;
        let Self { queries_left_out, queries_tied, tracks_unknown, .. } = self;
        if queries_left_out + tracks_unknown > 0 {
            writeln!(
                f,
                "left out: {queries_left_out} tracks like no other, {tracks_unknown} that the oracle does not know"
            )?;
        }
        match queries_tied {
            0 => Ok(()),
            tied => writeln!(f, "{tied} tracks have more equally similar ones than can be relevant: the first count"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::table::Table;
    use crate::matrix::Matrix;
    use crate::random::Random;
    use crate::similarity::OracleFiles;

    /// 40 tracks with three tags; the points are what `of` makes of the likelihoods.
    fn world(folder: &std::path::Path, of: impl Fn(&[f32]) -> Vec<f32>) -> (Embeddings, Options) {
        let mut random = Random::keyed(1, &[]);
        let (mut text, mut points, mut rows) = ("path,a,b,c\n".to_owned(), Vec::new(), Vec::new());
        for track in 0..40 {
            let tags: Vec<f32> = (0..3).map(|_| random.uniform() as f32).collect();
            text += &format!("{track},{},{},{}\n", tags[0], tags[1], tags[2]);
            points.extend(of(&tags));
            rows.push(vec![track.to_string()]);
        }
        let path = folder.join("tags.csv");
        std::fs::write(&path, text).unwrap();
        let table = Table { columns: vec!["path".to_owned()], rows };
        let embeddings = Embeddings { points: Matrix::new(40, points.len() / 40, points), table, origin: None };
        let oracle = OracleFiles { likelihoods: Some(path), ..OracleFiles::default() };
        (embeddings, Options { oracle, ..Options::default() })
    }

    #[test]
    fn the_truth_is_perfect_and_noise_is_not() {
        let folder = tempfile::tempdir().unwrap();
        // Of points on the sphere, the distance has the order of the cosine.
        let (sphere, options) = world(folder.path(), |tags| {
            let norm = tags.iter().map(|x| x * x).sum::<f32>().sqrt();
            tags.iter().map(|x| x / norm).collect()
        });
        let all = |ranking: &Ranking| {
            [ranking.average_precision, ranking.recall, ranking.reciprocal_rank, ranking.ndcg].map(|figure| figure.mean)
        };
        let perfect = run(&sphere, &options, &()).unwrap();
        assert!(all(&perfect).iter().all(|&mean| mean > 0.999), "{perfect}");
        assert_eq!((perfect.queries, perfect.queries_left_out, perfect.queries_tied), (40, 0, 0));
        let (truth, options) = world(folder.path(), |tags| tags.to_vec());
        let tagged = Options { tagged: true, ..options.clone() };
        assert_eq!(all(&run(&truth, &tagged, &()).unwrap()), [1.0; 4]);
        let (noise, options) = world(folder.path(), |tags| vec![(1e4 * tags[0]).sin()]);
        let noise = run(&noise, &options, &()).unwrap();
        // 20 of the 39 others are found by chance.
        assert!((noise.recall.mean - 20.0 / 39.0).abs() < 0.12 && noise.ndcg.mean < 0.5, "{noise}");
        assert!(noise.recall.interval[0] < noise.recall.mean && noise.recall.mean < noise.recall.interval[1]);
    }

    #[test]
    fn what_cannot_be_ranked_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (embeddings, options) = world(folder.path(), |tags| vec![tags[0]]);
        let lists = folder.path().join("lists.csv");
        std::fs::write(&lists, "track_id,similar_id\n0,1\n1,0\n2,3\n").unwrap();
        let lists = OracleFiles { lists: Some(lists), ..OracleFiles::default() };
        let few = run(&embeddings, &Options { oracle: lists.clone(), ..options.clone() }, &()).unwrap();
        assert_eq!((few.queries, few.queries_left_out, few.tracks_unknown), (3, 1, 36));
        for (options, says) in [
            (Options { oracle: OracleFiles::default(), ..options.clone() }, "--likelihoods"),
            (Options { oracle: lists, tagged: true, ..options.clone() }, "--tagged"),
            (Options { tagged: true, ..options.clone() }, "likelihoods of the 3 tags"),
            (Options { depth: 0, ..options.clone() }, "depth"),
        ] {
            let error = run(&embeddings, &options, &()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        // Only two tags without shades: most tracks have many equals.
        let path = folder.path().join("coarse.csv");
        let rows: String = (0..40).map(|track| format!("{track},{},{}\n", track % 2, 1 - track % 2)).collect();
        std::fs::write(&path, format!("path,even,odd\n{rows}")).unwrap();
        let coarse = OracleFiles { likelihoods: Some(path), ..OracleFiles::default() };
        let tied = run(&embeddings, &Options { oracle: coarse, ..options }, &()).unwrap();
        assert_eq!(tied.queries_tied, 40);
        assert!(tied.to_string().contains("40 tracks have more equally similar ones"), "{tied}");
    }
}
