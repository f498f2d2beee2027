//! Every objective learns, with every network that makes sense, and those that make none are refused.

mod common;

use std::fs;
use std::path::Path;

use common::world::{BANDS, StopAfter, World, config, with_threads};
use homonym::catalogue::table::Table;
use homonym::embed::embed_tracks;
use homonym::frontend::Recipe;
use homonym::matrix::Matrix;
use homonym::mining::MiningSpec;
use homonym::models::{
    ClassifierCnnSpec, Layer, MetricCnnSpec, Model, NetworkSpec, RankCnnSpec, RankDesign, ResidualCnnSpec, TrackVector,
};
use homonym::optim::{Adam, Optimizer, Sgd};
use homonym::sampling::{BatchSpec, Proximity, TrainingSet};
use homonym::similarity::OracleFiles;
use homonym::store::embeddings::Embeddings;
use homonym::train::{OBJECTIVES, ObjectiveSpec, TrainConfig, Validation, train};
use serde_json::{Value, json};

/// A vector for each genre, as an embeddings file; its prefix.
fn write_words(folder: &Path) -> std::path::PathBuf {
    let genres = (0..3).map(|genre| vec![format!("genre {genre}")]).collect();
    let table = Table { columns: vec!["track_id".to_owned()], rows: genres };
    let words = Matrix::new(3, 3, vec![1.0, 0.1, 0.0, 0.0, 1.0, 0.1, 0.1, 0.0, 1.0]);
    Embeddings { points: words, table, origin: None }.write(&folder.join("words")).unwrap();
    folder.join("words")
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
    let towers = TrainConfig {
        mining: MiningSpec { tag_column: Some("genre".to_owned()), ..MiningSpec::default() },
        ..TrainConfig {
            objective: ObjectiveSpec::TwoTowers { vectors: write_words(folder.path()), margin: 0.4 },
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
}

/// Networks, the features that they are made for, and frames of a small segment.
fn networks() -> Vec<(NetworkSpec, Recipe, usize)> {
    let mel = |power| Recipe { bands: BANDS, power, ..Recipe::default() };
    let rank = |design| NetworkSpec::RankCnn(RankCnnSpec { design, dims: 8, width: 0.0625, ..RankCnnSpec::default() });
    vec![
        (NetworkSpec::MetricCnn(MetricCnnSpec { dims: 8, ..MetricCnnSpec::default() }), mel(2.0), 36),
        (NetworkSpec::ClassifierCnn(ClassifierCnnSpec { dims: 8, ..ClassifierCnnSpec::default() }), mel(1.0), 129),
        (NetworkSpec::ResidualCnn(ResidualCnnSpec { dims: 8, channels: 8, blocks: 2 }), mel(2.0), 20),
        (rank(RankDesign::Tl), Recipe::cqt(), 400),
        (rank(RankDesign::TlAutopool), Recipe::cqt(), 32),
        (rank(RankDesign::At), Recipe::cqt(), 400),
    ]
}

/// Two steps by an objective, all of whose settings are the defaults that the command line gives it, from everything that it
/// may want beside the store.
fn two_steps(name: &str, folder: &Path, network: &NetworkSpec, frames: usize, recipe: &Recipe) -> TrainConfig {
    let settings = match name {
        "masks" => json!({ "kind": name, "notions": ["artist", "genre"] }),
        "two-towers" => json!({ "kind": name, "vectors": write_words(folder) }),
        _ => json!({ "kind": name }),
    };
    TrainConfig {
        steps: 2,
        segment: frames as f64 * recipe.frame_seconds(),
        network: network.clone(),
        objective: serde_json::from_value(settings).unwrap(),
        batch: if name == "ranked" {
            BatchSpec { artists: 1, samples: 1 }
        } else {
            BatchSpec { artists: 4, samples: 3 }
        },
        mining: MiningSpec { tag_column: Some("genre".to_owned()), ..MiningSpec::default() },
        validation: Validation { share: 0.0, ..config().validation },
        ..config()
    }
}

/// What tracks are alike by: made-up likelihoods of two tags.
fn write_likelihoods(world: &World) -> OracleFiles {
    let table = world.store.table().unwrap();
    let line = |(row, cells): (usize, &Vec<String>)| format!("{},0.{},0.{}\n", cells[0], 1 + row % 7, 1 + row % 5);
    let lines: String = table.rows.iter().enumerate().map(line).collect();
    fs::write(world.path("tags.csv"), "path,low,high\n".to_owned() + &lines).unwrap();
    OracleFiles { likelihoods: Some(world.path("tags.csv")), ..OracleFiles::default() }
}

/// Every loss takes every network: two steps leave no kernel as it was, and nothing infinite. The likelihoods of tags alone have a
/// network of their own.
#[test]
fn every_objective_takes_every_network() {
    for (network, recipe, frames) in networks() {
        let world = World::with_recipe(recipe.clone());
        let oracle = write_likelihoods(&world).open().unwrap();
        for named in &OBJECTIVES {
            let config = two_steps(named.name, world.folder.path(), &network, frames, &recipe);
            let learns_likeness = ["ranked", "tagging"].contains(&named.name);
            let set = match oracle.clone().filter(|_| learns_likeness) {
                Some(oracle) => world.all().with_oracle(oracle, &world.store).unwrap(),
                None => world.all(),
            };
            let outcome = train(&world.store, &set, &config, &world.path("m"), &world.path("log"), false, &());
            if network.is_tagger() != (named.name == "tagging") {
                let told = outcome.unwrap_err().to_string();
                assert!(told.contains("made for each other only"), "{}: {told}", named.name);
                continue;
            }
            outcome.unwrap_or_else(|error| panic!("{} with {network:?}: {error}", named.name));
            let model = Model::open(&world.path("m")).unwrap(); // refuses what is not finite
            let network = model.network().unwrap();
            let before = network.initial(config.seed);
            for param in network.params().iter().filter(|param| param.is_kernel()) {
                let moved = model.params[param.range()] != before[param.range()];
                assert!(moved, "{} leaves {} of {:?} as it was", named.name, param.name, model.header.network);
            }
        }
    }
}

/// What makes no sense is refused with its reason.
#[test]
fn senseless_combinations_are_refused() {
    let world = World::new();
    let (network, recipe, frames) = networks().swap_remove(0);
    let folder = tempfile::tempdir().unwrap();
    let of = |name| two_steps(name, folder.path(), &network, frames, &recipe);
    let refused = |config: TrainConfig, set: &TrainingSet, says: &str| {
        let outcome = train(&world.store, set, &config, &world.path("m"), &world.path("log"), false, &());
        let told = outcome.unwrap_err().to_string();
        assert!(told.contains(says), "{:?}: {told} and not {says}", config.objective);
    };
    let all = world.all();
    let nearby = Some(Proximity::default());
    let by_path = || "path".to_owned();
    let kinds = Some("genre".to_owned());
    let cases = [
        (TrainConfig { proximity: nearby, artist_column: by_path(), ..of("classification") }, "drawn by artist"),
        (TrainConfig { proximity: nearby, artist_column: by_path(), ..of("masks") }, "drawn by artist"),
        (TrainConfig { proximity: nearby, ..of("triplet") }, "every track on its own"),
        (TrainConfig { kind_column: kinds.clone(), ..of("contrastive") }, "no triplets of artists"),
        (TrainConfig { kind_column: kinds.clone(), proximity: nearby, ..of("triplet") }, "no triplets of artists"),
        (TrainConfig { kind_column: kinds, ..of("triplet") }, "3 values and not two"),
        (
            TrainConfig { network: NetworkSpec::Twins { tower: Box::new(network.clone()) }, ..of("triplet") },
            "which of the twins",
        ),
        (TrainConfig { batch: BatchSpec { artists: 4, samples: 2 }, ..of("prototypical") }, "than shots"),
        (TrainConfig { batch: BatchSpec { artists: 4, samples: 1 }, ..of("nt-xent") }, "make no triplets"),
        (TrainConfig { mining: MiningSpec::default(), ..of("two-towers") }, "what there are vectors of"),
        (TrainConfig { validation: config().validation, ..of("two-towers") }, "held-out artists say nothing"),
        (TrainConfig { track: TrackVector { layer: Layer::Moments, ..config().track }, ..of("masks") }, "parts"),
        (TrainConfig { network: networks().swap_remove(1).0, ..of("contrastive") }, "magnitudes"),
        (TrainConfig { network: networks().swap_remove(3).0, ..of("contrastive") }, "constant-Q"),
        (
            TrainConfig { objective: ObjectiveSpec::Joint { weight: -1.0, dropout: 0.5 }, ..of("joint") },
            "weight not negative",
        ),
        (of("ranked"), "--likelihoods or --lists"),
    ];
    cases.into_iter().for_each(|(config, says)| refused(config, &all, says));
    let oracle = write_likelihoods(&world).open().unwrap().unwrap();
    let alike = world.all().with_oracle(oracle, &world.store).unwrap();
    refused(of("contrastive"), &alike, "does not learn from what tracks are alike by");
    let compared = TrainingSet::of_triplets(&world.store, &[[0, 12, 1]]).unwrap();
    refused(of("contrastive"), &compared, "cannot learn from comparisons");
    refused(TrainConfig { proximity: nearby, ..of("triplet") }, &compared, "no meaning for comparisons");
}
