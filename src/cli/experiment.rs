//! `homonym experiment`: the paper's comparisons on one's own catalogue.

use std::path::{Path, PathBuf};

use super::{Console, Outcome};
use crate::experiment::{Plan, Report, run};
use crate::output::write_whole;
use crate::{Error, Result};

/// Train systems on datasets of several kinds and sizes, judge them by the paper's tasks, and draw its figures.
///
/// Writes report.html (offline, with the figures), results.json, results.csv, names.csv, the figures as SVG and card.json
/// (versions, hashes, seeds). Running it again goes on where it stopped.
#[derive(clap::Args)]
pub(super) struct Experiment {
    /// What to run: catalogue, systems, datasets, numbers of artists, seeds.
    plan: PathBuf,
    /// The folder to write to.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// List the cells and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Experiment {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let (text, plan) = read(&self.plan)?;
        if self.dry_run {
            let cells: Vec<String> = plan.cells()?.iter().map(|cell| cell.id()).collect();
            let listed = serde_json::json!({ "cells": cells });
            console.result("homonym.experiment.plan/1", &listed, || cells.join("\n"))?;
            return Ok(Outcome::Done);
        }
        let report = run(&plan, self.plan.parent().unwrap_or(Path::new("")), &self.out, console)?;
        write_whole(&self.out.join("experiment.toml"), text.as_bytes())?;
        console.result("homonym.experiment/1", &report, || describe(&report, &self.out))?;
        Ok(if report.failed.is_empty() { Outcome::Done } else { Outcome::SomeInputsFailed })
    }
}

/// Reads a plan; also gives its text.
pub(super) fn read(path: &Path) -> Result<(String, Plan)> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let plan = toml::from_str(&text).map_err(|error| {
        let advice = "see the experiments in docs/experiments";
        Error::file(path, "an experiment in TOML", error.to_string().trim_end(), advice)
    })?;
    Ok((text, plan))
}

/// Whether a TOML file lists cells, as the plan of an experiment does.
pub(super) fn is_plan(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    toml::from_str::<toml::Table>(&text).is_ok_and(|table| table.contains_key("cells"))
}

fn describe(report: &Report, out: &Path) -> String {
    let mut lines: Vec<String> = report
        .groups
        .iter()
        .map(|group| {
            let dataset = if group.dataset.is_empty() { "-" } else { &group.dataset };
            let scores = &group.scores;
            format!(
                "{dataset:<18}{:<24}EER {:.3}  accuracy {:.3}  AMI {:.3}  ARI {:.3}",
                group.label, scores.eer.mean, scores.accuracy.mean, scores.ami.mean, scores.ari.mean
            )
        })
        .collect();
    for claim in &report.claims {
        let difference = claim.difference.map_or(String::new(), |difference| format!(": {difference}"));
        lines.push(format!("{}, {} ({}){difference}", claim.verdict, claim.says, claim.measure));
    }
    lines.push(format!("{}", out.join("report.html").display()));
    lines.join("\n")
}
