//! `dataset`, `train --dataset`, `evaluate --list` and `experiment` as a user runs them.
#![cfg(feature = "cli")]

mod common;

use std::fs;

use serde_json::Value;

use common::{fails, json, json_of, write_chord};

const ARTISTS: usize = 14;
const TRACKS: usize = 6;

/// A folder with a catalogue of chords.
fn example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut catalogue = "path,artist,album,genre\n".to_owned();
    for (artist, track) in (0..ARTISTS * TRACKS).map(|place| (place / TRACKS, place % TRACKS)) {
        write_chord(
            &folder.path().join(format!("{artist}-{track}.wav")),
            4,
            150.0 * (artist + 1) as f64,
            artist,
            track,
        );
        catalogue += &format!("{artist}-{track}.wav,artist {artist},album {},genre {}\n", track / 2, artist % 2);
    }
    fs::write(folder.path().join("c.csv"), catalogue).unwrap();
    folder
}

#[test]
fn datasets_are_trained_on_and_evaluated_by() {
    let folder = example();
    let path = folder.path();
    let sizes = "--train-tracks 4 --validation-tracks 2 --excerpt 3 --seconds 1 --seed 1";
    let small = json(path, &format!("dataset msd-small c.csv --out sets/small --artists 8 {sizes}"));
    assert_eq!((&small["parts"][0]["tracks"], &small["parts"][0]["samples"]), (&32.into(), &96.into()));
    let told = fails(path, "dataset msd-small c.csv --out sets/small", 2);
    assert!(told.contains("--force"), "{told}");
    let told = fails(path, "dataset msd-small c.csv --out sets/large", 1);
    assert!(told.contains("0 of 14") && told.contains("17 tracks"), "{told}");
    let told = fails(path, "dataset unseen c.csv --out sets/x --albums 3", 2);
    assert!(told.contains("--albums"), "{told}");

    json(path, "extract c.csv --out store");
    fs::write(path.join("t.toml"), "segment = 1.0\n[network]\ndims = 8\n[batch]\nartists = 4\nsamples = 2\n").unwrap();
    let train = "train store --preset paper --config t.toml --dataset sets/small --steps 4";
    let trained = json(path, &format!("{train} --out m.safetensors"));
    assert_eq!(
        (&trained["artists"], &trained["tracks"], &trained["held_out_artists"]),
        (&8.into(), &32.into(), &8.into())
    );
    let told = fails(path, &format!("{train} --segment 2 --out n.safetensors"), 2);
    assert!(told.contains("longer than the dataset's samples of 1 s"), "{told}");
    let told = fails(path, "train store --preset classifier --steps 1 --out n.safetensors", 1);
    assert!(told.contains("extract --preset classifier"), "{told}");

    let without = "--without sets/small/train.csv";
    json(path, &format!("dataset unseen c.csv --out sets/unseen {without} --model-tracks 4 --test-tracks 2"));
    json(path, &format!("dataset homonyms c.csv --out sets/names {without} --min-tracks 6 --folds 2"));
    json(path, "embed store --model m.safetensors --out tracks");
    json(path, "embed store --statistics=mfcc --out mfcc");
    let both = json(path, "combine tracks mfcc --out both");
    assert_eq!((&both["tracks"], &both["dims"]), (&(ARTISTS * TRACKS).into(), &(8 + 40).into()));
    let reduced = json(path, "fit pca both --dims 5 --where genre!=x --out pca.safetensors");
    assert!(reduced["variance"].as_f64().is_some_and(|share| share > 0.3 && share < 1.0), "{reduced}");
    // The same points, whether they are mapped later or as they are made.
    json(path, "fit lda tracks --dims 3 --out lda.safetensors");
    json(path, "transform lda.safetensors tracks --out later");
    let embedded = json(path, "embed store --model m.safetensors --linear lda.safetensors --resamples 2 --out at-once");
    assert_eq!(embedded["dims"], 3);
    for ending in ["npy", "csv"] {
        let [later, at_once] =
            ["later", "at-once"].map(|prefix| fs::read(path.join(format!("{prefix}.{ending}"))).unwrap());
        assert!(later == at_once, "{ending}");
    }
    let told = fails(path, "embed store --statistics=mfcc --linear lda.safetensors --out x", 1);
    assert!(told.contains("points of 8 values"), "{told}");
    let list = "--list sets/unseen/unseen.csv --part-column part";
    let classified = json(path, &format!("evaluate classification tracks {list}"));
    assert_eq!((&classified["artists"], &classified["tests"]), (&6.into(), &12.into()));
    assert_eq!(json(path, &format!("evaluate verification mfcc {list}"))["tests"], 12);
    let names = "--list sets/names/homonyms.csv --name-column name --fold-column fold --names names.csv";
    let clustered = json(path, &format!("evaluate clustering mfcc {names}"));
    assert_eq!(clustered["folds"].as_array().unwrap().len(), 2);
    assert_eq!(clustered["ami"], 1.0, "chords are told apart by their cepstra");
    let lines = fs::read_to_string(path.join("names.csv")).unwrap().lines().count();
    assert_eq!(lines, 1 + clustered["per_name"].as_array().unwrap().len());
    let told = fails(path, "evaluate verification tracks --names x.csv", 2);
    assert!(told.contains("--names"), "{told}");
}

