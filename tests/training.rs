//! Training as a whole on made-up artists: what it learns, that nothing but data, configuration and seed decides the
//! outcome, and how it stops.

mod common;

use std::fs;

use common::world::{StopAfter, World, config, evaluations, with_threads};
use homonym::Error;
use homonym::mining::{Negatives, Selection};
use homonym::models::{Model, NetworkSpec, TemporalPooling};
use homonym::optim::{Optimizer, RmsProp};
use homonym::sampling::{LabelledTracks, TrainingSet};
use homonym::train::{End, TrainConfig, Validation, train};
use serde_json::Value;

fn rms_prop(learning_rate: f32) -> Optimizer {
    Optimizer::RmsProp(RmsProp { learning_rate, ..RmsProp::default() })
}

/// The mean over some steps of loss × share of active triplets: the loss over all pairs.
fn pair_loss(log: &[Value], steps: std::ops::RangeInclusive<u64>) -> f64 {
    let steps = log.iter().filter(|line| line["event"] == "step" && steps.contains(&line["step"].as_u64().unwrap()));
    let losses: Vec<f64> =
        steps.map(|line| line["loss"].as_f64().unwrap() * line["active"].as_f64().unwrap()).collect();
    losses.iter().sum::<f64>() / losses.len() as f64
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
