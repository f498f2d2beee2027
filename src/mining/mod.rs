//! From the embeddings of a batch to the triplets worth learning from (paper, section 3.2).
//!
//! Every pair of segments of one artist gets one negative from the other artists; with `v = ‖a−n‖² − ‖a−p‖²` a triplet
//! is *hard* when `v < 0`, *semi-hard* when `0 ≤ v < α`, and easy, hence dropped, otherwise.

use std::ops::Range;

use homonym_kernels as kernels;
use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::{Error, Result};

/// Anchor, positive and negative: rows of the batch.
pub type Triplet = [u32; 3];

/// How a pair's negative is chosen among the candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Negatives {
    /// Any candidate; the triplet is kept if it turns out hard or semi-hard. The paper's way.
    #[default]
    Random,
    /// Any of the candidates that make the triplet hard or semi-hard.
    Violating,
    /// The candidate nearest to the anchor: collapses easily, for comparison.
    Hardest,
}

/// Which parameters choose the triplets of an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Those that are about to be updated, by the very embeddings that the gradient is taken at: online mining.
    #[default]
    Current,
    /// Those before the last update, without dropout: the paper's "state i filters data for update i + 1".
    Previous,
}

/// Settings of the miner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MiningSpec {
    /// How negatives are chosen.
    pub negatives: Negatives,
    /// Which parameters choose.
    pub selection: Selection,
    /// The catalogue column with side information (tags apart by `;`), if any.
    pub tag_column: Option<String>,
    /// Probability of preferring a negative that shares a tag with the anchor (`p` in the paper).
    pub tag_probability: f64,
}

impl Default for MiningSpec {
    fn default() -> Self {
        Self { negatives: Negatives::Random, selection: Selection::Current, tag_column: None, tag_probability: 0.5 }
    }
}

impl MiningSpec {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.tag_probability) {
            return Ok(());
        }
        Err(Error::setting("tag_probability", format!("{} is not in 0..=1", self.tag_probability)))
    }
}

/// Who is who in a batch. Triplets need `per_artist` rows of each artist, artist by artist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchLabels {
    /// Rows of each artist.
    pub per_artist: usize,
    /// Tags of each row, sorted; empty where unknown.
    pub tags: Vec<Vec<u32>>,
    /// The number of each row's artist among all that are trained on.
    pub artists: Vec<u32>,
    /// What each row is to come out as, rows × values; empty where that is not known.
    pub targets: Vec<f32>,
    /// Whether artists come in threes to compare: an anchor, one that is like it and one that is not.
    pub compared: bool,
    /// The values of each row, where it may have several: rows that share one are no negatives of each other. Empty where the
    /// artists say it all.
    pub values: Vec<Vec<u32>>,
    /// Which of two kinds each row is of, compared only with rows of the other; empty where they are not told apart.
    pub kinds: Vec<usize>,
}

impl BatchLabels {
    /// Rows in the batch.
    pub fn rows(&self) -> usize {
        self.tags.len()
    }

    /// Positive pairs in the batch: `N·n(n−1)/2`.
    pub fn pairs(&self) -> usize {
        self.rows() / self.per_artist * (self.per_artist * (self.per_artist - 1) / 2)
    }

    /// The rows by the artist of `row`.
    fn artist(&self, row: usize) -> Range<usize> {
        let first = row / self.per_artist * self.per_artist;
        first..first + self.per_artist
    }

    /// Whether two rows may be compared.
    fn comparable(&self, a: usize, b: usize) -> bool {
        self.kinds.is_empty() || self.kinds[a] != self.kinds[b]
    }

    fn share_tag(&self, a: usize, b: usize) -> bool {
        shared(&self.tags[a], &self.tags[b])
    }

    fn share_value(&self, a: usize, b: usize) -> bool {
        !self.values.is_empty() && shared(&self.values[a], &self.values[b])
    }
}

/// Whether two sorted lists have a number in common.
pub(crate) fn shared(a: &[u32], b: &[u32]) -> bool {
    a.iter().any(|number| b.binary_search(number).is_ok())
}

/// The hard and semi-hard triplets of a batch, one at most for each positive pair.
///
/// `embeddings`: rows × d on the unit sphere; `margin`: α; `random` decides anchors, negatives and tag preference.
pub fn mine(
    spec: &MiningSpec,
    embeddings: &[f32],
    labels: &BatchLabels,
    margin: f32,
    random: &mut Random,
) -> Vec<Triplet> {
    let rows = labels.rows();
    let mut distances = vec![0.0; rows * rows];
    // A forced set that the CPU lacks is an error where a network is built; distances alone do without.
    let isa = kernels::Isa::chosen().unwrap_or(kernels::Isa::PORTABLE);
    kernels::squared_distances(isa, embeddings, embeddings, embeddings.len() / rows.max(1), &mut distances);
    let mut triplets = Vec::new();
    for first in 0..rows {
        for second in (first + 1..labels.artist(first).end).filter(|&second| labels.comparable(first, second)) {
            let (anchor, positive) = if random.uniform() < 0.5 { (first, second) } else { (second, first) };
            let from_anchor = &distances[anchor * rows..][..rows];
            let violates = |negative: usize| from_anchor[negative] - from_anchor[positive] < margin;
            let candidates = candidates(spec, labels, anchor, random);
            let negative = match spec.negatives {
                Negatives::Random => pick(&candidates, random).filter(|&negative| violates(negative)),
                Negatives::Violating => {
                    let violating: Vec<usize> = candidates.into_iter().filter(|&row| violates(row)).collect();
                    pick(&violating, random)
                }
                Negatives::Hardest => candidates
                    .into_iter()
                    .min_by(|&a, &b| from_anchor[a].total_cmp(&from_anchor[b]))
                    .filter(|&negative| violates(negative)),
            };
            triplets.extend(negative.map(|negative| [anchor as u32, positive as u32, negative as u32]));
        }
    }
    triplets
}

