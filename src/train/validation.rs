//! How well an embedding tells artists apart that it was not trained on, or ranks their tracks, in one number.

use homonym_kernels as kernels;
use rayon::prelude::*;

use crate::Result;
use crate::matrix::Matrix;
use crate::mining::shared;
use crate::models::{Network, TrackMap, notion_part};
use crate::sampling::LabelledTracks;
use crate::similarity::{Comparison, Oracle, Ranking};

use super::{ObjectiveSpec, TrainConfig};

/// The share of triplets (anchor, positive, negative) in which the negative is nearer than the positive, each anchor
/// counting the same: 0.5 for chance or a collapsed embedding (ties count half), 0 for a perfect one. Unlike the loss of
/// the mined triplets it does not hover near the margin.
///
/// `points`: n × `dims`; `artists[i]` and `tags[i]`, which are sorted, belong to point `i`. Where an anchor shares a tag with points of
/// other artists, only those are its negatives. `None` where no point has both a positive and a negative.
pub fn triplet_error(points: &[f32], dims: usize, artists: &[usize], tags: &[Vec<u32>]) -> Option<f64> {
    error_where(points, dims, |a, b| artists[a] == artists[b], |a, b| shared(&tags[a], &tags[b]))
}

/// As [`triplet_error`], where positives are alike and negatives are not; those that rather count as negatives do so alone.
fn error_where(
    points: &[f32],
    dims: usize,
    alike: impl Fn(usize, usize) -> bool,
    rather: impl Fn(usize, usize) -> bool,
) -> Option<f64> {
    let n = points.len() / dims;
    let mut distances = vec![0.0; n];
    // A forced set that the CPU lacks is an error where a network is built; distances alone do without.
    let isa = kernels::Isa::chosen().unwrap_or(kernels::Isa::PORTABLE);
    let (mut total, mut anchors) = (0.0, 0);
    for anchor in 0..n {
        kernels::squared_distances(isa, &points[anchor * dims..][..dims], points, dims, &mut distances);
        let others: Vec<usize> = (0..n).filter(|&other| !alike(anchor, other)).collect();
        let chosen: Vec<usize> = others.iter().copied().filter(|&other| rather(anchor, other)).collect();
        let negatives = if chosen.is_empty() { others } else { chosen };
        let mut negatives: Vec<f32> = negatives.into_iter().map(|other| distances[other]).collect();
        negatives.sort_unstable_by(f32::total_cmp);
        let positives = (0..n).filter(|&other| other != anchor && alike(anchor, other));
        let errors: Vec<f64> = positives.map(|positive| share_below(&negatives, distances[positive])).collect();
        if !errors.is_empty() && !negatives.is_empty() {
            total += errors.iter().sum::<f64>() / errors.len() as f64;
            anchors += 1;
        }
    }
    (anchors > 0).then(|| total / f64::from(anchors))
}

/// The share of sorted `values` below `limit`, equal ones counting half.
fn share_below(values: &[f32], limit: f32) -> f64 {
    let below = values.partition_point(|&value| value < limit);
    let not_above = values.partition_point(|&value| value <= limit);
    (below + not_above) as f64 / (2 * values.len()) as f64
}

/// The share of triplets (anchor, positive, negative) from ranked lists in the wrong order, as [`triplet_error`] counts them.
///
/// `distance(a, b)` of two items; `rankings[a]` has all others. Positives are the first so many of a list that are like the
/// anchor, negatives all less similar tracks. `None` where there are no such triplets.
pub fn ranked_triplet_error(
    rankings: &[Ranking],
    positives: usize,
    distance: impl Fn(usize, usize) -> f64,
) -> Option<f64> {
    let (mut total, mut anchors) = (0.0, 0);
    for (anchor, ranking) in rankings.iter().enumerate() {
        let distances: Vec<f32> = ranking.places.iter().map(|&other| distance(anchor, other as usize) as f32).collect();
        let error = |rank: usize| {
            let mut negatives = distances[ranking.beyond(rank)..].to_vec();
            negatives.sort_unstable_by(f32::total_cmp);
            (!negatives.is_empty()).then(|| share_below(&negatives, distances[rank]))
        };
        let errors: Vec<f64> = (0..positives.min(ranking.above(0.0))).filter_map(error).collect();
        if !errors.is_empty() {
            total += errors.iter().sum::<f64>() / errors.len() as f64;
            anchors += 1;
        }
    }
    (anchors > 0).then(|| total / f64::from(anchors))
}

/// Positives of an anchor by which an auto-tagger is judged.
const POSITIVES: usize = 15;

