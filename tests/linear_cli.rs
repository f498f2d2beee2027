//! `fit`, `transform` and `evaluate retrieval` as a user runs them.
#![cfg(feature = "cli")]

mod common;

use std::path::Path;

use common::{fails, json};
use homonym::catalogue::table::Table;
use homonym::linear::METHODS;
use homonym::matrix::Matrix;
use homonym::random::Random;
use homonym::store::embeddings::{Embeddings, Origin};
use homonym::store::npy;
use serde_json::Value;

/// 12 artists of 10 tracks, told apart by 3 values beside 9 of noise; the last two tracks of each are tests; a track without
/// artist ends the list.
fn write_points(folder: &Path) {
    let mut random = Random::keyed(3, &[]);
    let centres: Vec<f64> = (0..12 * 3).map(|_| 4.0 * random.normal()).collect();
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    for track in 0..121 {
        let artist = track / 10 % 12;
        let told = centres[artist * 3..artist * 3 + 3].iter().map(|centre| centre + random.normal());
        let row: Vec<f64> = told.collect();
        values.extend(row.into_iter().map(|x| x as f32));
        values.extend((0..9).map(|_| (5.0 + 3.0 * random.normal()) as f32));
        let name = if track == 120 { String::new() } else { format!("artist {artist}") };
        let part = if track % 10 < 8 { "model" } else { "test" };
        rows.push(vec![format!("{track}.wav"), name, part.to_owned()]);
    }
    let columns = ["path", "artist", "part"].map(str::to_owned).to_vec();
    let origin = Origin { model: "m1".to_owned(), frontend: "f1".to_owned(), rest: serde_json::Map::new() };
    let points = Matrix::new(121, 12, values);
    npy::write(&folder.join("alone.npy"), &points).unwrap();
    let all = Embeddings { points, table: Table { columns, rows }, origin: Some(origin) };
    all.write(&folder.join("all")).unwrap();
}

#[test]
fn maps_are_learnt_applied_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_points(path);
    let judge = |prefix: &str| json(path, &format!("evaluate retrieval {prefix} --part-column part"));
    let plain = judge("all");
    assert_eq!((&plain["queries"], &plain["artists"]), (&24.into(), &12.into()));
    let recall = |report: &Value| report["recall"][0].as_f64().unwrap();
    for method in &METHODS {
        let fitted = json(path, &format!("fit {0} all --out {0}.safetensors --where part=model --dims 3", method.name));
        assert_eq!((&fitted["method"], &fitted["dims"]), (&method.name.into(), &3.into()));
        // The track without artist teaches nothing about artists.
        assert_eq!(fitted["rows"], if method.supervised { 96 } else { 97 });
        let mapped = json(path, &format!("transform {0}.safetensors all --out {0}", method.name));
        let model = format!("m1+{}", fitted["map_hash"].as_str().unwrap());
        assert_eq!((&mapped["dims"], &mapped["origin"]["model"]), (&3.into(), &model.as_str().into()));
        if method.supervised {
            let judged = judge(method.name);
            assert!(recall(&judged) > recall(&plain) + 0.1, "{}: {judged} {plain}", method.name);
        }
        let seen = json(path, &format!("inspect {}.safetensors", method.name));
        assert_eq!((&seen["kind"], &seen["method"], &seen["values"]), (&"map".into(), &method.name.into(), &12.into()));
    }
    // All tracks as queries: each finds others of its artist but for the one without.
    let all = json(path, "evaluate retrieval lda");
    assert_eq!((&all["queries"], &all["left_out"]["tracks_without_artist"]), (&120.into(), &1.into()));
    let steps: Vec<f64> = all["recall"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert!(steps.is_sorted() && steps[3] > 0.9, "{steps:?}");
    // A matrix alone has no classes, but components.
    json(path, "fit pca alone.npy --whiten --out white.safetensors");
    json(path, "transform white.safetensors alone.npy --out white");
    assert_eq!(
        std::fs::read_to_string(path.join("white.csv")).unwrap().lines().take(2).collect::<Vec<_>>(),
        ["row", "0"]
    );
    let white: Matrix<f64> = npy::read(&path.join("white.npy")).unwrap();
    let square: f64 = white.data.iter().map(|x| x * x).sum();
    assert!((square / (120.0 * 12.0) - 1.0).abs() < 1e-4, "variance 1 everywhere: {square}");
}

#[test]
fn what_cannot_be_done_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_points(path);
    json(path, "fit lda all --out map.safetensors");
    for (arguments, code, says) in [
        ("fit lda all --out map.safetensors", 2, "--force"),
        ("fit lda alone.npy --out x.safetensors", 2, "no column `artist`"),
        ("fit qda all --out x.safetensors", 2, "pca"),
        ("fit pca all --out x.safetensors --shrinkage 0.1", 2, "--shrinkage: has no meaning for pca"),
        ("fit lda all --out x.safetensors --dims 12", 2, "12 is more than the 11"),
        ("fit lmnn all --out x.safetensors --where part=none", 1, "at least two, found 0"),
        ("transform map.safetensors nothing --out x", 1, "nothing.npy"),
        ("transform all.csv all --out x", 1, "a map that `homonym fit` made"),
        ("embed store --model map.safetensors --out x", 1, "store"),
        ("inspect nothing", 1, "a linear map"),
    ] {
        let told = fails(path, arguments, code);
        assert!(told.contains(says), "{arguments}: {told}");
    }
    let mut other = Embeddings::open(&path.join("all")).unwrap();
    other.origin.as_mut().unwrap().model = "m2".to_owned();
    other.write(&path.join("all")).unwrap();
    let told = fails(path, "transform map.safetensors all --out x", 1);
    assert!(told.contains("embeddings of model m1"), "{told}");
    assert!(!path.join("x.npy").exists());
}
