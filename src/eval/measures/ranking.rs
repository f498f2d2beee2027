//! How well a list of answers finds what is relevant, the most relevant first.

use serde::Serialize;

/// Measures of one list, each from 0 to 1 (Urbano 2013; Prétet, Richard and Peeters 2020, section 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RankScores {
    /// Mean over the relevant, as many as the list has room for, of the share of relevant ones down to each; 0 for those not
    /// on the list.
    pub average_precision: f64,
    /// Share of the relevant that are on the list.
    pub recall: f64,
    /// 1 / rank of the first relevant one; 0 where none is on the list.
    pub reciprocal_rank: f64,
    /// Normalised discounted cumulative gain: the gain of R relevant ones is R, R − 1, … 1, divided by log₂(1 + rank), of what
    /// the best list would gain (scikit-learn's `ndcg_score`).
    pub ndcg: f64,
}

/// The measures of a list cut after `depth` answers; `relevant`, at least one, are all different, as are the answers.
pub fn rank_scores(relevant: &[u32], answers: &[u32], depth: usize) -> RankScores {
    let answers = &answers[..answers.len().min(depth)];
    let ranks: Vec<Option<usize>> =
        relevant.iter().map(|one| answers.iter().position(|answer| answer == one)).collect();
    let mut found: Vec<usize> = ranks.iter().flatten().copied().collect();
    found.sort_unstable();
    let precisions = found.iter().enumerate().map(|(before, rank)| (before + 1) as f64 / (rank + 1) as f64);
    let gain = |place: usize, rank: usize| (relevant.len() - place) as f64 / ((rank + 2) as f64).log2();
    let room = relevant.len().min(depth);
    let gained = ranks.iter().enumerate().filter_map(|(place, rank)| Some(gain(place, (*rank)?)));
    RankScores {
        average_precision: precisions.sum::<f64>() / room as f64,
        recall: found.len() as f64 / relevant.len() as f64,
        reciprocal_rank: found.first().map_or(0.0, |rank| 1.0 / (rank + 1) as f64),
        ndcg: gained.sum::<f64>() / (0..room).map(|place| gain(place, place)).sum::<f64>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use serde_json::Value;

    #[test]
    fn measures_by_hand() {
        // Relevant are 7 (gain 2) and 9 (gain 1); 9 comes second, 7 fourth.
        let scores = rank_scores(&[7, 9], &[1, 9, 2, 7, 3], 5);
        assert_eq!((scores.average_precision, scores.recall, scores.reciprocal_rank), (0.5, 1.0, 0.5));
        let [second, fourth] = [3f64, 5.0].map(f64::log2);
        assert!((scores.ndcg - (1.0 / second + 2.0 / fourth) / (2.0 + 1.0 / second)).abs() < 1e-12);
        let cut = rank_scores(&[7, 9], &[1, 9, 2, 7, 3], 3);
        assert_eq!((cut.average_precision, cut.recall), (0.25, 0.5));
        assert_eq!(rank_scores(&[7, 9], &[1, 2], 20), RankScores::default());
        let best = rank_scores(&[7, 9, 4], &[7, 9, 4], 2);
        assert_eq!((best.average_precision, best.reciprocal_rank, best.ndcg), (1.0, 1.0, 1.0));
    }

    #[test]
    fn measures_equal_those_of_scikit_learn() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ranking.json");
        let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let numbers = |name: &str| -> Vec<u32> { serde_json::from_value(case[name].clone()).unwrap() };
            let depth = case["depth"].as_u64().unwrap() as usize;
            let scores = rank_scores(&numbers("relevant"), &numbers("answers"), depth);
            let near = |name: &str, own: f64| {
                let Some(expected) = case[name].as_f64() else { return };
                assert!((own - expected).abs() < 1e-12, "{name}: {own} {expected}");
            };
            near("ndcg", scores.ndcg);
            near("average_precision", scores.average_precision);
            near("recall", scores.recall);
        }
    }

    /// By definition: gains and hits rank by rank.
    #[test]
    fn measures_equal_a_walk_down_the_list() {
        for round in 0..200 {
            let random = &mut Random::keyed(round, &[]);
            let relevant: Vec<u32> = random.sample(30, 1 + round as usize % 6).into_iter().map(|x| x as u32).collect();
            let answers: Vec<u32> = random.sample(30, 25).into_iter().map(|x| x as u32).collect();
            let depth = 3 + round as usize % 20;
            let (mut hits, mut precision, mut first, mut gain) = (0.0, 0.0, 0.0, 0.0);
            for (rank, answer) in (1..=depth).zip(&answers) {
                for (place, one) in relevant.iter().enumerate() {
                    if one == answer {
                        hits += 1.0;
                        precision += hits / rank as f64;
                        first = if first == 0.0 { 1.0 / rank as f64 } else { first };
                        gain += (relevant.len() - place) as f64 / (1.0 + rank as f64).log2();
                    }
                }
            }
            let mut best = 0.0;
            for (rank, worth) in (1..=depth).zip((1..=relevant.len()).rev()) {
                best += worth as f64 / (1.0 + rank as f64).log2();
            }
            let expected =
                [precision / relevant.len().min(depth) as f64, hits / relevant.len() as f64, first, gain / best];
            let RankScores { average_precision, recall, reciprocal_rank, ndcg } =
                rank_scores(&relevant, &answers, depth);
            for (own, expected) in [average_precision, recall, reciprocal_rank, ndcg].into_iter().zip(expected) {
                assert!((own - expected).abs() < 1e-12, "{round}: {own} {expected}");
            }
        }
    }
}
