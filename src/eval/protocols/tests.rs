//! Protocols on points whose right answer is known.

use super::{Classification, Clustering, NameResult, Options, PROTOCOLS, Report, Verification};
use crate::catalogue::table::Table;
use crate::matrix::Matrix;
use crate::random::Random;
use crate::store::embeddings::Embeddings;

/// `artists` artists of 8 tracks around corners of a cube in `artists` dimensions, `noise` wide. Albums of two tracks,
/// sources alternate between artists, names hold two artists each.
fn embeddings(artists: usize, noise: f64) -> Embeddings {
    let mut random = Random::keyed(4, &[]);
    let (mut data, mut rows) = (Vec::new(), Vec::new());
    for artist in 0..artists {
        for track in 0..8 {
            data.extend((0..artists).map(|axis| (f64::from(axis == artist) + noise * random.normal()) as f32));
            let row = [format!("artist {artist}"), format!("album {}", track / 2), (artist % 2).to_string()];
            rows.push([&row[..], &[format!("name {}", artist / 2)]].concat());
        }
    }
    let columns = ["artist", "album", "source", "name"].map(str::to_owned).to_vec();
    Embeddings { points: Matrix::new(rows.len(), artists, data), table: Table { columns, rows }, origin: None }
}

fn run(name: &str, embeddings: &Embeddings, options: &Options) -> crate::Result<Report> {
    let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == name).unwrap();
    (protocol.run)(embeddings, options, &())
}

fn classification(embeddings: &Embeddings, options: &Options) -> Classification {
    let Report::Classification(report) = run("classification", embeddings, options).unwrap() else { panic!() };
    report
}

fn verification(embeddings: &Embeddings, options: &Options) -> Verification {
    let Report::Verification(report) = run("verification", embeddings, options).unwrap() else { panic!() };
    report
}

fn clustering(embeddings: &Embeddings, options: &Options) -> Clustering {
    let Report::Clustering(report) = run("clustering", embeddings, options).unwrap() else { panic!() };
    report
}

#[test]
fn well_separated_artists_are_told_apart() {
    let (embeddings, options) = (embeddings(20, 0.02), Options::default());
    let report = classification(&embeddings, &options);
    assert_eq!((report.accuracy, report.artists, report.tests), (1.0, 20, 40));
    let report = verification(&embeddings, &options);
    assert_eq!((report.eer, report.tests, report.pairs), (0.0, 40, 800));
    for name_column in [None, Some("name".to_owned())] {
        let report = clustering(&embeddings, &Options { name_column, ..options.clone() });
        assert_eq!((report.ami, report.ari), (1.0, 1.0), "{report:?}");
        assert_eq!(report.artists + report.left_out.artists_not_drawn, 20);
    }
}

#[test]
fn tracks_are_found_in_the_order_of_their_distances() {
    let rows = ["a", "a", "b", "b"].map(|artist| vec![artist.to_owned()]).to_vec();
    let table = Table { columns: vec!["artist".to_owned()], rows };
    let line = Embeddings { points: Matrix::new(4, 1, vec![0.0, 3.0, 1.0, 1.5]), table, origin: None };
    let Report::Retrieval(report) = run("retrieval", &line, &Options::default()).unwrap() else { panic!() };
    // The b find each other at once, the a behind both b.
    assert_eq!((report.recall, report.queries, report.artists), ([0.5, 0.5, 1.0, 1.0], 4, 2));
    assert!((report.mean_average_precision - 2.0 / 3.0).abs() < 1e-12);
    let mut albums = embeddings(10, 0.0);
    let across = Options { across: Some("album".into()), ..Options::default() };
    albums.table.rows.iter_mut().take(8).for_each(|row| row[1] = "only".into());
    let Report::Retrieval(report) = run("retrieval", &albums, &across).unwrap() else { panic!() };
    assert_eq!((report.recall[0], report.queries, report.queries_left_out), (1.0, 72, 8));
}

