//! `homonym demo` spares what it did not make. (The whole demo takes a minute or two and has its own place in CI.)
#![cfg(feature = "cli")]

use std::fs;
use std::process::Command;

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("catalogue.csv");
    fs::write(&mine, "mine").unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_homonym")).args(["demo", "--out"]).arg(folder.path()).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("--force") && message.contains(folder.path().to_str().unwrap()), "{message}");
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
