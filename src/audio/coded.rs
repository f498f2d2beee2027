//! Compressed audio, through Symphonia: FLAC, MP3, Ogg Vorbis, AAC in ADTS or MP4. The samples that an encoder adds
//! before and after the sound are cut off where the file says how many they are.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error as Fault;
use symphonia::core::formats::well_known::{FORMAT_ID_ADTS, FORMAT_ID_MP3};
use symphonia::core::formats::{FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::packet::Packet;

use super::{CONVERT, Decoder, Header, Health, READABLE, REFETCH, format_name, mp4, unreadable};
use crate::{Error, Result};

/// Damaged packets are tolerated up to this share of all packets: one in ten.
const TOLERATED: u64 = 10;

struct Coded {
    path: PathBuf,
    reader: Box<dyn FormatReader>,
    track: u32,
    decoder: Box<dyn AudioDecoder>,
    header: Header,
    /// The sound within what the decoder gives, and how much it has given, in samples.
    sound: Range<u64>,
    decoded: u64,
    /// The first block, decoded on opening because only decoding shows the true rate (as of HE-AAC).
    first: Vec<f32>,
    /// The channels of a packet.
    planes: Vec<Vec<f32>>,
    packets: u64,
    skipped: u64,
    /// Packets read of all tracks, and bytes of the file: each has a byte at least, whatever an index claims.
    read: u64,
    bytes: u64,
}

/// Finds the format by content and decodes the first block.
pub(super) fn open(path: &Path, file: File, head: &[u8]) -> Result<Box<dyn Decoder>> {
    let edits = mp4::sound_edits(&file, head);
    let bytes = file.metadata().map_err(Health::io(path))?.len();
    guard(path, || {
        let file = Untagged::new(file).map_err(Health::io(path))?;
        let stream = MediaSourceStream::new(Box::new(file), Default::default());
        let reader = symphonia::default::get_probe()
            .probe(&Default::default(), stream, Default::default(), Default::default())
            .map_err(|fault| unopened(path, head, &fault))?;
        let mut coded = Coded::new(path, reader, head, bytes)?;
        let mut first = Vec::new();
        while first.is_empty() {
            if !coded.decode(&mut first)? {
                return Err(Health::NoSamples.file(path, "at least one sample", "none", REFETCH));
            }
        }
        if let Some(edit) = edits.iter().find(|edit| edit.track == coded.track) {
            coded.sound = edit.samples(coded.header.sample_rate);
            coded.header.declared = edit.seconds.or(coded.header.declared);
        }
        coded.keep_sound(&mut first, 0);
        coded.first = first;
        Ok(Box::new(coded) as Box<dyn Decoder>)
    })
}

impl Decoder for Coded {
    fn header(&self) -> &Header {
        &self.header
    }

    fn next(&mut self, mono: &mut Vec<f32>) -> Result<bool> {
        if !self.first.is_empty() {
            mono.append(&mut self.first);
            return Ok(true);
        }
        let path = self.path.clone();
        guard(&path, || {
            let start = mono.len();
            let more = self.decode(mono)?;
            self.keep_sound(mono, start);
            Ok(more)
        })
    }

    fn skipped_packets(&self) -> u64 {
        self.skipped
    }
}

impl Coded {
    /// A decoder that has decoded nothing yet: rate and channels are unknown.
    fn new(path: &Path, reader: Box<dyn FormatReader>, head: &[u8], bytes: u64) -> Result<Self> {
        let (track, decoder) = decoder_of(path, &*reader, head)?;
        let header = Header {
            codec: decoder.codec_info().short_name.to_owned(),
            sample_rate: 0,
            channels: 0,
            declared: declared_seconds(&*reader, track),
        };
        Ok(Self {
            path: path.to_path_buf(),
            track: track.id,
            reader,
            decoder,
            header,
            sound: 0..u64::MAX,
            decoded: 0,
            first: Vec::new(),
            planes: Vec::new(),
            packets: 0,
            skipped: 0,
            read: 0,
            bytes,
        })
    }

    /// Appends the samples of the next packet; `false` at the end. A damaged packet adds none.
    fn decode(&mut self, mono: &mut Vec<f32>) -> Result<bool> {
        self.read += 1;
        if self.read > self.bytes {
            let expected = format!("at most {} packets, one a byte", self.bytes);
            return Err(Health::Damaged.file(&self.path, expected, "more", REFETCH));
        }
        let packet = match self.reader.next_packet() {
            Ok(Some(packet)) if packet.track_id == self.track => packet,
            Ok(Some(_)) => return Ok(true),
            Ok(None) => return self.end(),
            Err(Fault::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => return self.end(),
            Err(Fault::IoError(error)) => return Err(Health::io(&self.path)(error)),
            Err(Fault::ResetRequired) => return self.next_link(),
            Err(fault) => return Err(Health::Damaged.file(&self.path, "readable packets", fault, REFETCH)),
        };
        self.packets += 1;
        match self.decoder.decode(&packet) {
            Ok(buffer) if buffer.frames() == 0 => Ok(true),
            Ok(buffer) => {
                let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
                let early = before_zero(&packet).min(buffer.frames());
                buffer.copy_to_vecs_planar(&mut self.planes);
                self.check_constant(rate, channels)?;
                mean(&self.planes, early, mono);
                Ok(true)
            }
            Err(Fault::IoError(_) | Fault::DecodeError(_)) => {
                self.skipped += 1;
                Ok(true)
            }
            Err(fault) => Err(Health::Unsupported.file(&self.path, READABLE, fault, CONVERT)),
        }
    }

    /// Remembers rate and channels of the first block and refuses another rate later: it would change the pitch.
    fn check_constant(&mut self, rate: u32, channels: usize) -> Result<()> {
        if self.header.sample_rate == 0 {
            (self.header.sample_rate, self.header.channels) = (rate, channels);
        }
        if rate != self.header.sample_rate || channels == 0 {
            let expected = format!("{} Hz throughout, at least one channel", self.header.sample_rate);
            return Err(Health::Unsupported.file(
                &self.path,
                expected,
                format!("{rate} Hz, {channels} channels"),
                CONVERT,
            ));
        }
        Ok(())
    }

    /// Goes on with the next stream of a chained Ogg file.
    fn next_link(&mut self) -> Result<bool> {
        let (track, decoder) = decoder_of(&self.path, &*self.reader, &[])?;
        self.track = track.id;
        self.decoder = decoder;
        Ok(true)
    }

    /// Counts the samples from `start` on as decoded and drops those outside the sound.
    fn keep_sound(&mut self, mono: &mut Vec<f32>, start: usize) {
        let fresh = (mono.len() - start) as u64;
        let inside = |sample: u64| sample.saturating_sub(self.decoded).min(fresh) as usize;
        let (from, to) = (inside(self.sound.start), inside(self.sound.end));
        mono.truncate(start + to);
        mono.drain(start..start + from.min(to));
        self.decoded += fresh;
    }

    fn end(&self) -> Result<bool> {
        if self.skipped * TOLERATED > self.packets {
            let found = format!("{} damaged packets of {}", self.skipped, self.packets);
            return Err(Health::Damaged.file(&self.path, "packets that decode", found, REFETCH));
        }
        Ok(false)
    }
}

/// The file behind the ID3v2 tags at its start. Decoders are looked for in the first megabyte only, and pictures are larger.
struct Untagged {
    file: File,
    start: u64,
}

impl Untagged {
    /// More would be made to keep us.
    const MOST_TAGS: usize = 16;

    fn new(mut file: File) -> io::Result<Self> {
        let (mut start, mut header) = (0, [0; 10]);
        for _ in 0..Self::MOST_TAGS {
            file.seek(SeekFrom::Start(start))?;
            if file.read_exact(&mut header).is_err() || !header.starts_with(b"ID3") {
                break;
            }
            // ID3v2.4.0, section 3.1: flags, of which one announces a footer of ten bytes, then seven bits of size a byte.
            let footer = if header[5] & 0x10 == 0 { 0 } else { 10 };
            start += 10 + footer + header[6..].iter().fold(0, |size, &bits| size << 7 | u64::from(bits & 0x7F));
        }
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { file, start })
    }
}

impl Read for Untagged {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Seek for Untagged {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(at.saturating_add(self.start)),
            other => other,
        };
        Ok(self.file.seek(to)?.saturating_sub(self.start))
    }
}