/// The triplet error of the track vectors of artists kept out of training: by artist, by the oracle where training learns from
/// one, or by each notion.
pub(super) fn held_out_error(
    network: &dyn Network,
    params: &[f32],
    config: &TrainConfig,
    tracks: &LabelledTracks<'_>,
    notions: &[LabelledTracks<'_>],
) -> Result<Option<f64>> {
    let (track, spec) = (config.track, &config.validation);
    let chosen = tracks.spread(spec.tracks);
    let segments = tracks.survey(&chosen, network.input().0, spec.segments);
    let width = track.layer.width(network);
    let rows = network.embed(params, &segments, track.layer);
    let means = crate::embed::average(&rows, width, spec.segments);
    let map = TrackMap::fit(track, &means, width);
    let parts = track.layer.parts(network);
    let finish = |mean: &[f32]| crate::embed::finish(&map, track.sphere, &parts, mean.to_vec());
    let points: Vec<f32> = means.chunks_exact(width).flat_map(finish).collect();
    if let Some(oracle) = tracks.oracle() {
        let items = tracks.items();
        let items: Vec<usize> = chosen.iter().map(|&track| items[track]).collect();
        return Ok(error_by_oracle(oracle, &items, &Matrix::new(items.len(), map.width(), points), config));
    }
    if !notions.is_empty() {
        return Ok(error_by_notions(&points, map.width(), &chosen, notions));
    }
    let artist_of_tracks = tracks.artist_of_tracks();
    let artists: Vec<usize> = chosen.iter().map(|&track| artist_of_tracks[track]).collect();
    let tags: Vec<Vec<u32>> = chosen.iter().map(|&track| tracks.tags(track).to_vec()).collect();
    Ok(triplet_error(&points, map.width(), &artists, &tags))
}

/// The mean over the notions of the error in the part of each, where positives share a value and negatives share none; points
/// are those of the `chosen` tracks.
fn error_by_notions(points: &[f32], dims: usize, chosen: &[usize], notions: &[LabelledTracks<'_>]) -> Option<f64> {
    let error = |(notion, tracks): (usize, &LabelledTracks<'_>)| {
        let part = notion_part(dims, notions.len(), notion);
        let valued =
            chosen.iter().zip(points.chunks_exact(dims)).filter(|(track, _)| !tracks.values(**track).is_empty());
        let (values, points): (Vec<&[u32]>, Vec<&[f32]>) =
            valued.map(|(&track, point)| (tracks.values(track), &point[part.clone()])).unzip();
        error_where(&points.concat(), part.len(), |a, b| shared(values[a], values[b]), |_, _| false)
    };
    let errors: Vec<f64> = notions.iter().enumerate().filter_map(error).collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

/// As the system itself will compare them: the points of an auto-tagger as likelihoods, all others by distance.
fn error_by_oracle(oracle: &Oracle, items: &[usize], points: &Matrix<f32>, config: &TrainConfig) -> Option<f64> {
    let rankings: Vec<Ranking> = items.par_iter().map(|&item| oracle.rank(item, items)).collect();
    let positives = match config.objective {
        ObjectiveSpec::Ranked { positives, .. } => positives,
        _ => POSITIVES,
    };
    let compared = oracle.comparison().filter(|_| config.network.is_tagger());
    ranked_triplet_error(&rankings, positives, |a, b| match compared {
        Some(Comparison::Tags(similarity, weights)) => -similarity.of(weights, points.row(a), points.row(b)),
        _ => points.row(a).iter().zip(points.row(b)).map(|(a, b)| f64::from(a - b).powi(2)).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::{ranked_triplet_error, triplet_error};
    use crate::similarity::Ranking;

    #[test]
    fn separated_is_0_collapsed_is_a_half_reversed_is_1() {
        let untagged = vec![vec![]; 4];
        let error = |points: &[f32]| triplet_error(points, 1, &[0, 0, 1, 1], &untagged).unwrap();
        assert_eq!(error(&[0.0, 0.1, 5.0, 5.1]), 0.0);
        assert_eq!(error(&[1.0, 1.0, 1.0, 1.0]), 0.5);
        // The corners of a square, artists on its diagonals.
        let corners = [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        assert_eq!(triplet_error(&corners, 2, &[0, 0, 1, 1], &untagged), Some(1.0));
    }

    #[test]
    fn negatives_share_a_tag_where_some_do() {
        let tags = [vec![1], vec![1], vec![1], vec![2]];
        // For anchors 0 and 1 the near artist 2 has another tag and does not count.
        let error = triplet_error(&[0.0, 1.0, 9.0, 0.5], 1, &[0, 0, 1, 2], &tags);
        assert_eq!(error, Some(0.0));
        assert_eq!(triplet_error(&[0.0, 1.0], 1, &[0, 1], &tags[..2]), None, "no positives");
    }

    #[test]
    fn lists_are_judged_by_their_order() {
        // Of each of three tracks the others, the second as like the first as half.
        let list = |places: [u32; 2]| Ranking { places: places.to_vec(), similarities: vec![0.8, 0.4] };
        let lists = [list([1, 2]), list([0, 2]), list([1, 0])];
        let error = |points: [f64; 3]| ranked_triplet_error(&lists, 5, |a, b| (points[a] - points[b]).abs());
        // The last on a list has nothing behind it.
        assert_eq!(error([0.0, 1.0, 3.0]), Some(0.0));
        assert_eq!(error([1.0; 3]), Some(0.5));
        assert_eq!(error([0.0, 3.0, 1.0]), Some(1.0));
        let tied = Ranking { places: vec![1, 2], similarities: vec![0.5; 2] };
        assert_eq!(ranked_triplet_error(&[tied], 5, |_, _| 0.0), None, "equally similar tracks have no order");
    }
}
