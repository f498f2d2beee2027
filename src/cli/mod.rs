//! The `homonym` command: one verb a file. Results go to standard output, progress and warnings to standard error.
//!
//! Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, but some inputs failed; 130 stopped by Ctrl-C.

mod aliases;
mod apply;
mod bench;
mod calibrate;
mod check;
mod cluster;
mod combine;
mod config;
mod console;
mod constraints;
mod dataset;
mod demo;
mod embed;
mod evaluate;
mod experiment;
mod explain;
mod export;
mod extract;
mod fit;
mod info;
mod inspect;
mod kinds;
mod matches;
mod measure;
mod mel;
mod project;
mod prototypes;
mod rank;
#[cfg(feature = "report")]
mod report;
mod run;
mod split;
mod subspace;
mod train;
mod transform;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use homonym_kernels::Isa;

use crate::Error;
pub(crate) use console::Console;

/// Tells music artists apart by ear: splits the tracks under one name into the artists behind it.
#[derive(Parser)]
#[command(name = "homonym", version, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb understands.
#[derive(clap::Args)]
struct Global {
    /// Print the result as JSON on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Print no progress and no remarks, only results, warnings and errors.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Worker threads; results do not depend on it [default: all cores].
    #[arg(long, short = 'j', global = true, env = "HOMONYM_THREADS", value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant)] // there is one value in the life of the process
enum Verb {
    Demo(demo::Demo),
    Mel(mel::Mel),
    Dataset(dataset::Dataset),
    Extract(extract::Extract),
    Train(train::Train),
    Embed(embed::Embed),
    Combine(combine::Combine),
    Fit(fit::Fit),
    Transform(transform::Transform),
    Prototypes(prototypes::Prototypes),
    Subspace(subspace::Subspace),
    Project(project::Project),
    Match(matches::Match),
    Cluster(cluster::Cluster),
    Calibrate(calibrate::Calibrate),
    Split(split::Split),
    Explain(explain::Explain),
    #[cfg(feature = "report")]
    Report(report::Report),
    Apply(apply::Apply),
    Export(export::Export),
    Check(check::Check),
    Aliases(aliases::Aliases),
    Rank(rank::Rank),
    Evaluate(evaluate::Evaluate),
    Constraints(constraints::Constraints),
    Experiment(experiment::Experiment),
    Measure(measure::Measure),
    Run(run::Run),
    Bench(bench::Bench),
    Info(info::Info),
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// How a verb that did not fail has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was done.
    Done,
    /// The job is done, but some inputs failed; they have been listed.
    SomeInputsFailed,
}

impl Verb {
    fn run(self, console: &Console) -> crate::Result<Outcome> {
        match self {
            Self::Demo(verb) => verb.run(console),
            Self::Mel(verb) => verb.run(console),
            Self::Dataset(verb) => verb.run(console),
            Self::Extract(verb) => verb.run(console),
            Self::Train(verb) => verb.run(console),
            Self::Embed(verb) => verb.run(console),
            Self::Combine(verb) => verb.run(console),
            Self::Fit(verb) => verb.run(console),
            Self::Transform(verb) => verb.run(console),
            Self::Prototypes(verb) => verb.run(console),
            Self::Subspace(verb) => verb.run(console),
            Self::Project(verb) => verb.run(console),
            Self::Match(verb) => verb.run(console),
            Self::Cluster(verb) => verb.run(console),
            Self::Calibrate(verb) => verb.run(console),
            Self::Split(verb) => verb.run(console),
            Self::Explain(verb) => verb.run(console),
            #[cfg(feature = "report")]
            Self::Report(verb) => verb.run(console),
            Self::Apply(verb) => verb.run(console),
            Self::Export(verb) => verb.run(console),
            Self::Check(verb) => verb.run(console),
            Self::Aliases(verb) => verb.run(console),
            Self::Rank(verb) => verb.run(console),
            Self::Evaluate(verb) => verb.run(console),
            Self::Constraints(verb) => verb.run(console),
            Self::Experiment(verb) => verb.run(console),
            Self::Measure(verb) => verb.run(console),
            Self::Run(verb) => verb.run(console),
            Self::Bench(verb) => verb.run(console),
            Self::Info(verb) => verb.run(console),
            Self::Inspect(verb) => verb.run(console),
            Self::Verify(verb) => verb.run(console),
            Self::Completions { shell } => {
                clap_complete::generate(shell, &mut Arguments::command(), "homonym", &mut std::io::stdout());
                Ok(Outcome::Done)
            }
        }
    }
}

/// Parses the arguments, runs the verb and turns its end into an exit code.
pub fn main() -> ExitCode {
    let Arguments { global, verb } = Arguments::parse();
    let console = Console::new(global.json, global.quiet);
    homonym_kernels::map::explain_lost_pages();
    let outcome = Isa::chosen()
        .map_err(Error::from)
        .and_then(|_| limit_threads(global.threads))
        .and_then(|()| verb.run(&console));
    console.finish();
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeInputsFailed) => ExitCode::from(3),
        Err(error) => {
            eprintln!("homonym: {}", console::message(&error.to_string()));
            ExitCode::from(match error {
                Error::Setting { .. } => 2,
                Error::Interrupted(_) => 130,
                _ => 1,
            })
        }
    }
}

/// Refuses embeddings that say another model made them.
fn check_model(
    embeddings: &crate::store::embeddings::Embeddings,
    subject: &std::path::Path,
    model: &std::path::Path,
) -> crate::Result<()> {
    let own = crate::models::Model::open(model)?.hash()?;
    match &embeddings.origin {
        Some(origin) if origin.model != own => {
            let expected = format!("embeddings of {} ({own})", model.display());
            Err(Error::file(
                subject,
                expected,
                format!("those of model {}", origin.model),
                "embed the tracks with this model",
            ))
        }
        _ => Ok(()),
    }
}

/// Opens a feature store and says if it is not complete.
fn open_store(folder: &std::path::Path, console: &Console) -> crate::Result<crate::store::Store> {
    use crate::Monitor as _;
    let store = crate::store::Store::open(folder)?;
    if !store.is_complete() {
        let (have, planned) = (store.len(), store.planned());
        let folder = folder.display();
        console.warn(&format!(
            "{folder} is unfinished ({have} of {planned} tracks): run `homonym extract` again to complete it"
        ));
    }
    Ok(store)
}

fn limit_threads(threads: Option<std::num::NonZeroUsize>) -> crate::Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .build_global()
        .map_err(|error| Error::setting("--threads", error))
}
