//! From labelled embeddings to human decisions: the verbs `calibrate`, `split`, `explain`, `report`, `apply`, `export`,
//! `check` and `aliases`, from files to files.
#![cfg(all(feature = "cli", feature = "report"))]

mod common;

use homonym::catalogue::table::Table;
use homonym::matrix::Matrix;
use homonym::random::Random;
use homonym::store::embeddings::{Embeddings, Origin};
use homonym::store::npy;
use serde_json::Value;

use common::{fails, homonym, json, json_of};

const DIMS: usize = 12;

/// Tracks of `artists` numbered from `first`, `per` each, scattered around a place of the artist's own.
fn tracks(first: usize, artists: usize, per: usize, seed: u64, name: impl Fn(usize) -> String) -> Embeddings {
    let (mut data, mut rows) = (Vec::new(), Vec::new());
    for artist in first..first + artists {
        let mut place = Random::keyed(1, &[artist as u64]);
        let place: Vec<f64> = (0..DIMS).map(|_| place.normal()).collect();
        let mut random = Random::keyed(seed, &[artist as u64]);
        for track in 0..per {
            data.extend(place.iter().map(|x| (x + 0.25 * random.normal()) as f32));
            let album = format!("album {artist}.{}", track % 2);
            rows.push(vec![
                format!("{seed}-{artist}-{track}"),
                name(artist),
                format!("a{artist}"),
                album,
                "kept, \"as is\"".into(),
            ]);
        }
    }
    let columns = ["track_id", "artist", "truth", "album", "note"].map(str::to_owned).to_vec();
    let points = Matrix::new(rows.len(), DIMS, data);
    let origin = Origin { model: "m1".into(), frontend: "f1".into(), rest: serde_json::Map::new() };
    Embeddings { points, table: Table { columns, rows }, origin: Some(origin) }
}

/// Known artists to calibrate by, and a catalogue of names with two artists each.
fn example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tracks(100, 40, 6, 2, |artist| format!("artist {artist}")).write(&path.join("known")).unwrap();
    tracks(0, 20, 5, 3, |artist| format!("name {}", artist / 2)).write(&path.join("catalogue")).unwrap();
    json_of("calibration", path, "calibrate known --out c.json");
    json(path, "split catalogue --calibration c.json --out labels.csv --names names.csv");
    folder
}

#[test]
fn a_calibration_says_where_to_cut_and_how_sure_that_is() {
    let folder = example();
    let path = folder.path();
    let report = json_of("calibration", path, "calibrate known --out again.json --repeats 3");
    assert_eq!(report["schema"], "homonym.calibration/1");
    for (figure, least) in [("ami", 0.9), ("precision", 0.9), ("recall", 0.9)] {
        let [value, low, high] =
            [&report[figure]["value"], &report[figure]["interval"][0], &report[figure]["interval"][1]]
                .map(|number| number.as_f64().unwrap());
        assert!(value > least && low <= value && value <= high, "{figure}: {value} in {low} to {high}");
    }
    let reliability = &report["placement"]["reliability"];
    assert!(reliability["brier"].as_f64().unwrap() < 0.05 && reliability["error"].as_f64().unwrap() < 0.05, "{report}");
    assert!(reliability["sure"].as_f64().unwrap() > 0.8 && reliability["sure_right"].as_f64().unwrap() > 0.9);
    let levels = report["gate"]["artist"].as_array().unwrap();
    assert_eq!(
        levels.iter().map(|level| level["error"].as_f64().unwrap()).collect::<Vec<_>>(),
        [0.01, 0.02, 0.05, 0.1, 0.2]
    );
    assert!(levels.iter().all(|level| level["own"]["accepted"].as_f64().unwrap() > 0.9), "{levels:?}");
    // Who fears wrong merges cuts lower than who fears wrong splits, where artists are hard to tell apart.
    let mut noisy = tracks(100, 40, 6, 2, |artist| format!("artist {artist}"));
    let mut random = Random::keyed(9, &[]);
    noisy.points.data.iter_mut().for_each(|x| *x += (1.5 * random.normal()) as f32);
    noisy.write(&path.join("noisy")).unwrap();
    let threshold = |cost: &str| {
        let report = json_of("calibration", path, &format!("calibrate noisy --out c2.json --repeats 3 --cost {cost}"));
        report["threshold"].as_f64().unwrap()
    };
    assert!(threshold("1000:1") < threshold("1:1000"));
    assert!(fails(path, "calibrate known --out x.json --cost 0:1", 2).contains("cost"));
    assert!(fails(path, "calibrate known", 2).contains("--model"));
}

