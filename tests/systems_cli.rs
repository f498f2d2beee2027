//! Other systems of the field as a user runs them: prototypes and search, a sub-space for each notion, a learnt distance of pairs,
//! vectors and audio of another kind.
#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;

use common::{fails, json, write_chord};
use homonym::catalogue::table::Table;
use homonym::matrix::Matrix;
use homonym::random::Random;
use homonym::store::embeddings::{Embeddings, Origin};
use serde_json::{Map, Value};

/// 6 artists of 8 tracks around a direction each, the last two of each apart; artists 0 to 2 have the tags `low` and `loud`
/// or `low`, the others `high`; a track without artist and tag ends the list.
fn write_points(folder: &Path) {
    let mut random = Random::keyed(8, &[]);
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    for track in 0..49 {
        let artist = track / 8;
        values.extend((0..6).map(|axis| (f64::from(axis == artist % 6) + 0.15 * random.normal()) as f32));
        let tags = ["low; loud", "low", "low;loud", "high", "high", "high", ""][artist];
        let name = if artist < 6 { format!("artist {artist}") } else { String::new() };
        let part = if track % 8 < 6 { "model" } else { "test" };
        rows.push(vec![format!("{track}.wav"), name, tags.to_owned(), part.to_owned()]);
    }
    let columns = ["path", "artist", "genre", "part"].map(str::to_owned).to_vec();
    let origin = Origin { model: "m1".to_owned(), frontend: "f1".to_owned(), rest: Map::new() };
    let all = Embeddings { points: Matrix::new(49, 6, values), table: Table { columns, rows }, origin: Some(origin) };
    all.write(&folder.join("all")).unwrap();
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn prototypes_find_tracks_and_tracks_find_prototypes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_points(path);
    let made = json(path, "prototypes all --by artist --where part=model --out artists");
    assert_eq!((&made["prototypes"], &made["tracks"]), (&6.into(), &36.into()));
    let found = json(path, "evaluate search all --against artists --where part=test");
    assert_eq!((&found["items_of_track"]["queries"], &found["tracks_of_item"]["queries"]), (&12.into(), &6.into()));
    assert_eq!(number(&found["items_of_track"]["recall"][0]), 1.0, "{found}");
    assert_eq!(number(&found["area"]), 1.0, "{found}");
    // A track counts for each of its tags; the one without is left out.
    let made = json(path, "prototypes all --tags genre --out tags");
    assert_eq!((&made["prototypes"], &made["tracks_without_value"]), (&3.into(), &1.into()));
    let tags = Embeddings::open(&path.join("tags")).unwrap();
    assert_eq!(tags.table.rows[1], ["loud", "loud", "16"]);
    let found = json(path, "evaluate search all --against tags --artist-column genre");
    assert_eq!((&found["tracks_left_out"], &found["items_of_track"]["queries"]), (&1.into(), &48.into()));
    assert!(
        number(&found["area"]) > 0.9 && number(&found["tracks_of_item"]["mean_average_precision"]) > 0.9,
        "{found}"
    );
    // Prototypes are embeddings like any others.
    json(path, "prototypes artists --by tracks --out sizes");
    for (arguments, code, says) in [
        ("prototypes all --by album --out x", 2, "no column `album`"),
        ("prototypes all --tags genre --where part=none --out x", 1, "expected tracks with a value of genre"),
        ("prototypes all --out x", 2, "--by"),
        ("evaluate search all", 2, "against"),
        ("evaluate retrieval all --against tags", 2, "has no meaning for retrieval"),
        ("evaluate search all --against tags", 1, "names of what stands in the tracks' column `artist`"),
        ("subspace all genre --out x", 1, "a part of the values for `genre`"),
    ] {
        let told = fails(path, arguments, code);
        assert!(told.contains(says), "{arguments}: {told}");
    }
}

/// A folder with a feature store: chords of 4 roots, which are artists, each of one of 2 moods; every second is a test.
fn example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut catalogue = "path,artist,mood,part\n".to_owned();
    for place in 0..24 {
        let artist = place / 6;
        write_chord(&path.join(format!("{place}.wav")), 2, 200.0 * (artist + 1) as f64, artist, place);
        let part = ["model", "test"][place % 2];
        catalogue += &format!("{place}.wav,artist {artist},mood {},{part}\n", artist % 2);
    }
    fs::write(path.join("c.csv"), catalogue).unwrap();
    let small = "segment = 0.8\n[network]\ndims = 9\n[batch]\nartists = 4\nsamples = 3\n";
    fs::write(path.join("small.toml"), small).unwrap();
    json(path, "extract c.csv --out store");
    folder
}

