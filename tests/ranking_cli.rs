//! Learning to rank as a user does it: `extract --front-end cqt`, `train` from tags and from lists, `embed`, `evaluate ranking`,
//! `rank`.
#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;

use common::{fails, homonym, json, write_chord};
use homonym::catalogue::table::Table;
use homonym::store::embeddings::Embeddings;
use serde_json::Value;

const ARTISTS: usize = 8;
const TRACKS: usize = 3;

/// Chords from low to high: `tags.csv` says how low, middle or high each is, but for the last track; `lists.csv` has of each the
/// tracks of nearest pitch.
fn example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (mut catalogue, mut tags) = ("path,artist\n".to_owned(), "path,low,middle,high\n".to_owned());
    let mut lists = "track_id,similar_id\n".to_owned();
    let names: Vec<String> =
        (0..ARTISTS * TRACKS).map(|place| format!("{}-{}.wav", place / TRACKS, place % TRACKS)).collect();
    for (place, name) in names.iter().enumerate() {
        let (artist, track) = (place / TRACKS, place % TRACKS);
        // Half an octave from artist to artist, and a little from track to track.
        let pitch = (artist as f64 + 0.2 * track as f64) / 2.0;
        write_chord(&path.join(name), 4, 80.0 * pitch.exp2(), artist, track);
        catalogue += &format!("{name},artist {artist}\n");
        let near = |centre: f64| (1.0 - (pitch - centre).abs() / 2.0).max(0.0);
        if place + 1 < names.len() {
            tags += &format!("{name},{:.3},{:.3},{:.3}\n", near(0.0), near(2.0), near(4.0));
        }
        let mut others: Vec<usize> = (0..names.len()).filter(|&other| other != place).collect();
        others.sort_by_key(|&other| other.abs_diff(place));
        others.iter().take(8).for_each(|&other| lists += &format!("{name},{}\n", names[other]));
    }
    for (name, text) in [("c.csv", catalogue), ("tags.csv", tags), ("lists.csv", lists)] {
        fs::write(path.join(name), text).unwrap();
    }
    // A 64th of the channels, or of those of the auto-pooling network, which has half as many, a 32nd.
    let small = "steps = 60\nnetwork.width = 0.015625\nobjective.positives = 4\nobjective.negatives = 12\n\
                 objective.together = 8\noptimizer.learning_rate = 1e-3\nvalidation.every = 20\n";
    fs::write(path.join("small.toml"), small).unwrap();
    let autopool = small.replace("0.015625", "0.03125").replace("1e-3", "3e-3");
    fs::write(path.join("autopool.toml"), autopool).unwrap();
    fs::write(path.join("tagger.toml"), "steps = 60\nnetwork.width = 0.015625\nbatch.artists = 8\n").unwrap();
    assert_eq!(json(path, "extract c.csv --out store --front-end cqt")["tracks"], ARTISTS * TRACKS);
    folder
}

fn losses(path: &Path, log: &str) -> Vec<f64> {
    let text = fs::read_to_string(path.join(log)).unwrap();
    text.lines().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["loss"].as_f64()).collect()
}

