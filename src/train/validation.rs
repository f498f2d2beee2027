//! How well an embedding tells artists apart that it was not trained on, in one number.

use homonym_kernels as kernels;

use crate::Result;
use crate::models::{Network, TrackMap, TrackVector};
use crate::sampling::LabelledTracks;

use super::Validation;

/// The share of triplets (anchor, positive, negative) in which the negative is nearer than the positive, each anchor
/// counting the same: 0.5 for chance or a collapsed embedding (ties count half), 0 for a perfect one. Unlike the loss of
/// the mined triplets it does not hover near the margin.
///
/// `points`: n × `dims`; `artists[i]` and `tags[i]` belong to point `i`. Where an anchor shares a tag with points of
/// other artists, only those are its negatives. `None` where no point has both a positive and a negative.
pub fn triplet_error(points: &[f32], dims: usize, artists: &[usize], tags: &[Vec<u32>]) -> Option<f64> {
    let n = artists.len();
    let mut distances = vec![0.0; n];
    // A forced set that the CPU lacks is an error where a network is built; distances alone do without.
    let isa = kernels::Isa::chosen().unwrap_or(kernels::Isa::PORTABLE);
    let (mut total, mut anchors) = (0.0, 0);
    for anchor in 0..n {
        kernels::squared_distances(isa, &points[anchor * dims..][..dims], points, dims, &mut distances);
        let alike = |other: &usize| tags[anchor].iter().any(|tag| tags[*other].contains(tag));
        let others: Vec<usize> = (0..n).filter(|&other| artists[other] != artists[anchor]).collect();
        let tagged: Vec<usize> = others.iter().copied().filter(alike).collect();
        let negatives = if tagged.is_empty() { others } else { tagged };
        let mut negatives: Vec<f32> = negatives.into_iter().map(|other| distances[other]).collect();
        negatives.sort_unstable_by(f32::total_cmp);
        let positives = (0..n).filter(|&other| other != anchor && artists[other] == artists[anchor]);
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

/// The [`triplet_error`] of the track vectors of artists kept out of training.
pub(super) fn held_out_error(
    network: &dyn Network,
    params: &[f32],
    track: TrackVector,
    spec: &Validation,
    tracks: &LabelledTracks<'_>,
) -> Result<Option<f64>> {
    let chosen = tracks.spread(spec.tracks);
    let segments = tracks.survey(&chosen, network.input().0, spec.segments);
    let width = track.layer.width(network);
    let rows = network.embed(params, &segments, track.layer);
    let means = crate::embed::average(&rows, width, spec.segments);
    let map = TrackMap::fit(track, &means, width);
    let parts = track.layer.parts(network);
    let finish = |mean: &[f32]| crate::embed::finish(&map, track.sphere, &parts, mean.to_vec());
    let points: Vec<f32> = means.chunks_exact(width).flat_map(finish).collect();
    let artist_of_tracks = tracks.artist_of_tracks();
    let artists: Vec<usize> = chosen.iter().map(|&track| artist_of_tracks[track]).collect();
    let tags: Vec<Vec<u32>> = chosen.iter().map(|&track| tracks.tags(track).to_vec()).collect();
    Ok(triplet_error(&points, map.width(), &artists, &tags))
}

#[cfg(test)]
mod tests {
    use super::triplet_error;

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
}
