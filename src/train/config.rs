//! The configuration of a training run, and the named ones.

use serde::{Deserialize, Serialize};

use super::objective::ObjectiveSpec;
use crate::frontend::Recipe;
use crate::mining::{MiningSpec, Negatives};
use crate::models::{
    Arithmetic, ClassifierCnnSpec, Layer, NetworkSpec, RankCnnSpec, RankDesign, ResidualCnnSpec, TrackVector,
};
use crate::optim::{Adam, Optimizer, Sgd};
use crate::sampling::{Augmentation, BatchSpec, Drawing, Proximity};
use crate::{Error, Result};

/// A number of steps that no run reaches.
pub const UNLIMITED: u64 = u32::MAX as u64;

/// Everything that decides the outcome of a training run, beside the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Updates at most.
    pub steps: u64,
    /// Minutes of training at most, where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// Seed of initialisation, batches, dropout and mining.
    pub seed: u64,
    /// Length of a segment in seconds: 9 or 3 in the paper.
    pub segment: f64,
    /// α of the triplet loss.
    pub margin: f32,
    /// Whether the compressed spectrogram is brought to mean 0 and deviation 1 over the training tracks: each band, or (for
    /// the classifier's network) all values together.
    pub standardise: bool,
    /// The catalogue column that says who the artist is.
    pub artist_column: String,
    /// The column that tells two kinds of audio apart, such as mix and mono or imitation and recording: tracks are compared only
    /// with those of the other kind, and `network.kind = "twins"` has weights of its own for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind_column: Option<String>,
    /// Share of the old in the running average of the parameters that is evaluated and kept; 0 keeps the parameters of the
    /// last update, as the paper does.
    pub averaging: f32,
    /// How the convolutions of forward passes compute; gradients are always in f32.
    pub arithmetic: Arithmetic,
    /// Weight of the sum of all squared kernels in the loss.
    pub l2: f32,
    /// The network.
    pub network: NetworkSpec,
    /// The loss.
    pub objective: ObjectiveSpec,
    /// The size of a batch.
    pub batch: BatchSpec,
    /// Learning from time alone, where each track is on its own (`artist_column = "path"`): the artists of a batch are then places
    /// in tracks. `mining.tag_column = "path"` with `tag_probability` says how many negatives are of the same track.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proximity: Option<Proximity>,
    /// Random changes of segments.
    pub augmentation: Augmentation,
    /// The choice of triplets.
    pub mining: MiningSpec,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Early stopping.
    pub validation: Validation,
    /// How a track becomes a vector.
    pub track: TrackVector,
}

/// Early stopping on artists that are kept out of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Validation {
    /// Share of the artists kept out.
    pub share: f64,
    /// Steps from one evaluation to the next.
    pub every: u64,
    /// Evaluations without a better one before training stops.
    pub patience: u64,
    /// Tracks evaluated at most.
    pub tracks: usize,
    /// Segments of each.
    pub segments: usize,
}

impl Default for Validation {
    fn default() -> Self {
        Self { share: 0.15, every: 100, patience: 10, tracks: 400, segments: 3 }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 1500,
            minutes: None,
            seed: 0,
            segment: 9.0,
            margin: 0.2,
            standardise: false,
            kind_column: None,
            averaging: 0.0,
            arithmetic: Arithmetic::F32,
            artist_column: "artist".to_owned(),
            l2: 0.0,
            network: NetworkSpec::default(),
            objective: ObjectiveSpec::default(),
            batch: BatchSpec::default(),
            proximity: None,
            augmentation: Augmentation::default(),
            mining: MiningSpec::default(),
            optimizer: Optimizer::default(),
            validation: Validation::default(),
            track: TrackVector::default(),
        }
    }
}