#[test]
fn tracks_are_ranked_as_the_oracle_ranks_them() {
    let folder = example();
    let path = folder.path();
    let known = ARTISTS * TRACKS - 1;
    let figure = |report: &Value, name: &str| report[name]["mean"].as_f64().unwrap();
    for (preset, config) in
        [("ranking-small", "small"), ("ranking-autopool-small", "autopool"), ("tagging-small", "tagger")]
    {
        let tagger = config == "tagger";
        let train = format!("train store --preset {preset} --config {config}.toml --likelihoods tags.csv");
        let told = homonym(path, &format!("{train} --out {preset}")).output().unwrap();
        assert!(told.status.success(), "{}", common::told(&told));
        assert!(common::told(&told).contains("1 tracks are left out"), "{}", common::told(&told));
        let losses = losses(path, &format!("{preset}.metrics.jsonl"));
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        println!("{preset}: loss from {:.3} to {:.3}", mean(&losses[..15]), mean(&losses[losses.len() - 15..]));
        assert!(mean(&losses[losses.len() - 15..]) < 0.95 * mean(&losses[..15]), "{preset}: {losses:?}");
        let seen = json(path, &format!("embed store --model {preset} --out points"));
        assert_eq!(seen["dims"], if tagger { 3 } else { 128 });
        assert_eq!(seen["origin"]["tags"].is_array(), tagger, "the guessed tags have names");
        let how = if tagger { " --tagged" } else { "" };
        let report = json(path, &format!("evaluate ranking points --likelihoods tags.csv --depth 6{how}"));
        println!("{preset}: nDCG@6 {:.3}, RR@6 {:.3}", figure(&report, "ndcg"), figure(&report, "reciprocal_rank"));
        assert_eq!((&report["queries"], &report["tracks_unknown"]), (&known.into(), &1.into()));
        // 6 of 22 by chance.
        assert!(figure(&report, "recall") > 0.4, "{preset}: {report}");
    }
    // The last one guesses tags: what it writes can be an oracle itself, and agrees with itself.
    let own = json(path, "evaluate ranking points --likelihoods points.npy --tagged --similarity jaccard");
    assert_eq!([figure(&own, "ndcg"), figure(&own, "average_precision")], [1.0, 1.0]);
    fs::write(path.join("weights.csv"), "tag,weight\nhigh,2\n").unwrap();
    let like = json(path, "rank points --similarity cosine --weights weights.csv --like 0-0.wav --top 2");
    let similarities: Vec<f64> = (0..2).map(|at| like["answers"][at]["similarity"].as_f64().unwrap()).collect();
    assert!(1.0 >= similarities[0] && similarities[0] >= similarities[1] && similarities[1] > 0.0, "{like}");
    json(path, "embed store --model ranking-small --out points");
    let lists = json(path, "evaluate ranking points --lists lists.csv");
    assert_eq!(lists["queries"], ARTISTS * TRACKS);
    assert!(figure(&lists, "recall") > 0.8, "20 of 23 are looked at");
}

#[test]
fn training_is_the_same_for_any_threads_and_goes_on_where_it_stopped() {
    let folder = example();
    let path = folder.path();
    let train = "train store --preset ranking-small --config small.toml --steps 6 --likelihoods tags.csv";
    json(path, &format!("{train} --out one -j 1"));
    json(path, &format!("{train} --out three -j 3"));
    let read = |name: &str| fs::read(path.join(name)).unwrap();
    assert!(read("one") == read("three"));
    let other = format!("{train} --similarity jaccard --seed 1 --out jaccard");
    json(path, &other);
    assert!(read("one") != read("jaccard"));
    // Lists without similarities have an order only.
    let lists = "train store --preset ranking-small --config small.toml --steps 2 --lists lists.csv --out lists";
    let told = fails(path, lists, 2);
    assert!(told.contains("`similarity`") && told.contains("uniform"), "{told}");
    for strategy in ["neighbours", "uniform"] {
        fs::write(path.join("s.toml"), format!("network.width = 0.015625\nobjective.strategy = \"{strategy}\"\n"))
            .unwrap();
        json(path, &format!("{} --out {strategy}", lists.replace("small.toml", "s.toml").replace(" --out lists", "")));
    }
    assert!(read("neighbours") != read("uniform"));
}

