//! `homonym extract` and `homonym inspect` as a user runs them.

use std::path::Path;
use std::process::{Command, Output};

/// A second of a tone as a WAV file.
fn write_tone(path: &Path, hertz: f32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 22_050,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for time in 0..22_050 {
        let phase = std::f32::consts::TAU * hertz * time as f32 / 22_050.0;
        writer.write_sample((phase.sin() * 10_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

fn homonym(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_homonym")).args(arguments).current_dir(folder).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_catalogue_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("music")).unwrap();
    std::fs::write(folder.join("music/c.csv"), "path,artist\na.wav,x\ngone.wav,x\nb.wav,\n").unwrap();
    write_tone(&folder.join("music/a.wav"), 440.0);
    write_tone(&folder.join("music/b.wav"), 880.0);

    let plan = homonym(folder, &["extract", "music/c.csv", "--out", "store", "--dry-run", "--json"]);
    assert_eq!((json(&plan)["to_extract"].as_u64(), json(&plan)["missing"].as_array().unwrap().len()), (Some(3), 1));
    assert!(!folder.join("store").exists());

    let run = homonym(folder, &["extract", "music/c.csv", "--out", "store", "--json"]);
    assert_eq!(run.status.code(), Some(3), "one input failed");
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(told.contains("gone.wav is left out, missing: ") && told.contains("1 rows name no artist"), "{told}");
    assert_eq!(json(&run)["schema"], "homonym.extract/1");
    assert_eq!((json(&run)["tracks"].as_u64(), json(&run)["frames"].as_u64()), (Some(2), Some(88)));

    write_tone(&folder.join("music/gone.wav"), 220.0);
    let resumed = homonym(folder, &["extract", "music/c.csv", "--out", "store", "--resume", "--json"]);
    assert_eq!((resumed.status.code(), json(&resumed)["added"].as_u64()), (Some(0), Some(1)));

    let seen = homonym(folder, &["inspect", "store", "--verify", "--json"]);
    let seen = json(&seen);
    assert_eq!((&seen["complete"], &seen["verified"]), (&true.into(), &true.into()));
    assert_eq!((seen["tracks"].as_u64(), seen["audio_seconds"].as_f64()), (Some(3), Some(3.0)));
    let text = homonym(folder, &["inspect", "store"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("feature store complete"));
}

#[test]
fn what_cannot_be_done_is_said_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (arguments, code, says) in [
        (vec!["inspect", "nothing"], 1, "found nothing"),
        (vec!["inspect", "."], 1, "store.json"),
        (vec!["extract", "c.csv", "--out", "store"], 1, "c.csv"),
        (vec!["extract", "c.csv"], 2, "--out"),
        (vec!["extract", "c.csv", "--out", "s", "--force", "--resume"], 2, "--resume"),
        (vec!["extract", "c.csv", "--out", "s", "--precision", "f8"], 2, "f16, f32"),
    ] {
        let output = homonym(folder, &arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(says), "{told}");
    }
}
