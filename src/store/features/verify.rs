//! The full check of a store: every byte against its checksum.

use rayon::prelude::*;

use super::Store;
use super::format::{BLOCK_ROWS, BLOCKS, CHECKSUM_BYTES, Extent, FRAMES, MANIFEST, TRACKS};
use crate::store::seal;
use crate::{Error, Monitor, Result};

impl Store {
    /// Reads the whole store, on all cores, and checks the index, the rows of the catalogue and all frames.
    ///
    /// # Errors
    /// [`Error::Input`] for the first track that is damaged, with file and place; [`Error::Interrupted`].
    pub fn verify(&self, monitor: &dyn Monitor) -> Result<()> {
        self.verify_tracks()?;
        monitor.begin("verifying", Some(self.len() as u64));
        let outcome = (0..self.len()).into_par_iter().find_map_first(|track| {
            if monitor.interrupted() {
                return Some(Error::Interrupted("stopped before everything was verified".into()));
            }
            monitor.advance(1);
            self.verify_track(track).err()
        });
        monitor.end();
        outcome.map_or(Ok(()), Err)
    }

    /// The catalogue's rows, and whether there are as many as planned.
    fn verify_tracks(&self) -> Result<()> {
        self.table()?;
        let path = self.folder.join(TRACKS);
        if let Some(expected) = &self.manifest.tracks_crc32 {
            let found = seal::checksum_of_file(&path)?;
            if found != *expected {
                let advice = format!(
                    "restore it from a copy, or run extract again to take the rows of {}",
                    self.manifest.catalogue
                );
                return Err(Error::file(path, format!("the checksum {expected} of {MANIFEST}"), found, advice));
            }
        }
        Ok(())
    }

    fn verify_track(&self, track: usize) -> Result<()> {
        let record = self.record(track)?;
        let begin = if track == 0 { Extent::default() } else { self.record(track - 1)?.end() };
        if begin != (Extent { rows: record.first_row, blocks: record.first_block }) {
            return Err(self.damaged_record(track));
        }
        let frames = self.frame_bytes(&record).ok_or_else(|| self.damaged_record(track))?;
        let row_bytes = self.manifest.spec().row_bytes();
        for (block, bytes) in frames.chunks(BLOCK_ROWS * row_bytes).enumerate() {
            let offset = (record.first_row as usize + block * BLOCK_ROWS) * row_bytes;
            self.verify_block(record.first_block as usize + block, offset, bytes)?;
        }
        Ok(())
    }

    fn verify_block(&self, block: usize, offset: usize, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(FRAMES);
        let at = block * CHECKSUM_BYTES;
        let expected = self.blocks.get(at..at + CHECKSUM_BYTES).ok_or_else(|| {
            let advice = "restore the file from a copy, or extract anew with --force";
            Error::file(self.folder.join(BLOCKS), format!("a checksum at byte {at}"), "the end of the file", advice)
        })?;
        let expected = u32::from_le_bytes(expected.try_into().expect("4 bytes"));
        let found = crc32fast::hash(bytes);
        if found == expected {
            return Ok(());
        }
        Err(Error::file(
            path,
            format!(
                "checksum {expected:08x} for the {} bytes from {offset} on (as {BLOCKS} says at {at})",
                bytes.len()
            ),
            format!("{found:08x}"),
            "restore both files from a copy, or extract anew with --force",
        ))
    }
}