#[test]
fn a_split_is_sure_where_it_can_be_and_stands_for_one_model_only() {
    let folder = example();
    let path = folder.path();
    let summary = json(path, "split catalogue --calibration c.json --out labels.csv");
    assert_eq!((&summary["clusters"], &summary["names_split"]), (&20.into(), &10.into()));
    let labels = Table::read(&path.join("labels.csv")).unwrap();
    assert_eq!(labels.columns, ["track_id", "name", "cluster", "confidence", "decision"]);
    assert!(labels.values(4).filter(|&decision| decision == "sure").count() > 80);
    let names = Table::read(&path.join("names.csv")).unwrap();
    assert_eq!((names.rows.len(), names.columns[0].as_str()), (10, "name"));
    let mut other = Embeddings::open(&path.join("catalogue")).unwrap();
    other.origin.as_mut().unwrap().model = "m2".into();
    other.write(&path.join("other")).unwrap();
    for arguments in [
        "split other --calibration c.json --out x.csv",
        "report other --calibration c.json --labels labels.csv --out x.html",
        "check other --against catalogue --labels labels.csv --calibration c.json",
        "check catalogue --against other --labels labels.csv --calibration c.json",
    ] {
        assert!(fails(path, arguments, 1).contains("m2"), "{arguments}");
    }
    // Points that do not say what made them are taken, unless they cannot be the model's.
    let mut unknown = Embeddings { origin: None, ..other.clone() };
    unknown.write(&path.join("unknown")).unwrap();
    json(path, "split unknown --calibration c.json --out x.csv");
    unknown.points = Matrix::new(unknown.points.rows, 1, unknown.points.iter_rows().map(|row| row[0]).collect());
    unknown.write(&path.join("narrow")).unwrap();
    assert!(fails(path, "split narrow --calibration c.json --out x.csv", 1).contains("points of 12 values"));
    std::fs::write(path.join("old.json"), r#"{"schema":"homonym.calibration/1"}"#).unwrap();
    assert!(fails(path, "split catalogue --calibration old.json --out x.csv", 1).contains("homonym calibrate"));
    assert!(fails(path, "split catalogue --out x.csv", 2).contains("--distance"));
}

#[test]
fn new_tracks_are_placed_and_earlier_ones_stay() {
    let folder = example();
    let path = folder.path();
    // The catalogue with two more tracks of every artist and one artist more under the first name.
    let mut grown = Embeddings::open(&path.join("catalogue")).unwrap();
    let more = [tracks(0, 20, 2, 4, |artist| format!("name {}", artist / 2)), tracks(50, 1, 3, 4, |_| "name 0".into())];
    for more in more {
        grown.points.rows += more.points.rows;
        grown.points.data.extend(more.points.data);
        grown.table.rows.extend(more.table.rows);
    }
    grown.write(&path.join("grown")).unwrap();
    // Someone has renumbered the artists of a name: the numbers are kept.
    let mut before = Table::read(&path.join("labels.csv")).unwrap();
    for row in before.rows.iter_mut().filter(|row| row[1] == "name 3") {
        row[2] = if row[2] == "1" { "7".into() } else { "3".into() };
    }
    before.write(&path.join("before.csv")).unwrap();
    json(path, "split grown --calibration c.json --previous before.csv --changes changes.jsonl --out after.csv");
    let after = Table::read(&path.join("after.csv")).unwrap();
    for row in &before.rows {
        let now = after.rows.iter().find(|other| other[0] == row[0]).unwrap();
        assert_eq!((&now[1], &now[2]), (&row[1], &row[2]));
    }
    let cluster = |track: &str| after.rows.iter().find(|row| row[0] == track).unwrap()[2].clone();
    assert_eq!(cluster("4-6-0"), cluster("3-6-0"));
    assert!(["3", "7"].contains(&cluster("4-6-0").as_str()));
    assert_eq!((cluster("4-50-0").as_str(), cluster("4-50-2").as_str()), ("3", "3"), "a third artist under the name");
    let changes = std::fs::read_to_string(path.join("changes.jsonl")).unwrap();
    assert_eq!((changes.matches("\"joined\"").count(), changes.matches("\"founded\"").count()), (40, 3));
    assert!(!changes.contains("\"moved\""));
    // What is gone or credited to another name is said; without `--previous` the split is a new one.
    grown.table.rows[0][1] = "name 9".into();
    let rows: Vec<usize> = (0..grown.points.rows).filter(|&row| row != 7).collect();
    grown.select(&rows).write(&path.join("less")).unwrap();
    json(path, "split less --calibration c.json --previous after.csv --changes changes.jsonl --out later.csv");
    let changes = std::fs::read_to_string(path.join("changes.jsonl")).unwrap();
    let lines: Vec<Value> = changes.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["change"].as_str().unwrap()).collect::<Vec<_>>(), ["moved", "gone"]);
    assert_eq!((&lines[0]["name"], &lines[0]["from"]["name"]), (&"name 9".into(), &"name 0".into()));
    json(path, "split grown --calibration c.json --out afresh.csv");
    let renumbered = Table::read(&path.join("afresh.csv")).unwrap();
    assert!(renumbered.rows.iter().filter(|row| row[1] == "name 3").all(|row| row[2] == "1" || row[2] == "2"));
}

