//! What several tests share: the program as a user runs it, audio to give it, the generator of the oracle scripts,
//! made-up artists to train on.
#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod lcg;
pub(crate) mod world;

use std::path::Path;
use std::process::{Command, Output};

use homonym::random::Random;
use serde_json::Value;

/// The program in `folder`, with arguments between spaces.
pub(crate) fn homonym(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homonym"));
    command.current_dir(folder).args(arguments.split_whitespace());
    command
}

/// Runs, expects success, parses the JSON of the schema that the verb names.
pub(crate) fn json(folder: &Path, arguments: &str) -> Value {
    let verb = arguments.split_whitespace().next().unwrap();
    json_of(verb, folder, arguments)
}

/// [`json`] of another schema.
pub(crate) fn json_of(schema: &str, folder: &Path, arguments: &str) -> Value {
    let output = homonym(folder, arguments).arg("--json").output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", told(&output));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["schema"], format!("homonym.{schema}/1"));
    value
}

/// Runs, expects an exit code and no results, returns what was said.
pub(crate) fn fails(folder: &Path, arguments: &str, code: i32) -> String {
    let output = homonym(folder, arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments}: {}", told(&output));
    assert!(output.stdout.is_empty(), "{arguments}");
    told(&output)
}

/// The standard error of a run.
pub(crate) fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Mono samples in -1..=1 as a 16-bit WAV file of `rate` Hz.
pub(crate) fn write_wav(path: &Path, rate: u32, samples: impl Iterator<Item = f64>) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        writer.write_sample((sample * 32_767.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// Seconds of a chord on `root` Hz in noise, drawn by `artist` and `track`.
pub(crate) fn write_chord(path: &Path, seconds: usize, root: f64, artist: usize, track: usize) {
    let mut random = Random::keyed(artist as u64, &[track as u64]);
    let chord = (0..seconds * 22_050).map(|time| {
        let tone = |hertz: f64| (std::f64::consts::TAU * hertz * time as f64 / 22_050.0).sin();
        0.12 * (tone(root) + tone(root * 2.5) + 0.5 * random.normal())
    });
    write_wav(path, 22_050, chord);
}
