//! Experiments: systems trained on datasets of several kinds and sizes, judged by the paper's tasks on artists none of them
//! has heard, and laid side by side with what the paper claims.
//!
//! A [`Plan`] becomes a list of [`Cell`]s: a dataset, a system, a number of artists, a probability of side information, a seed.
//! Every cell leaves one file behind, so that a run that was stopped goes on where it was. The artists are dealt into folds;
//! the seed of a cell also says which fold it is judged by, so that seeds tell of other artists too.

mod cell;
mod claims;
mod figures;
mod page;
mod plan;
mod summary;
mod svg;
mod world;

pub use cell::{CellResult, Scores};
pub use plan::{Cell, CellSpec, Plan, System};
pub use summary::{Group, Interval};

use std::path::Path;
use std::time::Instant;

use homonym_kernels::Isa;
use serde::Serialize;
use serde_json::{Value, json};

use crate::catalogue::table::Table;
use crate::eval::protocols::NameResult;
use crate::output::{self, write_whole};
use crate::{Error, Monitor, Result};
use world::World;

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Cells of the plan.
    pub cells: usize,
    /// Cells that were done before.
    pub done_before: usize,
    /// Cells that could not be run, and why.
    pub failed: Vec<[String; 2]>,
    /// Seconds of this run.
    pub seconds: f64,
    /// The averages over seeds.
    pub groups: Vec<Group>,
    /// What the paper claims and what was found.
    pub claims: Vec<claims::Finding>,
}

/// Runs what is left of a plan whose paths start from `base`, and writes results, figures and page into `out`.
///
/// # Errors
/// Plans and catalogues that cannot be used; [`Error::Interrupted`] when the monitor asks to stop. A cell that fails, because
/// its dataset wants more artists than there are or its training collapses, is reported and does not stop the others.
pub fn run(plan: &Plan, base: &Path, out: &Path, monitor: &dyn Monitor) -> Result<Report> {
    let clock = Instant::now();
    let cells = plan.cells()?;
    std::fs::create_dir_all(out).map_err(Error::io(out))?;
    let _lock = output::lock(&out.join(".lock"), (out, "folder of an experiment"))?;
    let world = World::open(plan, base, out, monitor)?;
    let (mut results, mut failed, mut done_before) = (Vec::new(), Vec::new(), 0);
    for (number, cell) in cells.iter().enumerate() {
        if let Some(result) = world.finished(cell)? {
            done_before += 1;
            results.push(result);
            continue;
        }
        monitor.status(&format!("cell {} of {}: {}", number + 1, cells.len(), cell.id()));
        match world.run(cell, monitor) {
            Ok(result) => results.push(result),
            Err(Error::Interrupted(why)) => {
                return Err(Error::Interrupted(format!("{why}; run the same command again to go on at {}", cell.id())));
            }
            Err(error) => {
                monitor.warn(&format!("{} failed: {error}", cell.id()));
                failed.push([cell.id(), error.to_string()]);
            }
        }
    }
    if results.is_empty() {
        return Err(Error::Failed("no cell of the experiment could be run".to_owned()));
    }
    let groups = summary::groups(&results);
    let claims = claims::findings(&results);
    let card = card(plan, &world, &results)?;
    let report =
        Report { cells: cells.len(), done_before, failed, seconds: clock.elapsed().as_secs_f64(), groups, claims };
    write(&report, &results, &card, &world, out)?;
    Ok(report)
}

/// What someone needs to repeat the run: versions, hashes, seeds.
fn card(plan: &Plan, world: &World, results: &[CellResult]) -> Result<Value> {
    let models: Vec<Value> =
        results.iter().map(|result| json!({ "cell": result.cell.id(), "model": result.model })).collect();
    Ok(json!({
        "schema": "homonym.experiment.card/1",
        "version": env!("CARGO_PKG_VERSION"),
        "instruction_set": Isa::chosen()?.name(),
        "threads": rayon::current_num_threads(),
        "catalogue_hash": world.catalogue_hash(),
        "front_ends": world.front_ends(),
        "artists": world.sizes(),
        "seeds": plan.seeds,
        "training_minutes": results.iter().map(|result| result.train_seconds).sum::<f64>() / 60.0,
        "models": models,
        "plan": plan,
    }))
}

/// Writes `results.json`, `results.csv`, `names.csv`, `card.json`, the figures and the page.
fn write(report: &Report, results: &[CellResult], card: &Value, world: &World, out: &Path) -> Result<()> {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("plain data") + "\n";
    let all = json!({
        "schema": "homonym.experiment/1",
        "groups": report.groups,
        "claims": report.claims,
        "failed": report.failed,
        "cells": results,
    });
    write_whole(&out.join("results.json"), pretty(&all).as_bytes())?;
    write_whole(&out.join("card.json"), pretty(card).as_bytes())?;
    summary::table(results).write(&out.join("results.csv"))?;
    names(results).write(&out.join("names.csv"))?;
    let figures = figures::all(&report.groups, &world.distributions()?);
    for figure in &figures {
        write_whole(&out.join(format!("{}.svg", figure.file)), figure.svg.as_bytes())?;
    }
    write_whole(&out.join("report.html"), page::render(report, &figures, card).as_bytes())
}

/// How well each name was split in each cell.
fn names(results: &[CellResult]) -> Table {
    let mut all = NameResult::table(&[]);
    all.columns.insert(0, "cell".to_owned());
    for result in results {
        let names = NameResult::table(&result.names);
        all.rows.extend(names.rows.iter().map(|row| [&[result.cell.id()], &row[..]].concat()));
    }
    all
}

#[cfg(test)]
mod tests;
