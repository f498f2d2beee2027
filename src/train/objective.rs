//! What a batch is asked for: the loss on its embeddings, with the parameters that a loss has beside the network's.

use std::collections::HashSet;
use std::ops::Range;
use std::path::PathBuf;

use homonym_kernels::{self as kernels, GemmScratch, Isa};
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use crate::loss::{
    binary_cross_entropy, contrastive, cosine_hinge, cosine_triplets, masked_triplet_loss, match_loss,
    normalised_softmax, nt_xent, prototypical, softmax_cross_entropy, triplet_loss, violation,
};
use crate::matrix::Matrix;
use crate::mining::{BatchLabels, Triplet, mine};
use crate::models::{HeadSpec, PairHead, VectorTower, notion_part};
use crate::nn::{Init, ParamTable};
use crate::random::Random;
use crate::sampling::{Drawing, RankedTriplets, Strategy};
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// Purposes of random streams.
const MINING: u64 = 3;
const DROPOUT: u64 = 5;

/// An objective with its settings: what `[objective]` in a configuration holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ObjectiveSpec {
    /// The triplet loss on mined triplets (`margin`, `[mining]`): the main system.
    #[default]
    Triplet,
    /// Softmax and cross-entropy over the training artists: the classifier.
    Classification {
        /// Share of the embedding's values that is dropped before the last layer.
        #[serde(default = "half")]
        dropout: f32,
    },
    /// Hinge on cosines: an anchor, a positive and some negatives of other artists.
    Siamese {
        /// Negatives of an anchor.
        #[serde(default = "four")]
        negatives: usize,
        /// By how much the positive must be nearer.
        #[serde(default = "siamese_margin")]
        margin: f32,
    },
    /// Pairs: those of an artist near each other, those of two at least `margin` apart.
    Contrastive {
        /// The distance from which on two artists are far enough.
        #[serde(default = "one")]
        margin: f32,
    },
    /// Softmax and cross-entropy over the training artists by the direction of their centroids alone.
    NormalisedClassification {
        /// What cosines are divided by.
        #[serde(default = "temperature")]
        temperature: f32,
    },
    /// Episodes: the first segments of each artist of a batch make its prototype, the others must find it.
    Prototypical {
        /// Segments of a prototype.
        #[serde(default = "two")]
        shots: usize,
    },
    /// Each segment must find the others of its artist among all of the batch, by cosine.
    NtXent {
        /// What cosines are divided by.
        #[serde(default = "temperature")]
        temperature: f32,
    },
    /// Disentangled similarity: the triplet loss in a part of the embedding for each notion, by the column of that name. The
    /// notions take turns, a batch each.
    Masks {
        /// Columns of the catalogue, such as genre, mood, instrument and tempo.
        #[serde(default)]
        notions: Vec<String>,
    },
    /// Triplet MatchNet: a distance of pairs, learnt with the network, by which each segment is nearer to all of its artist (or of
    /// the positive of a comparison) than to all others.
    MatchNet {
        /// Units of the hidden layer of the distance.
        #[serde(default = "sixty_four")]
        hidden: usize,
    },
    /// Two towers: the triplet loss by cosine between segments and given vectors of what stands in `mining.tag_column`, both
    /// ways.
    TwoTowers {
        /// The vectors: PREFIX.npy and PREFIX.csv, whose `track_id` names each.
        #[serde(default)]
        vectors: PathBuf,
        /// By how much the positive must be nearer.
        #[serde(default = "siamese_margin")]
        margin: f32,
    },
    /// The triplet loss plus `weight` times classification, which keeps it from collapsing.
    Joint {
        /// Weight of the classification.
        #[serde(default = "tenth")]
        weight: f32,
        /// As of `classification`.
        #[serde(default = "half")]
        dropout: f32,
    },
    /// The triplet loss (`margin`) on triplets from ranked lists: learning to rank. The defaults are the paper's.
    Ranked {
        /// How the negatives of an anchor and a positive are chosen.
        #[serde(default)]
        strategy: Strategy,
        /// Positives of an anchor, `N_p`: the first on its list.
        #[serde(default = "fifteen")]
        positives: usize,
        /// Negatives of an anchor and a positive, `N_n`.
        #[serde(default = "quarter_thousand")]
        negatives: usize,
        /// How many of these come together in a batch, one segment each.
        #[serde(default = "forty_two")]
        together: usize,
    },
    /// Binary cross-entropy of the likelihoods of tags: the auto-tagger, whose network has an output for each tag.
    Tagging {
        /// The likelihood from which on a track has a tag.
        #[serde(default = "half")]
        threshold: f32,
    },
}