#[test]
fn tracks_that_change_sides_with_the_segments_are_not_stable() {
    let folder = example();
    let path = folder.path();
    // Three draws: the second puts the first track where the other artist of its name is.
    let points = Embeddings::open(&path.join("catalogue")).unwrap().points;
    let drawn = |row: usize, draw: usize| points.row(if (row, draw) == (0, 1) { 5 } else { row }).to_vec();
    let draws = (0..points.rows).flat_map(|row| (0..3).flat_map(move |draw| drawn(row, draw))).collect();
    npy::write(&path.join("catalogue.resampled.npy"), &Matrix::new(points.rows, 3 * DIMS, draws)).unwrap();
    let arguments =
        "split catalogue --calibration c.json --resampled catalogue.resampled.npy --out labels.csv --names names.csv";
    json(path, arguments);
    let labels = Table::read(&path.join("labels.csv")).unwrap();
    let stability: Vec<f64> =
        labels.values(labels.column("stability").unwrap()).map(|cell| cell.parse().unwrap()).collect();
    assert!(stability[0] < stability[1] && stability[1] < 1.0 && stability[10..].iter().all(|&stable| stable == 1.0));
    let names = Table::read(&path.join("names.csv")).unwrap();
    let stable = names.column("stability").unwrap();
    assert_eq!(names.rows.iter().filter(|row| row[stable] != "1.0000").count(), 1);
    let explain = homonym(path, "explain catalogue --labels labels.csv --json --name").arg("name 0").output().unwrap();
    let explained: Value = serde_json::from_slice(&explain.stdout).unwrap();
    assert!(explained["stability"][0].as_f64().unwrap() < 0.9, "{explained}");
    json(path, "report catalogue --labels labels.csv --calibration c.json --out r.html");
    assert!(std::fs::read_to_string(path.join("r.html")).unwrap().contains("\"stability\":1.0"));
    json(path, "apply labels.csv /dev/null --out applied.csv");
    assert_eq!(Table::read(&path.join("applied.csv")).unwrap(), labels, "nothing is lost where nothing is decided");
    assert!(
        fails(path, "split known --calibration c.json --resampled catalogue.resampled.npy --out x.csv", 1)
            .contains("--resamples")
    );
}

