//! WAV: integer PCM of 8, 16, 24 or 32 bits and floats of 32 bits, plain or WAVE_FORMAT_EXTENSIBLE, as sound files are
//! found: with chunks of odd length, a length left open by a program that wrote to a pipe, or cut off.
//!
//! WAVE_FORMAT_EXTENSIBLE has samples that are narrower than their container in its upper bits, so only the container
//! counts here.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{CONVERT, Decoder, Header, Health, REFETCH};
use crate::Result;

/// Bytes decoded at a time, rounded to frames (a sample of every channel): a header may claim 65,535 channels.
const BLOCK: u64 = 1 << 16;
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
    format: [u8; 16],
    /// The sound, whole frames.
    sound: io::Take<BufReader<File>>,
    bytes: Vec<u8>,
}

/// Reads the header and checks it.
pub(super) fn open(path: &Path, file: File) -> Result<Box<dyn Decoder>> {
    let file_bytes = file.metadata().map_err(Health::io(path))?.len();
    let mut file = BufReader::new(file);
    let (format, length) = find_sound(path, &mut file)?;
    let present = file_bytes.saturating_sub(file.stream_position().map_err(Health::io(path))?);
    let length = if length >= OPEN_LENGTH { length.min(present) } else { length };
    let codec = check_format(path, &format)?;
    let (sample_rate, frame_bytes) = (long(&format, 4), u64::from(word(&format, 12)));
    let header = Header {
        codec,
        sample_rate,
        channels: word(&format, 2).into(),
        declared: Some((length / frame_bytes) as f64 / f64::from(sample_rate)),
    };
    let sound = file.take(length.min(present) / frame_bytes * frame_bytes);
    Ok(Box::new(Wav { path: path.to_path_buf(), header, format, sound, bytes: Vec::new() }))
}

impl Decoder for Wav {
    fn header(&self) -> &Header {
        &self.header
    }

    fn next(&mut self, mono: &mut Vec<f32>) -> Result<bool> {
        let (tag, frame_bytes, bits) = (word(&self.format, 0), word(&self.format, 12), word(&self.format, 14));
        self.bytes.clear();
        let block = (BLOCK / u64::from(frame_bytes)).max(1) * u64::from(frame_bytes);
        self.sound.by_ref().take(block).read_to_end(&mut self.bytes).map_err(Health::io(&self.path))?;
        let (bytes, channels) = (&self.bytes[..], self.header.channels);
        match (tag, bits) {
            (FLOAT, _) => downmix(bytes, channels, mono, f32::from_le_bytes),
            (_, 8) => downmix(bytes, channels, mono, |[byte]: [u8; 1]| (f32::from(byte) - 128.0) / 128.0),
            (_, 16) => downmix(bytes, channels, mono, |bytes: [u8; 2]| f32::from(i16::from_le_bytes(bytes)) / 32_768.0),
            (_, 24) => downmix(bytes, channels, mono, |[a, b, c]: [u8; 3]| integer([0, a, b, c])),
            _ => downmix(bytes, channels, mono, integer),
        }
        Ok(!bytes.is_empty())
    }
}

/// An integer sample of 32 bits, or fewer in the upper ones.
fn integer(bytes: [u8; 4]) -> f32 {
    i32::from_le_bytes(bytes) as f32 / 2_147_483_648.0
}

/// Appends the mean of the channels of every frame.
fn downmix<const N: usize>(bytes: &[u8], channels: usize, mono: &mut Vec<f32>, sample: impl Fn([u8; N]) -> f32) {
    let scale = 1.0 / channels as f32;
    let samples = bytes.as_chunks::<N>().0;
    match channels {
        1 => mono.extend(samples.iter().map(|&bytes| sample(bytes))),
        2 => mono.extend(samples.as_chunks().0.iter().map(|&[left, right]| (sample(left) + sample(right)) * scale)),
        _ => mono.extend(
            samples.chunks_exact(channels).map(|frame| frame.iter().map(|&bytes| sample(bytes)).sum::<f32>() * scale),
        ),
    }
}

/// Reads chunk after chunk up to the sound; gives the plain part of the `fmt ` chunk and the length of the sound in
/// bytes, as the file declares it.
fn find_sound(path: &Path, file: &mut BufReader<File>) -> Result<([u8; 16], u64)> {
    let mut format = Vec::new();
    file.seek(SeekFrom::Start(12)).map_err(Health::io(path))?;
    loop {
        let (id, length) = chunk_header(path, file)?;
        if &id == b"data" {
            let refuse = || {
                let found = format!("{} bytes", format.len());
                Health::Damaged.file(path, "a whole fmt chunk before the sound", found, REFETCH)
            };
            return Ok((plain_format(&format).ok_or_else(refuse)?, length));
        }
        let mut rest = length.next_multiple_of(2);
        if &id == b"fmt " {
            format.clear();
            file.by_ref().take(length.min(26)).read_to_end(&mut format).map_err(Health::io(path))?;
            rest -= format.len() as u64;
        }
        file.seek_relative(rest as i64).map_err(Health::io(path))?;
    }
}

fn chunk_header(path: &Path, file: &mut BufReader<File>) -> Result<([u8; 4], u64)> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Health::Truncated.file(path, "a data chunk that holds the sound", "the end of the file", REFETCH)
        }
        _ => Health::io(path)(error),
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

fn long(format: &[u8; 16], at: usize) -> u32 {
    u32::from(word(format, at)) | u32::from(word(format, at + 2)) << 16
}

/// Names the encoding, if it is one that is read here.
fn check_format(path: &Path, format: &[u8; 16]) -> Result<String> {
    let (tag, channels, frame_bytes, bits) = (word(format, 0), word(format, 2), word(format, 12), word(format, 14));
    if !matches!((tag, bits), (PCM, 8 | 16 | 24 | 32) | (FLOAT, 32)) {
        let expected = "PCM of 8, 16, 24 or 32 bits or floats of 32 bits in the WAV file";
        return Err(Health::Unsupported.file(path, expected, format!("{} of {bits} bits", tag_name(tag)), CONVERT));
    }
    if channels == 0 || u32::from(channels) * u32::from(bits) != u32::from(frame_bytes) * 8 {
        let found = format!("{channels} channels of {bits} bits in {frame_bytes} bytes");
        return Err(Health::Damaged.file(
            path,
            "frames of at least one channel, filled by their samples",
            found,
            CONVERT,
        ));
    }
    if u64::from(long(format, 8)) != u64::from(long(format, 4)) * u64::from(frame_bytes) {
        return Err(Health::Damaged.file(
            path,
            "a WAV header that agrees with itself",
            "inconsistent fmt chunk",
            CONVERT,
        ));
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