#[test]
fn without_information_figures_are_at_chance() {
    let mut embeddings = embeddings(20, 1.0);
    let mut random = Random::keyed(1, &[]);
    embeddings.points.data.iter_mut().for_each(|x| *x = random.normal() as f32);
    let options = Options { repeats: 20, ..Options::default() };
    let report = classification(&embeddings, &options);
    assert!((report.accuracy - 0.05).abs() < 0.04, "{}", report.accuracy);
    assert!((verification(&embeddings, &options).eer - 0.5).abs() < 0.06);
    assert!(clustering(&embeddings, &options).ari.abs() < 0.06);
    embeddings.points.data.fill(1.0);
    assert_eq!(classification(&embeddings, &options).accuracy, 0.0, "a collapsed embedding is never right");
    assert_eq!(verification(&embeddings, &options).eer, 0.5);
}

#[test]
fn within_and_across_restrict_what_is_compared() {
    let mut embeddings = embeddings(10, 0.1);
    let options = Options { within: Some("source".into()), ..Options::default() };
    let report = verification(&embeddings, &options);
    assert_eq!((report.tests, report.pairs), (20, 20 * 5));
    let grouped = clustering(&embeddings, &Options { folds: 2, ..options });
    for name in &grouped.per_name {
        let sources = name.name.split(" + ").map(|artist| artist["artist ".len()..].parse::<usize>().unwrap() % 2);
        assert!(sources.clone().all(|source| Some(source) == sources.clone().next()), "{}", name.name);
    }
    let across = Options { across: Some("album".into()), ..Options::default() };
    assert_eq!(verification(&embeddings, &across).tests_without_model, 0);
    embeddings.table.rows.iter_mut().take(8).for_each(|row| row[1] = "only".into());
    embeddings.table.rows.iter_mut().skip(8).take(8).for_each(|row| row[1] = String::new());
    let report = classification(&embeddings, &across);
    assert_eq!((report.tests_without_model, report.tests), (4, 16));
}

/// The album effect: points that follow the album, not the artist, must not count as recognised across albums.
#[test]
fn across_takes_the_album_effect_away() {
    let mut embeddings = embeddings(10, 0.0);
    let mut random = Random::keyed(1, &[]);
    for row in 0..80 {
        if row % 2 == 0 {
            (0..10).for_each(|axis| embeddings.points.data[row * 10 + axis] = random.normal() as f32);
        } else {
            embeddings.points.data.copy_within((row - 1) * 10..row * 10, row * 10);
        }
    }
    let options = Options { repeats: 10, ..Options::default() };
    let plain = classification(&embeddings, &options).accuracy;
    let across = classification(&embeddings, &Options { across: Some("album".into()), ..options }).accuracy;
    assert!(across + 0.2 < plain, "{plain} {across}");
}

#[test]
fn figures_depend_on_the_seed_and_not_on_the_thread_count() {
    let embeddings = embeddings(30, 0.4);
    let folder = tempfile::tempdir().unwrap();
    let against = folder.path().join("artists");
    let by = ["artist".to_owned()];
    let prototypes = crate::embed::prototypes(&embeddings, crate::embed::By::Columns(&by), &against).unwrap().0;
    prototypes.write(&against).unwrap();
    let options = Options { repeats: 3, against: Some(against), ..Options::default() };
    // Ranking needs files; it draws nothing but for its intervals.
    for protocol in PROTOCOLS.iter().filter(|protocol| protocol.name != "ranking") {
        let with_threads = |threads, options: &Options| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (protocol.run)(&embeddings, options, &()).unwrap())
        };
        let one = with_threads(1, &options);
        assert_eq!(one, with_threads(3, &options), "{}", protocol.name);
        let other = with_threads(1, &Options { seed: 1, ..options.clone() });
        // Retrieval and search draw nothing but for their intervals.
        assert!(
            ["retrieval", "search"].contains(&protocol.name) || one.to_string() != other.to_string(),
            "{}",
            protocol.name
        );
    }
}

