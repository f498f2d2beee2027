//! Triplet MatchNet: pairs by a learnt distance.

use super::{Objective, Points, Verdict};
use crate::loss::match_loss;
use crate::models::PairHead;

impl Objective {
    /// Each segment with those that are to be near it, then those that are not, by the learnt distance.
    pub(super) fn pairs(
        &self,
        points: &Points<'_>,
        hidden: usize,
        params: &[f32],
        d_embeddings: &mut [f32],
        d_params: &mut [f32],
    ) -> Verdict {
        let (size, rows) = (points.labels.per_artist, points.labels.rows());
        let (mut pairs, mut anchors) = (Vec::new(), Vec::new());
        for anchor in 0..rows {
            let own = anchor / size * size;
            let (near, far): (Vec<usize>, Vec<usize>) = match points.labels.compared {
                true if own / size % 3 != 0 => continue,
                true => ((own + size..own + 2 * size).collect(), (own + 2 * size..own + 3 * size).collect()),
                false => (0..rows).filter(|&row| row != anchor).partition(|row| (own..own + size).contains(row)),
            };
            let start = pairs.len();
            let middle = start + near.len();
            anchors.push([start..middle, middle..middle + far.len()]);
            pairs.extend(near.into_iter().chain(far).map(|other| [anchor as u32, other as u32]));
        }
        let head = PairHead::new(self.isa, params, self.dims, hidden);
        let (logits, stash) = head.logits(points.embeddings, points.embeddings, &pairs);
        let mut d_logits = vec![0.0; logits.len()];
        let (loss, active) = match_loss(&anchors, &logits, &mut d_logits);
        head.grad(points.embeddings, &pairs, &stash, &d_logits, d_params, d_embeddings);
        Verdict { loss, active }
    }
}
