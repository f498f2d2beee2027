//! `tracks.csv`: the catalogue's rows of the stored tracks, in the order of the index.

use std::{fs, path::Path};

use crate::catalogue::table::Table;
use crate::{Error, Result};

/// Which cell of a row names its track: `track_id`, or `path` where there is none.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    id: Option<usize>,
    path: usize,
}

impl Keys {
    /// The keys of a table; `None` when it has no column `path`.
    pub fn of(columns: &[String]) -> Option<Self> {
        let column = |name: &str| columns.iter().position(|column| column == name);
        Some(Self { id: column("track_id"), path: column("path")? })
    }

    /// Whether tracks are named by a column `track_id`.
    pub fn by_id(self) -> bool {
        self.id.is_some()
    }

    /// What names the track of `row`.
    pub fn key(self, row: &[String]) -> &str {
        self.id.map(|id| row[id].as_str()).filter(|id| !id.is_empty()).unwrap_or(&row[self.path])
    }

    /// Where the audio of `row` is, relative to the catalogue's folder.
    pub fn path(self, row: &[String]) -> &str {
        &row[self.path]
    }

    /// What the index keeps of the key, to notice when rows were moved.
    pub(super) fn checksum(self, row: &[String]) -> u32 {
        crc32fast::hash(self.key(row).as_bytes())
    }
}

/// The beginning of a `tracks.csv`.
#[derive(Default)]
pub(super) struct Beginning {
    pub(super) table: Table,
    /// Bytes up to the end of the table's last row.
    pub(super) bytes: u64,
}

/// Reads the names of the columns and up to `count` rows. What follows does not count, nor does a row at the end of the
/// file that a crash cut short; when that is the first one, there are no columns.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] for a bad row in the midst of the file: that is no crash but a slip of an editor.
pub(super) fn read(path: &Path, count: usize) -> Result<Beginning> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    let (mut rows, mut record, mut end) = (Vec::new(), csv::StringRecord::new(), 0);
    while rows.len() <= count && end < bytes.len() {
        let outcome = reader.read_record(&mut record);
        let row_end = reader.position().byte() as usize;
        match outcome {
            Ok(true) if is_whole(&bytes[end..row_end]) => rows.push(record.iter().map(str::to_owned).collect()),
            Err(error) if row_end < bytes.len() => {
                let found = format!("{error} in data row {}", rows.len());
                return Err(Error::file(path, "rows of text as wide as the first", found, "repair that row"));
            }
            _ => break,
        }
        end = row_end;
    }
    let columns = if rows.is_empty() { Vec::new() } else { rows.remove(0) };
    Ok(Beginning { table: Table { columns, rows }, bytes: end as u64 })
}

/// Whether a row has its line end, not one within a quoted cell.
fn is_whole(row: &[u8]) -> bool {
    row.ends_with(b"\n") && row.iter().filter(|&&byte| byte == b'"').count().is_multiple_of(2)
}

/// One line of the file.
pub(super) fn line(cells: &[String]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).expect("a vector takes every row");
    writer.into_inner().expect("a vector takes every row")
}