impl TrainConfig {
    /// Checks the ranges; errors name the key.
    pub fn validate(&self) -> Result<()> {
        let checks = [
            (self.segment > 0.0 && self.segment <= 600.0, "segment", "must be within 0..=600 s"),
            (self.margin > 0.0 && self.margin <= 4.0, "margin", "must be within 0..=4, the largest squared distance"),
            (self.minutes.is_none_or(|minutes| minutes > 0.0), "minutes", "must be positive"),
            ((0.0..1.0).contains(&self.averaging), "averaging", "must be within 0..1"),
            (self.l2 >= 0.0 && self.l2.is_finite(), "l2", "must not be negative"),
            ((0.0..1.0).contains(&self.validation.share), "validation.share", "must be within 0..1"),
            (self.validation.every > 0, "validation.every", "must be positive"),
            (self.validation.patience > 0, "validation.patience", "must be positive"),
            (self.validation.segments > 0, "validation.segments", "must be positive"),
            (self.validation.tracks > 0, "validation.tracks", "must be positive"),
        ];
        if let Some((_, name, problem)) = checks.iter().find(|(good, ..)| !good) {
            return Err(Error::setting(name, problem));
        }
        self.augmentation.validate()?;
        self.objective.validate(self.batch.samples)?;
        if self.network.is_tagger() != matches!(self.objective, ObjectiveSpec::Tagging { .. }) {
            let problem = "`tagging` and the network `rank-cnn` of design `at` are made for each other only";
            return Err(Error::setting("objective", problem));
        }
        if let Some(proximity) = &self.proximity {
            proximity.validate()?;
            if self.objective.drawing() != Drawing::ByArtist || !self.objective.notions().is_empty() {
                let problem = "has no meaning for an objective whose batches are not drawn by artist";
                return Err(Error::setting("proximity", problem));
            }
        }
        let has_towers = matches!(self.objective, ObjectiveSpec::TwoTowers { .. });
        if has_towers && self.validation.share > 0.0 {
            let problem = "must be 0: held-out artists say nothing of what this objective learns";
            return Err(Error::setting("validation.share", problem));
        }
        let of_artists = matches!(self.objective, ObjectiveSpec::Triplet | ObjectiveSpec::Joint { .. });
        if self.kind_column.is_some() && !(of_artists && self.proximity.is_none()) {
            return Err(Error::setting("kind_column", "has no meaning where no triplets of artists are mined"));
        }
        if has_towers && self.mining.tag_column.is_none() {
            return Err(Error::setting("tag_column", "must say which column holds what there are vectors of"));
        }
        let plain = TrackVector { segments: self.track.segments, ..TrackVector::default() };
        let is_twins = matches!(self.network, NetworkSpec::Twins { .. });
        if is_twins && self.kind_column.is_none() {
            return Err(Error::setting("kind_column", "must say what is for which of the twins"));
        }
        let has_parts = has_towers || is_twins || !self.objective.notions().is_empty();
        if has_parts && self.track != plain {
            let problem = "must be the embedding itself: nothing else has parts for notions, or is alike in two towers";
            return Err(Error::setting("track", problem));
        }
        self.track.validate()?;
        self.mining.validate()?;
        self.optimizer.validate()
    }

    /// How batches are drawn from features of this recipe, from comparisons of tracks or else by artist.
    pub(super) fn drawing(&self, recipe: &Recipe, comparisons: bool) -> Result<Drawing> {
        match (self.objective.drawing(), self.proximity) {
            _ if comparisons && !self.objective.compares() => {
                Err(Error::setting("objective", "cannot learn from comparisons; `triplet` and `match-net` can"))
            }
            _ if comparisons && self.validation.share > 0.0 => {
                Err(Error::setting("validation.share", "must be 0: comparisons name no artists to hold out"))
            }
            (_, Some(_)) if comparisons => {
                Err(Error::setting("proximity", "has no meaning for comparisons, which say what is alike"))
            }
            _ if comparisons => Ok(Drawing::Compared),
            (_, Some(proximity)) => Ok(Drawing::ByPlace(proximity.in_frames(recipe))),
            (drawing, None) => Ok(drawing),
        }
    }
}

