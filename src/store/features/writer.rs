//! Writing a store: append tracks in order, commit now and then, continue after a stop at any moment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Spec;
use super::encode::Encoded;
use super::files::{self, Append};
use super::format::{self, BLOCKS, Extent, FAILURES, FRAMES, INDEX, MANIFEST, Manifest, RECORD_BYTES, Record, TRACKS};
use super::tracks::{self, Beginning, Keys};
use crate::catalogue::table::Table;
use crate::output;
use crate::store::seal;
use crate::{Error, Monitor, Result};

/// What a crash may cost: at most this many bytes of frames, or the work of this time, are appended between two commits.
const COMMIT_BYTES: u64 = 64 << 20;
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// The only writer of a store.
pub struct Writer {
    folder: PathBuf,
    manifest: Manifest,
    spec: Spec,
    keys: Keys,
    frames: Append,
    blocks: Append,
    tracks: Append,
    index: Append,
    /// Tracks in the store, those not committed included.
    len: usize,
    end: Extent,
    /// Records of tracks that are not committed yet.
    pending: Vec<u8>,
    committed_rows: u64,
    committed: Instant,
    _lock: File,
}

impl Writer {
    /// Whether `folder` holds a store, so that [`open`](Self::open) would continue it rather than begin one.
    ///
    /// # Errors
    /// [`Error::Input`] for a store of another recipe or precision, and for a folder with files of others.
    pub fn continues(folder: &Path, spec: &Spec) -> Result<bool> {
        if folder.join(MANIFEST).exists() {
            refuse_other_specs(folder, &Manifest::read(folder)?.spec(), spec)?;
            return Ok(true);
        }
        match if folder.exists() { files::foreign(folder)? } else { None } {
            None => Ok(false),
            Some(name) => {
                let found = format!("no {MANIFEST} but {name:?}");
                Err(Error::file(folder, "a store or an empty folder", found, "name another folder"))
            }
        }
    }

    /// Opens the store in `folder` to append tracks, or begins one there. Returns with it the catalogue's rows of the
    /// tracks it holds. What an earlier writer left unfinished behind the last committed track is cut off.
    ///
    /// # Errors
    /// [`Error::Input`] when the folder is no store, holds one of another recipe or precision, or another process
    /// writes it.
    pub fn open(
        folder: &Path,
        spec: &Spec,
        catalogue: &Path,
        columns: &[String],
        monitor: &dyn Monitor,
    ) -> Result<(Self, Table)> {
        let keys = Keys::of(columns).ok_or_else(|| {
            Error::file(catalogue, "a column \"path\"", columns.join(", "), "name the column of the audio files so")
        })?;
        let continues = Self::continues(folder, spec)?;
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let lock = files::lock(folder)?;
        let manifest = Manifest::new(spec, catalogue);
        let kept = Kept::find(folder, &manifest, columns, monitor)?;
        let mut writer = Self {
            folder: folder.to_path_buf(),
            spec: manifest.spec(),
            keys,
            frames: Append::open_at(folder.join(FRAMES), kept.end.frame_bytes(spec))?,
            blocks: Append::open_at(folder.join(BLOCKS), kept.end.block_bytes())?,
            tracks: Append::open_at(folder.join(TRACKS), kept.tracks.bytes)?,
            index: Append::open_at(folder.join(INDEX), kept.index_bytes())?,
            manifest,
            len: kept.tracks.table.rows.len(),
            end: kept.end,
            pending: Vec::new(),
            committed_rows: kept.end.rows,
            committed: Instant::now(),
            _lock: lock,
        };
        if kept.is_new {
            writer.tracks.write(&tracks::line(columns))?;
            writer.index.write(&writer.manifest.header())?;
            writer.commit()?;
        }
        if !continues {
            writer.manifest.write(folder)?; // the last of its files: where it is, the store opens
            output::sync_folder_of(folder)?;
        }
        Ok((writer, kept.tracks.table))
    }

    /// Tracks in the store.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no track yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the store's tracks have in common.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Replaces the catalogue's columns and rows of the stored tracks, which must be the same tracks in the same order.
    pub fn replace_table(&mut self, table: &Table) -> Result<()> {
        let path = self.folder.join(TRACKS);
        table.write(&path)?;
        let bytes = fs::metadata(&path).map_err(Error::io(&path))?.len();
        self.tracks = Append::open_at(path, bytes)?;
        self.keys = Keys::of(&table.columns).expect("a catalogue has a column \"path\"");
        Ok(())
    }

    /// Says how many more tracks are to come; until they have, the store counts as unfinished.
    pub fn plan(&mut self, more: usize) -> Result<()> {
        self.commit()?;
        (self.manifest.planned, self.manifest.failed) = ((self.len + more) as u64, 0);
        self.manifest.write(&self.folder)
    }

    /// Appends a track with its row of the catalogue and the length of its audio.
    pub fn push(&mut self, mut track: Encoded, row: &[String], seconds: f64) -> Result<()> {
        let record = Record {
            first_row: self.end.rows,
            rows: track.rows,
            first_block: self.end.blocks,
            seconds,
            key: self.keys.checksum(row),
        };
        track.write_to(&mut self.frames, &self.folder)?;
        self.blocks.write(bytemuck::cast_slice(&track.checksums))?;
        self.tracks.write(&tracks::line(row))?;
        self.pending.extend_from_slice(&record.to_bytes());
        (self.len, self.end) = (self.len + 1, record.end());
        let new = (self.end.rows - self.committed_rows) * self.spec.row_bytes() as u64;
        if new >= COMMIT_BYTES || self.committed.elapsed() >= COMMIT_EVERY { self.commit() } else { Ok(()) }
    }

