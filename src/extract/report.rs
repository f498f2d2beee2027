//! The health report: a row for every listed track, with what became of it and why.

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::listing::Listing;
use crate::audio::{AudioInfo, Health};
use crate::catalogue::table::is_json_lines;
use crate::output::Output;
use crate::{Error, Result};

/// One row; what is not known is empty.
#[derive(Serialize)]
struct Row<'a> {
    path: &'a str,
    track_id: &'a str,
    /// A name of [`HEALTH`](crate::audio::HEALTH).
    outcome: Health,
    detail: &'a str,
    /// Of sound decoded.
    seconds: Option<f64>,
    sample_rate: Option<u32>,
    channels: Option<usize>,
    codec: Option<&'a str>,
    /// Of the file.
    bytes: Option<u64>,
    /// Seconds that the work on it took.
    took: Option<f64>,
}

/// What is known of a track that an extraction has worked on.
pub(super) struct Patient {
    pub(super) health: Health,
    pub(super) detail: String,
    pub(super) info: Option<AudioInfo>,
    pub(super) bytes: Option<u64>,
    pub(super) took: Duration,
}

/// The file, written row by row in the order of the catalogue.
pub(super) struct Report<'a> {
    listing: &'a Listing,
    path: &'a Path,
    to: Format,
    /// Rows of the catalogue before this one are written.
    next: usize,
}

enum Format {
    Csv(Box<csv::Writer<Output>>),
    JsonLines(BufWriter<Output>),
}

impl<'a> Report<'a> {
    /// Begins a report at `path`: JSON Lines where its name ends in `.jsonl` or `.ndjson`, else CSV.
    pub(super) fn create(path: &'a Path, listing: &'a Listing) -> Result<Self> {
        let output = Output::create(path)?;
        let to = if is_json_lines(path) {
            Format::JsonLines(BufWriter::new(output))
        } else {
            Format::Csv(Box::new(csv::Writer::from_writer(output)))
        };
        Ok(Self { listing, path, to, next: 0 })
    }

    /// Writes the row of a track, and before it those of the tracks in between, which the store had already.
    pub(super) fn push(&mut self, row: usize, patient: &Patient) -> Result<()> {
        self.stored_until(row)?;
        self.next = row + 1;
        let Patient { health, detail, info, bytes, took } = patient;
        self.write(Row {
            path: self.listing.audio_path(row),
            track_id: self.listing.key(row),
            outcome: *health,
            detail,
            seconds: info.as_ref().map(|info| info.seconds),
            sample_rate: info.as_ref().map(|info| info.sample_rate),
            channels: info.as_ref().map(|info| info.channels),
            codec: info.as_ref().map(|info| info.codec.as_str()),
            bytes: *bytes,
            took: Some(took.as_secs_f64()),
        })
    }

    /// Ends the report after `rows` rows of the catalogue and gives it its name.
    pub(super) fn finish(mut self, rows: usize) -> Result<()> {
        self.stored_until(rows)?;
        let output = match self.to {
            Format::Csv(writer) => writer.into_inner().map_err(|error| error.into_error()),
            Format::JsonLines(writer) => writer.into_inner().map_err(|error| error.into_error()),
        };
        output.map_err(Error::io(self.path))?.commit()
    }

    fn stored_until(&mut self, end: usize) -> Result<()> {
        for row in self.next..end {
            self.write(Row {
                path: self.listing.audio_path(row),
                track_id: self.listing.key(row),
                outcome: Health::Stored,
                detail: "",
                seconds: None,
                sample_rate: None,
                channels: None,
                codec: None,
                bytes: None,
                took: None,
            })?;
        }
        self.next = end;
        Ok(())
    }

    fn write(&mut self, row: Row<'_>) -> Result<()> {
        let written = match &mut self.to {
            Format::Csv(writer) => writer.serialize(row).map_err(std::io::Error::from),
            Format::JsonLines(writer) => {
                serde_json::to_writer(&mut *writer, &row).map_err(Into::into).and_then(|()| writer.write_all(b"\n"))
            }
        };
        written.map_err(Error::io(self.path))
    }
}