/// A named objective: what the command line shows.
pub struct NamedObjective {
    /// Its name, the `kind` of a configuration.
    pub name: &'static str,
    /// One line of help.
    pub help: &'static str,
}

/// All objectives.
pub static OBJECTIVES: [NamedObjective; 13] = [
    NamedObjective { name: "triplet", help: "mined triplets: an artist's segments nearer than others by a margin" },
    NamedObjective { name: "classification", help: "softmax over the training artists" },
    NamedObjective { name: "siamese", help: "triplets by cosine: a hinge with four random negatives" },
    NamedObjective { name: "contrastive", help: "pairs: of an artist near each other, of two a margin apart" },
    NamedObjective {
        name: "normalised-classification",
        help: "softmax over cosines with the artists' centroids, by a temperature",
    },
    NamedObjective {
        name: "prototypical",
        help: "episodes: the mean of some segments is the prototype that the others must find",
    },
    NamedObjective {
        name: "nt-xent",
        help: "each segment finds the others of its artist in the batch, by cosine and temperature",
    },
    NamedObjective {
        name: "masks",
        help: "triplets for each of some columns (--notions), each in its part of the embedding",
    },
    NamedObjective { name: "match-net", help: "a learnt distance of pairs, of artists or of comparisons (--triplets)" },
    NamedObjective { name: "two-towers", help: "tracks near given vectors of their tags (--vectors, --tag-column)" },
    NamedObjective { name: "joint", help: "triplets, with a tenth of classification" },
    NamedObjective { name: "ranked", help: "triplets from ranked lists (--likelihoods, --lists): learning to rank" },
    NamedObjective { name: "tagging", help: "binary cross-entropy of tags (--likelihoods): the auto-tagger" },
];

fn one() -> f32 {
    1.0
}

fn two() -> usize {
    2
}

fn temperature() -> f32 {
    0.1
}

fn tenth() -> f32 {
    0.1
}

fn half() -> f32 {
    0.5
}

fn four() -> usize {
    4
}

fn fifteen() -> usize {
    15
}

fn quarter_thousand() -> usize {
    250
}

fn forty_two() -> usize {
    42
}

fn sixty_four() -> usize {
    64
}

fn siamese_margin() -> f32 {
    0.4
}

impl ObjectiveSpec {
    /// Checks the ranges, given the segments of an artist in a batch.
    pub(super) fn validate(&self, samples: usize) -> Result<()> {
        let dropout = |rate: f32| (0.0..1.0).contains(&rate);
        let (good, problem) = match *self {
            Self::Masks { ref notions } => (
                notions.len() > 1 && notions.iter().collect::<HashSet<_>>().len() == notions.len(),
                "needs `notions`, two or more different columns (--notions)",
            ),
            Self::MatchNet { hidden } => ((1..=4096).contains(&hidden), "hidden must be within 1..=4096"),
            Self::TwoTowers { ref vectors, margin } => (
                !vectors.as_os_str().is_empty() && margin > 0.0 && margin <= 2.0,
                "needs `vectors` (--vectors), and a margin within 0..=2",
            ),
            Self::Triplet => (true, ""),
            Self::Classification { dropout: rate } => (dropout(rate), "dropout must be within 0..1"),
            Self::Siamese { negatives, margin } => {
                (negatives > 0 && margin > 0.0 && margin <= 2.0, "needs a negative, and a margin within 0..=2")
            }
            Self::Contrastive { margin } => (margin > 0.0 && margin.is_finite(), "margin must be positive"),
            Self::NormalisedClassification { temperature } | Self::NtXent { temperature } => {
                (temperature > 0.0 && temperature.is_finite(), "temperature must be positive")
            }
            Self::Prototypical { shots } => (
                (1..samples).contains(&shots),
                "needs a shot, and more samples of an artist (`batch.samples`) than shots",
            ),
            Self::Joint { weight, dropout: rate } => (
                dropout(rate) && weight >= 0.0 && weight.is_finite(),
                "dropout must be within 0..1, weight not negative",
            ),
            Self::Ranked { positives, negatives, together, .. } => {
                (positives.min(negatives).min(together) > 0, "needs a positive, and negatives, some of them together")
            }
            Self::Tagging { threshold } => (threshold > 0.0 && threshold <= 1.0, "threshold must be within 0..=1"),
        };
        if good { Ok(()) } else { Err(Error::setting("objective", problem)) }
    }

