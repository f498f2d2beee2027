//! Training as a whole on made-up artists: what it learns, that nothing but data, configuration and seed decides the
//! outcome, and how it stops.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use homonym::catalogue::table::Table;
use homonym::embed::embed_tracks;
use homonym::frontend::Recipe;
use homonym::matrix::Matrix;
use homonym::mining::{MiningSpec, Negatives, Selection};
use homonym::models::{
    ClassifierCnnSpec, InMemory, Layer, MetricCnnSpec, Model, NetworkSpec, ResidualCnnSpec, Segments, Standardisation,
    TemporalPooling, TrackVector,
};
use homonym::optim::{Adam, Optimizer, RmsProp, Sgd};
use homonym::random::Random;
use homonym::sampling::segments::{linear_starts, read_segment};
use homonym::sampling::{Augmentation, BatchSpec, Drawer, Drawing, LabelledTracks, TrainingSet};
use homonym::store::embeddings::Embeddings;
use homonym::store::{Encoder, Precision, Spec, Store, Writer};
use homonym::train::{End, OBJECTIVES, ObjectiveSpec, Report, TrainConfig, Validation, train};
use homonym::{Error, Monitor, Result};
use serde_json::Value;

const BANDS: usize = 40;
const ARTISTS: usize = 12;
const TRACKS: usize = 5;

/// A store of made-up artists and a place for models.
struct World {
    folder: tempfile::TempDir,
    store: Store,
}

/// Frames of a track: an artist has a spectrum of its own, a track a loudness of its own, which tells nothing.
fn frames(artist: usize, track: usize) -> Vec<f32> {
    let mut random = Random::keyed(artist as u64, &[]);
    let spectrum: Vec<f64> = (0..BANDS).map(|_| random.normal()).collect();
    let mut random = Random::keyed(artist as u64, &[track as u64]);
    let loudness = 2.0 * random.normal() - 4.0;
    let count = if track == 0 { 20 } else { 60 + random.below(140) }; // the first is shorter than a segment
    let value = |band: usize| spectrum[band] + loudness + random.normal();
    (0..count * BANDS).map(|place| place % BANDS).map(value).map(|level| level.exp() as f32).collect()
}

fn rms_prop(learning_rate: f32) -> Optimizer {
    Optimizer::RmsProp(RmsProp { learning_rate, ..RmsProp::default() })
}

impl World {
    fn new() -> Self {
        Self::with_recipe(Recipe { bands: BANDS, ..Recipe::default() })
    }

    fn with_recipe(recipe: Recipe) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("store");
        let spec = Spec { recipe, precision: Precision::F32 };
        let columns = ["path", "artist", "genre"].map(str::to_owned);
        let (mut writer, _) = Writer::open(&place, &spec, Path::new("catalogue.csv"), &columns, &()).unwrap();
        writer.plan(ARTISTS * TRACKS).unwrap();
        for (artist, track) in (0..ARTISTS * TRACKS).map(|place| (place % ARTISTS, place / ARTISTS)) {
            let mut encoder = Encoder::new(&spec, &place);
            encoder.push(&frames(artist, track)).unwrap();
            let row = [format!("{artist}/{track}.wav"), format!("artist {artist}"), format!("genre {}", artist % 3)];
            writer.push(encoder.finish().unwrap(), &row, 1.0).unwrap();
        }
        writer.finish(&[]).unwrap();
        Self { store: Store::open(place).unwrap(), folder }
    }

    fn rows(&self) -> Vec<usize> {
        (0..self.store.len()).collect()
    }

    fn all(&self) -> TrainingSet {
        TrainingSet::of_rows(&self.store, &self.rows()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn train(&self, name: &str, config: &TrainConfig, resume: bool, monitor: &dyn Monitor) -> Result<Report> {
        train(&self.store, &self.all(), config, &self.path(name), &self.path("log"), resume, monitor)
    }

    /// Trains; returns the bytes of the model and the log without what a clock wrote.
    fn outcome(&self, name: &str, config: &TrainConfig, resume: bool) -> (Vec<u8>, Vec<Value>) {
        self.train(name, config, resume, &()).unwrap();
        (fs::read(self.path(name)).unwrap(), self.log())
    }

    fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("log")).unwrap();
        let timeless = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let fields = line.as_object_mut().unwrap();
            assert!(fields.remove("samples_per_s").is_some() != fields.remove("minutes").is_some());
            line
        };
        text.lines().map(timeless).collect()
    }
}

