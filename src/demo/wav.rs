//! Mono 16-bit WAV files.

use std::io::Write as _;
use std::path::Path;

use super::SAMPLE_RATE;
use crate::store::output::Output;
use crate::{Error, Result};

/// Writes samples within ±1.
pub(super) fn write(path: &Path, samples: &[f32]) -> Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(&bytes(samples)).map_err(Error::io(path))?;
    output.commit()
}

fn bytes(samples: &[f32]) -> Vec<u8> {
    const FRAME_BYTES: u32 = 2;
    let (rate, data) = (SAMPLE_RATE as u32, samples.len() as u32 * FRAME_BYTES);
    let mut bytes = Vec::with_capacity(44 + data as usize);
    bytes.extend(b"RIFF");
    bytes.extend((36 + data).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend([1u16, 1].map(u16::to_le_bytes).concat()); // PCM, one channel
    bytes.extend([rate, rate * FRAME_BYTES].map(u32::to_le_bytes).concat());
    bytes.extend([FRAME_BYTES as u16, 16].map(u16::to_le_bytes).concat());
    bytes.extend(b"data");
    bytes.extend(data.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|x| ((x * 32_767.0).round() as i16).to_le_bytes()));
    bytes
}
