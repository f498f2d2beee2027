//! The edit list of MP4 files: which part of a decoded track is sound, the rest being what the encoder added.
//!
//! Layout (ISO/IEC 14496-12): boxes of `u32 size, 4-byte type, body`; `moov/mvhd` and `moov/trak/mdia/mdhd` hold the
//! ticks per second, `moov/trak/tkhd` the track's number, `moov/trak/edts/elst` the edits.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;

/// Indexes larger than this are left alone: 64 MiB is more than a day of sound.
const LARGEST_INDEX: u64 = 1 << 26;

/// Boxes looked at before the index at most; a few are usual, and a file of empty ones must not keep us.
const MOST_BOXES: usize = 1 << 12;

/// The one stretch of a track that is sound.
#[derive(Debug, PartialEq)]
pub(super) struct Edit {
    /// The number of the track in its file.
    pub(super) track: u32,
    /// Seconds to leave out before the sound.
    pub(super) start: f64,
    /// Seconds of sound, or to the end.
    pub(super) seconds: Option<f64>,
}

impl Edit {
    /// The samples of the decoded track at `rate` Hz that are sound.
    pub(super) fn samples(&self, rate: u32) -> Range<u64> {
        let at = |seconds: f64| (seconds * f64::from(rate)).round() as u64;
        at(self.start)..self.seconds.map_or(u64::MAX, |seconds| at(self.start).saturating_add(at(seconds)))
    }
}

/// The edits of the tracks that have exactly one; none for files that are not MP4 or that make no sense.
pub(super) fn sound_edits(mut file: &File, head: &[u8]) -> Vec<Edit> {
    if head.get(4..8) != Some(b"ftyp") {
        return Vec::new();
    }
    let index = index(file).unwrap_or_default();
    let edits = child(&index, b"mvhd").and_then(|mvhd| {
        let movie_ticks = ticks(mvhd)?;
        Some(
            boxes(&index).filter(|(kind, _)| kind == b"trak").filter_map(|(_, trak)| edit(trak, movie_ticks)).collect(),
        )
    });
    // The decoder reads the file from its start.
    if file.seek(SeekFrom::Start(0)).is_err() {
        return Vec::new();
    }
    edits.unwrap_or_default()
}

/// The body of the `moov` box.
fn index(mut file: &File) -> Option<Vec<u8>> {
    let mut at = 0;
    for _ in 0..MOST_BOXES {
        let mut header = [0; 16];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut header).ok()?;
        let (size, skip) = match number(&header, 0, 4)? {
            0 => return None, // reaches to the end of the file, and is not the index
            1 => (number(&header, 8, 8)?, 16),
            size => (size, 8),
        };
        if header[4..8] == *b"moov" {
            let length = size.checked_sub(skip).filter(|&length| length <= LARGEST_INDEX)?;
            file.seek(SeekFrom::Start(at + skip)).ok()?;
            let mut body = Vec::new();
            file.take(length).read_to_end(&mut body).ok()?;
            return Some(body);
        }
        at = at.checked_add(size.max(skip))?;
    }
    None
}

fn edit(trak: &[u8], movie_ticks: f64) -> Option<Edit> {
    let tkhd = child(trak, b"tkhd")?;
    let track = number(tkhd, if tkhd.first() == Some(&1) { 20 } else { 12 }, 4)? as u32;
    let media_ticks = ticks(child(child(trak, b"mdia")?, b"mdhd")?)?;
    let list = child(child(trak, b"edts")?, b"elst")?;
    let wide = if list.first() == Some(&1) { 8 } else { 4 };
    let empty = if wide == 8 { u64::MAX } else { u32::MAX.into() }; // an edit without media: a pause before the sound
    let count = number(list, 4, 4)? as usize;
    let entries = list.get(8..)?.chunks_exact(2 * wide + 4).take(count);
    let mut edits = entries.map(|entry| (number(entry, 0, wide), number(entry, wide, wide)));
    let mut media = edits.by_ref().filter(|&(_, start)| start != Some(empty));
    let ((length, start), None) = (media.next()?, media.next()) else { return None };
    let seconds = Some(length? as f64 / movie_ticks).filter(|&seconds| seconds > 0.0);
    Some(Edit { track, start: start? as f64 / media_ticks, seconds })
}

/// Ticks per second from the body of an `mvhd` or `mdhd` box.
fn ticks(body: &[u8]) -> Option<f64> {
    let ticks = number(body, if body.first() == Some(&1) { 20 } else { 12 }, 4)?;
    (ticks > 0).then_some(ticks as f64)
}

/// The body of the first child of that type.
fn child<'b>(body: &'b [u8], kind: &[u8; 4]) -> Option<&'b [u8]> {
    boxes(body).find(|(found, _)| found == kind).map(|(_, body)| body)
}

/// The types and bodies of the boxes in a body, up to the first that does not fit.
fn boxes(mut rest: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let size = usize::try_from(number(rest, 0, 4)?).ok()?;
        let kind = rest.get(4..8)?.try_into().ok()?;
        let body = rest.get(8..size)?;
        rest = &rest[size..];
        Some((kind, body))
    })
}

/// A big-endian number of `width` bytes.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + width)?;
    Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(8 + body.len() as u32).to_be_bytes()[..], kind, body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A `trak` of number 7 at 44,100 ticks a second with edits of (length, start).
    fn trak(edits: &[(u32, u32)]) -> Vec<u8> {
        let rows: Vec<u32> = edits.iter().flat_map(|&(length, start)| [length, start, 1 << 16]).collect();
        let list = [words(&[0, edits.len() as u32]), words(&rows)].concat();
        let mdia = boxed(b"mdia", &boxed(b"mdhd", &words(&[0, 0, 0, 44_100, 46_080])));
        [boxed(b"tkhd", &words(&[0, 0, 0, 7])), mdia, boxed(b"edts", &boxed(b"elst", &list))].concat()
    }

    #[test]
    fn one_edit_is_the_sound() {
        let found = edit(&trak(&[(2000, 1024)]), 1000.0).unwrap();
        assert_eq!(found, Edit { track: 7, start: 1024.0 / 44_100.0, seconds: Some(2.0) });
        assert_eq!(found.samples(44_100), 1024..1024 + 88_200);
        assert_eq!(edit(&trak(&[(500, u32::MAX), (0, 1024)]), 1000.0).unwrap().samples(44_100), 1024..u64::MAX);
    }

    #[test]
    fn lists_that_cut_and_splice_or_break_off_are_left_alone() {
        assert_eq!(edit(&trak(&[(10, 0), (10, 500)]), 1000.0), None);
        assert_eq!(edit(&trak(&[]), 1000.0), None);
        let whole = trak(&[(2000, 1024)]);
        for length in 0..whole.len() {
            assert_eq!(edit(&whole[..length], 1000.0), None, "{length} bytes");
        }
    }
}
