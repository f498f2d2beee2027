//! `homonym inspect`: what a file or folder made by this software holds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, Outcome};
use crate::frontend::Recipe;
use crate::linear::{LinearMap, MapHeader};
use crate::matrix::Matrix;
use crate::models::{Header, Model};
use crate::store::{Store, npy};
use crate::{Error, Result};

/// Say what a feature store, a model or a matrix holds.
#[derive(clap::Args)]
pub(super) struct Inspect {
    /// What to look at.
    file: PathBuf,
    /// Also read it all and check every checksum.
    #[arg(long)]
    verify: bool,
}

/// Something that can be inspected: how it is recognised and shown.
struct Kind {
    name: &'static str,
    recognises: fn(&Path) -> bool,
    inspect: fn(&Inspect, &Console) -> Result<()>,
}

/// To inspect a further kind, add a row.
static KINDS: &[Kind] = &[
    Kind { name: "a feature store (a folder)", recognises: Path::is_dir, inspect: inspect_store },
    Kind {
        name: "a linear map (.safetensors)",
        recognises: |path| has_extension(path, "safetensors") && LinearMap::is_at(path),
        inspect: inspect_map,
    },
    Kind {
        name: "a model (.safetensors)",
        recognises: |path| has_extension(path, "safetensors"),
        inspect: inspect_model,
    },
    Kind { name: "a matrix (.npy)", recognises: |path| has_extension(path, "npy"), inspect: inspect_matrix },
];

fn has_extension(path: &Path, extension: &str) -> bool {
    path.is_file() && path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

impl Inspect {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let Some(kind) = KINDS.iter().find(|kind| (kind.recognises)(&self.file)) else {
            let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
            let found = if self.file.exists() { "something else" } else { "nothing" };
            return Err(Error::file(&self.file, known.join(" or "), found, "check the name"));
        };
        (kind.inspect)(&self, console)?;
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

fn inspect_store(arguments: &Inspect, console: &Console) -> Result<()> {
    let store = Store::open(&arguments.file)?;
    if arguments.verify {
        store.verify(console)?;
    }
    let table = store.table()?;
    let artists =
        table.column("artist").map(|column| table.rows.iter().map(|row| &row[column]).collect::<HashSet<_>>());
    let report = StoreReport {
        kind: "store",
        tracks: store.len(),
        planned: store.planned(),
        failed: store.failed(),
        complete: store.is_complete(),
        verified: arguments.verify,
        artists: artists.map(|artists| artists.len()),
        audio_seconds: (0..store.len()).map(|track| store.seconds(track)).sum(),
        frames: (0..store.len()).map(|track| store.rows(track)).sum(),
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
    table(&lines)
}

fn inspect_model(arguments: &Inspect, console: &Console) -> Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        kind: &'static str,
        hash: String,
        parameters: usize,
        #[serde(flatten)]
        header: &'a Header,
    }
    let model = Model::open(&arguments.file)?;
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
        table(&lines)
    })
}

fn inspect_map(arguments: &Inspect, console: &Console) -> Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        kind: &'static str,
        hash: String,
        #[serde(flatten)]
        header: &'a MapHeader,
    }
    let map = LinearMap::open(&arguments.file)?;
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
        table(&lines)
    })
}

fn inspect_matrix(arguments: &Inspect, console: &Console) -> Result<()> {
    #[derive(Serialize)]
    struct Report {
        kind: &'static str,
        rows: usize,
        cols: usize,
        finite: bool,
        least_norm: f64,
        greatest_norm: f64,
    }
    let matrix: Matrix<f64> = npy::read(&arguments.file)?;
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
        table(&[
            ("matrix", format!("{} × {}", report.rows, report.cols)),
            ("finite", if report.finite { "yes" } else { "no" }.to_owned()),
            ("norms", format!("{:.4} to {:.4}", report.least_norm, report.greatest_norm)),
        ])
    })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

/// Names and values in two columns.
fn table(lines: &[(&str, String)]) -> String {
    lines.iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect()
}
