//! Two towers: segments and given vectors.

use homonym_kernels::{self as kernels, Isa};

use super::{MINING, Objective, Points, Verdict};
use crate::loss::cosine_triplets;
use crate::mining::Triplet;
use crate::models::VectorTower;
use crate::random::Random;

impl Objective {
    /// Segments and the vectors of the batch, each as anchors among the others. A segment's positive is one of its vectors, drawn
    /// at random; negatives are drawn among those that are not yet farther by the margin.
    pub(super) fn towers(
        &self,
        points: &Points<'_>,
        margin: f32,
        params: &[f32],
        d_embeddings: &mut [f32],
        d_params: &mut [f32],
    ) -> Verdict {
        let (dims, tags) = (self.dims, &points.labels.tags);
        let mut known: Vec<u32> = tags.concat();
        known.sort_unstable();
        known.dedup();
        let rows: Vec<usize> = known.iter().map(|&tag| tag as usize).collect();
        let vectors = self.vectors.select(&rows).data;
        let tower = VectorTower::new(self.isa, params, dims);
        let words = tower.points(&vectors);
        let units = |rows: &[f32]| {
            let mut units = rows.to_vec();
            for row in units.chunks_exact_mut(dims) {
                kernels::normalise(Isa::PORTABLE, row);
            }
            units
        };
        let (audio, unit_words) = (units(points.embeddings), units(&words));
        let cosine = |row: usize, word: usize| -> f32 {
            audio[row * dims..][..dims].iter().zip(&unit_words[word * dims..][..dims]).map(|(a, b)| a * b).sum()
        };
        let has = |row: usize, word: usize| tags[row].contains(&known[word]);
        let mut random = Random::keyed(self.config.seed, &[MINING, points.step]);
        let mut pick =
            |candidates: Vec<usize>| (!candidates.is_empty()).then(|| candidates[random.below(candidates.len())]);
        let (mut of_audio, mut of_words): (Vec<Triplet>, Vec<Triplet>) = (Vec::new(), Vec::new());
        for row in 0..tags.len() {
            let own = (0..known.len()).filter(|&word| has(row, word)).collect();
            let Some(word) = pick(own) else { continue };
            let reach = cosine(row, word) - margin;
            let others = (0..known.len()).filter(|&other| !has(row, other) && cosine(row, other) > reach);
            of_audio.extend(pick(others.collect()).map(|other| [row as u32, word as u32, other as u32]));
            let others = (0..tags.len()).filter(|&other| !has(other, word) && cosine(other, word) > reach);
            of_words.extend(pick(others.collect()).map(|other| [word as u32, row as u32, other as u32]));
        }
        let mut d_words = vec![0.0; words.len()];
        let there = cosine_triplets(margin, (points.embeddings, &words), dims, &of_audio, d_embeddings, &mut d_words).0;
        let back = cosine_triplets(margin, (&words, points.embeddings), dims, &of_words, &mut d_words, d_embeddings).0;
        tower.grad(&vectors, &words, d_words, d_params);
        let active = (of_audio.len() + of_words.len()) as f64 / (2 * tags.len()) as f64;
        Verdict { loss: there + back, active }
    }
}