#[test]
fn human_decisions_are_applied_and_respected() {
    let folder = example();
    let path = folder.path();
    let decisions = [
        r#"{"decision":"lock","name":"name 0","clusters":[["3-0-0","3-1-0"],["3-0-1","3-0-2"]]}"#,
        r#"{"decision":"must-link","tracks":["3-2-0","3-3-0"]}"#,
        r#"{"decision":"skip","name":"name 5"}"#,
    ];
    std::fs::write(path.join("d.jsonl"), decisions.join("\n")).unwrap();
    let applied = json(path, "apply labels.csv d.jsonl --out applied.csv");
    assert_eq!((&applied["decisions"], &applied["skipped"]), (&2.into(), &1.into()));
    let table = |file: &str| Table::read(&path.join(file)).unwrap();
    let cluster = |file: &str, track: &str| table(file).rows.iter().find(|row| row[0] == track).unwrap()[2].clone();
    assert_eq!(cluster("applied.csv", "3-2-0"), cluster("applied.csv", "3-3-4"));
    json(path, "split catalogue --calibration c.json --decisions d.jsonl --out again.csv");
    assert_eq!(cluster("again.csv", "3-0-0"), "1");
    assert_eq!(cluster("again.csv", "3-1-0"), "1");
    assert_eq!(cluster("again.csv", "3-0-2"), "2");
    assert_eq!(cluster("again.csv", "3-2-0"), cluster("again.csv", "3-3-0"));
    // What a human locked is sure, and stays so in later splits: the review does not ask again.
    let label = |file: &str, track: &str| table(file).rows.iter().find(|row| row[0] == track).unwrap()[3..].to_vec();
    assert_eq!(label("again.csv", "3-0-2"), ["1.0000", "human"]);
    json(path, "split catalogue --calibration c.json --previous again.csv --out later.csv");
    assert_eq!(label("later.csv", "3-0-2"), ["1.0000", "human"]);
    assert_eq!(cluster("later.csv", "3-0-2"), "2");
    // Decisions and albums beside an earlier split: the decisions win, then what was there, then the albums.
    let link = r#"{"decision":"must-link","tracks":["3-4-0","3-5-0"]}"#;
    std::fs::write(path.join("link.jsonl"), link).unwrap();
    let arguments = "split catalogue --calibration c.json --previous labels.csv --decisions link.jsonl --together note";
    json(path, &format!("{arguments} --out linked.csv --changes changes.jsonl"));
    assert!(cluster("labels.csv", "3-4-0") != cluster("labels.csv", "3-5-0"));
    assert!((0..5).all(|track| cluster("linked.csv", &format!("3-5-{track}")) == "1"), "the lower number stays");
    assert!(cluster("linked.csv", "3-6-0") != cluster("linked.csv", "3-7-0"), "all tracks have one note");
    let changes = std::fs::read_to_string(path.join("changes.jsonl")).unwrap();
    assert_eq!((changes.matches("\"moved\"").count(), changes.lines().count()), (5, 5), "{changes}");
    std::fs::write(path.join("bad.jsonl"), "{\"decision\":\"guess\"}").unwrap();
    assert!(fails(path, "apply labels.csv bad.jsonl --out x.csv", 1).contains("line 1"));
    // Two albums of every artist, each as one.
    let summary = json(path, "split catalogue --distance 0.0001 --together album --out albums.csv");
    assert_eq!(summary["clusters"], 40);
}

#[test]
fn exports_leave_the_columns_of_the_user_alone() {
    let folder = example();
    let path = folder.path();
    json(path, "export catalogue.csv --labels labels.csv --out out.csv --numbered-names");
    let (before, after) =
        (Table::read(&path.join("catalogue.csv")).unwrap(), Table::read(&path.join("out.csv")).unwrap());
    assert_eq!(after.columns[5..], ["homonym_cluster", "homonym_confidence", "homonym_name"]);
    for (before, after) in before.rows.iter().zip(&after.rows) {
        assert_eq!(after[..5], before[..]);
        assert_eq!(after[7], if after[5] == "1" { before[1].clone() } else { format!("{} ({})", before[1], after[5]) });
    }
    json(path, "export catalogue.csv --labels labels.csv --out out.jsonl");
    let read = Table::read(&path.join("out.jsonl")).unwrap();
    assert!(
        read.rows.iter().zip(&before.rows).all(|(after, before)| after[..5] == before[..]) && read.rows.len() == 100
    );
    // JSON Lines keep their text: numbers, spelling, order.
    let lines =
        ["{\"track_id\": \"3-0-0\", \"year\": 1956, \"bpm\": 1.50}", "", " {\"track_id\":\"unknown\",\"note\":null }"];
    std::fs::write(path.join("in.jsonl"), lines.join("\r\n")).unwrap();
    json(path, "export in.jsonl --labels labels.csv --out kept.jsonl");
    let kept = std::fs::read_to_string(path.join("kept.jsonl")).unwrap();
    let kept: Vec<&str> = kept.lines().collect();
    assert!(kept[0].starts_with(&lines[0][..lines[0].len() - 1]) && kept.len() == 2, "{kept:?}");
    assert_eq!(
        kept[1],
        "{\"track_id\":\"unknown\",\"note\":null,\"homonym_cluster\":\"\",\"homonym_confidence\":\"\"}"
    );
    assert!(fails(path, "export out.csv --labels labels.csv --out x.csv", 1).contains("homonym_cluster"));
}

