//! `homonym extract` and `homonym inspect` as a user runs them.
#![cfg(feature = "cli")]

mod common;

use std::path::Path;

use common::{fails, homonym, json, json_of, told, write_wav};

/// A second of a tone.
fn write_tone(path: &Path, hertz: f64) {
    let tone = |time| 0.3 * (std::f64::consts::TAU * hertz * f64::from(time) / 22_050.0).sin();
    write_wav(path, 22_050, (0..22_050).map(tone));
}

#[test]
fn a_catalogue_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("music")).unwrap();
    std::fs::write(folder.join("music/c.csv"), "path,artist\na.wav,x\ngone.wav,x\nb.wav,\n").unwrap();
    write_tone(&folder.join("music/a.wav"), 440.0);
    write_tone(&folder.join("music/b.wav"), 880.0);

    let plan = json_of("extract.plan", folder, "extract music/c.csv --out store --dry-run");
    assert_eq!((plan["to_extract"].as_u64(), plan["missing"].as_array().unwrap().len()), (Some(3), 1));
    assert!(!folder.join("store").exists());

    let run = homonym(folder, "extract music/c.csv --out store --json").output().unwrap();
    assert_eq!(run.status.code(), Some(3), "one input failed");
    let said = told(&run);
    assert!(said.contains("gone.wav is left out, missing: ") && said.contains("1 rows name no artist"), "{said}");
    let run: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(run["schema"], "homonym.extract/1");
    assert_eq!((run["tracks"].as_u64(), run["frames"].as_u64()), (Some(2), Some(88)));

    write_tone(&folder.join("music/gone.wav"), 220.0);
    assert_eq!(json(folder, "extract music/c.csv --out store --resume")["added"], 1);

    let seen = json(folder, "inspect store --verify");
    assert_eq!((&seen["complete"], &seen["verified"]), (&true.into(), &true.into()));
    assert_eq!((seen["tracks"].as_u64(), seen["audio_seconds"].as_f64()), (Some(3), Some(3.0)));
    let text = homonym(folder, "inspect store").output().unwrap();
    assert!(String::from_utf8_lossy(&text.stdout).contains("feature store complete"));
}

#[test]
fn what_cannot_be_done_is_said_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, says) in [
        ("inspect nothing", 1, "found nothing"),
        ("inspect .", 1, "store.json"),
        ("extract c.csv --out store", 1, "c.csv"),
        ("extract c.csv", 2, "--out"),
        ("extract c.csv --out s --force --resume", 2, "--resume"),
        ("extract c.csv --out s --precision f8", 2, "f16, f32"),
    ] {
        let told = fails(folder.path(), arguments, code);
        assert!(told.contains(says), "{told}");
    }
}