    /// How the batches of this objective are drawn.
    pub(super) fn drawing(&self) -> Drawing {
        match *self {
            Self::Triplet
            | Self::Masks { .. }
            | Self::MatchNet { .. }
            | Self::Joint { .. }
            | Self::Contrastive { .. }
            | Self::Prototypical { .. }
            | Self::NtXent { .. } => Drawing::ByArtist { near: None },
            Self::Classification { .. }
            | Self::NormalisedClassification { .. }
            | Self::Tagging { .. }
            | Self::TwoTowers { .. } => Drawing::Passes,
            Self::Siamese { negatives, .. } => Drawing::Tuples { negatives },
            Self::Ranked { strategy, positives, negatives, together } => {
                Drawing::Ranked { triplets: RankedTriplets { strategy, positives, negatives }, together }
            }
        }
    }

    /// Whether it learns from mined triplets.
    pub(super) fn mines(&self) -> bool {
        matches!(self, Self::Triplet | Self::Masks { .. } | Self::Joint { .. })
    }

    /// Whether it can learn from comparisons of tracks.
    pub(super) fn compares(&self) -> bool {
        matches!(self, Self::Triplet | Self::MatchNet { .. })
    }

    /// Whether held-out artists say nothing of what is learnt.
    pub(super) fn ignores_artists(&self) -> bool {
        matches!(self, Self::Masks { .. } | Self::TwoTowers { .. })
    }

    /// The vectors of two towers.
    pub(super) fn vectors(&self) -> Result<Option<Embeddings>> {
        match self {
            Self::TwoTowers { vectors, .. } => Embeddings::open(vectors).map(Some),
            _ => Ok(None),
        }
    }

    /// The columns that have a part of the embedding of their own.
    pub(super) fn notions(&self) -> &[String] {
        match self {
            Self::Masks { notions } => notions,
            _ => &[],
        }
    }

    /// Whose turn it is.
    pub(super) fn notion(&self, step: u64) -> usize {
        (step % self.notions().len().max(1) as u64) as usize
    }
}

/// An objective at work on embeddings of `dims` values by some artists.
pub(super) struct Objective {
    config: TrainConfig,
    isa: Isa,
    dims: usize,
    /// Parameters of the classification: dims × artists, and biases.
    params: ParamTable,
    head: Option<HeadSpec>,
    /// Of two towers: rows × width.
    vectors: Matrix<f32>,
    scratch: GemmScratch,
}

/// The embeddings of a batch and what is known about them.
pub(super) struct Points<'a> {
    /// rows × dims.
    pub(super) embeddings: &'a [f32],
    /// Those that choose triplets.
    pub(super) chooser: &'a [f32],
    /// Who is who.
    pub(super) labels: &'a BatchLabels,
    /// Updates before this one.
    pub(super) step: u64,
}

/// What an objective says of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Verdict {
    pub(super) loss: f32,
    /// The share that still teaches: kept triplets of all pairs, rows taken for another class, tags taken for the contrary,
    /// negatives within the margin.
    pub(super) active: f64,
}

impl Objective {
    pub(super) fn new(config: &TrainConfig, isa: Isa, dims: usize, artists: usize) -> Result<Self> {
        let vectors = config.objective.vectors()?.map_or_else(Matrix::default, |vectors| vectors.points);
        let head = match config.objective {
            ObjectiveSpec::MatchNet { hidden } => Some(HeadSpec::Pair { hidden }),
            ObjectiveSpec::TwoTowers { .. } => Some(HeadSpec::Vectors { width: vectors.cols }),
            _ => None,
        };
        let mut params = head.as_ref().map_or_else(ParamTable::default, |head| head.params(dims));
        if matches!(config.objective, ObjectiveSpec::Classification { .. } | ObjectiveSpec::Joint { .. }) {
            params.add("classifier.weight", &[dims, artists], Init::He { fan_in: dims });
            params.add("classifier.bias", &[artists], Init::Zero);
        }
        if matches!(config.objective, ObjectiveSpec::NormalisedClassification { .. }) {
            params.add("classifier.centroids", &[artists, dims], Init::He { fan_in: dims });
        }
        let scratch = GemmScratch::default();
        Ok(Self { config: config.clone(), isa, dims, params, head, vectors, scratch })
    }

    /// What its parameters are to the model, where they are more than a help in learning.
    pub(super) fn head(&self) -> Option<&HeadSpec> {
        self.head.as_ref()
    }

    /// Its own parameters, which lie behind the network's.
    pub(super) fn params(&self) -> &ParamTable {
        &self.params
    }

