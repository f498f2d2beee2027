//! The same bits from one thread or eight, in one go or with stops, and nearly the same from every instruction set: features,
//! weights, points, trees, labels and report of one small catalogue. (`training.rs` stops every objective and at every step,
//! `store.rs` every kind of extraction, `cluster/tests.rs` large sets with ties.)
#![cfg(all(feature = "cli", feature = "report"))]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use homonym::matrix::Matrix;
use homonym::models::Model;
use homonym::random::Random;
use homonym::sampling::TrainingSet;
use homonym::store::{Store, npy};
use homonym::train::{TrainConfig, overlay, preset, train};
use homonym::{Error, Monitor};
use homonym_kernels::{ISA_VARIABLE, Isa};

use common::{homonym, told, write_wav};

const ARTISTS: usize = 20;
const TRACKS: usize = 4;
const STEPS: u64 = 9;

/// A second and a half of an artist's chord in noise, at a rate that has to be changed.
fn write_track(path: &Path, artist: usize, track: usize) {
    let mut random = Random::keyed(artist as u64, &[track as u64]);
    let chord = (0..36_000).map(|time| {
        let tone = |hertz: f64| (std::f64::consts::TAU * hertz * f64::from(time) / 24_000.0).sin();
        let root = 120.0 * (artist + 1) as f64;
        0.12 * (tone(root) + tone(root * 2.5) + 0.5 * random.normal())
    });
    write_wav(path, 24_000, chord);
}

/// A folder with music, settings, and points enough for the clustering of large sets.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut catalogue = "path,artist,name\n".to_owned();
    for (artist, track) in (0..ARTISTS * TRACKS).map(|place| (place / TRACKS, place % TRACKS)) {
        write_track(&path.join(format!("{artist}-{track}.wav")), artist, track);
        catalogue += &format!("{artist}-{track}.wav,artist {artist},name {}\n", artist / 2);
    }
    fs::write(path.join("c.csv"), catalogue).unwrap();
    fs::write(path.join("small.toml"), toml::to_string(&config()).unwrap()).unwrap();
    let mut random = Random::keyed(2, &[]);
    let points = Matrix::new(2200, 6, (0..13_200).map(|_| random.normal()).collect());
    npy::write(&path.join("many.npy"), &points).unwrap();
    folder
}

fn config() -> TrainConfig {
    let differs = serde_json::json!({
        "segment": 0.8,
        "steps": STEPS,
        "network": { "dims": 12 },
        "batch": { "artists": 4, "samples": 3 },
        "validation": { "share": 0.0, "every": 4 },
    });
    overlay(&(preset("paper").unwrap().config)(), differs).unwrap()
}

/// From audio to the report: own files below `OWN`, those of the step before below `FROM`.
const PIPELINE: [&str; 8] = [
    "extract c.csv --out OWN/store",
    "train OWN/store --preset paper --config small.toml --out OWN/model",
    "embed FROM/store --model FROM/model --out OWN/points --resamples 3",
    "cluster FROM/points.npy --out OWN/tree.npy --clusters 8 --labels OWN/flat.csv",
    "cluster many.npy --out OWN/many.npy --clusters 20 --labels OWN/many.csv",
    "calibrate FROM/points --model FROM/model --out OWN/calibration.json",
    "split FROM/points --calibration FROM/calibration.json --name-column name --names OWN/names.csv \
     --resampled FROM/points.resampled.npy --out OWN/labels.csv",
    "report FROM/points --calibration FROM/calibration.json --labels FROM/labels.csv --out OWN/report.html",
];

/// Runs all steps with so many threads on an instruction set.
fn pipeline(world: &Path, (own, from): (&str, &str), threads: usize, isa: Isa) {
    fs::create_dir(world.join(own)).unwrap();
    for step in PIPELINE {
        let step = step.replace("OWN", own).replace("FROM", from);
        let mut command = homonym(world, &format!("--threads {threads} {step}"));
        let output = command.env(ISA_VARIABLE, isa.name()).output().unwrap();
        assert!(output.status.success(), "{step}: {}", told(&output));
    }
}

/// The files of a folder, but for the log, which tells of times.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if entry.is_dir() {
            all.extend(files(&entry).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else if !name.ends_with(".metrics.jsonl") {
            all.insert(name, fs::read(&entry).unwrap());
        }
    }
    all
}

#[test]
fn features_weights_points_trees_labels_and_report_do_not_depend_on_the_thread_count() {
    let world = world();
    let best = Isa::available().last().unwrap();
    pipeline(world.path(), ("1", "1"), 1, best);
    let one = files(&world.path().join("1"));
    for name in ["store/frames.bin", "model", "points.npy", "tree.npy", "many.npy", "labels.csv", "report.html"] {
        assert!(one[name].len() > 100, "{name}");
    }
    for threads in [2, 3, 8] {
        let name = threads.to_string();
        pipeline(world.path(), (&name, &name), threads, best);
        let many = files(&world.path().join(&name));
        assert!(many.keys().eq(one.keys()), "{:?}", many.keys());
        for (file, bytes) in &one {
            assert!(many[file] == *bytes, "{file} differs with {threads} threads");
        }
    }
}

