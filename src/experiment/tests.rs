//! Plans, claims and pages on made-up results.

use super::claims::findings;
use super::plan::CellSpec;
use super::svg::{Bar, Panel, bars, escape};
use super::*;
use crate::catalogue::datasets::Options;

fn plan(cells: Vec<CellSpec>) -> Plan {
    let text =
        json!({ "catalogue": "c.csv", "seeds": [0, 1], "cells": cells, "untrained": true, "baselines": ["mel"] });
    serde_json::from_value(text).unwrap()
}

fn spec(dataset: &str, artists: &[usize], p: &[f64]) -> CellSpec {
    CellSpec {
        dataset: dataset.to_owned(),
        options: Options::default(),
        systems: vec!["ml".into(), "cl".into()],
        artists: artists.to_vec(),
        p: p.to_vec(),
        tag_column: "mood".to_owned(),
    }
}

#[test]
fn a_plan_becomes_cells() {
    let cells =
        plan(vec![spec("msd-small", &[10, 20], &[]), spec("side-information", &[], &[0.0, 0.5])]).cells().unwrap();
    let ids: Vec<String> = cells.iter().map(Cell::id).collect();
    assert_eq!(ids.len(), 2 * (1 + 2) + 2 * 2 * 2 + 2 * 2 * 2);
    let mut different = ids.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
    assert!(ids.contains(&"msd-small-cl-20a-s1".to_owned()) && ids.contains(&"side-information-ml-p0.5-s0".to_owned()));
    let with_tags = cells.iter().find(|cell| cell.p == Some(0.5)).unwrap().config.clone().unwrap();
    assert_eq!((with_tags.mining.tag_column.as_deref(), with_tags.mining.tag_probability), (Some("mood"), 0.5));
    assert!(
        cells
            .iter()
            .filter(|cell| cell.dataset.is_empty())
            .all(|cell| cell.config.as_ref().is_none_or(|c| c.steps == 0))
    );
}

#[test]
fn settings_are_laid_over_presets_and_typos_are_errors() {
    let mut plan = plan(vec![spec("msd-small", &[], &[])]);
    plan.training = json!({ "steps": 7 });
    plan.systems.get_mut("ml").unwrap().training = json!({ "network": { "dims": 8 }, "steps": 9 });
    let cells = plan.cells().unwrap();
    let steps = |system: &str| cells.iter().find(|cell| cell.system == system).unwrap().config.as_ref().unwrap().steps;
    assert_eq!((steps("ml"), steps("cl"), steps("ml-untrained")), (9, 7, 0));
    plan.training = json!({ "stepz": 7 });
    assert!(plan.cells().unwrap_err().to_string().contains("stepz"));
    plan.training = Value::Null;
    plan.cells[0].systems.push("mine".into());
    assert!(plan.cells().unwrap_err().to_string().contains("cl, ml"));
    plan.cells[0].dataset = "small".into();
    assert!(plan.cells().unwrap_err().to_string().contains("msd-small"));
}

fn result(dataset: &str, system: &str, artists: Option<usize>, seed: u64, quality: f64) -> CellResult {
    let cell = Cell { dataset: dataset.into(), system: system.into(), artists, seed, ..Cell::default() };
    let scores = Scores { eer: 1.0 - quality, accuracy: quality, ami: quality, ari: quality, artists: 5, names: 5 };
    CellResult { cell, scores, ..CellResult::default() }
}

#[test]
fn claims_hold_fall_or_stay_open() {
    let mut results = Vec::new();
    for seed in 0..4 {
        let noise = 0.01 * seed as f64;
        for artists in [Some(10), Some(20)] {
            results.push(result("msd-small", "cl", artists, seed, 0.6 + noise));
            results.push(result("msd-small", "ml", artists, seed, 0.5 - noise));
            results.push(result("balanced", "ml", artists, seed, 0.5));
            results.push(result("balanced", "cl", artists, seed, 0.6 + noise));
        }
        results.push(result("unbalanced", "ml", None, seed, if seed % 2 == 0 { 0.3 } else { 0.5 }));
        results.push(result("unbalanced-a", "cl", None, seed, 0.4));
    }
    let found = findings(&results);
    let verdict = |says: &str, measure: &str| {
        let finding = found.iter().find(|finding| finding.says.contains(says) && finding.measure == measure).unwrap();
        (finding.verdict, finding.difference.map(|difference| difference.count))
    };
    assert_eq!(verdict("little audio", "eer"), ("holds", Some(4)));
    assert_eq!(verdict("much audio", "ami"), ("contradicted", Some(4)));
    assert_eq!(verdict("more training artists", "ami"), ("undecided", Some(4)));
    assert_eq!(verdict("version (A)", "ami"), ("undecided", Some(4)));
    assert_eq!(verdict("version (B)", "ami"), ("not run", None));
    assert_eq!(verdict("share a tag", "ari"), ("not run", None));
}

#[test]
fn intervals_are_students() {
    let interval = Interval::of(&[1.0, 2.0, 3.0]);
    let reach = 4.303 / 3f64.sqrt();
    let [low, high] = interval.interval.unwrap();
    assert!((low - (2.0 - reach)).abs() < 1e-9 && (high - (2.0 + reach)).abs() < 1e-9);
    assert_eq!(Interval::of(&[1.0]).interval, None);
}

#[test]
fn pages_escape_what_they_show() {
    let hostile = "<script>alert('&\"')</script>";
    let results = [result(hostile, hostile, None, 0, 0.5), result(hostile, hostile, None, 1, 0.4)];
    let groups = summary::groups(&results);
    let report = Report {
        cells: 2,
        done_before: 0,
        failed: vec![[hostile.into(), hostile.into()]],
        seconds: 0.0,
        claims: findings(&results),
        groups,
    };
    let figures = figures::all(&report.groups, &[(hostile.into(), vec![100, 10, 1])]);
    let page = page::render(&report, &figures, &json!({ "seeds": [hostile] }));
    assert!(!page.contains("<script") && page.contains(&escape(hostile)));
    assert!(
        !page.contains("http://")
            || page.matches("http://").count() == page.matches("http://www.w3.org/2000/svg").count()
    );
    assert_eq!(figures.iter().map(|figure| figure.file).collect::<Vec<_>>(), ["figure-1", "figure-4"]);
}

#[test]
fn charts_of_nothing_and_of_wide_intervals_are_still_charts() {
    let wide = Interval { mean: -0.05, interval: Some([-9.0, 9.0]), count: 2 };
    let bar = Bar { label: "x".into(), value: wide, colour: 7 };
    let svg = bars(
        "t",
        &[Panel { title: "p", sections: vec![("s".into(), vec![bar])] }, Panel { title: "q", sections: vec![] }],
    );
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("NaN") && !svg.contains("inf"));
}