    /// Puts everything appended on the disk, the index last: only what it covers is part of the store.
    pub fn commit(&mut self) -> Result<()> {
        self.frames.sync()?;
        self.blocks.sync()?;
        self.tracks.sync()?;
        self.index.write(&self.pending)?;
        self.index.sync()?;
        self.pending.clear();
        (self.committed_rows, self.committed) = (self.end.rows, Instant::now());
        Ok(())
    }

    /// Commits, lists the tracks that failed (`path`, error) and declares the plan fulfilled.
    pub fn finish(mut self, failures: &[[String; 2]]) -> Result<()> {
        self.commit()?;
        let path = self.folder.join(FAILURES);
        if failures.is_empty() {
            output::remove(&path)?;
        } else {
            let columns = ["path", "error"].map(str::to_owned);
            let lines = std::iter::once(&columns).chain(failures).flat_map(|cells| tracks::line(cells));
            output::write_whole(&path, &lines.collect::<Vec<_>>())?;
        }
        self.manifest.failed = failures.len() as u64;
        self.manifest.tracks_crc32 = Some(seal::checksum_of_file(&self.folder.join(TRACKS))?);
        self.manifest.write(&self.folder)
    }
}

fn refuse_other_specs(folder: &Path, found: &Spec, wanted: &Spec) -> Result<()> {
    let describe = |spec: &Spec| format!("recipe {} in {}", spec.recipe.hash(), spec.precision.name());
    if describe(found) == describe(wanted) {
        return Ok(());
    }
    let advice = "one store holds one kind of frames: name another folder, or extract anew with --force";
    Err(Error::file(folder, describe(wanted), describe(found), advice))
}

/// What a writer finds in place and keeps.
struct Kept {
    is_new: bool,
    end: Extent,
    tracks: Beginning,
}

impl Kept {
    fn nothing(columns: &[String]) -> Self {
        let table = Table { columns: columns.to_vec(), rows: Vec::new() };
        Self { is_new: true, end: Extent::default(), tracks: Beginning { table, bytes: 0 } }
    }

    fn index_bytes(&self) -> u64 {
        if self.is_new { 0 } else { (RECORD_BYTES * (self.tracks.table.rows.len() + 1)) as u64 }
    }

    /// The longest run of tracks from the first on that are in all files.
    fn find(folder: &Path, manifest: &Manifest, columns: &[String], monitor: &dyn Monitor) -> Result<Self> {
        let index_path = folder.join(INDEX);
        let index = match fs::read(&index_path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(Error::io(&index_path))?,
        };
        if index.len() >= RECORD_BYTES {
            manifest.check_header(&index_path, &index)?;
        }
        let records = sound_records(folder, manifest, &index);
        let path = folder.join(TRACKS);
        let beginning = if path.exists() { tracks::read(&path, records.len())? } else { Beginning::default() };
        let kept = match beginning.table.rows.len().checked_sub(1) {
            None => Self::nothing(columns),
            Some(last) => Self { is_new: false, end: records[last].end(), tracks: beginning },
        };
        refuse_moved_rows(folder, &kept.tracks.table, &records)?;
        let lost = format::record_count(&index) - kept.tracks.table.rows.len();
        if lost > 0 {
            monitor
                .warn(&format!("{}: the last {lost} tracks are damaged; they are extracted again", folder.display()));
        }
        Ok(kept)
    }
}

/// The records from the first on that are whole, continue one another, and whose frames and checksums are there.
fn sound_records(folder: &Path, manifest: &Manifest, index: &[u8]) -> Vec<Record> {
    let length = |name: &str| fs::metadata(folder.join(name)).map_or(0, |data| data.len());
    let (frame_bytes, block_bytes, spec) = (length(FRAMES), length(BLOCKS), manifest.spec());
    let mut end = Extent::default();
    let continues = |record: &Record| {
        let begins = Extent { rows: record.first_row, blocks: record.first_block } == end;
        end = record.end();
        begins && end.frame_bytes(&spec) <= frame_bytes && end.block_bytes() <= block_bytes
    };
    let tracks = 0..format::record_count(index);
    tracks.map_while(|track| Record::from_bytes(format::record_bytes(index, track))).take_while(continues).collect()
}

/// The error about rows that are not those of the tracks whose frames are stored at their place.
pub(super) fn refuse_moved_rows(folder: &Path, table: &Table, records: &[Record]) -> Result<()> {
    let path = folder.join(TRACKS);
    let keys = Keys::of(&table.columns).ok_or_else(|| {
        Error::file(&path, "a column \"path\"", table.columns.join(", "), "restore the file from a copy")
    })?;
    match table.rows.iter().zip(records).position(|(row, record)| keys.checksum(row) != record.key) {
        None => Ok(()),
        Some(track) => Err(Error::file(
            path,
            format!("the track that was extracted as number {}", track + 1),
            format!("{:?}", keys.key(&table.rows[track])),
            "restore the file from a copy: rows may be corrected but neither moved nor renamed",
        )),
    }
}
