//! `homonym info`: what this build and this machine can do.

use homonym_kernels::{ISA_VARIABLE, Isa, Tiles};
use serde::Serialize;

use super::{Console, Outcome};
use crate::Result;
use crate::eval::protocols::PROTOCOLS;
use crate::frontend::FRONT_ENDS;
use crate::train::PRESETS;

/// Say which instruction set was chosen, how many threads work, and what this build can do.
#[derive(clap::Args)]
pub(super) struct Info {}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    isa: &'static str,
    isa_available: Vec<&'static str>,
    bf16: bool,
    threads: usize,
    codecs: bool,
    front_ends: Vec<&'static str>,
    presets: Vec<&'static str>,
    protocols: Vec<&'static str>,
}

impl Info {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let report = Report {
            version: env!("CARGO_PKG_VERSION"),
            isa: Isa::chosen()?.name(),
            isa_available: Isa::available().map(Isa::name).collect(),
            bf16: Tiles::request().is_ok(),
            threads: rayon::current_num_threads(),
            codecs: cfg!(feature = "codecs"),
            front_ends: FRONT_ENDS.iter().map(|front_end| front_end.kind).collect(),
            presets: PRESETS.iter().map(|preset| preset.name).collect(),
            protocols: PROTOCOLS.iter().map(|protocol| protocol.name).collect(),
        };
        console.result("homonym.info/1", &report, || describe(&report))?;
        Ok(Outcome::Done)
    }
}

fn describe(report: &Report) -> String {
    let codecs = if report.codecs { "WAV, FLAC, MP3, Ogg Vorbis, AAC" } else { "WAV only" };
    let bf16 = match Tiles::request() {
        Ok(_) => "where --arithmetic bf16 asks for it".to_owned(),
        Err(reason) => reason.to_string(),
    };
    let lines = [
        ("homonym", report.version.to_owned()),
        ("instructions", format!("{} of {} ({ISA_VARIABLE} forces one)", report.isa, report.isa_available.join(", "))),
        ("bf16", bf16),
        ("threads", report.threads.to_string()),
        ("reads", codecs.to_owned()),
        ("front ends", report.front_ends.join(", ")),
        ("presets", report.presets.join(", ")),
        ("protocols", report.protocols.join(", ")),
    ];
    lines.map(|(name, value)| format!("{name:<14}{value}")).join("\n")
}
