//! One track on its way into a store: values narrowed, blocks checksummed, in memory or, when long, in a temporary file.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use half::{f16, slice::HalfFloatSliceExt as _};

use super::files::Append;
use super::format::{BLOCK_ROWS, Precision, Spec};
use crate::{Error, Result};

/// A track longer than this (25 minutes of 128 bands in `f16`) waits for its turn on the disk.
const SPOOL_BYTES: usize = 16 << 20;

/// Takes the frames of one track in pieces of any number of rows.
pub struct Encoder {
    precision: Precision,
    bands: usize,
    /// Where the temporary file of a long track goes: where there is room for the store.
    folder: PathBuf,
    /// Room for one frame within the range of `f16`, and for the same frame as `f16`.
    clamped: Vec<f32>,
    narrow: Vec<f16>,
    hasher: crc32fast::Hasher,
    track: Encoded,
}

/// A track ready to be appended by [`Writer::push`](super::Writer::push).
pub struct Encoded {
    pub(super) rows: u64,
    pub(super) checksums: Vec<u32>,
    /// The first bytes of the track where it is too long for memory.
    spool: Option<File>,
    bytes: Vec<u8>,
}

impl Encoder {
    /// An encoder for one track of a store with `spec` in `folder`.
    pub fn new(spec: &Spec, folder: &Path) -> Self {
        let bands = spec.recipe.bands;
        Self {
            precision: spec.precision,
            bands,
            folder: folder.to_path_buf(),
            clamped: vec![0.0; bands],
            narrow: vec![f16::ZERO; bands],
            hasher: crc32fast::Hasher::new(),
            track: Encoded { rows: 0, checksums: Vec::new(), spool: None, bytes: Vec::new() },
        }
    }

    /// Appends `frames` (rows × bands, row-major).
    ///
    /// # Errors
    /// [`Error::Input`] when the values are no whole number of frames or not finite: one NaN in a store would spoil
    /// every network trained on it. [`Error::Io`] when a long track finds no room on the disk.
    pub fn push(&mut self, frames: &[f32]) -> Result<()> {
        let rows = frames.chunks_exact(self.bands);
        if !rows.remainder().is_empty() {
            let expected = format!("frames of {} bands", self.bands);
            return Err(Error::input("frames", expected, format!("{} values", frames.len()), "check the front end"));
        }
        rows.into_iter().try_for_each(|row| self.push_row(row))
    }

    fn push_row(&mut self, row: &[f32]) -> Result<()> {
        if let Some(value) = row.iter().find(|value| !value.is_finite()) {
            let place = format!("{value} in frame {}", self.track.rows);
            return Err(Error::input("frames", "finite values", place, "check the audio file for damaged samples"));
        }
        let start = self.track.bytes.len();
        match self.precision {
            Precision::F16 => {
                for (clamped, &value) in self.clamped.iter_mut().zip(row) {
                    *clamped = value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32());
                }
                self.narrow.convert_from_f32_slice(&self.clamped);
                self.track.bytes.extend_from_slice(bytemuck::cast_slice(&self.narrow));
            }
            Precision::F32 => self.track.bytes.extend_from_slice(bytemuck::cast_slice(row)),
        }
        self.hasher.update(&self.track.bytes[start..]);
        self.track.rows += 1;
        if self.track.rows.is_multiple_of(BLOCK_ROWS as u64) {
            self.close_block();
        }
        if self.track.bytes.len() >= SPOOL_BYTES { self.spool() } else { Ok(()) }
    }

    fn close_block(&mut self) {
        self.track.checksums.push(std::mem::take(&mut self.hasher).finalize());
    }

    /// Moves the bytes in memory to the temporary file.
    fn spool(&mut self) -> Result<()> {
        if self.track.spool.is_none() {
            self.track.spool = Some(tempfile::tempfile_in(&self.folder).map_err(Error::io(&self.folder))?);
        }
        let file = self.track.spool.as_mut().expect("it was made above");
        file.write_all(&self.track.bytes).map_err(Error::io(&self.folder))?;
        self.track.bytes.clear();
        Ok(())
    }

    /// The finished track.
    ///
    /// # Errors
    /// [`Error::Input`] when it has no frames.
    pub fn finish(mut self) -> Result<Encoded> {
        if self.track.rows == 0 {
            return Err(Error::input("frames", "at least one", "none", "leave tracks without sound out"));
        }
        if !self.track.rows.is_multiple_of(BLOCK_ROWS as u64) {
            self.close_block();
        }
        Ok(self.track)
    }
}

impl Encoded {
    /// Number of frames.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends the values to `out`.
    pub(super) fn write_to(&mut self, out: &mut Append, folder: &Path) -> Result<()> {
        if let Some(file) = &mut self.spool {
            file.rewind().map_err(Error::io(folder))?;
            out.copy(file)?;
        }
        out.write(&self.bytes)
    }
}
