//! WAV (RIFF and RF64): integer PCM of 8 to 32 bits and floats of 32 or 64 bits, plain or WAVE_FORMAT_EXTENSIBLE.
//!
//! Written for files as they are found: chunks of odd length are padded, samples narrower than their container fill its
//! upper bits, a length left open by a program that wrote to a pipe reads to the end of the file.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{CONVERT, Decoder, Header, REFETCH, downmix};
use crate::{Error, Result};

/// Bytes decoded at a time, about.
const BLOCK: usize = 1 << 16;
/// Programs that cannot seek back write this much or more as the length of their sound.
const OPEN_LENGTH: u64 = 0x7FFF_F000;

pub(super) fn recognises(head: &[u8]) -> bool {
    matches!(head.get(..4), Some(b"RIFF" | b"RF64")) && head.get(8..12) == Some(b"WAVE")
}

/// How a sample is stored; the numbers are little-endian.
#[derive(Clone, Copy)]
enum Encoding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

/// The `fmt ` chunk, checked.
struct Format {
    encoding: Encoding,
    name: String,
    channels: usize,
    sample_rate: u32,
    frame_bytes: usize,
}

struct Wav {
    path: PathBuf,
    header: Header,
    encoding: Encoding,
    frame_bytes: usize,
    data: io::Take<BufReader<File>>,
    bytes: Vec<u8>,
    samples: Vec<f32>,
}

/// Reads the chunks up to the sound.
pub(super) fn open(path: &Path, file: File) -> Result<Box<dyn Decoder>> {
    let file_bytes = file.metadata().map_err(Error::io(path))?.len();
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(12)).map_err(Error::io(path))?;
    let (mut format, mut long_length) = (None, None);
    loop {
        let (id, length) = chunk_header(path, &mut reader)?;
        match &id {
            b"fmt " => format = Some(Format::parse(path, &chunk_body(path, &mut reader, length)?)?),
            b"ds64" => long_length = ds64_length(&chunk_body(path, &mut reader, length)?),
            b"data" => {
                let format = format.ok_or_else(|| damaged(path, "a fmt chunk before the sound", "none"))?;
                let length = long_length.filter(|_| length == u64::from(u32::MAX)).unwrap_or(length);
                let start = reader.stream_position().map_err(Error::io(path))?;
                return Ok(Box::new(Wav::new(path, format, reader, length, file_bytes.saturating_sub(start))));
            }
            _ => drop(reader.seek_relative(padded(length)).map_err(Error::io(path))?),
        }
    }
}

impl Wav {
    fn new(path: &Path, format: Format, reader: BufReader<File>, length: u64, present: u64) -> Self {
        let open_length = length >= OPEN_LENGTH && length > present;
        let length = if open_length { present } else { length };
        let frames = length / format.frame_bytes as u64;
        let header = Header {
            codec: format.name,
            sample_rate: format.sample_rate,
            channels: format.channels,
            declared: Some(frames as f64 / f64::from(format.sample_rate)),
        };
        let data = reader.take(frames * format.frame_bytes as u64);
        let (encoding, frame_bytes) = (format.encoding, format.frame_bytes);
        Self { path: path.to_path_buf(), header, encoding, frame_bytes, data, bytes: Vec::new(), samples: Vec::new() }
    }
}

impl Decoder for Wav {
    fn header(&self) -> &Header {
        &self.header
    }

    fn next(&mut self, mono: &mut Vec<f32>) -> Result<bool> {
        let wanted = (BLOCK / self.frame_bytes).max(1) * self.frame_bytes;
        self.bytes.clear();
        self.data.by_ref().take(wanted as u64).read_to_end(&mut self.bytes).map_err(Error::io(&self.path))?;
        let whole = self.bytes.len() / self.frame_bytes * self.frame_bytes; // a file cut off may end within a frame
        self.samples.clear();
        self.encoding.decode(&self.bytes[..whole], &mut self.samples);
        downmix(&self.samples, self.header.channels, mono);
        Ok(whole > 0)
    }
}

