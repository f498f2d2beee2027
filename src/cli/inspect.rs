//! `homonym inspect`: what a file or folder made by this software holds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, Outcome, config, experiment, kinds};
use crate::Result;
use crate::catalogue::table::Table;
use crate::disambiguate::{Calibration, read_decisions};
use crate::experiment::Cell;
use crate::frontend::Recipe;
use crate::linear::{LinearMap, MapHeader};
use crate::matrix::Matrix;
use crate::models::{Header, Model};
use crate::store::embeddings::{Embeddings, Origin};
use crate::store::{Store, npy};
use crate::train::TrainConfig;

/// Say what a feature store, a model, embeddings, a matrix or another file of this software holds.
#[derive(clap::Args)]
pub(super) struct Inspect {
    /// What to look at.
    file: PathBuf,
    /// Also read it all and check every checksum.
    #[arg(long)]
    verify: bool,
}

impl Inspect {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let kind = kinds::of(&self.file)?;
        if self.verify {
            (kind.verify)(&self.file, console)?;
        }
        (kind.inspect)(&self.file, console, self.verify)?;
        Ok(Outcome::Done)
    }
}

#[derive(Serialize)]
struct StoreReport<'a> {
    kind: &'static str,
    tracks: usize,
    planned: usize,
    failed: usize,
    complete: bool,
    verified: bool,
    artists: Option<usize>,
    audio_seconds: f64,
    frames: usize,
    bytes: u64,
    precision: &'static str,
    recipe_hash: &'a str,
    recipe: &'a Recipe,
    catalogue: &'a Path,
    columns: &'a [String],
}

pub(super) fn store(path: &Path, console: &Console, verified: bool) -> Result<()> {
    let store = Store::open(path)?;
    let table = store.table()?;
    let artists =
        table.column("artist").map(|column| table.rows.iter().map(|row| &row[column]).collect::<HashSet<_>>());
    let report = StoreReport {
        kind: "store",
        tracks: store.len(),
        planned: store.planned(),
        failed: store.failed(),
        complete: store.is_complete(),
        verified,
        artists: artists.map(|artists| artists.len()),
        audio_seconds: (0..store.len()).map(|track| store.seconds(track)).sum(),
        // Records are not verified here; damaged ones may add up to anything.
        frames: (0..store.len()).map(|track| store.rows(track)).fold(0, usize::saturating_add),
        bytes: store.bytes()?,
        precision: store.precision().name(),
        recipe_hash: store.recipe_hash(),
        recipe: store.recipe(),
        catalogue: store.catalogue(),
        columns: &table.columns,
    };
    console.result("homonym.inspect/1", &report, || describe(&report))
}

fn describe(report: &StoreReport<'_>) -> String {
    let state = match (report.complete, report.failed) {
        (true, 0) => "complete".to_owned(),
        (true, failed) => format!("complete but for {failed} tracks that failed (failures.csv)"),
        (false, _) => format!("unfinished, {} tracks planned: run extract again", report.planned),
    };
    let lines = [
        ("feature store", state),
        ("tracks", report.tracks.to_string()),
        ("artists", report.artists.map_or("unknown".into(), |artists| artists.to_string())),
        ("audio", format!("{:.2} h, {} frames", report.audio_seconds / 3600.0, report.frames)),
        ("size", format!("{:.1} MB, {}", report.bytes as f64 / 1e6, report.precision)),
        ("recipe", format!("{} {}", report.recipe_hash, json(report.recipe))),
        ("catalogue", format!("{} ({})", report.catalogue.display(), report.columns.join(", "))),
        ("checksums", if report.verified { "all right" } else { "not checked (--verify)" }.into()),
    ];
    two_columns(&lines)
}

pub(super) fn model(path: &Path, console: &Console, _: bool) -> Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        kind: &'static str,
        hash: String,
        parameters: usize,
        #[serde(flatten)]
        header: &'a Header,
    }
    let model = Model::open(path)?;
    let header = &model.header;
    let report = Report { kind: "model", hash: model.hash()?, parameters: model.params.len(), header };
    console.result("homonym.inspect/1", &report, || {
        let lines = [
            ("model", report.hash.clone()),
            ("network", json(&header.network)),
            ("parameters", report.parameters.to_string()),
            ("segment", format!("{} frames", header.frames)),
            ("track", json(&header.track)),
            ("front end", format!("{} {}", header.front_end.hash(), json(&header.front_end))),
            ("trained", format!("{} steps", header.step)),
            ("training", json(&header.training)),
        ];
        two_columns(&lines)
    })
}

