//! Audio files to mono samples at one rate, in bounded memory.
//!
//! `file → decoder (found by content, not by name) → mean of the channels → resampler → sink`. WAV is always read; the
//! feature `codecs` adds FLAC, MP3, Ogg Vorbis and AAC (bare or in MP4/M4A). A file is either read whole or refused with
//! an error that says what is wrong with it: a damaged track must not slip into a training set as a quieter one.

#[cfg(feature = "codecs")]
mod coded;
mod health;
#[cfg(feature = "codecs")]
mod mp4;
mod resample;
mod wav;

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Serialize;

pub use health::{HEALTH, Health, Row};

use crate::{Error, Result};
use resample::Resampler;

/// The sampling rates read and made, in Hz: anything else is a damaged header or a slip.
pub const RATES: RangeInclusive<u32> = 1_000..=768_000;

/// The longest recording read, in seconds: a day. A small file can claim any length, and compressed silence take it.
const LONGEST: f64 = 86_400.0;

/// A file is cut off when it holds less than this share of the duration its header declares.
const LEAST_SHARE: f64 = 0.9;

/// What a decoded file was.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AudioInfo {
    /// The encoding, such as `flac` or `pcm 16-bit`.
    pub codec: String,
    /// Sampling rate of the file, in Hz.
    pub sample_rate: u32,
    /// Channels of the file, before they were averaged.
    pub channels: usize,
    /// Duration decoded, in seconds.
    pub seconds: f64,
    /// Damaged packets left out; more than a tenth of all packets is an error instead.
    pub skipped_packets: u64,
    /// How loud it is.
    pub level: Level,
}

/// The samples of a file at its own rate, channels averaged; full scale is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Level {
    /// The lowest.
    pub low: f32,
    /// The highest.
    pub high: f32,
    /// The mean.
    pub mean: f64,
    /// Share at full scale or beyond.
    pub clipped: f64,
}

/// An open file on its way to mono samples.
trait Decoder {
    /// The file as its header describes it.
    fn header(&self) -> &Header;

    /// Appends the next block of mono samples at the file's own rate; `false` at the end.
    fn next(&mut self, mono: &mut Vec<f32>) -> Result<bool>;

    /// Damaged packets left out so far.
    fn skipped_packets(&self) -> u64 {
        0
    }
}

/// What a file's header says about its sound.
struct Header {
    codec: String,
    sample_rate: u32,
    channels: usize,
    /// Duration in seconds, where it is written down reliably.
    declared: Option<f64>,
}

/// Decodes `path` to mono samples at `rate` Hz and hands them to `sink`, block by block.
///
/// A file of n samples at r Hz gives ⌈n·`rate`/r⌉ samples, as `librosa.load` does; at its own rate it is passed on
/// unchanged. Integers are scaled by their full range to ±1, floats are kept. Whatever the length of the file, memory
/// holds a few blocks.
///
/// # Errors
/// [`Error::Audio`] for files that cannot be read, are not audio this build knows, hold no sample, hold NaN or infinite
/// samples, are cut off, are longer than a day, or have many damaged packets; `rate` outside [`RATES`]; and whatever `sink` returns. After an error what the sink was
/// given is not the whole track and should be dropped.
pub fn stream(path: &Path, rate: u32, sink: &mut dyn FnMut(&[f32]) -> Result<()>) -> Result<AudioInfo> {
    if !RATES.contains(&rate) {
        return Err(Error::setting("sample_rate", format!("{rate} Hz is outside {RATES:?} Hz")));
    }
    let mut decoder = open(path)?;
    let source = decoder.header().sample_rate;
    if !resample::connects(source, rate) {
        let expected = format!("a sampling rate in use, one that has a ratio to {rate} Hz");
        return Err(Health::BadRate.file(path, expected, format!("{source} Hz"), CONVERT));
    }
    let mut resampler = (source != rate).then(|| Resampler::new(source, rate));
    refuse_endless(path, decoder.header().declared.unwrap_or(0.0))?;
    let mut meter = Meter::NEW;
    let mut mono = Vec::new();
    while decoder.next(&mut mono)? {
        meter
            .hear(&mono)
            .map_err(|at| not_finite(path, mono[at], (meter.samples + at as u64) as f64 / f64::from(source)))?;
        refuse_endless(path, meter.samples as f64 / f64::from(source))?;
        match &mut resampler {
            Some(resampler) => resampler.push(&mono, sink)?,
            None => sink(&mono)?,
        }
        mono.clear();
    }
    let seconds = meter.samples as f64 / f64::from(source);
    check_whole(path, seconds, decoder.header().declared)?;
    if let Some(resampler) = resampler {
        resampler.finish(sink)?;
    }
    let Header { codec, channels, .. } = decoder.header();
    let (codec, channels, skipped_packets) = (codec.clone(), *channels, decoder.skipped_packets());
    Ok(AudioInfo { codec, sample_rate: source, channels, seconds, skipped_packets, level: meter.level() })
}