fn config() -> TrainConfig {
    TrainConfig {
        steps: 12,
        seed: 1,
        segment: 0.82, // 36 frames
        standardise: true,
        network: NetworkSpec::MetricCnn(MetricCnnSpec { dims: 16, ..MetricCnnSpec::default() }),
        batch: BatchSpec { artists: 6, samples: 3 },
        augmentation: Augmentation { level: 3.0, ..Augmentation::default() },
        validation: Validation { share: 0.25, every: 5, ..Validation::default() },
        ..TrainConfig::default()
    }
}

fn evaluations(log: &[Value]) -> Vec<f64> {
    log.iter().filter_map(|line| line["triplet_error"].as_f64()).collect()
}

/// The mean over some steps of loss × share of active triplets: the loss over all pairs.
fn pair_loss(log: &[Value], steps: std::ops::RangeInclusive<u64>) -> f64 {
    let steps = log.iter().filter(|line| line["event"] == "step" && steps.contains(&line["step"].as_u64().unwrap()));
    let losses: Vec<f64> =
        steps.map(|line| line["loss"].as_f64().unwrap() * line["active"].as_f64().unwrap()).collect();
    losses.iter().sum::<f64>() / losses.len() as f64
}

fn with_threads<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

#[test]
fn the_outcome_does_not_depend_on_the_thread_count() {
    let world = World::new();
    let outcomes = [1, 2, 3].map(|threads| with_threads(threads, || world.outcome("m", &config(), false)));
    assert_eq!(outcomes[0].1.len(), 12 + 4, "steps, and evaluations after 0, 5, 10 and 12");
    assert!(outcomes[0] == outcomes[1] && outcomes[0] == outcomes[2]);
    let other = world.outcome("m", &TrainConfig { seed: 2, ..config() }, false);
    assert_ne!(outcomes[0].1[1], other.1[1], "the seed matters");
}

/// Asks to stop after some steps.
struct StopAfter(AtomicU64);