#[test]
fn every_notion_has_its_part_of_an_embedding() {
    let folder = example();
    let path = folder.path();
    let trained = json(path, "train store --config small.toml --notions artist,mood --steps 40 --out m.safetensors");
    assert_eq!(trained["config"]["objective"]["notions"], serde_json::json!(["artist", "mood"]));
    let whole = json(path, "embed store --model m.safetensors --out whole");
    assert_eq!(whole["origin"]["notions"], serde_json::json!({ "artist": [0, 4], "mood": [4, 9] }));
    for (notion, dims) in [("artist", 4), ("mood", 5)] {
        let part = json(path, &format!("subspace whole {notion} --out {notion}"));
        assert_eq!((&part["tracks"], &part["dims"]), (&24.into(), &dims.into()));
        let judged = json(path, &format!("evaluate retrieval {notion} --artist-column {notion}"));
        assert!(number(&judged["recall"][0]) > 0.8, "{notion}: {judged}");
    }
    let [all, mood] = ["whole", "mood"].map(|name| Embeddings::open(&path.join(name)).unwrap());
    assert_eq!(all.points.row(3)[4..9], *mood.points.row(3));
    assert_eq!(mood.origin.unwrap().model, format!("{}/mood", all.origin.unwrap().model));
    json(path, "fit pca whole --out map.safetensors");
    json(path, "transform map.safetensors whole --out mapped");
    for (arguments, code, says) in [
        ("subspace mapped mood --out x", 1, "found none"),
        ("subspace whole tempo --out x", 1, "found artist, mood"),
        ("train store --config small.toml --notions artist --out x.safetensors", 2, "two or more different columns"),
        ("train store --config small.toml --objective masks --out x.safetensors", 2, "--notions"),
        ("train store --config small.toml --notions artist,tempo --out x.safetensors", 2, "no column `tempo`"),
    ] {
        let told = fails(path, arguments, code);
        assert!(told.contains(says), "{arguments}: {told}");
    }
}

#[test]
fn comparisons_teach_a_distance_of_pairs() {
    let folder = example();
    let path = folder.path();
    let mut triplets = "anchor,positive,negative\n".to_owned();
    for anchor in 0..24 {
        let (own, other) = (anchor / 6 * 6 + (anchor + 1) % 6, (anchor + 6 + anchor % 5) % 24);
        triplets += &format!("{anchor}.wav,{own}.wav,{other}.wav\n{own}.wav,{anchor}.wav,{other}.wav\n");
    }
    fs::write(path.join("t.csv"), triplets + "0.wav,1.wav,gone.wav\n").unwrap();
    let small = "segment = 0.8\n[network]\ndims = 8\nchannels = 8\nblocks = 2\n[batch]\nartists = 8\nsamples = 2\n";
    fs::write(path.join("match.toml"), small).unwrap();
    let arguments = "constraints store --triplets t.csv --config match.toml --steps 60 --folds 3 --out folds";
    let judged = json(path, arguments);
    assert_eq!(
        (&judged["triplets"], &judged["triplets_left_out"], &judged["tracks"]),
        (&48.into(), &1.into(), &24.into())
    );
    let systems = judged["systems"].as_array().unwrap();
    let rate = |name: &str| number(&systems.iter().find(|system| system["name"] == name).unwrap()["fulfilment"]);
    assert_eq!(systems.len(), 5);
    assert!(rate("learnt distance") > 0.85, "{judged}");
    assert!(rate("plain statistics, Euclidean") > 0.5, "{judged}");
    // The models are there: run again, they give the same figures, and other settings are refused.
    assert_eq!(json(path, arguments), judged);
    let told = fails(path, &arguments.replace("--steps 60", "--steps 61"), 1);
    assert!(told.contains("a model of these settings"), "{told}");

    let arguments = "train store --preset matchnet --config match.toml --triplets t.csv --steps 60 --out m.safetensors";
    assert_eq!(json(path, arguments)["tracks"], 24);
    let found = json(path, "match store 0.wav --model m.safetensors --top 5");
    let nearest = found["nearest"].as_array().unwrap();
    let own = nearest.iter().filter(|near| (1..6).any(|track| near["track"] == format!("{track}.wav")));
    assert!(nearest.len() == 5 && own.count() >= 4, "{found}");
    json(path, "verify m.safetensors");
    json(path, "embed store --model m.safetensors --out tracks");
    // Without comparisons artists say who is near whom; with them the paper's triplet loss learns too.
    json(path, "train store --preset matchnet --config match.toml --steps 2 --out a.safetensors");
    let plain = "[network]\ndims = 8\n[batch]\nartists = 8\nsamples = 2\n";
    fs::write(path.join("plain.toml"), plain).unwrap();
    json(path, "train store --segment 0.8 --config plain.toml --triplets t.csv --steps 2 --out p.safetensors");
    for (arguments, code, says) in [
        ("match store 0.wav --model p.safetensors", 2, "no learnt distance"),
        ("match store gone.wav --model m.safetensors", 1, "a track `gone.wav`"),
        ("train store --preset paper --triplets t.csv --out x.safetensors", 2, "validation.share: must be 0"),
        ("train store --objective nt-xent --triplets t.csv --out x.safetensors", 2, "cannot learn from comparisons"),
        ("train store --triplets c.csv --out x.safetensors", 1, "the columns anchor, positive and negative"),
        ("constraints store --triplets t.csv --folds 1 --out x", 2, "folds"),
    ] {
        let told = fails(path, arguments, code);
        assert!(told.contains(says), "{arguments}: {told}");
    }
}

