//! The verbs `cluster`, `split`, `measure` and `evaluate` from files to files.
#![cfg(feature = "cli")]

mod common;

use homonym::catalogue::table::Table;
use homonym::matrix::Matrix;
use homonym::random::Random;
use homonym::store::embeddings::Embeddings;
use homonym::store::npy;

use common::{fails, json};

/// Ten names with two artists each, five tracks an artist, well apart; one track has no name.
fn example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::keyed(9, &[]);
    let (mut data, mut rows) = (Vec::new(), Vec::new());
    for track in 0..100 {
        let artist = track % 20;
        data.extend((0..20).map(|axis| (f64::from(axis == artist) + 0.02 * random.normal()) as f32));
        let name = if track == 99 { String::new() } else { format!("name {}", artist / 2) };
        rows.push(vec![format!("t{track}"), format!("artist {artist}"), name, (track % 2).to_string()]);
    }
    let columns = ["track_id", "artist", "shown", "half"].map(str::to_owned).to_vec();
    let table = Table { columns, rows };
    let embeddings = Embeddings { points: Matrix::new(100, 20, data), table, origin: None };
    embeddings.write(&folder.path().join("tracks")).unwrap();
    folder
}

#[test]
fn names_are_split_and_measured() {
    let folder = example();
    let path = folder.path();
    let summary = json(path, "split tracks --distance 1 --name-column shown --out labels.csv");
    assert_eq!(summary["schema"], "homonym.split/1");
    assert_eq!((&summary["tracks"], &summary["names"]), (&99.into(), &10.into()));
    assert_eq!((&summary["clusters"], &summary["names_split"]), (&20.into(), &10.into()));
    let labels = Table::read(&path.join("labels.csv")).unwrap();
    assert_eq!(labels.columns, ["track_id", "name", "cluster", "confidence"]);
    assert_eq!(labels.rows.len(), 99);
    assert!(labels.values(2).all(|cluster| cluster == "1" || cluster == "2"));
    assert!(labels.values(3).all(|confidence| (0.9..=1.0).contains(&confidence.parse::<f64>().unwrap())));
    let measured = json(path, "measure tracks.csv labels.csv");
    assert_eq!(measured["schema"], "homonym.measure/1");
    assert_eq!((measured["ari"].as_f64(), measured["ami"].as_f64()), (Some(1.0), Some(1.0)));
    assert_eq!((&measured["matched_by"], &measured["truth_unmatched"]), (&"track_id".into(), &1.into()));
    // A truth without ids is matched by its paths, in whatever order its rows are.
    let mut truth = Table::read(&path.join("tracks.csv")).unwrap();
    truth.columns[0] = "path".to_owned();
    truth.rows.reverse();
    truth.write(&path.join("truth.csv")).unwrap();
    let measured = json(path, "measure truth.csv labels.csv");
    assert_eq!((measured["ari"].as_f64(), &measured["matched_by"]), (Some(1.0), &"track_id".into()));
    // Everything under a name as one: nothing is told apart within names, but names still are.
    json(path, "split tracks --distance 9 --name-column shown --out labels.csv");
    let measured = json(path, "measure tracks.csv labels.csv");
    assert_eq!((measured["ari"].as_f64(), measured["ami"].as_f64()), (Some(0.0), Some(0.0)));
    assert!(measured["pooled"]["ari"].as_f64().unwrap() > 0.5);
    assert_eq!(measured["per_name"].as_array().unwrap().len(), 10);
}

#[test]
fn points_are_clustered() {
    let folder = example();
    let path = folder.path();
    let summary = json(path, "cluster tracks.npy --out z.npy --distance 1 --labels flat.csv");
    assert_eq!((&summary["schema"], &summary["clusters"]), (&"homonym.cluster/1".into(), &20.into()));
    let z = npy::read::<f64>(&path.join("z.npy")).unwrap();
    assert_eq!((z.rows, z.cols, z.row(98)[3]), (99, 4, 100.0));
    assert_eq!(Table::read(&path.join("flat.csv")).unwrap().columns, ["row", "cluster"]);
    let measured = json(path, "measure tracks.csv flat.csv");
    assert_eq!((measured["ari"].as_f64(), &measured["matched_by"]), (Some(1.0), &"order".into()));
    let summary = json(path, "cluster tracks.npy --out z.npy --clusters 7 --labels flat.csv");
    assert_eq!(summary["clusters"], 7);
    assert!(fails(path, "cluster tracks.npy --out z.npy --clusters 101 --labels flat.csv", 2).contains("100 points"));
    fails(path, "cluster tracks.npy --out z.npy --labels flat.csv", 2);
    fails(path, "cluster tracks.csv --out z2.npy", 1);
    assert!(!path.join("z2.npy").exists());
}

#[test]
fn protocols_are_run() {
    let folder = example();
    let path = folder.path();
    for (arguments, key, value) in [
        ("classification tracks", "accuracy", 1.0),
        ("verification tracks --within half", "eer", 0.0),
        ("clustering tracks --name-column shown", "ami", 1.0),
        ("clustering tracks --group-sizes 2-2 --repeats 2 --where half=0 --folds 3", "ari", 1.0),
    ] {
        let report = json(path, &format!("evaluate {arguments}"));
        assert_eq!(report["schema"], "homonym.evaluate/1");
        assert_eq!(report[key].as_f64(), Some(value), "{arguments}");
        assert!(report[format!("{key}_spread")]["interval"].is_array());
    }
    // Every artist has one value of `half` only: nothing is left to model it by.
    assert!(fails(path, "evaluate verification tracks --across half", 1).contains("without a model"));
    assert!(fails(path, "evaluate classification tracks --folds 3", 2).contains("--folds"));
    assert!(fails(path, "evaluate classification tracks --where x=1", 2).contains("track_id, artist"));
    assert!(fails(path, "evaluate guessing tracks", 2).contains("verification"));
    assert!(fails(path, "evaluate clustering missing", 1).contains("missing.npy"));
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    write("truth.csv", "track_id,artist\na,x\nb,y\nb,y\n");
    write("twice.csv", "track_id,cluster\na,1\nb,1\nb,2\n");
    write("other.csv", "track_id,cluster\nq,1\n");
    write("short.csv", "cluster\n1\n");
    assert!(fails(path, "measure truth.csv twice.csv", 1).contains("`1` and `2` for `b`"));
    assert!(fails(path, "measure truth.csv other.csv", 1).contains("track_id"));
    assert!(fails(path, "measure truth.csv short.csv", 1).contains("3 rows"));
    assert!(fails(path, "measure truth.csv short.csv --label-column label", 2).contains("--label-column"));
    write("same.csv", "track_id,cluster\nb,7\na,3\n");
    assert_eq!(json(path, "measure truth.csv same.csv")["tracks"], 2);
}
