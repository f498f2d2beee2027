//! Classification: the training artists told apart.

use homonym_kernels as kernels;

use super::{DROPOUT, Objective, Points, Verdict};
use crate::loss::softmax_cross_entropy;
use crate::random::Random;

impl Objective {
    /// Dropout, dense layer, softmax, cross-entropy.
    pub(super) fn classes(
        &mut self,
        points: &Points<'_>,
        (weight, dropout): (f32, f32),
        params: &[f32],
        d_embeddings: &mut [f32],
        d_params: &mut [f32],
    ) -> Verdict {
        let Points { embeddings, labels, step, .. } = points;
        let (w, b) = params.split_at(self.params.len() / (self.dims + 1) * self.dims);
        let mut random = Random::keyed(self.config.seed, &[DROPOUT, *step]);
        let mut kept = |_| if random.uniform() < f64::from(dropout) { 0.0 } else { 1.0 / (1.0 - dropout) };
        let mask: Vec<f32> = embeddings.iter().map(&mut kept).collect();
        let x: Vec<f32> = embeddings.iter().zip(&mask).map(|(x, mask)| x * mask).collect();
        let mut logits = vec![0.0; labels.rows() * b.len()];
        kernels::dense_batch(self.isa, &x, w, b, &mut logits, &mut self.scratch);
        let mut d_logits = vec![0.0; logits.len()];
        let (loss, wrong) = softmax_cross_entropy(&logits, &labels.artists, &mut d_logits);
        d_logits.iter_mut().for_each(|d| *d *= weight);
        let (dw, db) = d_params.split_at_mut(w.len());
        let mut dx = vec![0.0; x.len()];
        kernels::dense_batch_grad(self.isa, &x, w, &d_logits, dw, db, &mut dx, &mut self.scratch);
        d_embeddings.iter_mut().zip(dx.iter().zip(&mask)).for_each(|(d, (dx, mask))| *d += dx * mask);
        Verdict { loss, active: wrong as f64 / labels.rows() as f64 }
    }
}
