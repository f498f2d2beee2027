//! `homonym extract`: from a catalogue of audio files to a feature store.

use std::path::PathBuf;

use super::{Console, Outcome};
use crate::Result;
use crate::audio::Health;
use crate::extract::{Extraction, Plan, Summary};
use crate::frontend;
use crate::store::{Precision, Spec};

/// Failures told on the terminal; the rest is in `failures.csv`.
const FAILURES_TOLD: usize = 20;

/// Decode the tracks of a catalogue and keep their frames in a feature store.
///
/// Running it again goes on where it stopped, tries failed tracks again and appends new ones.
#[derive(clap::Args)]
pub(super) struct Extract {
    /// Table of the tracks (CSV, TSV or JSON Lines) with the columns `path`, relative to its folder or a file: URI, and
    /// `artist`.
    catalogue: PathBuf,
    /// Folder of the store.
    #[arg(long, short, value_name = "STORE")]
    out: PathBuf,
    /// Extract what the network of this named configuration is made for.
    #[arg(long, value_parser = super::train::preset_names(), default_value = "best")]
    preset: String,
    /// Extract the usual features of this front end instead.
    #[arg(long, value_name = "KIND", value_parser = super::mel::front_ends(), conflicts_with = "preset")]
    front_end: Option<String>,
    /// How to keep the values.
    #[arg(long, default_value = "f16")]
    precision: Precision,
    /// Extract everything anew; the old store is replaced when the new one is complete.
    #[arg(long)]
    force: bool,
    /// Go on with an unfinished store, which is also what happens without this option.
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Write what became of every listed track, and why, to a table (.csv or .jsonl).
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    report: Option<PathBuf>,
    /// Say what there is to do and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Extract {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let Self { catalogue, out, preset, front_end, precision, force, resume: _, report, dry_run } = self;
        let recipe = match front_end {
            Some(kind) => (frontend::front_end(&kind)?.recipe)(),
            None => (crate::train::preset(&preset)?.recipe)(),
        };
        let extraction = Extraction { catalogue, out, spec: Spec { recipe, precision }, force, report };
        if dry_run {
            let plan = extraction.plan()?;
            remark_unnamed(plan.without_artist, console);
            console.result("homonym.extract.plan/1", &plan, || describe_plan(&plan))?;
            return Ok(Outcome::Done);
        }
        let summary = extraction.run(console)?;
        remark(&summary, &extraction, console);
        console.result("homonym.extract/1", &summary, || describe(&summary, &extraction))?;
        Ok(if summary.failed.is_empty() { Outcome::Done } else { Outcome::SomeInputsFailed })
    }
}

/// Tells what the user should know beside the result: rows without an artist, tracks left out.
pub(super) fn remark(summary: &Summary, extraction: &Extraction, console: &Console) {
    remark_unnamed(summary.without_artist, console);
    remark_doubtful(summary, console);
    warn_of_failures(summary, extraction, console);
}

fn remark_unnamed(rows: usize, console: &Console) {
    if rows > 0 {
        console.remark(&format!("{rows} rows name no artist; their tracks are of no use for training"));
    }
}

/// Tells how many tracks are in the store although something is odd about them.
fn remark_doubtful(summary: &Summary, console: &Console) {
    let odd = summary.outcomes.iter().filter(|(health, _)| **health != Health::Ok && !health.row().left_out);
    let odd: Vec<String> = odd.map(|(health, count)| format!("{count} {}", health.name())).collect();
    if !odd.is_empty() {
        console.remark(&format!("taken with a remark: {} (--report tells which and why)", odd.join(", ")));
    }
}

fn warn_of_failures(summary: &Summary, extraction: &Extraction, console: &Console) {
    use crate::Monitor as _;
    for failure in summary.failed.iter().take(FAILURES_TOLD) {
        console.warn(&format!("{} is left out, {}: {}", failure.path, failure.outcome.name(), failure.error));
    }
    if summary.failed.len() > FAILURES_TOLD {
        let more = summary.failed.len() - FAILURES_TOLD;
        console.warn(&format!("{more} more are left out, see {}", extraction.out.join("failures.csv").display()));
    }
}

fn describe_plan(plan: &Plan) -> String {
    let missing: String = plan.missing.iter().map(|path| format!("\n  no such file: {}", path.display())).collect();
    let Plan { listed, stored, to_extract, .. } = plan;
    format!("{listed} tracks listed, {stored} of them in the store already, {to_extract} to extract{missing}")
}

pub(super) fn describe(summary: &Summary, extraction: &Extraction) -> String {
    format!(
        "{}: {} tracks, {:.1} MB\nextracted {} tracks, {:.2} h of audio, {} frames in {:.1} s; {} failed",
        extraction.out.display(),
        summary.tracks,
        summary.bytes as f64 / 1e6,
        summary.added,
        summary.audio_seconds / 3600.0,
        summary.frames,
        summary.seconds,
        summary.failed.len(),
    )
}
