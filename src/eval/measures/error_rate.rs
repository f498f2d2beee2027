//! The equal error rate of a verification by distance.

/// A pair that is accepted as the same artist when its distance is at most the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Distance of the pair.
    pub distance: f64,
    /// Whether both are by the same artist.
    pub genuine: bool,
    /// How often the pair counts.
    pub weight: f64,
}

/// Where false rejections and false acceptances are equally frequent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EqualErrorRate {
    /// The rate, in `[0, 1]`.
    pub rate: f64,
    /// The least observed distance that, as threshold, rejects no larger a share of genuine pairs than it accepts of
    /// the others.
    pub threshold: f64,
}

/// The equal error rate of `scores`, which must be sorted by distance; `None` without genuine or without other pairs.
///
/// For a threshold t, FNR(t) is the share of genuine pairs with distance > t and FPR(t) the share of other pairs with
/// distance ≤ t. The points (FPR, FNR) at every different distance, together with (0, 1) for a threshold below all, are
/// joined by straight lines; the rate is where this line meets FNR = FPR. Pairs of equal distance are accepted together.
pub fn equal_error_rate(scores: impl Iterator<Item = Score> + Clone) -> Option<EqualErrorRate> {
    let (genuine, others) = scores.clone().fold((0.0, 0.0), accept);
    if genuine <= 0.0 || others <= 0.0 {
        return None;
    }
    let mut scores = scores.peekable();
    let (mut accepted, mut before) = ((0.0, 0.0), (0.0, 1.0));
    while let Some(first) = scores.next() {
        let distance = first.distance;
        accepted = accept(accepted, first);
        while let Some(score) = scores.next_if(|score| score.distance <= distance) {
            accepted = accept(accepted, score);
        }
        let (false_positive, false_negative) = (accepted.1 / others, 1.0 - accepted.0 / genuine);
        if false_negative <= false_positive {
            return Some(EqualErrorRate {
                rate: crossing(before, (false_positive, false_negative)),
                threshold: distance,
            });
        }
        before = (false_positive, false_negative);
    }
    unreachable!("at the largest distance every pair is accepted")
}

/// Adds a pair to the weights of genuine and other pairs.
fn accept((genuine, others): (f64, f64), score: Score) -> (f64, f64) {
    if score.genuine { (genuine + score.weight, others) } else { (genuine, others + score.weight) }
}

/// Where the line from `before` (above the diagonal) to `after` (on or below it) meets the diagonal.
fn crossing(before: (f64, f64), after: (f64, f64)) -> f64 {
    let (above, below) = (before.1 - before.0, after.0 - after.1);
    before.0 + (after.0 - before.0) * above / (above + below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(scores: &[(f64, bool, f64)]) -> Option<EqualErrorRate> {
        equal_error_rate(scores.iter().map(|&(distance, genuine, weight)| Score { distance, genuine, weight }))
    }

    #[test]
    fn extremes() {
        let apart = rate(&[(0.1, true, 1.0), (0.2, false, 1.0)]).unwrap();
        assert_eq!(apart, EqualErrorRate { rate: 0.0, threshold: 0.1 });
        assert_eq!(rate(&[(0.1, false, 1.0), (0.2, true, 1.0)]).unwrap().rate, 1.0);
        assert_eq!(rate(&[(0.1, false, 1.0), (0.1, true, 1.0)]).unwrap().rate, 0.5);
        assert_eq!(rate(&[(0.1, true, 1.0)]), None);
        assert_eq!(rate(&[(0.1, true, 1.0), (0.1, false, 0.0)]), None);
        assert_eq!(rate(&[]), None);
    }

    #[test]
    fn weights_repeat_scores() {
        let weighted = [(0.1, true, 2.0), (0.2, false, 1.0), (0.3, true, 1.0), (0.4, false, 3.0)];
        let repeated: Vec<_> = weighted.iter().flat_map(|&(d, g, w)| vec![(d, g, 1.0); w as usize]).collect();
        assert!((rate(&weighted).unwrap().rate - rate(&repeated).unwrap().rate).abs() < 1e-15);
    }
}
