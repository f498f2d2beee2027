//! `homonym inspect`: what a file or folder made by this software holds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, Outcome};
use crate::frontend::Recipe;
use crate::store::Store;
use crate::{Error, Result};

/// Say what a feature store holds.
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
static KINDS: &[Kind] =
    &[Kind { name: "a feature store (a folder)", recognises: Path::is_dir, inspect: inspect_store }];

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
    let recipe = serde_json::to_string(report.recipe).expect("a recipe is plain data");
    let lines = [
        ("feature store", state),
        ("tracks", report.tracks.to_string()),
        ("artists", report.artists.map_or("unknown".into(), |artists| artists.to_string())),
        ("audio", format!("{:.2} h, {} frames", report.audio_seconds / 3600.0, report.frames)),
        ("size", format!("{:.1} MB, {}", report.bytes as f64 / 1e6, report.precision)),
        ("recipe", format!("{} {recipe}", report.recipe_hash)),
        ("catalogue", format!("{} ({})", report.catalogue.display(), report.columns.join(", "))),
        ("checksums", if report.verified { "all right" } else { "not checked (--verify)" }.into()),
    ];
    lines.map(|(name, value)| format!("{name:<14}{value}")).join("\n")
}
