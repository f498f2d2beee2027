//! Triplets: mined, or those that a batch came with.

use std::ops::Range;

use super::{MINING, Objective, Points, Verdict};
use crate::loss::{masked_triplet_loss, triplet_loss, violation};
use crate::mining::{Triplet, mine};
use crate::random::Random;
use crate::train::TrainConfig;

impl Objective {
    /// Triplets chosen and judged by a part of the embedding.
    pub(super) fn triplets(&self, points: &Points<'_>, part: Range<usize>, d_embeddings: &mut [f32]) -> Verdict {
        let TrainConfig { seed, mining, margin, .. } = &self.config;
        let mut random = Random::keyed(*seed, &[MINING, points.step]);
        let seen: Vec<f32> =
            points.chooser.chunks_exact(self.dims).flat_map(|row| &row[part.clone()]).copied().collect();
        let triplets = mine(mining, &seen, points.labels, *margin, &mut random);
        let loss = masked_triplet_loss(*margin, points.embeddings, self.dims, part, &triplets, d_embeddings);
        Verdict { loss, active: triplets.len() as f64 / points.labels.pairs().max(1) as f64 }
    }

    /// Anchors, each followed by its positive and so many negatives.
    pub(super) fn ranked(&self, embeddings: &[f32], negatives: usize, d_embeddings: &mut [f32]) -> Verdict {
        let rows = (embeddings.len() / self.dims) as u32;
        let of = |anchor: u32| (0..negatives as u32).map(move |negative| [anchor, anchor + 1, anchor + 2 + negative]);
        let triplets: Vec<Triplet> = (0..rows).step_by(2 + negatives).flat_map(of).collect();
        self.given(&triplets, embeddings, d_embeddings)
    }

    /// The triplets of comparisons, segment by segment.
    pub(super) fn compared(&self, points: &Points<'_>, d_embeddings: &mut [f32]) -> Verdict {
        let size = points.labels.per_artist as u32;
        let rows = points.labels.rows() as u32;
        let of_comparison = |first| (first..first + size).map(move |row| [row, row + size, row + 2 * size]);
        let triplets: Vec<Triplet> = (0..rows).step_by(3 * size as usize).flat_map(of_comparison).collect();
        self.given(&triplets, points.embeddings, d_embeddings)
    }

    /// Triplets that the batch came with; active are those that are not far enough apart.
    fn given(&self, triplets: &[Triplet], embeddings: &[f32], d_embeddings: &mut [f32]) -> Verdict {
        let (margin, dims) = (self.config.margin, self.dims);
        let loss = triplet_loss(margin, embeddings, dims, triplets, d_embeddings);
        let active = triplets.iter().filter(|triplet| violation(margin, embeddings, dims, triplet) > 0.0).count();
        Verdict { loss, active: active as f64 / triplets.len().max(1) as f64 }
    }
}