/// [`stream`] into one vector.
pub fn load(path: &Path, rate: u32) -> Result<(Vec<f32>, AudioInfo)> {
    let mut samples = Vec::new();
    let info = stream(path, rate, &mut |block| {
        samples.extend_from_slice(block);
        Ok(())
    })?;
    Ok((samples, info))
}

/// Finds the decoder of a file by its first bytes and checks what every decoder must know.
fn open(path: &Path) -> Result<Box<dyn Decoder>> {
    let advice = "fetch it again or leave it out";
    // Before it is opened: a pipe that nobody writes to would be waited for, for ever.
    if !std::fs::metadata(path).map_err(Health::io(path))?.is_file() {
        return Err(Health::NotAFile.file(path, "an audio file", "a folder, pipe, socket or device", advice));
    }
    let mut file = File::open(path).map_err(Health::io(path))?;
    let mut head = Vec::new();
    file.by_ref().take(64).read_to_end(&mut head).map_err(Health::io(path))?;
    file.rewind().map_err(Health::io(path))?;
    if head.is_empty() {
        return Err(Health::Empty.file(path, "an audio file", "an empty file (0 bytes)", advice));
    }
    let decoder = if wav::recognises(&head) { wav::open(path, file)? } else { open_coded(path, file, &head)? };
    let header = decoder.header();
    if !RATES.contains(&header.sample_rate) {
        let found = format!("{} Hz", header.sample_rate);
        return Err(Health::BadRate.file(path, format!("a sampling rate within {RATES:?} Hz"), found, REFETCH));
    }
    Ok(decoder)
}

#[cfg(feature = "codecs")]
use coded::open as open_coded;

#[cfg(not(feature = "codecs"))]
fn open_coded(path: &Path, _: File, head: &[u8]) -> Result<Box<dyn Decoder>> {
    Err(unreadable(path, head))
}

const REFETCH: &str = "the file is damaged: fetch it again or leave it out";
const CONVERT: &str = "convert it, for example with ffmpeg, or leave it out";
#[cfg(feature = "codecs")]
const READABLE: &str = "WAV, FLAC, MP3, Ogg Vorbis or AAC/M4A audio";
#[cfg(not(feature = "codecs"))]
const READABLE: &str = "WAV (this build reads WAV only; the feature `codecs` adds FLAC, MP3, Ogg Vorbis and AAC/M4A)";

/// The error for a file that no decoder of this build reads.
fn unreadable(path: &Path, head: &[u8]) -> Error {
    let start = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    match format_name(head) {
        Some((name, _)) => {
            Health::Unsupported.file(path, READABLE, format!("{name}, or something that starts like it"), CONVERT)
        }
        None => Health::NotAudio.file(path, READABLE, format!("no known format (first bytes {start})"), CONVERT),
    }
}

