//! Every kind on made-up catalogues: sizes, disjointness, determinism, messages.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::*;
use crate::catalogue::samples::Samples;

/// `artists` artists; artist `a` has `tracks(a)` tracks in albums of five, a genre, a second label.
fn catalogue(artists: usize, tracks: impl Fn(usize) -> usize) -> Table {
    let columns = ["path", "artist", "album", "genre", "label", "my own"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for artist in 0..artists {
        for track in 0..tracks(artist) {
            let genre = if track % 4 == 0 { String::new() } else { format!("genre {}", artist % 3) };
            rows.push(vec![
                format!("audio/{artist}-{track}.ogg"),
                format!("artist {artist}"),
                format!("album {artist}-{}", track / 5),
                genre,
                format!("label {artist}"),
                format!("{artist}, {track}"),
            ]);
        }
    }
    Table { columns, rows }
}

fn source(table: &Table, seed: u64) -> Source<'_> {
    Source { table, subject: Path::new("music.csv"), artist_column: "artist", seed }
}

fn build(name: &str, table: &Table, options: &Options) -> Dataset {
    kind(name).unwrap().build(&source(table, 1), options).unwrap()
}

fn fails(name: &str, table: &Table, options: &Options) -> String {
    kind(name).unwrap().build(&source(table, 1), options).unwrap_err().to_string()
}

fn part<'d>(dataset: &'d Dataset, name: &str) -> &'d Table {
    &dataset.parts.iter().find(|(part, _)| part == name).unwrap_or_else(|| panic!("no part {name}")).1
}

fn values<'t>(table: &'t Table, column: &str) -> Vec<&'t str> {
    table.values(table.column(column).unwrap()).collect()
}

fn set<'t>(table: &'t Table, column: &str) -> HashSet<&'t str> {
    values(table, column).into_iter().collect()
}

fn samples(table: &Table) -> Vec<Samples> {
    Samples::of_list(table, Path::new("list.csv")).unwrap().unwrap()
}

/// Draws of every artist.
fn draws(table: &Table) -> HashMap<&str, usize> {
    let mut draws = HashMap::new();
    for (artist, samples) in values(table, "artist").into_iter().zip(samples(table)) {
        *draws.entry(artist).or_default() += samples.draws;
    }
    draws
}

#[test]
fn every_kind_keeps_the_users_columns_and_depends_on_the_seed_alone() {
    let table = catalogue(20, |artist| 20 + artist);
    for kind in KINDS.iter().filter(|kind| kind.name != "deezer") {
        let options = Options {
            samples: kind.options.contains(&"samples").then_some(60),
            per_artist: kind.options.contains(&"per_artist").then_some(100),
            ..Options::default()
        };
        let build = |seed| kind.build(&source(&table, seed), &options).unwrap();
        let (dataset, again, other) = (build(1), build(1), build(2));
        assert_eq!(dataset, again, "{}", kind.name);
        assert_ne!(dataset, other, "{}: the seed decides something", kind.name);
        for (part, list) in &dataset.parts {
            assert_eq!(
                list.columns[..7],
                [&table.columns[..], &["track_id".to_owned()]].concat(),
                "{} {part}",
                kind.name
            );
            let known: HashSet<&[String]> = table.rows.iter().map(Vec::as_slice).collect();
            assert!(list.rows.iter().all(|row| known.contains(&row[..6])), "{} {part}", kind.name);
            assert_eq!(values(list, "track_id"), values(list, "path"));
            assert_eq!(set(list, "path").len(), list.rows.len(), "{} {part}: a track is listed once", kind.name);
        }
    }
}