#[test]
fn releases_are_checked_against_the_catalogue() {
    let folder = example();
    let path = folder.path();
    let labels = Table::read(&path.join("labels.csv")).unwrap();
    let cluster = |artist: usize| {
        let track = format!("3-{artist}-0");
        labels.rows.iter().find(|row| row[0] == track).unwrap()[2].clone()
    };
    // By artist 0, credited to artist 0, to artist 1 of the same name, to nobody in particular; by a stranger; a new name.
    let mut release = tracks(0, 1, 3, 5, |_| "name 0".into());
    let stranger = tracks(70, 1, 2, 5, |_| "name 0".into());
    release.points.rows += 2;
    release.points.data.extend(stranger.points.data);
    release.table.rows.extend(stranger.table.rows);
    release.table.columns.push("credited".into());
    for (row, credited) in
        release.table.rows.iter_mut().zip([cluster(0), cluster(1), String::new(), cluster(0), String::new()])
    {
        row.push(credited);
    }
    release.table.rows[4][1] = "unheard of".into();
    release.write(&path.join("release")).unwrap();
    let arguments = "check release --against catalogue --labels labels.csv --calibration c.json --cluster-column credited --out v.csv";
    let report = json(path, arguments);
    assert_eq!(report["schema"], "homonym.check/1");
    let verdicts: Vec<&str> =
        report["tracks"].as_array().unwrap().iter().map(|track| track["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["accept", "reject", "accept", "reject", "hold"], "{report}");
    assert!(report["tracks"][1]["reason"].as_str().unwrap().contains("sounds like artist"));
    assert!(report["tracks"][3]["reason"].as_str().unwrap().contains("no known artist"));
    assert!(
        report["tracks"][1]["another"].as_f64().unwrap() > 0.5 && report["tracks"][3]["nobody"].as_f64().unwrap() > 0.5
    );
    assert!(report["artist_level"]["own"]["accepted"].as_f64().unwrap() > 0.9);
    assert!(report["artist_level"]["another"]["accepted"].as_f64().unwrap() <= 0.06);
    assert!(report["name_level"]["another"].is_null());
    assert!(fails(path, &format!("{arguments} --error 0.03"), 2).contains("0.01, 0.02, 0.05"));
    assert_eq!(Table::read(&path.join("v.csv")).unwrap().rows.len(), 5);
}

/// Of tracks by artists nobody has heard of, no more are judged wrongly than was said, where they can be told apart only in
/// part.
#[test]
fn the_gate_errs_no_more_than_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let noisy = |first: usize, artists: usize, per: usize, seed: u64, name: &dyn Fn(usize) -> String| {
        let mut tracks = tracks(first, artists, per, seed, name);
        let mut random = Random::keyed(seed, &[99]);
        tracks.points.data.iter_mut().for_each(|x| *x += (0.75 * random.normal()) as f32);
        tracks
    };
    let (names, to_two) = (|artist: usize| format!("artist {artist}"), |artist: usize| format!("name {}", artist / 2));
    noisy(1000, 200, 8, 2, &names).write(&path.join("known")).unwrap();
    json_of("calibration", path, "calibrate known --out c.json --repeats 5");
    // A catalogue of names with two artists each, labelled rightly; releases by them and by strangers.
    let catalogue = noisy(0, 100, 8, 3, &to_two);
    let mut labels = String::from("track_id,name,cluster\n");
    for row in &catalogue.table.rows {
        let artist: usize = row[2][1..].parse().unwrap();
        labels += &format!("{},{},{}\n", row[0], row[1], artist % 2 + 1);
    }
    std::fs::write(path.join("labels.csv"), labels).unwrap();
    catalogue.write(&path.join("catalogue")).unwrap();
    let strangers = |artist: usize| format!("name {}", (artist - 200) / 2);
    for (kind, mut release, of) in [
        ("own", noisy(0, 100, 5, 4, &to_two), 0),
        ("another", noisy(0, 100, 5, 5, &to_two), 1),
        ("nobody", noisy(200, 100, 5, 6, &strangers), 0),
    ] {
        release.table.columns.push("credited".into());
        release.table.rows.iter_mut().for_each(|row| {
            let artist: usize = row[2][1..].parse().unwrap();
            row.push(((artist + of) % 2 + 1).to_string());
        });
        release.write(&path.join(kind)).unwrap();
    }
    for error in ["0.05", "0.2"] {
        let count = |kind: &str, verdict: &str| {
            let arguments = "--against catalogue --labels labels.csv --calibration c.json --cluster-column credited";
            let report = json(path, &format!("check {kind} {arguments} --error {error}"));
            report[verdict].as_f64().unwrap() / 500.0
        };
        let allowed = error.parse::<f64>().unwrap() + 0.04;
        assert!(count("own", "rejected") < allowed && count("own", "accepted") > 0.5, "{error}");
        assert!(count("another", "accepted") < allowed && count("another", "rejected") > 0.5, "{error}");
        assert!(count("nobody", "accepted") < allowed && count("nobody", "rejected") > 0.5, "{error}");
        assert!(error != "0.05" || count("own", "held") > 0.02, "what is not clear is held");
    }
}

#[test]
fn aliases_and_explanations_are_found() {
    let folder = example();
    let path = folder.path();
    // Artist 5 once more, under another name.
    let mut grown = Embeddings::open(&path.join("catalogue")).unwrap();
    let alias = tracks(5, 1, 4, 6, |_| "Name 2".into());
    grown.points.rows += 4;
    grown.points.data.extend(alias.points.data);
    grown.table.rows.extend(alias.table.rows);
    grown.write(&path.join("grown")).unwrap();
    json(path, "split grown --calibration c.json --out grown.labels.csv");
    let summary = json(path, "aliases grown --labels grown.labels.csv --out aliases.csv --top 2");
    assert_eq!(summary["artists"], 21);
    let first = &Table::read(&path.join("aliases.csv")).unwrap().rows[0];
    assert_eq!((first[0].as_str(), first[3].as_str(), first[7].as_str()), ("name 2", "Name 2", "1.0000"));
    json(path, "aliases grown --labels grown.labels.csv --out aliases.jsonl --top 2");
    let lines = Table::read(&path.join("aliases.jsonl")).unwrap();
    assert_eq!((&lines.rows[0], lines.columns[6].as_str()), (first, "distance"));
    let mut explain = homonym(path, "explain catalogue --labels labels.csv --name");
    let output = explain.arg("name 1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.contains("typical of artist 2") && text.contains("across a border"),
        "{text}"
    );
}

#[test]
fn the_report_is_one_file_of_everything() {
    let folder = example();
    let path = folder.path();
    let summary = json(
        path,
        "report catalogue --labels labels.csv --calibration c.json --out r.html --audio-base music/ --most 4",
    );
    assert_eq!(summary["schema"], "homonym.report/1");
    let html = std::fs::read_to_string(path.join("r.html")).unwrap();
    assert_eq!(html.matches("\"impact\":").count(), 4);
    let start = html.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let data: Value = serde_json::from_str(&html[start..start + html[start..].find("</script>").unwrap()]).unwrap();
    let impacts: Vec<f64> =
        data["names"].as_array().unwrap().iter().map(|name| name["impact"].as_f64().unwrap()).collect();
    assert!(impacts.is_sorted_by(|a, b| a >= b));
    let name = &data["names"][0];
    assert_eq!(name["merges"].as_array().unwrap().len() + 1, name["tracks"].as_array().unwrap().len());
    assert!(fails(path, "report known --labels labels.csv --distance 1 --out x.html", 1).contains("labels"));
}