/// Asks to stop after some steps.
struct StopAfter(AtomicU64);

impl Monitor for StopAfter {
    fn advance(&self, units: u64) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(units)));
    }
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

/// A training that is stopped several times and goes on with another number of threads each time.
#[test]
fn stops_and_other_thread_counts_between_them_leave_no_trace() {
    let world = world();
    let path = world.path();
    assert!(homonym(path, "extract c.csv --out s").status().unwrap().success());
    let store = Store::open(path.join("s")).unwrap();
    let set = TrainingSet::of_rows(&store, &(0..store.len()).collect::<Vec<_>>()).unwrap();
    let run = |out: &str, threads: usize, resume: bool, monitor: &dyn Monitor| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (out, log) = (path.join(out), path.join(format!("{out}.log")));
        pool.install(|| train(&store, &set, &config(), &out, &log, resume, monitor))
    };
    run("whole", 2, false, &()).unwrap();
    let whole = fs::read(path.join("whole")).unwrap();
    for stops in [&[0][..], &[1], &[4], &[8], &[1, 2, 3, 5, 7, 8]] {
        let _ = fs::remove_file(path.join("stopped"));
        for (place, &stop) in stops.iter().enumerate() {
            // What was done before the stop counts as progress of the resumed run.
            let outcome = run("stopped", [3, 1, 8][place % 3], true, &StopAfter(stop.into()));
            assert!(matches!(outcome, Err(Error::Interrupted(_))), "stopped at {stop}: {outcome:?}");
        }
        run("stopped", 8, true, &()).unwrap();
        assert!(fs::read(path.join("stopped")).unwrap() == whole, "stopped at {stops:?}");
    }
}

/// What the steps make of the same input on different instruction sets: features and points nearly the same, what is decided
/// from points the same bytes. Trainings drift apart, because the optimiser scales small gradients up.
#[test]
fn instruction_sets_agree_within_tolerances() {
    let world = world();
    let path = world.path();
    for name in Isa::NAMES.iter().filter(|name| Isa::by_name(name).is_none()) {
        assert!(std::env::var_os("HOMONYM_REQUIRE_ISA").is_none(), "this CPU lacks {name}");
        println!("skipped: this CPU lacks {name}");
    }
    pipeline(path, ("portable", "portable"), 2, Isa::PORTABLE);
    let plain = Numbers::read(&path.join("portable"));
    let decided =
        ["tree.npy", "flat.csv", "many.npy", "many.csv", "calibration.json", "names.csv", "labels.csv", "report.html"];
    for isa in Isa::available().filter(|&isa| isa.name() != "portable") {
        pipeline(path, (isa.name(), "portable"), 2, isa);
        let own = Numbers::read(&path.join(isa.name()));
        let near = |what: &str, furthest: f64, tolerance: f64| {
            println!("{what}: {isa} within {furthest:.1e} of portable");
            assert!(furthest <= tolerance, "{what}: {isa} is {furthest} from portable");
        };
        // In half precision: a last bit may fall to either side.
        near("features, relative", furthest(&own.features, &plain.features, |value| value.abs().max(1e-3)), 1e-3);
        near("points under one model", furthest(&own.points, &plain.points, |_| 1.0), 1e-5);
        near("loss of the first step, relative", furthest(&own.losses[..1], &plain.losses[..1], f64::abs), 1e-4);
        near("weights after 9 steps", furthest(&own.weights, &plain.weights, |_| 1.0), 0.05);
        for name in decided {
            let [own, plain] = [isa.name(), "portable"].map(|folder| fs::read(path.join(folder).join(name)).unwrap());
            assert!(own == plain, "{name} from the same points on {isa}");
        }
    }
}

/// What a pipeline computed.
struct Numbers {
    features: Vec<f64>,
    points: Vec<f64>,
    losses: Vec<f64>,
    weights: Vec<f64>,
}

impl Numbers {
    fn read(folder: &Path) -> Self {
        let store = Store::open(folder.join("store")).unwrap();
        let mut features = Vec::new();
        for track in 0..store.len() {
            let frames = store.frames(track).unwrap();
            let mut values = vec![0.0; frames.len() * frames.bands()];
            frames.copy_to(&mut values);
            features.extend(values.into_iter().map(f64::from));
        }
        let log = fs::read_to_string(folder.join("model.metrics.jsonl")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        Self {
            features,
            points: npy::read(&folder.join("points.npy")).unwrap().data,
            losses: lines.filter_map(|line| line["loss"].as_f64()).collect(),
            weights: Model::open(&folder.join("model")).unwrap().params.into_iter().map(f64::from).collect(),
        }
    }
}

/// The largest distance, divided by a scale.
fn furthest(own: &[f64], plain: &[f64], scale: impl Fn(f64) -> f64) -> f64 {
    assert!(own.len() == plain.len() && !own.is_empty());
    own.iter().zip(plain).map(|(a, b)| (a - b).abs() / scale(*b)).fold(0.0, f64::max)
}