const PLAN: &str = r#"
catalogue = "../c.csv"
across = "album"
folds = 2
name_folds = 2
seeds = [0, 1]
repeats = 1
baselines = ["mel", "mfcc"]
untrained = true
training = { steps = 3, validation = { share = 0.0, every = 2 } }

[systems.ml]
preset = "paper"
training = { segment = 1.0, network = { dims = 8 }, batch = { artists = 4, samples = 2 } }
[systems.cl]
preset = "classifier"
training = { batch = { artists = 4, samples = 1 } }

[[cells]]
dataset = "msd-small"
options = { train_tracks = 4, validation_tracks = 2, excerpt = 3.0 }
systems = ["ml", "cl"]
artists = [3, 6]

[[cells]]
dataset = "side-information"
options = { seconds = 3.0 }
systems = ["ml"]
p = [0.0, 0.5]

[[cells]]
dataset = "unbalanced-b"
options = { per_artist = 9, positions = 2, seconds = 3.0, min_tracks = 4 }
systems = ["cl"]
"#;

#[test]
fn an_experiment_runs_resumes_and_draws() {
    let folder = example();
    let path = folder.path();
    fs::create_dir(path.join("plans")).unwrap();
    fs::write(path.join("plans/e.toml"), PLAN.replace("folds = 2", "folds = 2\ntypo = 1")).unwrap();
    let told = fails(path, "experiment plans/e.toml --out result", 1);
    assert!(told.contains("typo"), "{told}");
    fs::write(path.join("plans/e.toml"), PLAN).unwrap();
    let cells = json_of("experiment.plan", path, "experiment plans/e.toml --out result --dry-run");
    assert_eq!(cells["cells"].as_array().unwrap().len(), 8 + 8 + 4 + 2);
    assert!(!path.join("result").exists());
    let report = json(path, "experiment plans/e.toml --out result");
    assert_eq!(
        (&report["cells"], &report["done_before"], &report["failed"]),
        (&22.into(), &0.into(), &Value::Array(vec![]))
    );
    let read = |name: &str| fs::read_to_string(path.join("result").join(name)).unwrap();
    for name in [
        "figure-1.svg",
        "figure-2.svg",
        "figure-3.svg",
        "figure-4.svg",
        "across-pairs.svg",
        "across-names.svg",
        "card.json",
    ] {
        assert!(!read(name).is_empty(), "{name}");
    }
    let page = read("report.html");
    assert!(page.contains("Figure 4") && page.contains("Run card") && !page.contains("src="), "one file, offline");
    assert_eq!(read("results.csv").lines().count(), 23);

    // What was lost is run again, to the same figures; what is there is not.
    let before: Value = serde_json::from_str(&read("results.json")).unwrap();
    fs::remove_file(path.join("result/cells/msd-small-cl-6a-s1.json")).unwrap();
    let report = json(path, "experiment plans/e.toml --out result --threads 1");
    assert_eq!(report["done_before"], 21);
    let after: Value = serde_json::from_str(&read("results.json")).unwrap();
    let scores = |all: &Value| -> Vec<[Value; 3]> {
        let cells = all["cells"].as_array().unwrap().iter();
        cells.map(|cell| [cell["scores"].clone(), cell["across"].clone(), cell["model"].clone()]).collect()
    };
    assert_eq!(scores(&before), scores(&after));
    // Other settings are another cell.
    fs::write(path.join("plans/e.toml"), PLAN.replace("steps = 3", "steps = 2")).unwrap();
    let report = json(path, "experiment plans/e.toml --out result");
    assert_eq!(report["done_before"], 8, "only what is not trained stays");
}