#[test]
fn the_threshold_of_a_fold_ignores_its_own_names() {
    let mut embeddings = embeddings(20, 0.02);
    let options = Options { name_column: Some("name".into()), ..Options::default() };
    let before = clustering(&embeddings, &options);
    // Blow one name up: only the fold that tests it keeps its threshold and its development score.
    embeddings.points.data[..16 * 20].iter_mut().for_each(|x| *x *= 100.0);
    let after = clustering(&embeddings, &options);
    let fold = after.per_name.iter().find(|name| name.name == "name 0").unwrap().fold;
    for (before, after) in before.folds.iter().zip(&after.folds) {
        let same = before.development_score == after.development_score && before.threshold == after.threshold;
        assert_eq!(same, before.fold == fold, "{before:?} {after:?}");
    }
}

#[test]
fn tracks_of_models_and_tests_are_counted_or_named() {
    let mut embeddings = embeddings(10, 0.02);
    let options = Options { tracks: Some((5, 2)), ..Options::default() };
    let report = classification(&embeddings, &options);
    assert_eq!((report.accuracy, report.artists, report.tests), (1.0, 10, 20));
    let error = run("classification", &embeddings, &Options { tracks: Some((15, 5)), ..Options::default() });
    assert!(error.unwrap_err().to_string().contains("at least 20 tracks"));
    // The third track of every artist is the test, those before it the model, those behind it nothing.
    embeddings.table.columns.push("part".into());
    let parts = |row: usize| ["model", "model", "test", "", "", "", "", ""][row % 8].to_owned();
    embeddings.table.rows.iter_mut().enumerate().for_each(|(row, cells)| cells.push(parts(row)));
    let named = Options { part_column: Some("part".into()), ..Options::default() };
    assert_eq!(verification(&embeddings, &named).pairs, 100);
    embeddings.points.data.chunks_mut(10).skip(3).step_by(8).for_each(|row| row.fill(f32::MAX.sqrt()));
    assert_eq!(classification(&embeddings, &named).accuracy, 1.0, "tracks without a part are not used");
}

#[test]
fn folds_of_names_may_come_from_a_column() {
    let mut embeddings = embeddings(20, 0.02);
    embeddings.table.columns.push("fold".into());
    embeddings.table.rows.iter_mut().enumerate().for_each(|(row, cells)| cells.push(format!("f{}", row / 16 % 3)));
    let options = Options { name_column: Some("name".into()), fold_column: Some("fold".into()), ..Options::default() };
    let report = clustering(&embeddings, &options);
    assert_eq!(report.folds.iter().map(|fold| fold.names).collect::<Vec<_>>(), [4, 3, 3]);
    let table = NameResult::table(&report.per_name);
    assert_eq!((table.rows.len(), table.columns.len()), (10, 8));
    embeddings.table.rows[0][4] = "f9".into();
    assert!(run("clustering", &embeddings, &options).unwrap_err().to_string().contains("`name 0`"));
    let unnamed = Options { name_column: None, ..options };
    assert!(run("clustering", &embeddings, &unnamed).unwrap_err().to_string().contains("name column"));
}

#[test]
fn clustering_across_albums_takes_one_track_of_each() {
    let embeddings = embeddings(20, 0.02);
    let options = Options { across: Some("album".into()), ..Options::default() };
    let report = clustering(&embeddings, &options);
    assert_eq!(report.left_out.tracks_beside, 80);
    assert!(report.per_name.iter().all(|name| name.tracks == 4 * name.artists));
    assert_eq!(report.ami, 1.0);
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let embeddings = embeddings(4, 0.1);
    let refused = |name, options: Options| run(name, &embeddings, &options).unwrap_err().to_string();
    assert!(
        refused("classification", Options { artist_column: "x".into(), ..Options::default() })
            .contains("artist, album")
    );
    assert!(
        refused(
            "verification",
            Options { within: Some("name".into()), across: Some("artist".into()), ..Options::default() }
        )
        .contains("loosen")
    );
    assert!(refused("clustering", Options::default()).contains("at least 5 names"));
    assert!(refused("clustering", Options { folds: 1, ..Options::default() }).contains("folds"));
    assert!(refused("clustering", Options { group_sizes: (1, 4), ..Options::default() }).contains("group_sizes"));
    assert!(refused("classification", Options { model_share: 1.0, ..Options::default() }).contains("model_share"));
    assert!(refused("clustering", Options { min_tracks: 9, ..Options::default() }).contains("at least 9 tracks"));
}