#[test]
fn msd_small_has_its_tracks_and_excerpts() {
    let table = catalogue(9, |artist| if artist < 6 { 17 + artist } else { 16 });
    let dataset = build("msd-small", &table, &Options::default());
    let (train, validation) = (part(&dataset, "train"), part(&dataset, "validation"));
    assert_eq!((set(train, "artist").len(), train.rows.len(), validation.rows.len()), (6, 90, 12));
    assert!(set(train, "path").is_disjoint(&set(validation, "path")));
    let excerpts = samples(train);
    assert!(excerpts.iter().all(|samples| samples.positions == 10 && samples.seconds == 3.0));
    let at: HashSet<String> = excerpts.iter().map(|samples| samples.excerpt.unwrap().at.to_string()).collect();
    assert_eq!(at.len(), 90, "every excerpt is at a place of its own");
    let fewer = build("msd-small", &table, &Options { artists: Some(3), ..Options::default() });
    assert!(set(part(&fewer, "train"), "artist").is_subset(&set(train, "artist")));
    assert_eq!(set(part(&fewer, "train"), "artist").len(), 3);
    let error = fails("msd-small", &table, &Options { artists: Some(7), ..Options::default() });
    assert!(error.contains("6 of 9") && error.contains("17 tracks") && error.contains("music.csv"), "{error}");
}

#[test]
fn cleaning_goes_both_ways() {
    let mut table = catalogue(8, |_| 17);
    table.rows[0][4] = "label 7b".into(); // artist 0 has two labels
    for row in &mut table.rows[17..51] {
        row[4] = "shared".into(); // artists 1 and 2 share one
    }
    table.rows[60][4] = String::new(); // says nothing
    let dataset = build("msd-small", &table, &Options { clean_with: Some("label".into()), ..Options::default() });
    let kept = set(part(&dataset, "train"), "artist");
    assert_eq!(
        kept,
        (3..8).map(|artist| format!("artist {artist}")).collect::<Vec<_>>().iter().map(String::as_str).collect()
    );
    assert_eq!(dataset.notes.len(), 1);
    assert!(
        dataset.notes[0].contains("1 of 8 (12.5 %)") && dataset.notes[0].contains("`label`"),
        "{}",
        dataset.notes[0]
    );
}

#[test]
fn balanced_gives_every_artist_as_much_and_parts_albums() {
    let table = catalogue(10, |artist| 12 + 3 * artist); // artists from the third on have four whole albums
    let options = Options { samples: Some(100), ..Options::default() };
    let dataset = build("balanced", &table, &options);
    let (train, validation) = (part(&dataset, "train"), part(&dataset, "validation"));
    assert!(set(train, "album").is_disjoint(&set(validation, "album")));
    assert!(draws(train).values().all(|&draws| draws == 33), "{:?}", draws(train));
    assert!(draws(validation).values().all(|&draws| draws == 17));
    let artists = draws(train).len();
    let error = fails("balanced", &table, &Options { artists: Some(artists + 1), ..options.clone() });
    assert!(error.contains(&format!("{artists} of 10")), "{error}");
    let popular = build("balanced", &table, &Options { among: Some(2), ..options.clone() });
    assert_eq!(set(part(&popular, "train"), "artist"), HashSet::from(["artist 8", "artist 9"]));
    let mut ranked = table.clone();
    ranked.columns.push("plays".into());
    ranked
        .rows
        .iter_mut()
        .for_each(|row| row.push(if row[1] == "artist 4" || row[1] == "artist 5" { "9" } else { "" }.into()));
    let chosen = Options { among: Some(2), popularity_column: Some("plays".into()), ..options.clone() };
    assert_eq!(
        set(part(&build("balanced", &ranked, &chosen), "train"), "artist"),
        HashSet::from(["artist 4", "artist 5"])
    );
    ranked.rows[3][6] = "many".into();
    assert!(fails("balanced", &ranked, &chosen).contains("row 4"));
}

