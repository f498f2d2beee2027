//! Exact search for the points most like one.

use homonym_kernels::{Isa, Neighbour, WeightedPoints};
use rayon::prelude::*;

use super::Similarity;
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// Queries that one thread compares with all candidates at a time.
const CHUNK: usize = 96;
/// Queries that lie in memory beside the candidates at a time.
const PART: usize = 1 << 13;

/// How points are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comparison<'a> {
    /// By Euclidean distance; the nearest are the most similar.
    Distance,
    /// As tag likelihoods, with weights of the tags.
    Tags(Similarity, &'a [f32]),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similar {
    /// The row of the candidate.
    pub row: usize,
    /// Its distance, or its similarity.
    pub value: f64,
}

/// The `top` candidates most like each of the `queries`, the most similar first, of equally similar ones the lower row. A query
/// that is a candidate finds itself too.
///
/// By distance: O(queries·candidates·dims) in blocks that stay in the cache, exact to f64, O(candidates·dims) memory.
///
/// # Errors
/// [`Error::Interrupted`] where the monitor says so.
///
/// # Panics
/// Where queries, or weights, are not as wide as the candidates.
pub fn most_similar(
    candidates: &Matrix<f32>,
    queries: &Matrix<f32>,
    by: Comparison<'_>,
    top: usize,
    monitor: &dyn Monitor,
) -> Result<Vec<Vec<Similar>>> {
    assert_eq!(queries.cols, candidates.cols, "queries like the candidates");
    monitor.begin("comparing", Some(queries.rows as u64));
    let found = match by {
        Comparison::Distance => {
            let parts = queries.data.chunks((PART * queries.cols).max(1));
            parts.map(|part| nearest(candidates, part, top, monitor)).collect::<Result<Vec<_>>>()?.concat()
        }
        Comparison::Tags(similarity, weights) => {
            assert_eq!(weights.len(), candidates.cols, "a weight for each tag");
            let query = |row| tagged(candidates, queries.row(row), (similarity, weights), top, monitor);
            (0..queries.rows).into_par_iter().map(query).collect::<Result<_>>()?
        }
    };
    monitor.end();
    Ok(found)
}

/// Counts off `count` queries, unless all is to stop.
fn go_on(monitor: &dyn Monitor, count: usize) -> Result<()> {
    if monitor.interrupted() {
        return Err(Error::Interrupted("stopped while comparing; nothing was written".to_owned()));
    }
    monitor.advance(count as u64);
    Ok(())
}

fn nearest(candidates: &Matrix<f32>, queries: &[f32], top: usize, monitor: &dyn Monitor) -> Result<Vec<Vec<Similar>>> {
    let isa = Isa::chosen()?;
    // Queries lie behind the candidates and share a label, so that none is an answer.
    let (count, all) = (candidates.rows, candidates.rows + queries.len() / candidates.cols);
    let labels: Vec<u32> = (0..all).map(|place| place.min(count) as u32).collect();
    let mut points = WeightedPoints::default();
    let coordinates = candidates.data.iter().chain(queries).map(|&x| f64::from(x));
    points.refill(isa, candidates.cols, coordinates, std::iter::repeat_n(1.0, all));
    let places: Vec<u32> = (count as u32..all as u32).collect();
    let mut found = vec![Neighbour::NONE; places.len() * top];
    places.par_chunks(CHUNK).zip(found.par_chunks_mut((CHUNK * top).max(1))).try_for_each(|(places, found)| {
        points.nearest(isa, places, 0..all, Some(&labels), found);
        go_on(monitor, places.len())
    })?;
    let answer = |neighbour: &Neighbour| Similar { row: neighbour.place as usize, value: neighbour.squared.sqrt() };
    let answers = |found: &[Neighbour]| found.iter().filter(|n| n.place != u32::MAX).map(answer).collect();
    Ok(found.chunks(top.max(1)).map(answers).collect())
}

fn tagged(
    candidates: &Matrix<f32>,
    query: &[f32],
    (similarity, weights): (Similarity, &[f32]),
    top: usize,
    monitor: &dyn Monitor,
) -> Result<Vec<Similar>> {
    go_on(monitor, 1)?;
    let values = candidates.iter_rows().map(|point| similarity.of(weights, query, point)).enumerate();
    let mut answers: Vec<Similar> = values.map(|(row, value)| Similar { row, value }).collect();
    answers.sort_by(|a, b| b.value.total_cmp(&a.value));
    answers.truncate(top);
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn matrix(rows: usize, cols: usize, seed: u64) -> Matrix<f32> {
        let mut random = Random::keyed(seed, &[]);
        Matrix::new(rows, cols, (0..rows * cols).map(|_| random.uniform() as f32).collect())
    }

    #[test]
    fn answers_are_those_of_the_definition() {
        let candidates = matrix(333, 7, 1);
        let mut queries = matrix(40, 7, 2);
        queries.data[..7].copy_from_slice(candidates.row(9)); // finds itself
        let weights: Vec<f32> = (0..7).map(|tag| 0.5 + tag as f32).collect();
        for by in [Comparison::Distance, Comparison::Tags(Similarity::Jaccard, &weights)] {
            let found = most_similar(&candidates, &queries, by, 12, &()).unwrap();
            assert_eq!((found.len(), found[0][0].row), (40, 9));
            for (query, found) in queries.iter_rows().zip(&found) {
                let value = |other: &[f32]| match by {
                    Comparison::Distance => {
                        let square = |(x, y): (&f32, &f32)| (f64::from(*x) - f64::from(*y)).powi(2);
                        query.iter().zip(other).map(square).sum::<f64>().sqrt()
                    }
                    Comparison::Tags(similarity, weights) => -similarity.of(weights, query, other),
                };
                let mut sorted: Vec<(f64, usize)> = candidates.iter_rows().map(value).zip(0..).collect();
                sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
                assert_eq!(found.len(), 12);
                for (found, (value, row)) in found.iter().zip(sorted) {
                    assert_eq!(found.row, row);
                    assert!((found.value - value.abs()).abs() < 1e-9, "{found:?} {value}");
                }
            }
        }
    }

    #[test]
    fn there_are_as_many_answers_as_candidates_at_most() {
        let candidates = matrix(3, 2, 4);
        let find = |queries: &Matrix<f32>| most_similar(&candidates, queries, Comparison::Distance, 5, &()).unwrap();
        assert_eq!(find(&matrix(2, 2, 5)).iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
        assert!(find(&matrix(0, 2, 5)).is_empty());
    }
}