impl Monitor for StopAfter {
    fn advance(&self, units: u64) {
        self.0.fetch_sub(units, Ordering::SeqCst);
    }
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

#[test]
fn an_interrupted_run_goes_on_as_if_it_had_not_been() {
    let world = World::new();
    let mut config = config();
    config.mining.selection = Selection::Previous; // whose parameters are a part of the state
    for share in [0.25, 0.0] {
        config.validation.share = share; // with none held out, every evaluation keeps its model
        let undisturbed = world.outcome("whole", &config, false);
        for stop in [0, 3, 5, 11] {
            let outcome = world.train("m", &config, false, &StopAfter(stop.into()));
            assert!(matches!(&outcome, Err(Error::Interrupted(text)) if text.contains(&format!("step {stop};"))));
            assert!(world.path("m.state").exists());
            assert!(world.outcome("m", &config, true) == undisturbed, "stopped at step {stop}, held out {share}");
            assert!(!world.path("m.state").exists());
        }
    }
    // Stopped at every step.
    fs::remove_file(world.path("m")).unwrap();
    let undisturbed = world.outcome("whole", &config, false);
    let mut step = 0;
    while let Err(error) = world.train("m", &config, true, &StopAfter((step + 1).into())) {
        assert!(matches!(error, Error::Interrupted(_)), "{error}");
        step += 1;
    }
    assert_eq!(step, 11);
    assert!(fs::read(world.path("m")).unwrap() == undisturbed.0 && world.log() == undisturbed.1);
}

/// Every objective learns, ignores the thread count and goes on where it was stopped.
#[test]
fn all_objectives_learn_and_are_resumed() {
    let with = |objective| TrainConfig { objective, steps: 60, ..config() };
    let magnitudes = Recipe { bands: BANDS, power: 1.0, ..Recipe::default() };
    let classifier = TrainConfig {
        segment: 3.0,
        network: NetworkSpec::ClassifierCnn(ClassifierCnnSpec { dims: 16, ..ClassifierCnnSpec::default() }),
        batch: BatchSpec { artists: 6, samples: 4 },
        optimizer: Optimizer::Sgd(Sgd { learning_rate: 0.02, ..Sgd::default() }),
        l2: 1e-5,
        ..with(ObjectiveSpec::Classification { dropout: 0.5 })
    };
    let mut track = classifier.track;
    (track.consecutive, track.sphere) = (true, false);
    let masks = TrainConfig {
        validation: Validation { share: 0.0, ..config().validation },
        steps: 120,
        batch: BatchSpec { artists: 6, samples: 4 },
        ..with(ObjectiveSpec::Masks { notions: ["artist", "genre"].map(str::to_owned).to_vec() })
    };
    let folder = tempfile::tempdir().unwrap();
    let genres = (0..3).map(|genre| vec![format!("genre {genre}")]).collect();
    let table = Table { columns: vec!["track_id".to_owned()], rows: genres };
    let words = Matrix::new(3, 3, vec![1.0, 0.1, 0.0, 0.0, 1.0, 0.1, 0.1, 0.0, 1.0]);
    Embeddings { points: words, table, origin: None }.write(&folder.path().join("words")).unwrap();
    let towers = TrainConfig {
        mining: MiningSpec { tag_column: Some("genre".to_owned()), ..MiningSpec::default() },
        ..TrainConfig {
            objective: ObjectiveSpec::TwoTowers { vectors: folder.path().join("words"), margin: 0.4 },
            ..masks.clone()
        }
    };
    let pairs = TrainConfig {
        network: NetworkSpec::ResidualCnn(ResidualCnnSpec { dims: 16, channels: 16, blocks: 2 }),
        optimizer: Optimizer::Adam(Adam { learning_rate: 3e-3, ..Adam::default() }),
        ..with(ObjectiveSpec::MatchNet { hidden: 16 })
    };
    let cases = [
        (Recipe { bands: BANDS, ..Recipe::default() }, with(ObjectiveSpec::Classification { dropout: 0.2 })),
        (Recipe { bands: BANDS, ..Recipe::default() }, with(ObjectiveSpec::Siamese { negatives: 4, margin: 0.4 })),
        (Recipe { bands: BANDS, ..Recipe::default() }, with(ObjectiveSpec::Joint { weight: 0.5, dropout: 0.2 })),
        (magnitudes, TrainConfig { track, ..classifier }),
        (Recipe { bands: BANDS, ..Recipe::default() }, with(ObjectiveSpec::Contrastive { margin: 1.0 })),
        (
            Recipe { bands: BANDS, ..Recipe::default() },
            with(ObjectiveSpec::NormalisedClassification { temperature: 0.1 }),
        ),
        (
            Recipe { bands: BANDS, ..Recipe::default() },
            TrainConfig {
                validation: Validation { share: 0.0, ..config().validation },
                steps: 120,
                ..with(ObjectiveSpec::Prototypical { shots: 2 })
            },
        ),
        (Recipe { bands: BANDS, ..Recipe::default() }, with(ObjectiveSpec::NtXent { temperature: 0.1 })),
        (Recipe { bands: BANDS, ..Recipe::default() }, masks),
        (Recipe { bands: BANDS, ..Recipe::default() }, towers),
        (Recipe { bands: BANDS, ..Recipe::default() }, pairs),
    ];
    let kind = |objective: &ObjectiveSpec| serde_json::to_value(objective).unwrap()["kind"].clone();
    for named in &OBJECTIVES {
        let tested = cases.iter().any(|(_, config)| kind(&config.objective) == named.name);
        let elsewhere = ["triplet", "ranked", "tagging"]; // these have tests of their own
        assert!(tested || elsewhere.contains(&named.name), "{}", named.name);
    }
    for (recipe, config) in cases {
        let world = World::with_recipe(recipe);
        let undisturbed = with_threads(1, || world.outcome("whole", &config, false));
        // The mean over kept triplets hovers near the margin however much is learnt; fewer are kept.
        let chosen = matches!(config.objective, ObjectiveSpec::Masks { .. } | ObjectiveSpec::TwoTowers { .. });
        let lost = |line: &Value| Some(line["loss"].as_f64()? * if chosen { line["active"].as_f64()? } else { 1.0 });
        let losses: Vec<f64> = undisturbed.1.iter().filter_map(lost).collect();
        let third = losses.len() / 3;
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let (before, after) = (mean(&losses[..third]), mean(&losses[2 * third..]));
        println!("{:?}: loss from {before:.3} to {after:.3}", config.objective);
        // The mean over kept triplets, a part of the joint loss, hovers near the margin however much is learnt.
        let share = match config.objective {
            // How far these come is asked of them in tests/systems_cli.rs, with settings of their own.
            ObjectiveSpec::Masks { .. } | ObjectiveSpec::TwoTowers { .. } | ObjectiveSpec::MatchNet { .. } => 1.0,
            ObjectiveSpec::Joint { .. } => 0.95,
            _ => 0.8,
        };
        assert!(after < share * before, "{:?}: {before} {after}", config.objective);
        with_threads(3, || {
            world.train("m", &config, false, &StopAfter(7.into())).unwrap_err();
            assert!(world.outcome("m", &config, true) == undisturbed, "{:?}", config.objective);
        });
        let model = Model::open(&world.path("m")).unwrap();
        assert!(embed_tracks(&world.store, &[0, 20], &model, &()).unwrap().iter().all(|x| x.is_finite()));
    }
    let world = World::new();
    let unsuited = TrainConfig { network: NetworkSpec::ClassifierCnn(ClassifierCnnSpec::default()), ..config() };
    let error = world.train("m", &unsuited, false, &()).unwrap_err().to_string();
    assert!(error.contains("magnitudes"), "{error}");
    let odd = TrainConfig { objective: ObjectiveSpec::Joint { weight: -1.0, dropout: 0.5 }, ..config() };
    assert!(world.train("m", &odd, false, &()).unwrap_err().to_string().contains("objective"));
}

/// Two views of a segment without labels, and what near segments of a track are.
#[test]
fn segments_of_a_track_are_near_each_other_where_asked_for() {
    let world = World::new();
    let tracks = LabelledTracks::new(&world.store, &world.all().train, "path", None).unwrap();
    let size = BatchSpec { artists: 20, samples: 3 };
    let groups = |near, change| {
        let batch = Drawer::new(&tracks, (Drawing::ByArtist { near }, size), change, 36, 1).batch(4);
        let read = |index| {
            let mut segment = vec![0.0; 36 * BANDS];
            batch.read(index, &mut segment);
            segment
        };
        (0..60).map(read).collect::<Vec<_>>()
    };
    let equal = |segments: &[Vec<f32>]| segments.chunks(3).filter(|group| group[0] == group[1]).count();
    let still = Augmentation::default();
    assert_eq!(equal(&groups(Some(0), still)), 20, "the same segments");
    assert!(equal(&groups(Some(0), Augmentation { level: 3.0, ..still })) == 0, "changed anew");
    assert!(equal(&groups(None, still)) < 10, "anywhere, but for tracks shorter than a segment");
    let mut moved = 0;
    for group in groups(Some(5), still).chunks(3) {
        let shifted = |by: usize, a: &[f32], b: &[f32]| a[by * BANDS..] == b[..(36 - by) * BANDS];
        for other in &group[1..] {
            let by = (0..=5).find(|&by| shifted(by, &group[0], other) || shifted(by, other, &group[0]));
            moved += usize::from(by.expect("at most five frames away") > 0);
        }
    }
    assert!(moved > 10, "{moved}");
    let config = TrainConfig {
        objective: ObjectiveSpec::NtXent { temperature: 0.1 },
        proximity: Some(0.0),
        artist_column: "path".to_owned(),
        ..config()
    };
    let (_, log) = world.outcome("m", &config, false);
    assert!(log.iter().any(|line| line["event"] == "step" && line["loss"].as_f64().unwrap() > 0.0));
    let passes = TrainConfig { objective: ObjectiveSpec::Classification { dropout: 0.5 }, ..config };
    assert!(world.train("m", &passes, false, &()).unwrap_err().to_string().contains("proximity"));
}

#[test]
fn only_the_run_that_was_interrupted_is_resumed() {
    let world = World::new();
    let interrupted = || world.train("m", &config(), false, &StopAfter(2.into())).unwrap_err();
    interrupted();
    let slower = TrainConfig { margin: 0.3, ..config() };
    assert!(world.train("m", &slower, true, &()).unwrap_err().to_string().contains("same settings"));
    let fewer: Vec<usize> = (0..world.store.len() - 1).collect();
    let (out, log) = (world.path("m"), world.path("log"));
    let fewer = TrainingSet::of_rows(&world.store, &fewer).unwrap();
    let error = train(&world.store, &fewer, &config(), &out, &log, true, &()).unwrap_err();
    assert!(error.to_string().contains("same settings and data"), "{error}");
    let longer = TrainConfig { steps: 14, ..config() };
    assert_eq!(world.train("m", &longer, true, &()).unwrap().steps, 14, "limits may change");
    let error = world.train("m", &longer, true, &()).unwrap_err();
    assert!(matches!(&error, Error::Setting { name, .. } if name == "resume"), "{error}");
    interrupted();
    fs::write(world.path("m.state"), "damaged").unwrap();
    assert!(world.train("m", &config(), true, &()).unwrap_err().to_string().contains("m.state"));
}

#[test]
fn separable_artists_are_learnt() {
    let world = World::new();
    for selection in [Selection::Current, Selection::Previous] {
        for temporal_pooling in [TemporalPooling::OverTime, TemporalPooling::OverChannels] {
            let mut config = TrainConfig { steps: 150, ..config() };
            config.validation.every = 30;
            config.mining.selection = selection;
            let NetworkSpec::MetricCnn(network) = &mut config.network else { unreachable!("the default") };
            network.temporal_pooling = temporal_pooling;
            let report = world.train("m", &config, false, &()).unwrap();
            let log = world.log();
            let (before, after) = (pair_loss(&log, 1..=8), pair_loss(&log, 143..=150));
            let errors = evaluations(&log);
            println!("{selection:?}, {temporal_pooling:?}: loss {before:.3} to {after:.3}, held out {errors:.3?}");
            assert!(after < 0.6 * before, "{selection:?}, {temporal_pooling:?}: {before} to {after}");
            assert_eq!(report.best_triplet_error, errors.iter().copied().reduce(f64::min));
            assert!(report.best_triplet_error.unwrap() < 0.7 * errors[0], "{errors:?}");
            assert_eq!((report.end, report.steps, report.held_out_artists), (End::Steps, 150, 3));
            let kept = Model::open(&world.path("m")).unwrap();
            assert_eq!(kept.header.step, report.best_step);
            assert_eq!(kept.header.training["triplet_error"].as_f64(), report.best_triplet_error);
        }
    }
}

#[test]
fn selection_and_side_information_change_what_is_learnt_from() {
    let world = World::new();
    let first_steps = |change: &dyn Fn(&mut TrainConfig)| {
        let mut config = TrainConfig { steps: 4, ..config() };
        change(&mut config);
        world.train("m", &config, false, &()).map(|_| world.log())
    };
    let plain = first_steps(&|_| ()).unwrap();
    let previous = first_steps(&|config| config.mining.selection = Selection::Previous).unwrap();
    assert!(plain != previous, "dropout and one update lie between the two selections");
    let tagged = |probability: f64| {
        first_steps(&|config| {
            config.mining.tag_column = Some("genre".to_owned());
            config.mining.tag_probability = probability;
        })
    };
    assert!(tagged(1.0).unwrap() != tagged(0.0).unwrap());
    assert!(matches!(tagged(1.5), Err(Error::Setting { name, .. }) if name == "tag_probability"));
    let missing = first_steps(&|config| config.mining.tag_column = Some("mood".to_owned())).unwrap_err();
    assert!(missing.to_string().contains("genre"), "{missing}");
    let one_row = train(
        &world.store,
        &TrainingSet::of_rows(&world.store, &[0]).unwrap(),
        &config(),
        &world.path("m"),
        &world.path("log"),
        false,
        &(),
    );
    assert!(one_row.unwrap_err().to_string().contains("at least 2 artists"));
}

#[test]
fn collapse_and_divergence_are_noticed() {
    let world = World::new();
    let mut config = TrainConfig { steps: 300, ..config() };
    config.mining.negatives = Negatives::Hardest;
    config.optimizer = rms_prop(3e-3);
    let error = world.train("m", &config, false, &()).unwrap_err();
    println!("{error}");
    assert!(
        matches!(&error, Error::Failed(text) if text.contains("collapsed") && text.contains("lower learning rate"))
    );
    let kept = Model::open(&world.path("m")).unwrap();
    assert!(kept.header.step < 300 && kept.params.iter().all(|param| param.is_finite()));

    config.optimizer = rms_prop(1e38);
    let error = world.train("m", &config, false, &()).unwrap_err();
    println!("{error}");
    assert!(matches!(&error, Error::Failed(text) if text.contains("diverged")), "{error}");
    assert_eq!(Model::open(&world.path("m")).unwrap().header.step, 0, "the best state before is kept");
}

#[test]
fn a_run_ends_early_or_in_time() {
    let world = World::new();
    let mut config = TrainConfig { steps: 1000, ..config() };
    config.optimizer = rms_prop(1e-20); // nothing changes, so nothing improves
    config.validation = Validation { every: 2, patience: 3, ..config.validation };
    let report = world.train("m", &config, false, &()).unwrap();
    assert_eq!((report.end, report.steps, report.best_step), (End::EarlyStop, 6, 0));
    assert_eq!(evaluations(&world.log()).len(), 1 + 3);

    config.minutes = Some(1e-9);
    let report = world.train("m", &config, false, &()).unwrap();
    assert_eq!((report.end, report.steps), (End::Minutes, 1));
    assert_eq!(evaluations(&world.log()).len(), 2, "before training, and at the end");

    config.steps = 0;
    let report = world.train("m", &config, false, &()).unwrap();
    assert_eq!((report.end, report.steps), (End::Steps, 0));
    let untrained = Model::open(&world.path("m")).unwrap();
    assert_eq!(untrained.params, untrained.network().unwrap().params().initial(config.seed));
}

#[test]
fn tracks_that_stand_for_all_come_in_twos_at_least() {
    let world = World::new();
    let tracks = LabelledTracks::new(&world.store, &world.all().train, "artist", None).unwrap();
    let artists = tracks.artist_of_tracks();
    for (count, each) in [(60, 5), (1000, 5), (59, 3), (24, 2), (10, 2)] {
        let chosen = tracks.spread(count);
        assert!(chosen.len() <= count && 2 * chosen.len() > count.min(60), "{} of {count}", chosen.len());
        for track in &chosen {
            let together = chosen.iter().filter(|other| artists[**other] == artists[*track]).count();
            assert!((2..=each).contains(&together), "{together} tracks of an artist in {count}");
        }
    }
}

/// A model after a few steps.
fn small_model(world: &World) -> Model {
    let mut config = config();
    config.track = TrackVector { standardise: true, components: 5, ..config.track };
    world.train("m", &config, false, &()).unwrap();
    Model::open(&world.path("m")).unwrap()
}

#[test]
fn models_survive_the_disk() {
    let world = World::new();
    let model = small_model(&world);
    model.save(&world.path("copy"), &[]).unwrap();
    assert_eq!(fs::read(world.path("copy")).unwrap(), fs::read(world.path("m")).unwrap());
    assert_eq!(Model::open(&world.path("copy")).unwrap(), model);
    model.save(&world.path("more"), &[("extra", &model.params)]).unwrap();
    let hash = model.hash().unwrap();
    assert_eq!(Model::open(&world.path("more")).unwrap().hash().unwrap(), hash, "what rides along is not the model");
    let mut other = model.clone();
    other.params[0] += 1e-6;
    assert_ne!(other.hash().unwrap(), hash);
    let text = serde_json::to_string(&model.header).unwrap();
    assert!(!text.contains("seconds\"") && !text.contains("progress"), "no times in a model: {text}");
}

#[test]
fn damaged_and_foreign_models_are_refused() {
    let world = World::new();
    let model = small_model(&world);
    let bytes = fs::read(world.path("m")).unwrap();
    let path = world.path("broken");
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        let error = Model::open(&path).map(drop).expect_err(what).to_string();
        assert!(error.contains("broken") && error.contains("homonym trained"), "{what}: {error}");
        error
    };
    let mut random = Random::keyed(3, &[]);
    for keep in (0..40).map(|_| random.below(bytes.len())).chain([0, 7, 8, bytes.len() - 1]) {
        refused(&bytes[..keep], "a file cut short");
    }
    refused(b"RIFF....WAVEfmt ", "audio");
    refused(&[0xff; 64], "an impossible length");
    for _ in 0..200 {
        // A flip in the header may leave a sound file; it must not panic, here or when the model is used.
        let mut flipped = bytes.clone();
        flipped[random.below(3000)] ^= 1 << random.below(8);
        fs::write(&path, flipped).unwrap();
        let _ = Model::open(&path).and_then(|model| embed_tracks(&world.store, &[0, 20], &model, &()));
    }
    let foreign = safetensors::serialize(Vec::<(&str, safetensors::tensor::TensorView<'_>)>::new(), None).unwrap();
    assert!(refused(&foreign, "another program's file").contains("metadata"));

    // The header speaks JSON inside of JSON: `\"dims\":16` and the like are replaced at the same length.
    let replaced = |from: &str, to: &str| {
        let (from, to) = (from.replace('"', "\\\""), to.replace('"', "\\\""));
        let place =
            bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect("it is in the header");
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = [&bytes[8..place], to.as_bytes(), &bytes[place + from.len()..8 + length]].concat();
        [&(header.len() as u64).to_le_bytes(), &header[..], &bytes[8 + length..]].concat()
    };
    for (from, to, says) in [
        ("\"format\":1", "\"format\":2", "format 2"),
        ("\"dims\":16", "\"dims\":17", "dense.weight"),
        ("\"dims\":16", "\"dims\":18446744073709551615", "dims"),
        ("\"frames\":36", "\"frames\":3", "segment"),
        ("\"frames\":36", "\"frames\":18446744073709551615", "segment"),
        ("\"bands\":40", "\"bands\":41", "input.scale"),
        ("\"segments\":10", "\"segments\":0", "track.segments"),
        ("\"gain\":10000.0", "\"gain\":-1.0", "gain"),
        ("\"kind\":\"mel\"", "\"kind\":\"mal\"", "kind"),
        ("\"kind\":\"metric-cnn\"", "\"kind\":\"resnet\"", "resnet"),
        ("\"step\":", "\"stop\":", "stop"),
    ] {
        let error = refused(&replaced(from, to), to);
        assert!(error.contains(says), "{to}: {error}");
    }
    let mut infinite = model;
    infinite.params[5] = f32::INFINITY;
    infinite.save(&path, &[]).unwrap();
    assert!(refused(&fs::read(&path).unwrap(), "an infinite weight").contains("conv1.weight"));
    assert!(matches!(Model::open(&world.path("missing")), Err(Error::Io { .. })));
}

/// The vector of a track by hand: the mean of its segments' values, mapped, of length 1.
fn by_hand(world: &World, model: &Model, row: usize) -> Vec<f64> {
    let frames = world.store.frames(row).unwrap();
    let (size, count) = (model.header.frames * BANDS, if frames.len() <= 36 { 1 } else { 10 });
    let mut segments = vec![0.0; count * size];
    for (start, out) in linear_starts(frames.len(), 36, count).into_iter().zip(segments.chunks_exact_mut(size)) {
        read_segment(frames, start, out);
    }
    let network = model.network().unwrap();
    let layer = model.header.track.layer;
    let rows = network.embed(&model.params, &InMemory { values: &segments, size }, layer);
    let width = layer.width(&*network);
    let mean =
        |value: usize| rows.iter().skip(value).step_by(width).copied().map(f64::from).sum::<f64>() / count as f64;
    let Standardisation { scale, shift } = &model.output.values;
    let mapped = |value: usize| mean(value) * f64::from(scale[value]) + f64::from(shift[value]);
    let mut vector: Vec<f64> = (0..width).map(mapped).collect();
    if model.header.track.components > 0 {
        let dot = |component: &[f32]| component.iter().zip(&vector).map(|(&c, x)| f64::from(c) * x).sum::<f64>();
        vector = model.output.components.iter_rows().map(dot).collect();
    }
    let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    vector.into_iter().map(|x| x / norm).collect()
}

#[test]
fn tracks_become_points_on_the_sphere() {
    let world = World::new();
    for (layer, standardise, components) in
        [(Layer::Embedding, false, 0), (Layer::Features, true, 0), (Layer::Moments, true, 7)]
    {
        let mut config = TrainConfig { steps: 3, ..config() };
        config.track = TrackVector { layer, standardise, components, ..config.track };
        world.train("m", &config, false, &()).unwrap();
        let model = Model::open(&world.path("m")).unwrap();
        assert_eq!(model.output.components.rows, components);
        let rows = [0, 1, 20, 45]; // the first two are shorter than a segment
        let points = with_threads(1, || embed_tracks(&world.store, &rows, &model, &()).unwrap());
        assert_eq!(points, with_threads(3, || embed_tracks(&world.store, &rows, &model, &()).unwrap()));
        for (point, &row) in points.chunks_exact(points.len() / rows.len()).zip(&rows) {
            let expected = by_hand(&world, &model, row);
            assert_eq!(point.len(), expected.len());
            let norm: f64 = point.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!((norm - 1.0).abs() < 1e-6, "squared norm {norm}");
            let worst = point.iter().zip(&expected).map(|(&own, x)| (f64::from(own) - x).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "{layer:?}, row {row}: {worst:e}");
        }
        let elsewhere = World::with_recipe(Recipe { bands: BANDS, fmin: 20.0, ..Recipe::default() });
        let error = embed_tracks(&elsewhere.store, &[0], &model, &()).unwrap_err().to_string();
        assert!(error.contains(&model.header.front_end.hash()) && error.contains(elsewhere.store.recipe_hash()));
    }
}
