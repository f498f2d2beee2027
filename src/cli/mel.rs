//! `homonym mel`: the spectrogram of one file, as the networks see it before compression.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};
use serde::Serialize;

use super::{Console, Outcome};
use crate::audio::AudioInfo;
use crate::frontend::{self, FRONT_ENDS, Recipe};
use crate::store::npy::NpyRows;
use crate::{Error, Monitor as _, Result};

/// Write the power spectrogram of an audio file as a NumPy array, frames × bands: mel, or another front end's.
#[derive(clap::Args)]
pub(super) struct Mel {
    /// The audio file.
    audio: PathBuf,
    /// The NumPy file to write: 32-bit floats, frames × bands.
    #[arg(long, short, value_name = "FILE.npy")]
    out: PathBuf,
    /// What to compute.
    #[arg(long, value_name = "KIND", value_parser = front_ends(), default_value = "mel")]
    front_end: String,
}

/// The names and descriptions of all front ends.
pub(super) fn front_ends() -> PossibleValuesParser {
    FRONT_ENDS
        .iter()
        .map(|front_end| PossibleValue::new(front_end.kind).help(front_end.about))
        .collect::<Vec<_>>()
        .into()
}

#[derive(Serialize)]
struct Report<'a> {
    audio: &'a Path,
    out: &'a Path,
    frames: usize,
    bands: usize,
    recipe: &'a Recipe,
    recipe_hash: String,
    source: &'a AudioInfo,
}

impl Mel {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let recipe = (frontend::front_end(&self.front_end)?.recipe)();
        let mut stream = recipe.stream()?;
        let mut rows = NpyRows::create(&self.out, stream.bands())?;
        console.begin("frames", None);
        let source = frontend::frames_of_file(&self.audio, &mut *stream, &mut |frames| {
            if console.interrupted() {
                return Err(Error::Interrupted(format!("stopped; {} is not written", self.out.display())));
            }
            console.advance((frames.len() / recipe.bands) as u64);
            frames.chunks_exact(recipe.bands).try_for_each(|frame| rows.push(frame))
        })?;
        console.end();
        if source.skipped_packets > 0 {
            let skipped = source.skipped_packets;
            console.warn(&format!("{}: {skipped} damaged packets were left out", self.audio.display()));
        }
        let frames = rows.finish()?;
        let report = Report {
            audio: &self.audio,
            out: &self.out,
            frames,
            bands: recipe.bands,
            recipe: &recipe,
            recipe_hash: recipe.hash(),
            source: &source,
        };
        console.result("homonym.mel/1", &report, || describe(&report))?;
        Ok(Outcome::Done)
    }
}

fn describe(report: &Report) -> String {
    let AudioInfo { codec, sample_rate, channels, seconds, .. } = report.source;
    let Report { frames, bands, .. } = report;
    let channels = if *channels == 1 { "1 channel".to_owned() } else { format!("{channels} channels") };
    let source = format!("{seconds:.2} s, {codec}, {sample_rate} Hz, {channels}");
    format!("{}: {frames} frames × {bands} bands ({source})", report.out.display())
}
