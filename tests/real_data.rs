//! Real recordings, where they are at hand: under `../shared/data`, or where `HOMONYM_DATA` points.

use std::collections::HashSet;
use std::path::PathBuf;

use homonym::audio;
use homonym::catalogue::datasets::{Options, Source, kind};
use homonym::catalogue::table::Table;

/// The folder of a set, or None with a word that the test is skipped.
fn set(name: &str) -> Option<PathBuf> {
    folder(name, "catalogue.csv")
}

/// A folder that holds a file, or None with a word that the test is skipped.
fn folder(name: &str, file: &str) -> Option<PathBuf> {
    let data = std::env::var_os("HOMONYM_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let folder = data.join(name);
    if folder.join(file).exists() {
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

/// The published lists as the paper describes them, with a catalogue that has every track of the homonyms and nothing else.
#[test]
fn the_published_lists_hold_what_the_paper_says() {
    let Some(folder) = folder("deezer-lists/datasets", "evaluation/homonym_dataset.csv") else { return };
    let list = Table::read(&folder.join("evaluation/homonym_dataset.csv")).unwrap();
    let ids: HashSet<&str> = list.values(0).collect();
    let mut ids: Vec<&str> = ids.into_iter().collect();
    ids.sort_unstable();
    let rows = ids.iter().map(|id| vec![format!("{id}.mp3"), (*id).to_owned()]).collect();
    let table = Table { columns: vec!["path".into(), "track_id".into()], rows };
    let source = Source { table: &table, subject: &PathBuf::from("music.csv"), artist_column: "artist", seed: 0 };
    let options = Options { lists: Some(folder), ..Options::default() };
    let dataset = kind("deezer").unwrap().build(&source, &options).unwrap();
    let (_, homonyms) = dataset.parts.iter().find(|(part, _)| part == "evaluation/homonyms").unwrap();
    let different = |name: &str| homonyms.values(homonyms.column(name).unwrap()).collect::<HashSet<_>>().len();
    assert_eq!((homonyms.rows.len(), different("artist"), different("name"), different("fold")), (9536, 267, 122, 5));
    println!("{}", dataset.notes.join("\n"));
    let side = "ml_discogs_3023a_validation.csv: left out, all its tracks are training tracks";
    assert!(dataset.notes.iter().any(|note| note.ends_with(side)));
    assert_eq!(dataset.notes.iter().filter(|note| note.contains("left out")).count(), 1);
}