#[test]
fn unbalanced_parts_artists_and_its_versions_balance_them() {
    let table = catalogue(20, |artist| 3 + artist);
    let whole = build("unbalanced", &table, &Options::default());
    let [train, validation, test] = ["train", "validation", "test"].map(|name| set(part(&whole, name), "artist"));
    assert_eq!((train.len(), validation.len(), test.len()), (15, 2, 2), "artist 0 has too few tracks");
    assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
    let options = Options { per_artist: Some(100), ..Options::default() };
    let (a, b) = (build("unbalanced-a", &table, &options), build("unbalanced-b", &table, &options));
    assert_eq!(set(part(&b, "train"), "artist"), train);
    assert!(set(part(&a, "train"), "artist").len() < train.len());
    assert!(set(part(&a, "train"), "artist").is_subset(&train));
    for version in [&a, &b] {
        let (list, kept_out) = (part(version, "train"), part(version, "validation"));
        assert!(draws(list).values().all(|&draws| draws == 100), "{:?}", draws(list));
        assert!(samples(list).iter().all(|samples| samples.positions <= 10));
        assert!(set(list, "path").is_disjoint(&set(kept_out, "path")));
        assert_eq!(set(list, "artist"), set(kept_out, "artist"));
    }
    assert!(samples(part(&a, "train")).iter().all(|samples| samples.draws == samples.positions), "(A) repeats nothing");
    assert!(samples(part(&b, "train")).iter().any(|samples| samples.draws > samples.positions), "(B) repeats");
    let error = fails("unbalanced-a", &table, &Options::default());
    assert!(error.contains("0 of 15") && error.contains("--per-artist"), "{error}");
}

#[test]
fn side_information_takes_one_sample_a_track_and_needs_tags() {
    let table = catalogue(10, |_| 5);
    let dataset = build("side-information", &table, &Options::default());
    assert!(samples(part(&dataset, "train")).iter().all(|samples| samples.draws == 1));
    assert!(dataset.notes[0].contains("20 of 50"), "{:?}", dataset.notes);
    let error = fails("side-information", &table, &Options { tag_column: Some("mood".into()), ..Options::default() });
    assert!(error.contains("mood") && error.contains("genre"), "{error}");
}

#[test]
fn homonyms_share_names_in_folds_disjoint_by_name() {
    let table = catalogue(40, |_| 8);
    let dataset = build("homonyms", &table, &Options { within: Some("genre".into()), ..Options::default() });
    let list = part(&dataset, "homonyms");
    let mut folds: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut artists: HashMap<&str, HashSet<&str>> = HashMap::new();
    let cells = values(list, "name").into_iter().zip(values(list, "fold")).zip(values(list, "artist"));
    for ((name, fold), artist) in cells {
        folds.entry(name).or_default().insert(fold);
        artists.entry(name).or_default().insert(artist);
    }
    assert!(folds.values().all(|folds| folds.len() == 1));
    assert_eq!(set(list, "fold"), HashSet::from(["0", "1", "2", "3", "4"]));
    assert!(artists.values().all(|artists| (2..=4).contains(&artists.len())));
    let named = build(
        "homonyms",
        &table,
        &Options { name_column: Some("genre".into()), min_tracks: Some(6), folds: Some(2), ..Options::default() },
    );
    assert_eq!(set(part(&named, "homonyms"), "genre").len(), 3);
    assert_eq!(part(&named, "homonyms").column("name"), None);
    assert!(fails("homonyms", &table, &Options { min_tracks: Some(9), ..Options::default() }).contains("found 0"));
}

#[test]
fn unseen_has_model_and_test_tracks() {
    let list = build("unseen", &catalogue(3, |_| 22), &Options::default());
    let parts = values(part(&list, "unseen"), "part");
    assert_eq!(parts.iter().filter(|&&part| part == "model").count(), 45);
    assert_eq!(parts.iter().filter(|&&part| part == "test").count(), 15);
}

#[test]
fn options_of_other_kinds_and_taken_columns_are_refused() {
    let table = catalogue(3, |_| 22);
    assert!(fails("unseen", &table, &Options { albums: Some(3), ..Options::default() }).contains("--albums"));
    assert!(fails("unseen", &table, &Options { test_tracks: Some(0), ..Options::default() }).contains("--test-tracks"));
    let mut taken = table.clone();
    taken.columns[5] = "part".into();
    assert!(fails("unseen", &taken, &Options::default()).contains("`part`"));
    assert!(kind("small").err().unwrap().to_string().contains("msd-small"));
}

