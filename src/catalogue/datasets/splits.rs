//! How samples are spread over tracks, and artists and albums over parts.

use crate::catalogue::samples::Samples;
use crate::random::Random;

/// `total` samples over as many tracks as there are rows, as evenly as can be, linearly spaced in each; tracks that get
/// none are left out.
pub(super) fn spread(rows: &[usize], total: usize, seconds: f64) -> Vec<(usize, Samples)> {
    let count = |place: usize| (place + 1) * total / rows.len() - place * total / rows.len();
    let tracks = rows.iter().enumerate().map(|(place, &row)| (row, count(place)));
    tracks.filter(|&(_, count)| count > 0).map(|(row, count)| (row, Samples::linear(seconds, count))).collect()
}

/// Deals items with weights into parts with shares: every item, in random order, to the part that is furthest below its
/// share; parts without share stay empty. Returns the items of each part.
pub(super) fn deal(weights: &[usize], shares: &[f64], random: &mut Random) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    random.shuffle(&mut order);
    let total = weights.iter().sum::<usize>().max(1) as f64;
    let mut parts = vec![Vec::new(); shares.len()];
    let mut filled = vec![0.0; shares.len()];
    for item in order {
        // An empty part comes before all others: every one gets something while there is enough.
        let lack = |part: &usize| match (parts[*part].is_empty(), shares[*part] > 0.0) {
            (_, false) => f64::NEG_INFINITY,
            (true, true) => 2.0 + shares[*part],
            (false, true) => shares[*part] - filled[*part] / total,
        };
        let part = (0..shares.len()).max_by(|a, b| lack(a).total_cmp(&lack(b)).then(b.cmp(a))).expect("parts");
        parts[part].push(item);
        filled[part] += weights[item] as f64;
    }
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_spread_evenly_and_exactly() {
        let tracks = spread(&[5, 6, 7], 10, 9.0);
        assert_eq!(
            tracks.iter().map(|(row, samples)| (*row, samples.positions)).collect::<Vec<_>>(),
            [(5, 3), (6, 3), (7, 4)]
        );
        assert_eq!(spread(&[1, 2, 3, 4], 2, 9.0).len(), 2);
    }

    #[test]
    fn parts_come_near_their_shares_and_none_is_empty() {
        let weights = [4, 5, 4, 6, 4, 4, 5, 4, 4, 4];
        let parts = deal(&weights, &[0.5, 0.2, 0.3, 0.0], &mut Random::keyed(1, &[]));
        let sum = |part: &Vec<usize>| part.iter().map(|&item| weights[item]).sum::<usize>() as f64 / 44.0;
        let sums: Vec<f64> = parts.iter().map(sum).collect();
        assert!(
            (sums[0] - 0.5).abs() < 0.15 && (sums[1] - 0.2).abs() < 0.15 && (sums[2] - 0.3).abs() < 0.15,
            "{sums:?}"
        );
        assert_eq!(sums[3], 0.0);
        let few = deal(&[4, 4, 4], &[1.0 / 3.0, 1.0 / 6.0, 0.5], &mut Random::keyed(2, &[]));
        assert!(few.iter().all(|part| part.len() == 1), "{few:?}");
    }
}
