//! WAV, through hound: integer PCM of 8, 16, 24 or 32 bits and floats of 32 bits, plain or WAVE_FORMAT_EXTENSIBLE.
//!
//! hound wants headers stricter than those of sound files as they are found: no padding after chunks of odd length, no
//! length left open by a program that wrote to a pipe, no file cut off. It also takes samples narrower than their
//! container for its lower bits, where WAVE_FORMAT_EXTENSIBLE has them in the upper ones. So it is handed a plain header
//! made from the file's own, and then the file from its first sample on.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader};

use super::{CONVERT, Decoder, Header, REFETCH, downmix};
use crate::{Error, Result};

/// Samples decoded at a time, about.
const BLOCK: usize = 1 << 14;
/// Programs that cannot seek back write this much or more as the length of their sound.
const OPEN_LENGTH: u64 = 0x7FFF_F000;

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;

pub(super) fn recognises(head: &[u8]) -> bool {
    head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE")
}

struct Wav {
    path: PathBuf,
    header: Header,
    reader: WavReader<Chain<Cursor<Vec<u8>>, BufReader<File>>>,
    interleaved: Vec<f32>,
}

/// Reads the header and checks it.
pub(super) fn open(path: &Path, file: File) -> Result<Box<dyn Decoder>> {
    let file_bytes = file.metadata().map_err(Error::io(path))?.len();
    let mut file = BufReader::new(file);
    let (format, length) = find_sound(path, &mut file)?;
    let present = file_bytes.saturating_sub(file.stream_position().map_err(Error::io(path))?);
    let length = if length >= OPEN_LENGTH { length.min(present) } else { length };
    let codec = check_format(path, &format)?;

    let frame_bytes = u64::from(word(&format, 12));
    let present_frames = length.min(present) / frame_bytes;
    let sound = Cursor::new(plain_header(&format, (present_frames * frame_bytes) as u32)).chain(file);
    let reader = WavReader::new(sound).map_err(fault(path))?;
    let spec = reader.spec();
    let header = Header {
        codec,
        sample_rate: spec.sample_rate,
        channels: spec.channels.into(),
        declared: Some((length / frame_bytes) as f64 / f64::from(spec.sample_rate)),
    };
    Ok(Box::new(Wav { path: path.to_path_buf(), header, reader, interleaved: Vec::new() }))
}

impl Decoder for Wav {
    fn header(&self) -> &Header {
        &self.header
    }

    fn next(&mut self, mono: &mut Vec<f32>) -> Result<bool> {
        let spec = self.reader.spec();
        let full_range = (1_u32 << (spec.bits_per_sample - 1)) as f32;
        let block = BLOCK.next_multiple_of(self.header.channels);
        self.interleaved.clear();
        let samples = &mut self.interleaved;
        let read = match spec.sample_format {
            SampleFormat::Float => self.reader.samples().take(block).try_for_each(|x| x.map(|x| samples.push(x))),
            SampleFormat::Int => {
                let mut integers = self.reader.samples::<i32>().take(block);
                integers.try_for_each(|x| x.map(|x| samples.push(x as f32 / full_range)))
            }
        };
        read.map_err(fault(&self.path))?;
        downmix(samples, self.header.channels, mono);
        Ok(!samples.is_empty())
    }
}

/// Reads chunk after chunk up to the sound; gives the plain part of the `fmt ` chunk and the length of the sound in
/// bytes, as the file declares it.
fn find_sound(path: &Path, file: &mut BufReader<File>) -> Result<([u8; 16], u64)> {
    let mut format = Vec::new();
    file.seek(SeekFrom::Start(12)).map_err(Error::io(path))?;
    loop {
        let (id, length) = chunk_header(path, file)?;
        if &id == b"data" {
            let found = || damaged(path, "a whole fmt chunk before the sound", format!("{} bytes", format.len()));
            return Ok((plain_format(&format).ok_or_else(found)?, length));
        }
        let mut rest = length.next_multiple_of(2);
        if &id == b"fmt " {
            format.clear();
            file.by_ref().take(length.min(26)).read_to_end(&mut format).map_err(Error::io(path))?;
            rest -= format.len() as u64;
        }
        file.seek_relative(rest as i64).map_err(Error::io(path))?;
    }
}

fn chunk_header(path: &Path, file: &mut BufReader<File>) -> Result<([u8; 4], u64)> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, "a data chunk that holds the sound", "the end of the file"),
        _ => Error::io(path)(error),
    })?;
    let [a, b, c, d, length @ ..] = bytes;
    Ok(([a, b, c, d], u32::from_le_bytes(length).into()))
}

/// What every `fmt ` chunk begins with; the tag of WAVE_FORMAT_EXTENSIBLE gives way to the one that its GUID begins with.
fn plain_format(chunk: &[u8]) -> Option<[u8; 16]> {
    let mut format: [u8; 16] = *chunk.first_chunk()?;
    if word(&format, 0) == EXTENSIBLE {
        format[..2].copy_from_slice(chunk.get(24..26)?);
    }
    Some(format)
}

fn word(format: &[u8; 16], at: usize) -> u16 {
    u16::from_le_bytes([format[at], format[at + 1]])
}

/// Names the encoding, if it is one that is read here.
fn check_format(path: &Path, format: &[u8; 16]) -> Result<String> {
    let (tag, channels, frame_bytes, bits) = (word(format, 0), word(format, 2), word(format, 12), word(format, 14));
    if !matches!((tag, bits), (PCM, 8 | 16 | 24 | 32) | (FLOAT, 32)) {
        let expected = "PCM of 8, 16, 24 or 32 bits or floats of 32 bits in the WAV file";
        return Err(Error::file(path, expected, format!("{} of {bits} bits", tag_name(tag)), CONVERT));
    }
    if channels == 0 || u32::from(channels) * u32::from(bits) != u32::from(frame_bytes) * 8 {
        let found = format!("{channels} channels of {bits} bits in {frame_bytes} bytes");
        return Err(Error::file(path, "frames of at least one channel, filled by their samples", found, CONVERT));
    }
    Ok(format!("{} {bits}-bit", tag_name(tag)))
}

fn tag_name(tag: u16) -> String {
    let name = match tag {
        PCM => "pcm",
        FLOAT => "float",
        0x0002 | 0x0011 => "ADPCM",
        0x0006 => "A-law",
        0x0007 => "µ-law",
        0x0050 => "MPEG layer 1 or 2",
        0x0055 => "MP3",
        _ => return format!("format {tag:#06x}"),
    };
    name.to_owned()
}

/// The header of a file of nothing but this format and so many bytes of sound.
fn plain_header(format: &[u8; 16], length: u32) -> Vec<u8> {
    let riff_length = length.saturating_add(36).to_le_bytes();
    let format_length = (format.len() as u32).to_le_bytes();
    [b"RIFF", &riff_length[..], b"WAVEfmt ", &format_length, format, b"data", &length.to_le_bytes()].concat()
}

fn damaged(path: &Path, expected: &str, found: impl std::fmt::Display) -> Error {
    Error::file(path, expected, found, REFETCH)
}

fn fault(path: &Path) -> impl FnOnce(hound::Error) -> Error {
    move |error| match error {
        hound::Error::IoError(error) => Error::io(path)(error),
        error => Error::file(path, "a WAV header that agrees with itself", error, CONVERT),
    }
}