pub(super) fn map(path: &Path, console: &Console, _: bool) -> Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        kind: &'static str,
        hash: String,
        #[serde(flatten)]
        header: &'a MapHeader,
    }
    let map = LinearMap::open(path)?;
    let report = Report { kind: "map", hash: map.hash()?, header: &map.header };
    console.result("homonym.inspect/1", &report, || {
        let MapHeader { method, values, dims, model, fit, .. } = &map.header;
        let lines = [
            ("linear map", report.hash.clone()),
            ("method", method.clone()),
            ("points", format!("{values} values to {dims}")),
            ("learnt from", model.clone().unwrap_or("points of unknown origin".to_owned())),
            ("fit", json(fit)),
        ];
        two_columns(&lines)
    })
}

pub(super) fn matrix(path: &Path, console: &Console, _: bool) -> Result<()> {
    #[derive(Serialize)]
    struct Report {
        kind: &'static str,
        rows: usize,
        cols: usize,
        finite: bool,
        least_norm: f64,
        greatest_norm: f64,
    }
    let matrix: Matrix<f64> = npy::read(path)?;
    let norms = matrix.iter_rows().map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt());
    let (least, greatest) = norms.fold((f64::INFINITY, 0.0f64), |(low, high), norm| (low.min(norm), high.max(norm)));
    let report = Report {
        kind: "matrix",
        rows: matrix.rows,
        cols: matrix.cols,
        finite: matrix.non_finite().is_none(),
        least_norm: if matrix.rows == 0 { 0.0 } else { least },
        greatest_norm: greatest,
    };
    console.result("homonym.inspect/1", &report, || {
        two_columns(&[
            ("matrix", format!("{} × {}", report.rows, report.cols)),
            ("finite", if report.finite { "yes" } else { "no" }.to_owned()),
            ("norms", format!("{:.4} to {:.4}", report.least_norm, report.greatest_norm)),
        ])
    })
}

pub(super) fn embeddings(prefix: &Path, console: &Console, _: bool) -> Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        kind: &'static str,
        points: usize,
        dims: usize,
        columns: &'a [String],
        origin: Option<&'a Origin>,
    }
    let Embeddings { points, table, origin } = &Embeddings::open(prefix)?;
    let columns = &table.columns;
    let report =
        Report { kind: "embeddings", points: points.rows, dims: points.cols, columns, origin: origin.as_ref() };
    console.result("homonym.inspect/1", &report, || {
        let made = report.origin.map_or("unknown".to_owned(), |origin| {
            format!("model {}, front end {} {}", origin.model, origin.frontend, json(&origin.rest))
        });
        let points = format!("{} of {} values", report.points, report.dims);
        two_columns(&[("embeddings", points), ("columns", columns.join(", ")), ("made by", made)])
    })
}

pub(super) fn calibration(path: &Path, console: &Console, _: bool) -> Result<()> {
    let calibration = Calibration::open(path)?;
    console.result("homonym.inspect/1", &calibration, || calibration.to_string())
}

pub(super) fn decisions(path: &Path, console: &Console, _: bool) -> Result<()> {
    let count = read_decisions(path)?.len();
    let report = serde_json::json!({ "kind": "decisions", "decisions": count });
    console.result("homonym.inspect/1", &report, || two_columns(&[("decisions", count.to_string())]))
}

pub(super) fn table(path: &Path, console: &Console, _: bool) -> Result<()> {
    let table = Table::read(path)?;
    let (rows, columns) = (table.rows.len(), &table.columns);
    let report = serde_json::json!({ "kind": "table", "rows": rows, "columns": columns });
    console.result("homonym.inspect/1", &report, || {
        two_columns(&[("table", format!("{rows} rows")), ("columns", columns.join(", "))])
    })
}

pub(super) fn plan(path: &Path, console: &Console, _: bool) -> Result<()> {
    let cells: Vec<String> = experiment::read(path)?.1.cells()?.iter().map(Cell::id).collect();
    let report = serde_json::json!({ "kind": "plan", "cells": cells });
    console.result("homonym.inspect/1", &report, || two_columns(&[("cells", cells.len().to_string())]))
}

pub(super) fn configuration(path: &Path, console: &Console, _: bool) -> Result<()> {
    let config = config::overlay(&TrainConfig::default(), path)?;
    let report = serde_json::json!({ "kind": "configuration", "merged": config });
    console.result("homonym.inspect/1", &report, || two_columns(&[("merged", json(&config))]))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

/// Names and values in two columns.
fn two_columns(lines: &[(&str, String)]) -> String {
    lines.iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect()
}
