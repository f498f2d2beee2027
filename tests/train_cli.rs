//! From audio files to artists told apart as a user does it: `extract`, `train`, `embed`, `split`, `evaluate`, `run`.
#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use homonym::store::embeddings::Embeddings;
use homonym_kernels::Tiles;
use serde_json::Value;

use common::{fails, homonym, json, json_of, told, write_chord};

const ARTISTS: usize = 6;
const TRACKS: usize = 4;

/// A folder with `c.csv`, `small.toml` and the feature store `store`.
fn example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut catalogue = "path,artist,name\n".to_owned();
    for (artist, track) in (0..ARTISTS * TRACKS).map(|place| (place / TRACKS, place % TRACKS)) {
        write_chord(&path.join(format!("{artist}-{track}.wav")), 2, 200.0 * (artist + 1) as f64, artist, track);
        catalogue += &format!("{artist}-{track}.wav,artist {artist},name {}\n", artist / 2);
    }
    fs::write(path.join("c.csv"), catalogue).unwrap();
    let small = "segment = 0.8\n[network]\ndims = 8\n[batch]\nartists = 3\nsamples = 2\n[validation]\nshare = 0.34\nevery = 5\n";
    fs::write(path.join("small.toml"), small).unwrap();
    assert_eq!(json(path, "extract c.csv --out store")["tracks"], ARTISTS * TRACKS);
    folder
}

#[test]
fn audio_becomes_artists() {
    let folder = example();
    let path = folder.path();
    let trained = json(path, "train store --preset paper --config small.toml --steps 20 --out m.safetensors");
    assert_eq!((&trained["end"], &trained["steps"]), (&"steps".into(), &20.into()));
    assert_eq!((&trained["artists"], &trained["held_out_artists"]), (&4.into(), &2.into()));
    assert_eq!((&trained["config"]["batch"]["artists"], &trained["config"]["steps"]), (&3.into(), &20.into()));
    let metrics = fs::read_to_string(path.join("m.metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().filter(|line| line.contains("\"event\":\"step\"")).count(), 20);
    assert_eq!(json(path, "inspect m.safetensors")["hash"], trained["model_hash"]);

    let embedded = json(path, "embed store --model m.safetensors --out tracks");
    assert_eq!((&embedded["tracks"], &embedded["dims"]), (&(ARTISTS * TRACKS).into(), &8.into()));
    assert_eq!(embedded["origin"]["model"], trained["model_hash"]);
    bf16_computes_or_is_refused(path);
    let split = json(path, "split tracks --distance 1 --name-column name --out labels.csv");
    assert_eq!((&split["tracks"], &split["names"]), (&(ARTISTS * TRACKS).into(), &(ARTISTS / 2).into()));
    let accuracy = json(path, "evaluate classification tracks")["accuracy"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&accuracy));

    let run = json(path, "run c.csv --model m.safetensors --distance 1 --name-column name --out whole");
    assert_eq!(run["split"], {
        let mut same = split.clone();
        same.as_object_mut().unwrap().remove("schema");
        same
    });
    assert_eq!(fs::read(path.join("whole/labels.csv")).unwrap(), fs::read(path.join("labels.csv")).unwrap());
    assert_eq!(fs::read(path.join("whole/embeddings.npy")).unwrap(), fs::read(path.join("tracks.npy")).unwrap());
    assert!(path.join("whole/names.csv").exists() && !path.join("whole/changes.jsonl").exists());
    // Again, with another cut: what is labelled stays where it is, until a new split is asked for.
    let again = "run c.csv --model m.safetensors --distance 0 --name-column name --out whole";
    assert_eq!(json(path, again)["split"]["clusters"], split["clusters"]);
    assert_eq!(fs::read(path.join("whole/changes.jsonl")).unwrap(), b"");
    assert_eq!(json(path, &format!("{again} --resplit"))["split"]["clusters"], ARTISTS * TRACKS);
}

/// `tracks` once more in bf16 and a step of training, or the word that this machine cannot, before any work is done.
fn bf16_computes_or_is_refused(path: &Path) {
    let embed = "embed store --model m.safetensors --out near --arithmetic bf16";
    let train = "train store --preset paper --config small.toml --steps 1 --out near --arithmetic bf16";
    if Tiles::request().is_err() {
        println!("skipped: embedding and training in bf16: this machine lacks AMX");
        for verb in [embed, train, "run c.csv --model m.safetensors --distance 1 --out near --arithmetic bf16"] {
            let told = fails(path, verb, 2);
            assert!(told.contains("arithmetic") && told.contains("AMX") && told.contains("f32"), "{told}");
            assert!(!path.join("near").exists() && !path.join("near.npy").exists());
        }
        return;
    }
    assert_eq!(json(path, embed)["origin"]["arithmetic"], "bf16");
    let [near, exact] = ["near", "tracks"].map(|prefix| Embeddings::open(&path.join(prefix)).unwrap().points.data);
    let furthest = near.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest > 0.0 && furthest < 5e-3, "{furthest}");
    assert_eq!(json(path, train)["config"]["arithmetic"], "bf16");
}