impl MediaSource for Untagged {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.file.metadata().ok()?.len().saturating_sub(self.start))
    }
}

/// Appends the mean of the channels from a sample on.
fn mean(planes: &[Vec<f32>], from: usize, mono: &mut Vec<f32>) {
    let start = mono.len();
    mono.extend_from_slice(&planes[0][from..]);
    let mono = &mut mono[start..];
    for plane in &planes[1..] {
        mono.iter_mut().zip(&plane[from..]).for_each(|(sum, sample)| *sum += sample);
    }
    let scale = 1.0 / planes.len() as f32;
    mono.iter_mut().for_each(|sum| *sum *= scale);
}

/// Samples of a decoded packet that lie before time zero: an Ogg stream whose first page counts fewer samples than it
/// holds starts within it (Vorbis I specification, section A.2).
fn before_zero(packet: &Packet) -> usize {
    let start = packet.pts.saturating_add(packet.trim_start).get();
    usize::try_from(start.saturating_neg()).unwrap_or(0)
}

/// The error for a file that is damaged where it starts, or in a format not known here.
fn unopened(path: &Path, head: &[u8], fault: &Fault) -> Error {
    let Some((name, true)) = format_name(head) else { return unreadable(path, head) };
    let advice = "fetch it again if it is damaged; else convert it, for example with ffmpeg";
    let is_cut = matches!(fault, Fault::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof);
    let health = if is_cut { Health::Truncated } else { Health::Damaged };
    health.file(path, READABLE, format!("{name} that cannot be opened ({fault})"), advice)
}

/// The default sound track and a decoder for it.
fn decoder_of<'r>(
    path: &Path,
    reader: &'r dyn FormatReader,
    head: &[u8],
) -> Result<(&'r Track, Box<dyn AudioDecoder>)> {
    let Some(track) = reader.default_track(TrackType::Audio) else { return Err(unreadable(path, head)) };
    let Some(parameters) = track.codec_params.as_ref().and_then(CodecParameters::audio) else {
        return Err(unreadable(path, head));
    };
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &Default::default())
        .map_err(|fault| Health::Unsupported.file(path, READABLE, fault, CONVERT))?;
    Ok((track, decoder))
}

/// The duration that the file declares. MP3 without an encoder's tag and bare AAC only allow a guess: none.
fn declared_seconds(reader: &dyn FormatReader, track: &Track) -> Option<f64> {
    match reader.format_info().format {
        FORMAT_ID_ADTS => return None,
        FORMAT_ID_MP3 if track.delay.is_none() => return None,
        _ => {}
    }
    let rate = track.codec_params.as_ref().and_then(CodecParameters::audio).and_then(|audio| audio.sample_rate);
    let frames = track.num_frames.zip(rate).map(|(frames, rate)| frames as f64 / f64::from(rate));
    frames.filter(|seconds| seconds.is_finite())
}

/// Runs code of the decoders and turns a panic, their last resort on files made to break them, into an error: one such
/// file must not end a run over a million. The decoder is not used again after that.
fn guard<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Health::Damaged.file(path, READABLE, "contents that its decoder cannot handle", REFETCH))
    })
}