impl Encoding {
    /// Appends samples scaled to ±1 by the full range of their container.
    fn decode(self, bytes: &[u8], samples: &mut Vec<f32>) {
        match self {
            Self::U8 => samples.extend(bytes.iter().map(|&byte| (f32::from(byte) - 128.0) / 128.0)),
            Self::I16 => samples.extend(chunks(bytes).map(|b| f32::from(i16::from_le_bytes(b)) / 32_768.0)),
            Self::I24 => samples.extend(chunks(bytes).map(|[a, b, c]| full_range([0, a, b, c]))),
            Self::I32 => samples.extend(chunks(bytes).map(full_range)),
            Self::F32 => samples.extend(chunks(bytes).map(f32::from_le_bytes)),
            Self::F64 => samples.extend(chunks(bytes).map(|b| f64::from_le_bytes(b) as f32)),
        }
    }
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks::<N>().0.iter().copied()
}

fn full_range(bytes: [u8; 4]) -> f32 {
    i32::from_le_bytes(bytes) as f32 / 2_147_483_648.0
}

impl Format {
    fn parse(path: &Path, chunk: &[u8]) -> Result<Self> {
        let short = || damaged(path, "a fmt chunk of at least 16 bytes", format!("{} bytes", chunk.len()));
        let u16_at = |at: usize| chunk.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]])).ok_or_else(short);
        let (tag, channels, frame_bytes, bits) = (u16_at(0)?, u16_at(2)?, u16_at(12)?, u16_at(14)?);
        let sample_rate = u32::from(u16_at(4)?) | u32::from(u16_at(6)?) << 16;
        let tag = if tag == EXTENSIBLE { u16_at(24)? } else { tag };
        if channels == 0 {
            return Err(damaged(path, "at least one channel", "0 channels"));
        }
        let bytes = frame_bytes / channels;
        if bytes == 0 || frame_bytes % channels != 0 || bits.div_ceil(8) > bytes {
            let found = format!("{bits} bits, {channels} channels in {frame_bytes} bytes a frame");
            return Err(damaged(path, "a frame that holds its samples", found));
        }
        let (encoding, kind) = match (tag, bytes) {
            (PCM, 1) => (Encoding::U8, "pcm"),
            (PCM, 2) => (Encoding::I16, "pcm"),
            (PCM, 3) => (Encoding::I24, "pcm"),
            (PCM, 4) => (Encoding::I32, "pcm"),
            (FLOAT, 4) => (Encoding::F32, "float"),
            (FLOAT, 8) => (Encoding::F64, "float"),
            _ => {
                let found = format!("{bits}-bit samples of format tag {tag:#06x}{}", tag_name(tag));
                return Err(Error::file(path, "PCM or floating-point samples in the WAV file", found, CONVERT));
            }
        };
        let name = format!("{kind} {bits}-bit");
        Ok(Self { encoding, name, channels: channels.into(), sample_rate, frame_bytes: frame_bytes.into() })
    }
}

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;

fn tag_name(tag: u16) -> &'static str {
    match tag {
        0x0002 | 0x0011 => " (ADPCM)",
        0x0006 => " (A-law)",
        0x0007 => " (µ-law)",
        0x0050 => " (MPEG layer 1 or 2)",
        0x0055 => " (MP3)",
        _ => "",
    }
}

fn chunk_header(path: &Path, reader: &mut impl Read) -> Result<([u8; 4], u64)> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, "a data chunk that holds the sound", "the end of the file"),
        _ => Error::io(path)(error),
    })?;
    let [a, b, c, d, length @ ..] = bytes;
    Ok(([a, b, c, d], u32::from_le_bytes(length).into()))
}

/// Reads a small chunk with its padding; the part that matters of any `fmt ` or `ds64` chunk is far below the limit.
fn chunk_body(path: &Path, reader: &mut (impl Read + io::Seek), length: u64) -> Result<Vec<u8>> {
    const LIMIT: u64 = 4096;
    let mut body = Vec::new();
    reader.by_ref().take(length.min(LIMIT)).read_to_end(&mut body).map_err(Error::io(path))?;
    reader.seek_relative(padded(length) - body.len() as i64).map_err(Error::io(path))?;
    Ok(body)
}

/// The length of a chunk with the byte that makes it even; below 2³³, so it fits.
fn padded(length: u64) -> i64 {
    (length + length % 2) as i64
}

/// The length of the data chunk of an RF64 file: the second number of its `ds64` chunk.
fn ds64_length(chunk: &[u8]) -> Option<u64> {
    chunk.get(8..16).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
}

fn damaged(path: &Path, expected: &str, found: impl std::fmt::Display) -> Error {
    Error::file(path, expected, found, REFETCH)
}
