//! Triplets from ranked lists (Prétet, Richard and Peeters, ICASSP 2020, section 3.2): an anchor, a positive of the first on its
//! list, negatives behind the positive.
//!
//! They are chosen before training and stay the same, but are not stored: the negatives of a pair follow from a random stream
//! of its own, and its anchor's list from the oracle, whenever a batch needs them.

use serde::{Deserialize, Serialize};

use super::tracks::LabelledTracks;
use crate::random::Random;
use crate::similarity::Ranking;
use crate::{Error, Result};

/// How the negatives of an anchor and a positive are chosen among the tracks behind the positive on the anchor's list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Those directly behind it.
    Neighbours,
    /// Any, all equally likely.
    Uniform,
    /// Any, as likely as they are similar to the anchor.
    #[default]
    Distance,
}

/// Which triplets there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankedTriplets {
    /// How negatives are chosen.
    pub strategy: Strategy,
    /// Positives of an anchor, `N_p`: the first on its list.
    pub positives: usize,
    /// Negatives of an anchor and a positive, `N_n`.
    pub negatives: usize,
}

impl RankedTriplets {
    /// How many of the first on an anchor's list can be positives: like it, with a track behind that can be a negative.
    fn usable(self, ranking: &Ranking) -> usize {
        let alike = ranking.above(0.0);
        let end = if self.strategy == Strategy::Distance { alike } else { ranking.places.len() };
        (0..self.positives.min(alike)).take_while(|&rank| ranking.beyond(rank) < end).count()
    }

    /// The negatives of the positive at a rank, at most `N_n` and none twice, in the order in which they were drawn. Tracks as
    /// similar as the positive are none: their order on the list says nothing.
    fn negatives(self, ranking: &Ranking, positive: usize, random: &mut Random) -> Vec<u32> {
        let first = ranking.beyond(positive);
        let (places, similarities) = (&ranking.places[first..], &ranking.similarities[first..]);
        match self.strategy {
            Strategy::Neighbours => places.iter().copied().take(self.negatives).collect(),
            Strategy::Uniform => random.sample(places.len(), self.negatives).into_iter().map(|at| places[at]).collect(),
            Strategy::Distance => {
                // The order of exponential waiting times is that of draws without replacement (Efraimidis and Spirakis 2006).
                let mut waits: Vec<(f64, u32)> = places
                    .iter()
                    .zip(similarities)
                    .map(|(&place, similarity)| (-(1.0 - random.uniform()).ln() / similarity, place))
                    .filter(|(wait, _)| wait.is_finite())
                    .collect();
                waits.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                waits.into_iter().map(|(_, place)| place).take(self.negatives).collect()
            }
        }
    }
}

/// Purpose of a random stream.
const NEGATIVES: u64 = 7;