#[test]
fn vectors_find_tracks_and_tracks_find_vectors() {
    let folder = example();
    let path = folder.path();
    // A vector for each artist: its place on a line, and noise.
    let mut random = Random::keyed(5, &[]);
    let mut values = Vec::new();
    for artist in 0..4 {
        values.extend([artist as f32, 1.0]);
        values.extend((0..3).map(|_| 0.3 * random.normal() as f32));
    }
    let names =
        (0..4).map(|artist| vec![format!("artist {artist}"), if artist == 1 { "no" } else { "yes" }.to_owned()]);
    let table = Table { columns: ["track_id", "seen"].map(str::to_owned).to_vec(), rows: names.collect() };
    let words = Embeddings { points: Matrix::new(4, 5, values), table, origin: None };
    words.write(&path.join("words")).unwrap();
    words.select(&[0, 2, 3]).write(&path.join("seen")).unwrap();
    let arguments =
        "train store --config small.toml --vectors seen --tag-column artist --steps 150 --out m.safetensors";
    let trained = json(path, arguments);
    assert_eq!((&trained["tracks"], &trained["config"]["objective"]["kind"]), (&18.into(), &"two-towers".into()));
    json(path, "embed store --model m.safetensors --out tracks");
    let mapped = json(path, "project words --model m.safetensors --out points --where seen=yes");
    assert_eq!((&mapped["vectors"], &mapped["dims"]), (&3.into(), &9.into()));
    let found = json(path, "evaluate search tracks --against points");
    assert!(number(&found["area"]) > 0.8, "{found}");
    // A vector that training did not know lies among the tracks too.
    json(path, "project words --model m.safetensors --out all");
    let all = Embeddings::open(&path.join("all")).unwrap();
    let tracks = Embeddings::open(&path.join("tracks")).unwrap();
    assert_eq!(all.origin.unwrap().model, tracks.origin.unwrap().model);
    assert!(all.points.iter_rows().all(|row| (row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5));
    json(path, "verify m.safetensors");
    json(path, "train store --config small.toml --steps 1 --out plain.safetensors");
    for (arguments, code, says) in [
        ("project words --model plain.safetensors --out x", 2, "no tower for vectors"),
        ("project tracks --model m.safetensors --out x", 1, "vectors of 5 values"),
        ("train store --config small.toml --vectors seen --out x.safetensors", 2, "--tag-column"),
        ("train store --config small.toml --objective two-towers --out x.safetensors", 2, "--vectors"),
        ("train store --config small.toml --vectors gone --tag-column artist --out x.safetensors", 1, "gone.npy"),
    ] {
        let told = fails(path, arguments, code);
        assert!(told.contains(says), "{arguments}: {told}");
    }
}

#[test]
fn audio_of_two_kinds_is_compared_across_them() {
    let folder = example();
    let path = folder.path();
    // Few artists collapse easily: small steps, and segments as they are.
    let kinds = "segment = 0.8\naveraging = 0.9\n[network]\ndims = 9\n[batch]\nartists = 4\nsamples = 4\n[optimizer]\nlearning_rate = 2e-4\n\
        [augmentation]\nlevel = 0\nequaliser = 0\nband_mask = 0\ntime_mask = 0\n[track]\nlayer = \"embedding\"\nstandardise = false\n\
        components = 0\n";
    fs::write(path.join("kinds.toml"), kinds).unwrap();
    for (name, flags) in [("tied", ""), ("untied", "--untied")] {
        let arguments = format!(
            "train store --config kinds.toml --artist-column artist --kind-column part {flags} --steps 120 --out {name}.safetensors"
        );
        let trained = json(path, &arguments);
        assert_eq!(trained["config"]["kind_column"], "part");
        assert_eq!(trained["config"]["network"]["kind"] == "twins", name == "untied");
        json(path, &format!("verify {name}.safetensors"));
        json(path, &format!("embed store --model {name}.safetensors --out {name}"));
        let judged = json(path, &format!("evaluate retrieval {name} --part-column part"));
        assert!(number(&judged["recall"][0]) > 0.6, "{name}: {judged}");
    }
    let inspected = fs::read(path.join("untied.safetensors")).unwrap();
    let text = String::from_utf8_lossy(&inspected);
    assert!(text.contains("first.dense.weight") && text.contains("second.dense.weight"));
    fs::write(path.join("twins.toml"), "[network]\nkind = \"twins\"\ntower = { kind = \"metric-cnn\" }\n").unwrap();
    for (arguments, code, says) in [
        ("train store --kind-column path --out x.safetensors", 2, "`path` has 24 values and not two"),
        ("train store --kind-column part --objective nt-xent --out x.safetensors", 2, "kind_column"),
        ("train store --config twins.toml --out x.safetensors", 2, "kind_column"),
        ("train store --untied --out x.safetensors", 2, "--kind-column"),
    ] {
        let told = fails(path, arguments, code);
        assert!(told.contains(says), "{arguments}: {told}");
    }
}