    /// The loss of a batch. Adds the gradients of the embeddings and of its own parameters.
    pub(super) fn judge(
        &mut self,
        points: &Points<'_>,
        params: &[f32],
        d_embeddings: &mut [f32],
        d_params: &mut [f32],
    ) -> Verdict {
        let (embeddings, dims, size) = (points.embeddings, self.dims, points.labels.per_artist);
        let verdict = |(loss, active)| Verdict { loss, active };
        match self.config.objective {
            ObjectiveSpec::Triplet if points.labels.compared => self.compared(points, d_embeddings),
            ObjectiveSpec::Triplet => self.triplets(points, 0..dims, d_embeddings),
            ObjectiveSpec::MatchNet { hidden } => self.pairs(points, hidden, params, d_embeddings, d_params),
            ObjectiveSpec::TwoTowers { margin, .. } => self.towers(points, margin, params, d_embeddings, d_params),
            ObjectiveSpec::Masks { ref notions } => {
                let part = notion_part(dims, notions.len(), self.config.objective.notion(points.step));
                self.triplets(points, part, d_embeddings)
            }
            ObjectiveSpec::Classification { dropout } => {
                self.classes(points, (1.0, dropout), params, d_embeddings, d_params)
            }
            ObjectiveSpec::Siamese { negatives, margin } => {
                verdict(cosine_hinge(margin, embeddings, dims, 2 + negatives, d_embeddings))
            }
            ObjectiveSpec::Contrastive { margin } => verdict(contrastive(margin, embeddings, dims, size, d_embeddings)),
            ObjectiveSpec::NormalisedClassification { temperature } => {
                let labelled = (embeddings, &points.labels.artists[..]);
                verdict(normalised_softmax(temperature, labelled, params, dims, d_embeddings, d_params))
            }
            ObjectiveSpec::Prototypical { shots } => verdict(prototypical(shots, embeddings, dims, size, d_embeddings)),
            ObjectiveSpec::NtXent { temperature } => {
                verdict(nt_xent(temperature, embeddings, dims, size, d_embeddings))
            }
            ObjectiveSpec::Joint { weight, dropout } => {
                let triplets = self.triplets(points, 0..dims, d_embeddings);
                let classes = self.classes(points, (weight, dropout), params, d_embeddings, d_params);
                Verdict { loss: triplets.loss + weight * classes.loss, active: triplets.active }
            }
            ObjectiveSpec::Ranked { together, .. } => self.ranked(embeddings, together, d_embeddings),
            ObjectiveSpec::Tagging { threshold } => {
                let tagged = |&likelihood: &f32| f32::from(likelihood >= threshold);
                let targets: Vec<f32> = points.labels.targets.iter().map(tagged).collect();
                verdict(binary_cross_entropy(embeddings, dims, &targets, d_embeddings))
            }
        }
    }

    /// Triplets chosen and judged by a part of the embedding.
    fn triplets(&self, points: &Points<'_>, part: Range<usize>, d_embeddings: &mut [f32]) -> Verdict {
        let TrainConfig { seed, mining, margin, .. } = &self.config;
        let mut random = Random::keyed(*seed, &[MINING, points.step]);
        let seen: Vec<f32> =
            points.chooser.chunks_exact(self.dims).flat_map(|row| &row[part.clone()]).copied().collect();
        let triplets = mine(mining, &seen, points.labels, *margin, &mut random);
        let loss = masked_triplet_loss(*margin, points.embeddings, self.dims, part, &triplets, d_embeddings);
        Verdict { loss, active: triplets.len() as f64 / points.labels.pairs().max(1) as f64 }
    }

    /// Anchors, each followed by its positive and so many negatives.
    fn ranked(&self, embeddings: &[f32], negatives: usize, d_embeddings: &mut [f32]) -> Verdict {
        let rows = (embeddings.len() / self.dims) as u32;
        let of = |anchor: u32| (0..negatives as u32).map(move |negative| [anchor, anchor + 1, anchor + 2 + negative]);
        let triplets: Vec<Triplet> = (0..rows).step_by(2 + negatives).flat_map(of).collect();
        self.given(&triplets, embeddings, d_embeddings)
    }

    /// The triplets of comparisons, segment by segment.
    fn compared(&self, points: &Points<'_>, d_embeddings: &mut [f32]) -> Verdict {
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

    /// Each segment with those that are to be near it, then those that are not, by the learnt distance.
    fn pairs(
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

    /// Segments and the vectors of the batch, each as anchors among the others. A segment's positive is one of its vectors, drawn
    /// at random; negatives are drawn among those that are not yet farther by the margin.
    fn towers(
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

    /// Dropout, dense layer, softmax, cross-entropy.
    fn classes(
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
