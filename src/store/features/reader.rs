//! Reading a store: opened in no time, frames as views into the mapped file.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use half::{f16, slice::HalfFloatSliceExt as _};
use homonym_kernels::map::{Map, Scattered, prefetch};

use super::format::{self, BLOCKS, CHECKSUM_BYTES, Extent, FRAMES, INDEX, Manifest, Precision, Record, TRACKS};
use super::{tracks, writer};
use crate::catalogue::table::Table;
use crate::frontend::Recipe;
use crate::{Error, Result};

/// A feature store, open for reading.
#[derive(Debug)]
pub struct Store {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) index: Map,
    pub(super) blocks: Map,
    pub(super) frames: Map,
    len: usize,
    table: OnceLock<Table>,
}

impl Store {
    /// Opens the store in `folder`. The time this takes does not depend on the number of tracks: formats, versions,
    /// geometry and lengths are checked, contents are not (see [`Store::verify`]).
    ///
    /// # Errors
    /// [`Error::Io`] for a missing file, [`Error::Input`] for one that is not what it should be.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_path_buf();
        let manifest = Manifest::read(&folder)?;
        let map = |name: &str| {
            let path = folder.join(name);
            Map::open(&path).map_err(Error::io(path))
        };
        let (index, blocks, frames) = (map(INDEX)?, map(BLOCKS)?, map(FRAMES)?);
        manifest.check_header(&folder.join(INDEX), &index)?;
        // A crash may have cut the last records short; the tracks before them are whole.
        let whole = |&len: &usize| len == 0 || Record::from_bytes(format::record_bytes(&index, len - 1)).is_some();
        let len = (0..=format::record_count(&index)).rev().find(whole).unwrap_or(0);
        let store = Self { folder, manifest, index, blocks, frames, len, table: OnceLock::new() };
        store.check_lengths()?;
        Ok(store)
    }

    fn check_lengths(&self) -> Result<()> {
        let end = if self.len == 0 { Extent::default() } else { self.record(self.len - 1)?.end() };
        let frame_bytes = end.frame_bytes(&self.manifest.spec());
        let lengths = [(FRAMES, self.frames.len(), frame_bytes), (BLOCKS, self.blocks.len(), end.block_bytes())];
        for (name, found, expected) in lengths {
            if (found as u64) < expected {
                return Err(Error::file(
                    self.folder.join(name),
                    format!("{expected} bytes, as the index says"),
                    format!("{found} bytes"),
                    "copy the file again, or run extract again to redo what is missing",
                ));
            }
        }
        Ok(())
    }

    /// Tracks in the store.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no track.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether its last extraction went through all tracks; those it could not read are listed in `failures.csv`.
    pub fn is_complete(&self) -> bool {
        self.len as u64 + self.manifest.failed == self.manifest.planned
    }

    /// Tracks the store holds when its extraction is over, failures included.
    pub fn planned(&self) -> usize {
        self.manifest.planned as usize
    }

    /// Tracks that the last extraction could not read.
    pub fn failed(&self) -> usize {
        self.manifest.failed as usize
    }

    /// The folder it was opened from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes of all its files on the disk.
    pub fn bytes(&self) -> Result<u64> {
        let lengths = format::ALL.iter().map(|name| self.folder.join(name)).filter(|path| path.exists());
        lengths.map(|path| fs::metadata(&path).map(|data| data.len()).map_err(Error::io(path))).sum()
    }

    /// How the frames were computed.
    pub fn recipe(&self) -> &Recipe {
        &self.manifest.recipe
    }

    /// What stands for the recipe where frames, models and embeddings must match.
    pub fn recipe_hash(&self) -> &str {
        &self.manifest.recipe_hash
    }

    /// How the values are kept.
    pub fn precision(&self) -> Precision {
        self.manifest.precision
    }

    /// The catalogue extracted last; relative paths in [`table`](Self::table) start from its folder.
    pub fn catalogue(&self) -> &Path {
        Path::new(&self.manifest.catalogue)
    }

    /// Values in a frame.
    pub fn bands(&self) -> usize {
        self.manifest.recipe.bands
    }

    /// Frames of track `track`, as the index says.
    ///
    /// # Panics
    /// When there is no such track.
    pub fn rows(&self, track: usize) -> usize {
        self.unchecked(track).rows as usize
    }

    /// Seconds of audio in track `track`.
    ///
    /// # Panics
    /// When there is no such track.
    pub fn seconds(&self, track: usize) -> f64 {
        self.unchecked(track).seconds
    }

    /// The frames of track `track`.
    ///
    /// # Errors
    /// [`Error::Input`] when its record in the index is damaged.
    ///
    /// # Panics
    /// When there is no such track.
    pub fn frames(&self, track: usize) -> Result<Frames<'_>> {
        let bytes = self.frame_bytes(&self.record(track)?).ok_or_else(|| self.damaged_record(track))?;
        let values = match self.precision() {
            Precision::F16 => Values::F16(bytemuck::cast_slice(bytes)),
            Precision::F32 => Values::F32(bytemuck::cast_slice(bytes)),
        };
        Ok(Frames { values, bands: self.bands() })
    }

    /// Says that frames will be read here and there, as by training: while the result lives, the disk is asked for what is
    /// [prefetched](Frames::prefetch) or touched, not for what lies behind it.
    pub(crate) fn scattered(&self) -> Scattered<'_> {
        self.frames.scattered()
    }

    /// The catalogue's rows of the tracks, in their order; parsed when first asked for.
    ///
    /// # Errors
    /// [`Error::Input`] when `tracks.csv` does not hold the rows of these tracks.
    pub fn table(&self) -> Result<&Table> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let path = self.folder.join(TRACKS);
        let table = tracks::read(&path, self.len)?.table;
        if table.rows.len() < self.len {
            let (expected, found) = (format!("{} rows", self.len), format!("{} whole ones", table.rows.len()));
            return Err(Error::file(path, expected, found, "restore it from a copy, or run extract again"));
        }
        let records: Vec<Record> = (0..self.len).map(|track| self.record(track)).collect::<Result<_>>()?;
        writer::refuse_moved_rows(&self.folder, &table, &records)?;
        Ok(self.table.get_or_init(|| table))
    }

    /// Bytes that tell the frames and the place of some tracks from all others: their records and checksums.
    ///
    /// # Errors
    /// [`Error::Input`] when a record is damaged.
    pub(crate) fn fingerprints(&self, tracks: &[usize]) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for &track in tracks {
            let record = self.record(track)?;
            let blocks = CHECKSUM_BYTES * record.first_block as usize..CHECKSUM_BYTES * record.end().blocks as usize;
            bytes.extend(record.to_bytes());
            bytes.extend(self.blocks.get(blocks).ok_or_else(|| self.damaged_record(track))?);
        }
        Ok(bytes)
    }

    /// The bytes of a track in `frames.bin`; `None` when the file ends before it does.
    pub(super) fn frame_bytes(&self, record: &Record) -> Option<&[u8]> {
        let row_bytes = self.manifest.spec().row_bytes() as u64;
        let start = record.first_row.checked_mul(row_bytes)?;
        let end = start.checked_add(record.rows.checked_mul(row_bytes)?)?;
        self.frames.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    fn unchecked(&self, track: usize) -> Record {
        assert!(track < self.len, "track {track} of a store of {}", self.len);
        Record::unchecked(format::record_bytes(&self.index, track))
    }

    pub(super) fn record(&self, track: usize) -> Result<Record> {
        assert!(track < self.len, "track {track} of a store of {}", self.len);
        Record::from_bytes(format::record_bytes(&self.index, track)).ok_or_else(|| self.damaged_record(track))
    }

    pub(super) fn damaged_record(&self, track: usize) -> Error {
        let offset = format::RECORD_BYTES * (track + 1);
        Error::file(
            self.folder.join(INDEX),
            format!("the record of track {} at byte {offset}", track + 1),
            "damaged bytes",
            "restore the file from a copy, or extract anew with --force",
        )
    }
}