impl LabelledTracks<'_> {
    /// All other tracks by decreasing similarity with one.
    pub fn ranking(&self, track: usize) -> Option<Ranking> {
        let items = self.items();
        Some(self.oracle()?.rank(items[track], &items))
    }

    /// Refuses tracks of which no triplet can be made.
    pub(crate) fn check_triplets(&self, triplets: RankedTriplets) -> Result<()> {
        let oracle = self.oracle().ok_or_else(|| {
            Error::setting("objective", "learns from what tracks are alike by: give it --likelihoods or --lists")
        })?;
        if triplets.strategy == Strategy::Distance && !oracle.is_graded() {
            let problem =
                "`distance` needs lists with a column `similarity`; without it there are neighbours and uniform";
            return Err(Error::setting("objective.strategy", problem));
        }
        let fits = |track| self.ranking(track).is_some_and(|ranking| triplets.usable(&ranking) > 0);
        if (0..self.tracks()).any(fits) {
            return Ok(());
        }
        let found = format!("none among {}", self.tracks());
        let advice = "add tracks, or tags that tell them apart";
        Err(Error::input(
            "what tracks are alike by",
            "a track with one that is more and one that is less like it",
            found,
            advice,
        ))
    }

    /// Pair `positive` of an anchor, with the next `count` of its negatives in every pass; an anchor with fewer positives takes
    /// one of them again, one without any hands over to the next track.
    pub(super) fn tuple(
        &self,
        triplets: RankedTriplets,
        (anchor, positive): (usize, usize),
        (pass, count): (u64, usize),
        seed: u64,
    ) -> Vec<usize> {
        let lists = (0..self.tracks()).map(|further| (anchor + further) % self.tracks());
        let mut usable = lists.filter_map(|anchor| {
            let ranking = self.ranking(anchor)?;
            let usable = triplets.usable(&ranking);
            (usable > 0).then_some((anchor, positive % usable, ranking))
        });
        let (anchor, positive, ranking) = usable.next().expect("check_triplets found a track");
        let mut random = Random::keyed(seed, &[NEGATIVES, anchor as u64, positive as u64]);
        let negatives = triplets.negatives(&ranking, positive, &mut random);
        let next = |at: usize| negatives[((pass % negatives.len() as u64) as usize * count + at) % negatives.len()];
        let others = std::iter::once(ranking.places[positive]).chain((0..count).map(next));
        std::iter::once(anchor).chain(others.map(|place| place as usize)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten tracks, numbered backwards; the first three are equally similar, the last two have nothing in common.
    fn ranking() -> Ranking {
        let similarities = vec![0.9, 0.9, 0.9, 0.8, 0.6, 0.4, 0.2, 0.1, 0.0, 0.0];
        Ranking { places: (10..20).rev().collect(), similarities }
    }

    fn triplets(strategy: Strategy, positives: usize, negatives: usize) -> RankedTriplets {
        RankedTriplets { strategy, positives, negatives }
    }

    #[test]
    fn positives_are_alike_and_have_something_behind_them() {
        let usable = |strategy, positives| triplets(strategy, positives, 4).usable(&ranking());
        assert_eq!([usable(Strategy::Uniform, 3), usable(Strategy::Neighbours, 99)], [3, 8]);
        assert_eq!(usable(Strategy::Distance, 99), 7, "behind the eighth no track is alike");
        let alone = Ranking { places: vec![4], similarities: vec![1.0] };
        let unlike = Ranking { places: vec![4, 5], similarities: vec![0.0; 2] };
        for strategy in [Strategy::Neighbours, Strategy::Uniform, Strategy::Distance] {
            assert_eq!([alone.clone(), unlike.clone()].map(|list| triplets(strategy, 5, 5).usable(&list)), [0, 0]);
        }
    }

    #[test]
    fn neighbours_come_directly_behind() {
        let random = &mut Random::keyed(1, &[]);
        let of = triplets(Strategy::Neighbours, 5, 4);
        assert_eq!(of.negatives(&ranking(), 3, random), [15, 14, 13, 12]);
        assert_eq!(of.negatives(&ranking(), 0, random), [16, 15, 14, 13], "not the equally similar ones");
        assert_eq!(of.negatives(&ranking(), 7, random), [11, 10], "no more than there are");
    }

    /// How often each track is drawn first, and whether all draws are fair.
    fn firsts(strategy: Strategy, positive: usize) -> Vec<f64> {
        let mut counts = vec![0.0; 20];
        let (rounds, ranking) = (20_000, ranking());
        for round in 0..rounds {
            let drawn = triplets(strategy, 5, 3).negatives(&ranking, positive, &mut Random::keyed(3, &[round]));
            assert_eq!(drawn.len(), 3);
            assert!(drawn.iter().all(|&track| (track as usize) < 20 - positive - 1));
            assert!(drawn[0] != drawn[1] && drawn[0] != drawn[2] && drawn[1] != drawn[2]);
            counts[drawn[0] as usize] += 1.0 / rounds as f64;
        }
        counts
    }

    #[test]
    fn draws_follow_their_strategy() {
        let all_near = |counts: &[f64], expected: &[(usize, f64)]| {
            assert!((expected.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12);
            for &(track, share) in expected {
                // Five standard errors.
                let reach = 5.0 * (share * (1.0 - share) / 20_000.0).sqrt();
                assert!((counts[track] - share).abs() < reach, "{track}: {} for {share}", counts[track]);
            }
        };
        let uniform: Vec<(usize, f64)> = (10..16).map(|track| (track, 1.0 / 6.0)).collect();
        all_near(&firsts(Strategy::Uniform, 3), &uniform);
        // Similarities 0.6, 0.4, 0.2, 0.1 of 1.3.
        let by_similarity = [(15, 0.6), (14, 0.4), (13, 0.2), (12, 0.1)].map(|(track, share)| (track, share / 1.3));
        all_near(&firsts(Strategy::Distance, 3), &by_similarity);
    }
}