#[test]
fn what_cannot_be_trained_is_said() {
    let folder = example();
    let path = folder.path();
    fs::write(path.join("typo.toml"), "stepz = 7\n").unwrap();
    fs::write(path.join("wide.toml"), "margin = 9.0\n").unwrap();
    let wrong = fails(path, "train store --config typo.toml --out m.safetensors", 1);
    assert!(wrong.contains("typo.toml") && wrong.contains("stepz"), "{wrong}");
    for (arguments, says) in [
        ("train store --config wide.toml --out m.safetensors", "margin"),
        ("train store --preset mine --out m.safetensors", "paper"),
        ("train store --where colour=red --out m.safetensors", "path, artist, name"),
        ("train store --segment 0.1 --out m.safetensors", "segment"),
        ("train store", "--out"),
    ] {
        let error = fails(path, arguments, 2);
        assert!(error.contains(says), "{arguments}: {error}");
    }
    assert!(fails(path, "train nothing --out m.safetensors", 1).contains("nothing"));
    assert!(fails(path, "train store --config small.toml --where name=x --out m.safetensors", 1).contains("2 artists"));
    assert!(fails(path, "embed store --model c.csv --out tracks", 1).contains("c.csv"));
    let planned = json_of("train.plan", path, "train store --config small.toml --out m.safetensors --dry-run");
    assert_eq!(planned["tracks"], ARTISTS * TRACKS);
    assert!(!path.join("m.safetensors").exists());

    let short = "train store --config small.toml --steps 2 --out m.safetensors";
    json(path, short);
    let model = fs::read(path.join("m.safetensors")).unwrap();
    assert!(fails(path, short, 2).contains("--force"));
    assert!(fails(path, &format!("{short} --resume"), 2).contains("complete"), "there is nothing to resume");
    assert!(fs::read(path.join("m.safetensors")).unwrap() == model);
    json(path, &format!("{short} --seed 3 --force"));
    assert!(fs::read(path.join("m.safetensors")).unwrap() != model);
}

#[test]
fn the_merged_configuration_can_be_printed_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let printed = homonym(path, "train --segment 3 --seed 5 --print-config").output().unwrap();
    fs::write(path.join("own.toml"), &printed.stdout).unwrap();
    let own = json_of("config", path, "train --config own.toml --steps 7 --print-config");
    assert_eq!((&own["segment"], &own["seed"], &own["steps"]), (&3.0.into(), &5.into(), &7.into()));
}

/// Waits until `what` exists.
fn wait_for(what: &Path) {
    let clock = Instant::now();
    while !what.exists() {
        assert!(clock.elapsed() < Duration::from_secs(60), "{} does not appear", what.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_a_state_that_resume_goes_on_from() {
    let folder = example();
    let path = folder.path();
    let endless = "train store --config small.toml --out m.safetensors --steps 1000000";
    // Nothing is held out, so that nothing ends the run early.
    fs::write(path.join("small.toml"), fs::read_to_string(path.join("small.toml")).unwrap().replace("0.34", "0.0"))
        .unwrap();
    let child = homonym(path, endless).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&path.join("m.safetensors.state"));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", told(&output));
    assert!(told(&output).contains("--resume") && output.stdout.is_empty(), "{}", told(&output));
    let steps = |metrics: &str| -> Vec<u64> {
        let lines = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == "step").map(|line| line["step"].as_u64().unwrap()).collect()
    };
    let metrics = || fs::read_to_string(path.join("m.metrics.jsonl")).unwrap();
    let done = steps(&metrics()).len() as u64;
    let resumed =
        json(path, &format!("train store --config small.toml --out m.safetensors --resume --steps {}", done + 4));
    assert_eq!(resumed["steps"], done + 4);
    assert_eq!(steps(&metrics()), (1..=done + 4).collect::<Vec<_>>());
    assert!(!path.join("m.safetensors.state").exists());
}

#[test]
fn an_unknown_instruction_set_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["info", "train --print-config", "measure a.csv b.csv"] {
        let output = homonym(folder.path(), verb).env("HOMONYM_ISA", "nonsense").output().unwrap();
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{verb}: {told}");
        assert!(told.contains("HOMONYM_ISA") && told.contains("`nonsense`") && told.contains("portable"), "{told}");
    }
}