#[test]
fn an_index_answers() {
    let folder = example();
    let path = folder.path();
    json(path, "embed store --statistics --out index");
    let all = json(path, "rank index --top 5 --out ranked.csv");
    assert_eq!((&all["queries"], &all["candidates"]), (&24.into(), &24.into()));
    assert!(all["answers"].is_null());
    let table = Table::read(&path.join("ranked.csv")).unwrap();
    assert_eq!((table.columns.join(","), table.rows.len()), ("track_id,rank,similar_id,distance".to_owned(), 24 * 5));
    // By definition.
    let Embeddings { points, table: tracks, .. } = Embeddings::open(&path.join("index")).unwrap();
    let distance = |a: usize, b: usize| {
        points
            .row(a)
            .iter()
            .zip(points.row(b))
            .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    for (row, answers) in table.rows.chunks(5).enumerate() {
        let mut others: Vec<usize> = (0..24).filter(|&other| other != row).collect();
        others.sort_by(|&a, &b| distance(row, a).total_cmp(&distance(row, b)));
        for (rank, (answer, other)) in answers.iter().zip(others).enumerate() {
            assert_eq!(
                answer[..3],
                [&tracks.rows[row][0], &(rank + 1).to_string(), &tracks.rows[other][0]].map(String::clone)
            );
            assert!((answer[3].parse::<f64>().unwrap() - distance(row, other)).abs() < 1e-5);
        }
    }
    // What is written can be an oracle.
    let own = json(path, "evaluate ranking index --lists ranked.csv");
    assert_eq!((&own["ndcg"]["mean"], &own["queries"]), (&1.0.into(), &24.into()));
    let one = json(path, "rank index --like 2-1.wav --top 3");
    let answers = one["answers"].as_array().unwrap();
    assert_eq!((answers.len(), &answers[0]["track_id"]), (3, &"2-1.wav".into()));
    assert_eq!(answers[0]["similar_id"], table.rows[7 * 5][2]);
    // A track that may not be found asks all the same, and tracks of other embeddings ask, but not for themselves.
    for same in ["--where path!=2-1.wav", "--queries index"] {
        assert_eq!(
            json(path, &format!("rank index --like 2-1.wav --top 3 {same}"))["answers"],
            one["answers"],
            "{same}"
        );
    }
    let few = json(path, "rank index --like 2-1.wav --where path=0-0.wav");
    assert_eq!((&few["candidates"], &few["answers"][0]["similar_id"]), (&1.into(), &"0-0.wav".into()));
    let told = homonym(path, "rank index --like 2-1.wav --top 2").output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("2-1.wav, by distance") && text.contains("1 tracks compared with 24"), "{text}");
}

#[test]
fn what_cannot_be_ranked_is_told() {
    let folder = example();
    let path = folder.path();
    fs::write(path.join("odd.csv"), "path,artist,low\n0-0.wav,x,1\n").unwrap();
    fs::write(path.join("other.csv"), "path,low\nother.wav,1\n").unwrap();
    fs::write(path.join("same.csv"), "path,low\n0-0.wav,1\n0-1.wav,1\n1-0.wav,1\n").unwrap();
    fs::write(path.join("mix.toml"), "objective.kind = \"tagging\"\n").unwrap();
    json(path, "embed store --statistics --out index");
    json(path, "embed store --statistics=mfcc --out mfcc");
    let train = "train store --out m --preset";
    for (arguments, code, says) in [
        (format!("{train} ranking-small"), 2, "--likelihoods or --lists"),
        (format!("{train} tagging-small --lists lists.csv"), 2, "--likelihoods"),
        (format!("{train} paper --likelihoods tags.csv"), 2, "leave that out"),
        (format!("{train} ranking-small --config mix.toml --likelihoods tags.csv"), 2, "`tagging`"),
        (format!("{train} ranking-small --likelihoods odd.csv"), 1, "`x` in column `artist`"),
        (format!("{train} ranking-small --likelihoods other.csv"), 1, "none of them"),
        (format!("{train} ranking-small --likelihoods same.csv"), 1, "less like it"),
        (format!("{train} ranking-small --likelihoods tags.csv --lists lists.csv"), 2, "--lists"),
        ("evaluate ranking index".to_owned(), 2, "--likelihoods"),
        ("evaluate ranking index --likelihoods tags.csv --tagged".to_owned(), 1, "likelihoods of the 3 tags"),
        ("evaluate retrieval index --likelihoods tags.csv".to_owned(), 2, "no meaning for retrieval"),
        ("rank index --like nothing.wav".to_owned(), 2, "`nothing.wav`"),
        ("rank index --queries mfcc".to_owned(), 1, "as index"),
        ("rank index --similarity cosine --weights tags.csv".to_owned(), 1, "named tags"),
        ("rank nothing".to_owned(), 1, "nothing.npy"),
    ] {
        let told = fails(path, &arguments, code);
        assert!(told.contains(says), "{arguments}: {told}");
    }
    assert!(!path.join("m").exists());
}