/// Names well-known formats by their magic bytes, for messages, and says whether the feature `codecs` reads them.
fn format_name(head: &[u8]) -> Option<(&'static str, bool)> {
    const MAGIC: &[(usize, &[u8], &str, bool)] = &[
        (0, b"fLaC", "FLAC", true),
        (28, b"OpusHead", "Ogg Opus", false),
        (0, b"OggS", "Ogg", true),
        (4, b"ftyp", "MP4/M4A", true),
        (0, b"ID3", "MP3 (an ID3 tag)", true),
        (0, &[0xFF, 0xFB], "MP3", true),
        (0, &[0xFF, 0xF3], "MP3", true),
        (0, &[0xFF, 0xF1], "AAC", true),
        (8, b"AIFF", "AIFF", false),
        (0, b"RF64", "RF64 (WAV beyond 4 GiB)", false),
        (0, b"wvpk", "WavPack", false),
        (0, b"MAC ", "Monkey's Audio", false),
        (0, &[0x1A, 0x45, 0xDF, 0xA3], "Matroska/WebM", false),
        (0, &[0x30, 0x26, 0xB2, 0x75], "Windows Media", false),
    ];
    let row = MAGIC.iter().find(|(at, magic, ..)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)))?;
    Some((row.2, row.3))
}

/// Measures the samples that pass by.
struct Meter {
    samples: u64,
    low: f32,
    high: f32,
    sum: f64,
    clipped: u64,
}

impl Meter {
    const NEW: Self = Self { samples: 0, low: f32::INFINITY, high: f32::NEG_INFINITY, sum: 0.0, clipped: 0 };

    /// Takes samples; an error with the place of the first that is no sound.
    fn hear(&mut self, mono: &[f32]) -> Result<(), usize> {
        const LANES: usize = 16;
        let (mut low, mut high) = ([self.low; LANES], [self.high; LANES]);
        let (mut sum, mut clipped) = ([0.0_f64; LANES], [0_u32; LANES]);
        // Lane by lane, without a branch, so that the compiler finds vectors.
        let mut take = |lane: usize, sample: f32| {
            low[lane] = if sample < low[lane] { sample } else { low[lane] };
            high[lane] = if sample > high[lane] { sample } else { high[lane] };
            sum[lane] += f64::from(sample);
            clipped[lane] += u32::from(sample.abs() >= health::FULL_SCALE);
        };
        let (whole, rest) = mono.as_chunks::<LANES>();
        whole.iter().for_each(|lanes| (0..LANES).for_each(|lane| take(lane, lanes[lane])));
        rest.iter().enumerate().for_each(|(lane, &sample)| take(lane, sample));
        self.low = low.iter().copied().fold(self.low, f32::min);
        self.high = high.iter().copied().fold(self.high, f32::max);
        self.sum += sum.iter().sum::<f64>();
        self.clipped += clipped.iter().map(|&count| u64::from(count)).sum::<u64>();
        // NaN fails no comparison, but stays in a sum; finite f32 cannot overflow one in f64.
        if !self.sum.is_finite() || self.low < -health::LOUDEST || self.high > health::LOUDEST {
            let is_absurd = |sample: &f32| sample.is_nan() || sample.abs() > health::LOUDEST;
            return Err(mono.iter().position(is_absurd).expect("there was none before"));
        }
        self.samples += mono.len() as u64;
        Ok(())
    }

    /// The level of at least one sample.
    fn level(&self) -> Level {
        let count = self.samples as f64;
        Level { low: self.low, high: self.high, mean: self.sum / count, clipped: self.clipped as f64 / count }
    }
}

fn not_finite(path: &Path, sample: f32, seconds: f64) -> Error {
    Health::NonFinite.file(
        path,
        "finite samples within 1e9 times full scale",
        format!("{sample} at {seconds:.3} s"),
        REFETCH,
    )
}

fn refuse_endless(path: &Path, seconds: f64) -> Result<()> {
    if seconds <= LONGEST {
        return Ok(());
    }
    let found = format!("{:.0} s or more", seconds);
    Err(Health::TooLong.file(path, format!("at most {LONGEST} s of sound"), found, "split it into its tracks"))
}

fn check_whole(path: &Path, seconds: f64, declared: Option<f64>) -> Result<()> {
    if seconds == 0.0 {
        return Err(Health::NoSamples.file(path, "at least one sample", "none", REFETCH));
    }
    match declared {
        Some(declared) if seconds < LEAST_SHARE * declared => {
            let expected = format!("{declared:.2} s of audio, as its header says");
            Err(Health::Truncated.file(
                path,
                expected,
                format!("{seconds:.2} s"),
                "the file is cut off: fetch it again",
            ))
        }
        _ => Ok(()),
    }
}
