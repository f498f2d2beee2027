//! Points that survive a stop: blocks of tracks, appended to one file as they are finished.
//!
//! | bytes | hold |
//! |---|---|
//! | 0..16 | magic `homonym points 1` |
//! | 16..24 | key: what the points are of, `u64` |
//! | then blocks | number of values, `u32`; the values, `f32`; CRC-32 of both, `u32`; all little-endian |
//!
//! A block that a crash cut short or spoilt ends the file; its tracks are embedded again.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

const MAGIC: &[u8; 16] = b"homonym points 1";
const HEADER: usize = MAGIC.len() + size_of::<u64>();

/// The file, open at its end.
pub(super) struct Checkpoint {
    path: PathBuf,
    file: File,
}

impl Checkpoint {
    /// Opens the checkpoint at `path` of up to `most` points of `width` values and returns the values of its whole blocks;
    /// begins it anew where it is missing or of something else.
    pub(super) fn open(path: &Path, key: u64, most: usize, width: usize) -> Result<(Self, Vec<f32>)> {
        let open = || {
            let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let header = [MAGIC.as_slice(), &key.to_le_bytes()].concat();
            let (values, kept) = match bytes.starts_with(&header) {
                true => whole_blocks(&bytes, most, width),
                false => (Vec::new(), 0),
            };
            file.set_len(kept as u64)?;
            file.seek(SeekFrom::End(0))?;
            if kept == 0 {
                file.write_all(&header)?;
            }
            Ok((file, values))
        };
        let (file, values) = open().map_err(Error::io(path))?;
        Ok((Self { path: path.to_path_buf(), file }, values))
    }

    /// Appends a block.
    pub(super) fn append(&mut self, values: &[f32]) -> Result<()> {
        let mut block = (values.len() as u32).to_le_bytes().to_vec();
        block.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        block.extend(crc32fast::hash(&block).to_le_bytes());
        self.file.write_all(&block).map_err(Error::io(&self.path))
    }
}

/// The values of the whole blocks of whole points behind the header, and where these end.
fn whole_blocks(bytes: &[u8], most: usize, width: usize) -> (Vec<f32>, usize) {
    let (mut values, mut end) = (Vec::new(), HEADER);
    while let Some(block) = whole_block(&bytes[end..]) {
        if !block.len().is_multiple_of(width) || values.len() + block.len() > most * width {
            break;
        }
        values.extend(block.iter().map(|&value| f32::from_le_bytes(value)));
        end += 4 * (block.len() + 2);
    }
    (values, end)
}

/// The values of the block that `bytes` begin with, if it is whole.
fn whole_block(bytes: &[u8]) -> Option<&[[u8; 4]]> {
    let words = bytes.as_chunks::<4>().0;
    let count = u32::from_le_bytes(*words.first()?) as usize;
    let check = u32::from_le_bytes(*words.get(count.checked_add(1)?)?);
    (crc32fast::hash(words[..=count].as_flattened()) == check).then(|| &words[1..=count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_of_the_same_work_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.checkpoint");
        let blocks = [&[1.0, 2.0][..], &[3.0, 4.0, 5.0, 6.0]];
        let (mut checkpoint, found) = Checkpoint::open(&path, 7, 3, 2).unwrap();
        assert!(found.is_empty());
        blocks.iter().for_each(|block| checkpoint.append(block).unwrap());
        assert_eq!(Checkpoint::open(&path, 7, 3, 2).unwrap().1, blocks.concat());
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (mut checkpoint, found) = Checkpoint::open(&path, 7, 3, 2).unwrap();
            let kept = if length < HEADER + 16 { 0 } else { 1 };
            assert_eq!(found, blocks[..kept].concat(), "cut to {length} bytes");
            blocks[kept..].iter().for_each(|block| checkpoint.append(block).unwrap());
            assert!(std::fs::read(&path).unwrap() == whole, "cut to {length} bytes and gone on from");
        }
        for place in HEADER..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[place] ^= 64;
            std::fs::write(&path, spoilt).unwrap();
            let kept = if place < HEADER + 16 { 0 } else { 1 };
            assert_eq!(Checkpoint::open(&path, 7, 3, 2).unwrap().1, blocks[..kept].concat(), "byte {place} flipped");
        }
        assert!(Checkpoint::open(&path, 8, 3, 2).unwrap().1.is_empty(), "another key");
        for (most, width) in [(3, 3), (0, 2)] {
            std::fs::write(&path, &whole).unwrap();
            assert!(Checkpoint::open(&path, 7, most, width).unwrap().1.is_empty(), "{most} points of {width} values");
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(Checkpoint::open(&path, 7, 2, 2).unwrap().1, [1.0, 2.0], "more points than tracks");
    }
}