/// Rows of other artists; with probability `p` only those that share a tag with the anchor, where there are any.
fn candidates(spec: &MiningSpec, labels: &BatchLabels, anchor: usize, random: &mut Random) -> Vec<usize> {
    let own = labels.artist(anchor);
    let foreign = |row: &usize| !own.contains(row) && !labels.share_value(anchor, *row);
    let others = || (0..labels.rows()).filter(|row| foreign(row) && labels.comparable(anchor, *row));
    if spec.tag_column.is_some() && random.uniform() < spec.tag_probability {
        let alike: Vec<usize> = others().filter(|&row| labels.share_tag(anchor, row)).collect();
        if !alike.is_empty() {
            return alike;
        }
    }
    others().collect()
}

fn pick(rows: &[usize], random: &mut Random) -> Option<usize> {
    (!rows.is_empty()).then(|| rows[random.below(rows.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three artists on a circle, two rows each; tags 0, 0, 1.
    fn batch() -> (Vec<f32>, BatchLabels) {
        let angles = [0.0f32, 0.1, 0.05, 1.0, 3.0, 3.1];
        let embeddings = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        let tags = vec![vec![0], vec![0], vec![0], vec![0], vec![1], vec![1]];
        (embeddings, BatchLabels { per_artist: 2, tags, artists: vec![0, 0, 1, 1, 2, 2], ..BatchLabels::default() })
    }

    fn squared(embeddings: &[f32], a: u32, b: u32) -> f32 {
        let row = |row: u32| &embeddings[row as usize * 2..][..2];
        row(a).iter().zip(row(b)).map(|(a, b)| (a - b).powi(2)).sum()
    }

    #[test]
    fn kept_triplets_are_hard_or_semi_hard_and_rightly_labelled() {
        let (embeddings, labels) = batch();
        for negatives in [Negatives::Random, Negatives::Violating, Negatives::Hardest] {
            let spec = MiningSpec { negatives, ..MiningSpec::default() };
            for seed in 0..50 {
                let triplets = mine(&spec, &embeddings, &labels, 0.2, &mut Random::keyed(seed, &[]));
                assert!(triplets.len() <= labels.pairs());
                for [anchor, positive, negative] in triplets {
                    assert_eq!(anchor / 2, positive / 2);
                    assert_ne!(anchor / 2, negative / 2);
                    let v = squared(&embeddings, anchor, negative) - squared(&embeddings, anchor, positive);
                    assert!(v < 0.2, "easy triplet kept: {v}");
                }
            }
        }
    }

    #[test]
    fn rows_of_two_kinds_are_compared_across_them_only() {
        let (embeddings, labels) = batch();
        let labels = BatchLabels { kinds: vec![0, 1, 0, 0, 1, 0], ..labels };
        let mut seen = 0;
        for seed in 0..50 {
            for triplet in mine(&MiningSpec::default(), &embeddings, &labels, 4.0, &mut Random::keyed(seed, &[])) {
                let [anchor, positive, negative] = triplet.map(|row| labels.kinds[row as usize]);
                assert!(anchor != positive && anchor != negative, "{triplet:?}");
                assert_ne!(triplet[0] / 2, 1, "both rows of that artist are of one kind");
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn rows_that_share_a_value_are_no_negatives() {
        let (embeddings, labels) = batch();
        // Groups of values 0, 1 and 2; the second row of the first group has value 1 too, that of the third all.
        let values = [&[0][..], &[0, 1], &[1], &[1], &[2], &[0, 1, 2]].map(<[u32]>::to_vec).to_vec();
        let labels = BatchLabels { values, ..labels };
        let mut seen = 0;
        for seed in 0..50 {
            for triplet in mine(&MiningSpec::default(), &embeddings, &labels, 4.0, &mut Random::keyed(seed, &[])) {
                let [anchor, positive, negative] = triplet.map(|row| &labels.values[row as usize]);
                assert!(shared(anchor, positive) && !shared(anchor, negative), "{triplet:?}");
                assert_ne!(triplet[0], 5, "it has no negative");
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn the_hardest_negative_is_the_nearest() {
        let (embeddings, labels) = batch();
        let spec = MiningSpec { negatives: Negatives::Hardest, ..MiningSpec::default() };
        let triplets = mine(&spec, &embeddings, &labels, 0.2, &mut Random::keyed(1, &[]));
        assert!(triplets.iter().any(|&[anchor, _, negative]| anchor < 2 && negative == 2), "{triplets:?}");
    }

    #[test]
    fn tags_are_preferred_with_their_probability_and_fall_back() {
        let (_, labels) = batch();
        let spec = |p| MiningSpec { tag_column: Some("genre".into()), tag_probability: p, ..MiningSpec::default() };
        let mut random = Random::keyed(2, &[]);
        assert_eq!(candidates(&spec(1.0), &labels, 0, &mut random), [2, 3]);
        assert_eq!(candidates(&spec(0.0), &labels, 0, &mut random), [2, 3, 4, 5]);
        assert_eq!(candidates(&spec(1.0), &labels, 4, &mut random), [0, 1, 2, 3], "no other row has tag 1");
        let untagged = BatchLabels { tags: vec![vec![]; 6], ..labels.clone() };
        assert_eq!(candidates(&spec(1.0), &untagged, 0, &mut random), [2, 3, 4, 5], "the anchor has no tag");
        let preferred = (0..2000).filter(|_| candidates(&spec(0.5), &labels, 0, &mut random).len() == 2).count();
        assert!((900..1100).contains(&preferred), "{preferred} of 2000 at p = 0.5");
    }
}