/// A named configuration.
pub struct Preset {
    /// What `--preset` takes.
    pub name: &'static str,
    /// What it is, in a line.
    pub help: &'static str,
    /// The configuration.
    pub config: fn() -> TrainConfig,
    /// The front end that its network is made for.
    pub recipe: fn() -> Recipe,
}

/// The named configurations.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "paper",
        help: "the main system of the ISMIR 2018 paper: 9-s segments, d = 32, random negatives kept when hard or semi-hard",
        config: TrainConfig::default,
        recipe: Recipe::default,
    },
    Preset {
        name: "best",
        help: "the paper's network as it generalises best: 3-s segments, standardised input, random changes of sound, \
               violating negatives, averaged weights, no artist held out",
        config: best,
        recipe: Recipe::default,
    },
    Preset {
        name: "classifier",
        help: "the baseline (Park et al. 2018): 1-D convolutions on magnitudes, learnt by telling the training artists apart",
        config: classifier,
        recipe: magnitudes,
    },
    Preset {
        name: "siamese",
        help: "the baseline's siamese variant: a hinge on cosines with four negatives",
        config: || TrainConfig { objective: ObjectiveSpec::Siamese { negatives: 4, margin: 0.4 }, ..classifier() },
        recipe: magnitudes,
    },
    Preset {
        name: "joint",
        help: "the paper's network and triplets with classification beside them, which the paper names as future work",
        config: || TrainConfig {
            objective: ObjectiveSpec::Joint { weight: 0.1, dropout: 0.5 },
            ..TrainConfig::default()
        },
        recipe: Recipe::default,
    },
    Preset {
        name: "matchnet",
        help: "Triplet MatchNet (Lu et al. 2017): a residual tower on patches of 1 s, and a learnt distance of pairs of them",
        config: match_net,
        recipe: Recipe::default,
    },
    Preset {
        name: "instances",
        help: "without labels: each segment, changed at random twice, finds its other self in the batch (NT-Xent)",
        config: || TrainConfig {
            objective: ObjectiveSpec::NtXent { temperature: 0.1 },
            proximity: Some(Proximity { near: 0.0, far: 0.0, places: 1 }),
            augmentation: Augmentation { level: 6.0, equaliser: 3.0, band_mask: 0.2, time_mask: 0.2 },
            ..unlabelled()
        },
        recipe: Recipe::default,
    },
    Preset {
        name: "proximity",
        help: "without labels (McCallum 2019): triplets whose positive begins within 5 s of the anchor, and whose negative is of \
               another track, or 10 s away or more",
        config: || TrainConfig {
            proximity: Some(Proximity::default()),
            mining: MiningSpec { tag_column: Some("path".to_owned()), ..best().mining },
            ..unlabelled()
        },
        recipe: Recipe::default,
    },
    Preset {
        name: "ranking",
        help: "learning to rank (Prétet et al. 2020, TL): triplets from --likelihoods or --lists; 2048 channels",
        config: || ranking(RankDesign::Tl, false),
        recipe: Recipe::cqt,
    },
    Preset {
        name: "ranking-autopool",
        help: "learning to rank with pooling over time that is learnt (TL Autopool)",
        config: || ranking(RankDesign::TlAutopool, false),
        recipe: Recipe::cqt,
    },
    Preset {
        name: "tagging",
        help: "the baseline of learning to rank (AT): guesses the tags of --likelihoods, tracks are alike by these",
        config: || ranking(RankDesign::At, false),
        recipe: Recipe::cqt,
    },
    Preset {
        name: "ranking-small",
        help: "`ranking` with an eighth of its channels, for small machines",
        config: || ranking(RankDesign::Tl, true),
        recipe: Recipe::cqt,
    },
    Preset {
        name: "ranking-autopool-small",
        help: "`ranking-autopool` with an eighth of its channels",
        config: || ranking(RankDesign::TlAutopool, true),
        recipe: Recipe::cqt,
    },
    Preset {
        name: "tagging-small",
        help: "`tagging` with an eighth of its channels",
        config: || ranking(RankDesign::At, true),
        recipe: Recipe::cqt,
    },
];

