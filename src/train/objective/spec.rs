//! What a configuration says of an objective: its kinds, their settings, and what each asks of batches and data.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sampling::{Drawing, RankedTriplets, Strategy};
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

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
    /// Disentangled similarity: the triplet loss in a part of the embedding for each notion, by the column of that name, whose
    /// cells hold several values apart by `;`. The notions take turns, a batch each.
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
    pub(in crate::train) fn validate(&self, samples: usize) -> Result<()> {
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
    pub(in crate::train) fn drawing(&self) -> Drawing {
        match *self {
            Self::Triplet
            | Self::Masks { .. }
            | Self::MatchNet { .. }
            | Self::Joint { .. }
            | Self::Contrastive { .. }
            | Self::Prototypical { .. }
            | Self::NtXent { .. } => Drawing::ByArtist,
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
    pub(in crate::train) fn mines(&self) -> bool {
        matches!(self, Self::Triplet | Self::Masks { .. } | Self::Joint { .. })
    }

    /// Whether it can learn from comparisons of tracks.
    pub(in crate::train) fn compares(&self) -> bool {
        matches!(self, Self::Triplet | Self::MatchNet { .. })
    }

    /// The vectors of two towers.
    pub(in crate::train) fn vectors(&self) -> Result<Option<Embeddings>> {
        match self {
            Self::TwoTowers { vectors, .. } => Embeddings::open(vectors).map(Some),
            _ => Ok(None),
        }
    }

    /// The columns that have a part of the embedding of their own.
    pub(in crate::train) fn notions(&self) -> &[String] {
        match self {
            Self::Masks { notions } => notions,
            _ => &[],
        }
    }

    /// Whose turn it is.
    pub(in crate::train) fn notion(&self, step: u64) -> usize {
        (step % self.notions().len().max(1) as u64) as usize
    }
}