/// Frames × bands of a track or a part of one, still where the store has them.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    values: Values<'a>,
    bands: usize,
}

#[derive(Clone, Copy, Debug)]
enum Values<'a> {
    F16(&'a [f16]),
    F32(&'a [f32]),
}

impl<'a> Frames<'a> {
    /// A view of frames in memory (rows × bands, row-major), to treat them as if they came from a store.
    ///
    /// # Panics
    /// When `values` are no whole number of frames.
    pub fn from_f32(values: &'a [f32], bands: usize) -> Self {
        assert!(bands > 0 && values.len().is_multiple_of(bands), "frames have {bands} values each");
        Self { values: Values::F32(values), bands }
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        let values = match self.values {
            Values::F16(values) => values.len(),
            Values::F32(values) => values.len(),
        };
        values / self.bands
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values in a frame.
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// Some of the frames, without a copy.
    ///
    /// # Panics
    /// When the range goes beyond the last frame.
    pub fn slice(&self, frames: Range<usize>) -> Self {
        let range = frames.start * self.bands..frames.end * self.bands;
        let values = match self.values {
            Values::F16(values) => Values::F16(&values[range]),
            Values::F32(values) => Values::F32(&values[range]),
        };
        Self { values, bands: self.bands }
    }

    /// Asks the disk for all of them at once, ahead of the first touch.
    pub fn prefetch(&self) {
        match self.values {
            Values::F16(values) => prefetch(bytemuck::cast_slice(values)),
            Values::F32(values) => prefetch(bytemuck::cast_slice(values)),
        }
    }

    /// Copies all values to `out` (frames × bands, row-major), widened to `f32`.
    ///
    /// # Panics
    /// When `out` has another length.
    pub fn copy_to(&self, out: &mut [f32]) {
        match self.values {
            Values::F16(values) => values.convert_to_f32_slice(out),
            Values::F32(values) => out.copy_from_slice(values),
        }
    }
}