#[test]
fn what_is_written_is_opened_and_paths_still_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("music.csv");
    let table = catalogue(4, |_| 17);
    let source = Source { subject: &path, ..source(&table, 1) };
    let kind = kind("msd-small").unwrap();
    let dataset = kind.build(&source, &Options::default()).unwrap();
    let out = folder.path().join("sets/small");
    dataset.write(&out, kind, &source, &Options::default()).unwrap();
    let (train, validation) = open(&out).unwrap();
    assert_eq!(train.rows.len(), 60);
    assert_eq!(validation.unwrap().rows.len(), 8);
    assert!(values(&train, "path")[0].starts_with("../../audio/"), "{}", values(&train, "path")[0]);
    assert!(values(&train, "track_id")[0].starts_with("audio/"));
    let card: Value = serde_json::from_slice(&std::fs::read(out.join("dataset.json")).unwrap()).unwrap();
    assert_eq!((&card["kind"], &card["parts"][0]["samples"]), (&json!("msd-small"), &json!(600)));
    std::fs::copy(out.join("train.csv"), out.join("validation.csv")).unwrap();
    assert!(open(&out).unwrap_err().to_string().contains("validation.csv"));
}

#[test]
fn lists_of_published_ids_are_matched_cleaned_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "evaluation/homonym_dataset.csv",
        "sng_id,art_name,fold\n1,Sun_Ra_0,3\n1,Sun_Ra_0,3\n2,Sun_Ra_2,3\n9,Sun_Ra_2,3\n",
    );
    write("evaluation/classification_verification_train.csv", "dzr_sng_id,sng_id,art_name_lower,track_id\n3,S,x,T\n");
    write("evaluation/classification_verification_test.csv", "dzr_sng_id,sng_id,art_name_lower,track_id\n4,S,x,T\n");
    write("train/balanced/ml_2a_train.csv", "dzr_sng_id,artist\n5,X\n6,X\n7,Y\n");
    write("train/balanced/ml_2a_validation.csv", "dzr_sng_id,artist\n8,X\n");
    let twice = "dzr_sng_id,artist\n5,1\n6,2\n";
    write("train/unbalanced_side_information_neg_sampling/ml_train.csv", twice);
    write("train/unbalanced_side_information_neg_sampling/ml_validation.csv", twice);
    let rows = (1..9).map(|id| vec![format!("{id}.ogg"), id.to_string()]).collect();
    let table = Table { columns: vec!["path".into(), "deezer".into()], rows };
    let options = Options { lists: Some(folder.path().into()), id_column: Some("deezer".into()), ..Options::default() };
    let dataset = build("deezer", &table, &options);
    let homonyms = part(&dataset, "evaluation/homonyms");
    assert_eq!(
        (values(homonyms, "artist"), values(homonyms, "name")),
        (vec!["Sun_Ra_0", "Sun_Ra_2"], vec!["Sun_Ra"; 2])
    );
    assert!(dataset.notes[0].contains("3 tracks of 2 artists (1 repeated rows removed), 2 in the catalogue"));
    assert_eq!(values(part(&dataset, "evaluation/unseen"), "part"), ["model", "test"]);
    assert_eq!(draws(part(&dataset, "train/balanced/ml_2a/train")), HashMap::from([("X", 333), ("Y", 333)]));
    let side = "train/unbalanced_side_information_neg_sampling/ml";
    assert!(dataset.parts.iter().any(|(part, _)| *part == format!("{side}/train")));
    assert!(dataset.parts.iter().all(|(part, _)| *part != format!("{side}/validation")));
    assert!(dataset.notes.last().unwrap().contains("all its tracks are training tracks"));
    let wrong = Options { id_column: Some("path".into()), ..options.clone() };
    assert!(fails("deezer", &table, &wrong).contains("--id-column"));
    assert!(fails("deezer", &table, &Options::default()).contains("--lists"));
}
