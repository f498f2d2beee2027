//! Real recordings, where they are at hand: under `../shared/data`, or where `HOMONYM_DATA` points.

use std::path::PathBuf;

use homonym::audio;
use homonym::catalogue::table::Table;

/// The folder of a set, or None with a word that the test is skipped.
fn set(name: &str) -> Option<PathBuf> {
    let data = std::env::var_os("HOMONYM_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let folder = data.join(name);
    if folder.join("catalogue.csv").exists() {
        return Some(folder);
    }
    println!("skipped: no recordings in {}; set HOMONYM_DATA to the folder that holds `{name}`", folder.display());
    None
}

#[test]
fn recordings_decode_to_the_length_their_catalogue_states() {
    for name in ["open", "voices"] {
        let Some(folder) = set(name) else { continue };
        let table = Table::read(&folder.join("catalogue.csv")).unwrap();
        let (path, seconds) = (table.column("path").unwrap(), table.column("seconds").unwrap());
        for row in table.rows.iter().step_by(40) {
            let (samples, info) = audio::load(&folder.join(&row[path]), 22_050).unwrap();
            let stated: f64 = row[seconds].parse().unwrap();
            assert!((info.seconds - stated).abs() < 0.1, "{}: {} s for {stated}", row[path], info.seconds);
            assert_eq!(samples.len(), (info.seconds * 22_050.0).round() as usize, "{}", row[path]);
            let power = samples.iter().map(|x| f64::from(x * x)).sum::<f64>() / samples.len() as f64;
            assert!(power > 1e-8 && samples.iter().all(|x| x.abs() < 2.0), "{}: power {power}", row[path]);
        }
    }
}
