//! `homonym mel`: the mel spectrogram of one file, as the networks see it before compression.

use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, Outcome};
use crate::audio::AudioInfo;
use crate::frontend::{self, Recipe};
use crate::{Error, Monitor as _, Result};

/// Write the mel power spectrogram of an audio file as a NumPy array, frames × 128 bands.
#[derive(clap::Args)]
pub(super) struct Mel {
    /// The audio file.
    audio: PathBuf,
    /// The NumPy file to write: 32-bit floats, frames × bands.
    #[arg(long, short, value_name = "FILE.npy")]
    out: PathBuf,
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
        let recipe = Recipe::default();
        let mut stream = recipe.stream()?;
        let mut rows = NpyRows::create(&self.out, stream.bands())?;
        console.begin("mel frames", None);
        let source = frontend::frames_of_file(&self.audio, &mut *stream, &mut |frames| {
            if console.interrupted() {
                return Err(Error::Interrupted(format!("stopped; {} is not written", self.out.display())));
            }
            console.advance((frames.len() / recipe.bands) as u64);
            rows.write(frames)
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

/// Writes a NumPy array row by row beside its final place and moves it there when it is whole.
struct NpyRows {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    columns: usize,
    values: usize,
}

/// Magic, version and dictionary together; the format asks for a multiple of 64.
const NPY_HEADER: usize = 128;

impl NpyRows {
    fn create(path: &Path, columns: usize) -> Result<Self> {
        let name = path.file_name().ok_or_else(|| Error::setting("--out", "must name a file"))?;
        let partial = path.with_file_name(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
        let file = File::create(&partial).map_err(Error::io(&partial))?;
        let mut rows = Self { path: path.to_path_buf(), partial, file: BufWriter::new(file), columns, values: 0 };
        rows.header()?;
        Ok(rows)
    }

    /// Writes the header for the rows so far; its size does not depend on them.
    fn header(&mut self) -> Result<()> {
        let shape = format!("({}, {})", self.values / self.columns, self.columns);
        let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let room = NPY_HEADER - 10;
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend((room as u16).to_le_bytes());
        header.extend(format!("{dictionary:<width$}\n", width = room - 1).bytes());
        self.file.write_all(&header).map_err(Error::io(&self.partial))
    }

    /// Appends whole rows.
    fn write(&mut self, values: &[f32]) -> Result<()> {
        self.values += values.len();
        let mut write = |value: &f32| self.file.write_all(&value.to_le_bytes());
        values.iter().try_for_each(&mut write).map_err(Error::io(&self.partial))
    }

    /// Puts the file in its place and says how many rows it has.
    fn finish(mut self) -> Result<usize> {
        self.file.rewind().map_err(Error::io(&self.partial))?;
        self.header()?;
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(Error::io(&self.partial))?;
        std::fs::rename(&self.partial, &self.path).map_err(Error::io(&self.path))?;
        Ok(self.values / self.columns)
    }
}

impl Drop for NpyRows {
    /// Leaves nothing behind after a failure; after a success there is nothing to remove.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.partial);
    }
}