/// The preset called `name`.
pub fn preset(name: &str) -> Result<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
        let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        Error::setting("preset", format!("there is no `{name}`; there are {}", known.join(", ")))
    })
}

/// Each track is its own artist.
fn unlabelled() -> TrainConfig {
    TrainConfig { artist_column: "path".to_owned(), batch: BatchSpec { artists: 48, samples: 2 }, ..best() }
}

/// Mel bands of magnitudes.
fn magnitudes() -> Recipe {
    Recipe { power: 1.0, ..Recipe::default() }
}

/// The published settings; segments of 129 frames.
fn classifier() -> TrainConfig {
    TrainConfig {
        segment: 2.99,
        standardise: true,
        l2: 1e-5,
        network: NetworkSpec::ClassifierCnn(ClassifierCnnSpec::default()),
        objective: ObjectiveSpec::Classification { dropout: 0.5 },
        batch: BatchSpec { artists: 15, samples: 1 },
        optimizer: Optimizer::Sgd(Sgd::default()),
        track: TrackVector { layer: Layer::Features, consecutive: true, sphere: false, ..TrackVector::default() },
        ..TrainConfig::default()
    }
}

/// The systems of learning to rank: segments of 512 frames, eight of them averaged; the learning rates are the paper's. A
/// `small` one has an eighth of the channels, a learning rate that suits it, and fewer steps.
fn ranking(design: RankDesign, small: bool) -> TrainConfig {
    let tagger = design == RankDesign::At;
    let objective = match tagger {
        true => r#"{ "kind": "tagging" }"#,
        false => r#"{ "kind": "ranked" }"#,
    };
    let learning_rate = match (small, tagger) {
        (false, true) => 1e-4,
        (false, false) => 1e-6,
        (true, true) => 1e-3,
        (true, false) => 1e-4,
    };
    let (steps, every) = if small { (2000, 250) } else { (200_000, 1000) };
    TrainConfig {
        steps,
        segment: 11.88,
        margin: 0.5,
        standardise: true,
        network: NetworkSpec::RankCnn(RankCnnSpec {
            design,
            width: if small { 0.125 } else { 1.0 },
            ..RankCnnSpec::default()
        }),
        objective: serde_json::from_str(objective).expect("a kind with its defaults"),
        batch: BatchSpec { artists: if tagger { 42 } else { 1 }, samples: 1 },
        optimizer: Optimizer::Adam(Adam { learning_rate, ..Adam::default() }),
        validation: Validation { share: 0.25, every, ..Validation::default() },
        track: TrackVector { segments: 8, sphere: false, ..TrackVector::default() },
        ..TrainConfig::default()
    }
}

/// The slides give losses and kinds of layers; sizes, optimiser and patch are ours.
fn match_net() -> TrainConfig {
    TrainConfig {
        steps: 1000,
        segment: 1.0,
        standardise: true,
        averaging: 0.99,
        network: NetworkSpec::ResidualCnn(ResidualCnnSpec::default()),
        objective: ObjectiveSpec::MatchNet { hidden: 64 },
        batch: BatchSpec { artists: 24, samples: 4 },
        optimizer: Optimizer::Adam(Adam::default()),
        validation: Validation { share: 0.0, every: 250, ..Validation::default() },
        ..TrainConfig::default()
    }
}

/// What `docs/results.md` compares with the paper's recipe.
fn best() -> TrainConfig {
    TrainConfig {
        steps: 2500,
        segment: 3.0,
        standardise: true,
        averaging: 0.99,
        augmentation: Augmentation { level: 4.0, equaliser: 1.5, band_mask: 0.1, time_mask: 0.1 },
        mining: MiningSpec { negatives: Negatives::Violating, ..MiningSpec::default() },
        validation: Validation { share: 0.0, every: 500, ..Validation::default() },
        track: TrackVector { layer: Layer::Moments, standardise: true, components: 60, ..TrackVector::default() },
        ..TrainConfig::default()
    }
}
