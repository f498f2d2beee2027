//! Files of every format to samples: right numbers, clear refusals, never a panic.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use homonym::audio::{self, AudioInfo, Level};
use homonym::random::Random;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio").join(name)
}

/// `amplitude · sin(2π·hertz·t)` at `rate` Hz.
fn sine(hertz: f64, amplitude: f64, rate: u32, count: usize) -> Vec<f32> {
    (0..count).map(|i| (amplitude * (TAU * hertz * i as f64 / f64::from(rate)).sin()) as f32).collect()
}

/// Signal to noise in dB, leaving out `edge` samples at both ends.
fn snr(found: &[f32], expected: &[f32], edge: usize) -> f64 {
    let inner = edge..expected.len().min(found.len()) - edge;
    let energy = |value: f64| value * value;
    let signal: f64 = inner.clone().map(|i| energy(expected[i].into())).sum();
    let noise: f64 = inner.map(|i| energy(f64::from(found[i]) - f64::from(expected[i]))).sum();
    10.0 * (signal / noise).log10()
}

/// The message of the error, which must name the file.
fn refusal(path: &Path) -> String {
    let error = audio::load(path, 22_050).expect_err(&path.display().to_string()).to_string();
    assert!(error.contains(&*path.file_name().unwrap().to_string_lossy()), "{error}");
    error
}

fn write_floats(path: &Path, rate: u32, channels: u16, samples: &[f32]) {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(path, riff(&[(b"fmt ", &fmt(3, channels, rate, 4 * channels, 32)), (b"data", &data)])).unwrap();
}

/// A RIFF file of the given chunks, padded to even lengths.
fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    for (id, contents) in chunks {
        body.extend(*id);
        body.extend((contents.len() as u32).to_le_bytes());
        body.extend(*contents);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// The body of a fmt chunk.
fn fmt(tag: u16, channels: u16, rate: u32, frame_bytes: u16, bits: u16) -> Vec<u8> {
    let mut chunk = Vec::new();
    chunk.extend(tag.to_le_bytes());
    chunk.extend(channels.to_le_bytes());
    chunk.extend(rate.to_le_bytes());
    chunk.extend((rate.wrapping_mul(frame_bytes.into())).to_le_bytes());
    chunk.extend(frame_bytes.to_le_bytes());
    chunk.extend(bits.to_le_bytes());
    chunk
}

/// The body of a fmt chunk of WAVE_FORMAT_EXTENSIBLE: one channel at 22,050 Hz, `valid` bits of `bits` in use.
fn extensible(tag: u16, bits: u16, valid: u16) -> Vec<u8> {
    let mut chunk = fmt(0xFFFE, 1, 22_050, bits / 8, bits);
    chunk.extend(22_u16.to_le_bytes());
    chunk.extend(valid.to_le_bytes());
    chunk.extend(4_u32.to_le_bytes()); // front centre
    chunk.extend(tag.to_le_bytes());
    chunk.extend(b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71");
    chunk
}

/// Writes bytes to a file of a folder.
fn file_of(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// An integer sample as WAV stores it: 8 bits unsigned, more of them in two's complement.
fn stored(sample: i64, bits: u16) -> Vec<u8> {
    let sample = if bits == 8 { sample + 128 } else { sample };
    sample.to_le_bytes()[..usize::from(bits) / 8].to_vec()
}

#[test]
fn integer_wavs_of_every_width_are_scaled_by_their_full_range() {
    let folder = TempDir::new().unwrap();
    for bits in [8, 16, 24, 32] {
        let full = 1_i64 << (bits - 1);
        let frames = [-full, -full, full / 2, 0, full - 1, full - 1];
        let data: Vec<u8> = frames.iter().flat_map(|&sample| stored(sample, bits)).collect();
        let bytes = riff(&[(b"fmt ", &fmt(1, 2, 22_050, bits / 4, bits)), (b"data", &data)]);
        let path = file_of(&folder, &format!("{bits}.wav"), &bytes);
        let (samples, info) = audio::load(&path, 22_050).unwrap();
        let top = ((full - 1) as f64 / full as f64) as f32;
        assert_eq!(samples, [-1.0, 0.25, top], "{bits} bits");
        let expected = AudioInfo {
            codec: format!("pcm {bits}-bit"),
            sample_rate: 22_050,
            channels: 2,
            seconds: 3.0 / 22_050.0,
            skipped_packets: 0,
            level: Level {
                low: -1.0,
                high: top,
                mean: (0.25 + f64::from(top) - 1.0) / 3.0,
                clipped: if bits == 8 { 1.0 / 3.0 } else { 2.0 / 3.0 },
            },
        };
        assert_eq!(info, expected);
    }
}

#[test]
fn wavs_as_they_are_found() {
    let folder = TempDir::new().unwrap();
    let pcm = fmt(1, 1, 22_050, 2, 16);
    let data = [0x00, 0x40, 0x00, 0xC0];
    let odd = riff(&[(b"junk", b"odd"), (b"fmt ", &pcm), (b"LIST", b"12345"), (b"data", &data), (b"id3 ", b"xyz")]);
    let mut piped = riff(&[(b"fmt ", &pcm), (b"data", &data)]);
    piped[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    piped.push(7); // cut off within a sample
    let long_fmt = riff(&[(b"fmt ", &[&pcm[..], &[4, 0, 1, 2, 3, 4]].concat()), (b"data", &data)]);
    for (name, bytes) in [("odd.wav", &odd), ("piped.wav", &piped), ("long-fmt.wav", &long_fmt)] {
        assert_eq!(audio::load(&file_of(&folder, name, bytes), 22_050).unwrap().0, [0.5, -0.5], "{name}");
    }
    // WAVE_FORMAT_EXTENSIBLE with 24 bits in the upper part of 32, then floats.
    let narrow = riff(&[(b"fmt ", &extensible(1, 32, 24)), (b"data", &[0, 0, 0, 0x40, 0, 0, 0, 0xC0])]);
    assert_eq!(audio::load(&file_of(&folder, "narrow.wav", &narrow), 22_050).unwrap().0, [0.5, -0.5]);
    let floats: Vec<u8> = [0.25_f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let float = riff(&[(b"fmt ", &extensible(3, 32, 32)), (b"data", &floats)]);
    let (samples, info) = audio::load(&file_of(&folder, "float.wav", &float), 22_050).unwrap();
    assert_eq!((info.codec.as_str(), samples), ("float 32-bit", vec![0.25, -2.0]));
    // WAVE_FORMAT_EXTENSIBLE by ffmpeg: 24 bits, 8 kHz.
    let (samples, info) = audio::load(&fixture("mono-24bit.wav"), 8000).unwrap();
    assert_eq!((info.codec.as_str(), samples.len()), ("pcm 24-bit", 2000));
    assert!(snr(&samples, &sine(440.0, 0.5, 8000, 2000), 0) > 90.0);
}

#[test]
fn channels_are_averaged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("three.wav");
    write_floats(&path, 22_050, 3, &[0.3, 0.6, -0.3, 1.5, 0.0, 0.0]);
    let (samples, info) = audio::load(&path, 22_050).unwrap();
    assert_eq!(info.channels, 3);
    assert!(samples.iter().zip([0.2, 0.5]).all(|(found, expected)| (found - expected).abs() < 1e-7), "{samples:?}");
}

#[test]
fn every_refusal_names_the_file_and_the_reason() {
    let folder = TempDir::new().unwrap();
    let pcm = fmt(1, 1, 22_050, 2, 16);
    let wav = |fmt: &[u8], data: &[u8]| riff(&[(b"fmt ", fmt), (b"data", data)]);
    let float = fmt(3, 1, 22_050, 4, 32);
    let mut rf64 = wav(&pcm, &[0; 4]);
    rf64[..4].copy_from_slice(b"RF64");
    let mut inconsistent = pcm.clone();
    inconsistent[8] += 1; // bytes a second
    let mut cut = wav(&pcm, &[7; 1000]);
    cut.truncate(500);
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("empty.wav", vec![], "an empty file"),
        ("text.mp3", b"Dear listener, this is no sound at all.".repeat(50), "no known format"),
        ("silent.wav", wav(&pcm, &[]), "at least one sample"),
        ("nan.wav", wav(&float, &f32::NAN.to_le_bytes()), "NaN at 0.000 s"),
        ("infinite.wav", wav(&float, &f32::INFINITY.to_le_bytes()), "inf at 0.000 s"),
        ("cut.wav", cut, "0.02 s of audio, as its header says"),
        ("deaf.wav", wav(&fmt(1, 0, 22_050, 2, 16), &[0; 4]), "0 channels"),
        ("still.wav", wav(&fmt(1, 1, 0, 2, 16), &[0; 4]), "found 0 Hz"),
        ("slow.wav", wav(&fmt(1, 1, 1, 2, 16), &[0; 4]), "found 1 Hz"),
        ("wide.wav", wav(&fmt(1, 1, 22_050, 2, 24), &[0; 4]), "24 bits in 2 bytes"),
        ("narrow.wav", wav(&fmt(1, 1, 22_050, 4, 24), &[0; 4]), "24 bits in 4 bytes"),
        ("double.wav", wav(&fmt(3, 1, 22_050, 8, 64), &[0; 8]), "float of 64 bits"),
        ("mp3-inside.wav", wav(&fmt(0x55, 1, 22_050, 1, 0), &[0; 4]), "found MP3"),
        ("unknown.wav", wav(&fmt(0x1234, 1, 22_050, 2, 16), &[0; 4]), "format 0x1234"),
        ("inconsistent.wav", wav(&inconsistent, &[0; 4]), "inconsistent fmt chunk; convert it"),
        ("long.wav", rf64, "found RF64"),
        ("no-data.wav", riff(&[(b"fmt ", &pcm)]), "a data chunk"),
        ("no-fmt.wav", riff(&[(b"data", &[0; 4])]), "a whole fmt chunk before the sound, found 0 bytes"),
        ("short-fmt.wav", wav(&[1, 0, 1, 0], &[0; 4]), "found 4 bytes"),
    ];
    for (name, bytes, reason) in cases {
        let error = refusal(&file_of(&folder, name, bytes));
        assert!(error.contains(reason), "{error}");
    }
    assert!(refusal(&fixture("adpcm.wav")).contains("ADPCM"));
    assert!(refusal(&fixture("mono.aiff")).contains("AIFF"));
    refusal(&fixture("mono.opus"));
    assert!(refusal(&folder.path().join("nowhere.wav")).contains("No such file"));
    refusal(folder.path());
    let error = audio::load(&fixture("mono-24bit.wav"), 0).unwrap_err();
    assert!(matches!(error, homonym::Error::Setting { .. }), "{error}");
}

#[test]
fn lengths_are_librosas() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.wav");
    for (rate, count) in [(44_100, 1), (44_100, 2), (44_100, 30_001), (48_000, 12_345), (8000, 777), (22_051, 5000)] {
        write_floats(&path, rate, 1, &sine(440.0, 0.5, rate, count));
        let (samples, _) = audio::load(&path, 22_050).unwrap();
        assert_eq!(samples.len(), (count * 22_050).div_ceil(rate as usize), "{count} samples at {rate} Hz");
    }
}

/// Amplitude in dB of what is left of a sine of amplitude 1 after resampling, over one second: whole periods.
fn response(folder: &TempDir, from: u32, to: u32, hertz: f64) -> f64 {
    let hertz = hertz.round();
    let path = folder.path().join("sine.wav");
    write_floats(&path, from, 1, &sine(hertz, 1.0, from, from as usize * 2));
    let (samples, _) = audio::load(&path, to).unwrap();
    let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let power = middle.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / middle.len() as f64;
    10.0 * (2.0 * power).log10()
}

#[test]
fn the_resampler_is_flat_and_lets_no_alias_through() {
    let folder = TempDir::new().unwrap();
    for (from, to) in [(44_100, 22_050), (48_000, 22_050), (96_000, 22_050), (32_000, 22_050), (22_050, 44_100)] {
        let nyquist = f64::from(from.min(to)) / 2.0;
        for share in [0.002, 0.05, 0.3, 0.7, 0.9, 0.98] {
            let gain = response(&folder, from, to, share * nyquist);
            println!("{from} -> {to} Hz, {share} of Nyquist: {gain:+.5} dB");
            assert!(gain.abs() < 0.001, "{from} -> {to} Hz: {gain} dB at {share} of Nyquist");
        }
        for share in [1.001, 1.01, 1.1, 1.3, 1.44] {
            if from > to && share * nyquist < f64::from(from) / 2.0 {
                let gain = response(&folder, from, to, share * nyquist);
                println!("{from} -> {to} Hz, {share} of Nyquist: {gain:+.1} dB");
                assert!(gain <= -135.0, "{from} -> {to} Hz: {gain} dB at {share} of Nyquist");
            }
        }
    }
}

#[test]
fn resampling_keeps_the_time() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sine.wav");
    for from in [8000, 11_025, 16_000, 32_000, 44_056, 44_100, 48_000, 96_000, 22_049] {
        let seconds = 5;
        write_floats(&path, from, 1, &sine(1234.5, 0.5, from, from as usize * seconds));
        let (samples, _) = audio::load(&path, 22_050).unwrap();
        let expected = sine(1234.5, 0.5, 22_050, 22_050 * seconds);
        let snr = snr(&samples, &expected, 22_050);
        println!("{from} Hz: {snr:.1} dB");
        assert!(snr > 100.0, "{from} Hz: {snr} dB");
    }
}

/// Deterministic damage to a file: cut off, bits flipped, or both.
fn damaged(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if random.below(3) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
    if !bytes.is_empty() && random.below(4) > 0 {
        let reach = if random.below(2) == 0 { bytes.len().min(200) } else { bytes.len() };
        for _ in 0..1 + random.below(12) {
            bytes[random.below(reach)] = random.bits() as u8;
        }
    }
    bytes
}

#[test]
fn no_damaged_file_panics() {
    let folder = TempDir::new().unwrap();
    let mut fixtures: Vec<_> = std::fs::read_dir(fixture("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    fixtures.sort();
    assert!(fixtures.len() > 10);
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    for (number, fixture) in fixtures.iter().enumerate() {
        let bytes = std::fs::read(fixture).unwrap();
        let (mut read, mut refused) = (0, 0);
        for round in 0..rounds() {
            let mut random = Random::keyed(2, &[number as u64, round]);
            let path = file_of(&folder, "damaged", &damaged(&bytes, &mut random));
            match audio::load(&path, 22_050) {
                Ok((samples, _)) => {
                    assert!(!samples.is_empty() && samples.iter().all(|sample| sample.is_finite()));
                    read += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains("damaged"), "the file is not named: {error}");
                    refused += 1;
                }
            }
        }
        println!("{}: {read} read, {refused} refused", fixture.display());
    }
}

/// How often each file is damaged; HOMONYM_FUZZ_ROUNDS asks for more.
fn rounds() -> u64 {
    std::env::var("HOMONYM_FUZZ_ROUNDS").map_or(60, |rounds| rounds.parse().expect("a number of rounds"))
}

#[cfg(not(feature = "codecs"))]
#[test]
fn a_build_without_codecs_says_so() {
    let error = refusal(&fixture("mono.flac"));
    assert!(error.contains("this build reads WAV only") && error.contains("found FLAC"), "{error}");
}

#[cfg(feature = "codecs")]
mod codecs {
    use super::*;

    /// What the fixtures hold, as mono at 44,100 Hz: see tools/oracle/audio_fixtures.sh.
    fn truth(stereo: bool, count: usize) -> Vec<f32> {
        let (left, right) = (sine(440.0, 0.5, 44_100, count), sine(1000.0, 0.25, 44_100, count));
        if stereo { left.iter().zip(right).map(|(left, right)| (left + right) / 2.0).collect() } else { left }
    }

    #[test]
    fn every_codec_gives_the_sound_without_the_encoders_padding() {
        let cases = [
            ("mono.flac", "flac", 17_640, 90.0),
            ("stereo.flac", "flac", 17_640, 90.0),
            ("stereo-cbr.mp3", "mp3", 44_100, 25.0), // the encoder's loss: FFmpeg's decoder comes as close
            ("mono-vbr.mp3", "mp3", 44_100, 50.0),
            ("mono.ogg", "vorbis", 44_100, 40.0),
            ("stereo.ogg", "vorbis", 44_100, 40.0),
            ("stereo.m4a", "aac", 44_100, 30.0),
        ];
        for (name, codec, count, least) in cases {
            let (samples, info) = audio::load(&fixture(name), 44_100).unwrap();
            let stereo = name.starts_with("stereo");
            let snr = snr(&samples, &truth(stereo, count), 4000);
            println!("{name}: {} samples, {snr:.1} dB, {info:?}", samples.len());
            assert_eq!(samples.len(), count, "{name}");
            assert_eq!((info.codec.as_str(), info.sample_rate), (codec, 44_100), "{name}");
            assert_eq!(info.channels, if stereo { 2 } else { 1 }, "{name}");
            assert!(snr > least, "{name}: {snr} dB");
        }
    }

    /// Bare AAC does not say how many samples the encoder added; FFmpeg's adds 1024 before.
    #[test]
    fn bare_aac_decodes_within_its_frames() {
        let (samples, _) = audio::load(&fixture("mono.aac"), 44_100).unwrap();
        assert!((44_100..44_100 + 3 * 1024).contains(&samples.len()), "{}", samples.len());
        let snr = snr(&samples[1024..], &truth(false, 44_100), 4000);
        assert!(snr > 30.0, "{snr} dB");
    }

    #[test]
    fn the_content_decides_not_the_name() {
        let folder = TempDir::new().unwrap();
        let disguised = folder.path().join("song.wav");
        std::fs::copy(fixture("mono-vbr.mp3"), &disguised).unwrap();
        assert_eq!(audio::load(&disguised, 22_050).unwrap().1.codec, "mp3");
    }

    #[test]
    fn chained_ogg_files_are_read_to_the_end() {
        let folder = TempDir::new().unwrap();
        let links = [std::fs::read(fixture("mono.ogg")).unwrap(), std::fs::read(fixture("stereo.ogg")).unwrap()];
        let (samples, _) = audio::load(&file_of(&folder, "chained.ogg", &links.concat()), 44_100).unwrap();
        println!("{} samples", samples.len());
        assert!((88_200 - 2048..=88_200).contains(&samples.len()), "{}", samples.len());
    }

    /// The checksum of an Ogg page, whose own field counts as zero: CRC-32, polynomial 0x04C11DB7, bits not reflected.
    fn ogg_checksum(page: &[u8]) -> u32 {
        page.iter().fold(0, |crc, &byte| {
            let shift = |crc: u32, _| if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 };
            (0..8).fold(crc ^ u32::from(byte) << 24, shift)
        })
    }

    /// Moves the time of every page of an Ogg Vorbis stream that holds sound.
    fn moved(mut bytes: Vec<u8>, by: i64) -> Vec<u8> {
        let mut start = 0;
        while start < bytes.len() {
            let segments = usize::from(bytes[start + 26]);
            let body: usize = bytes[start + 27..][..segments].iter().map(|&length| usize::from(length)).sum();
            let page = &mut bytes[start..start + 27 + segments + body];
            let time = i64::from_le_bytes(page[6..14].try_into().unwrap());
            if time > 0 {
                page[6..14].copy_from_slice(&(time + by).to_le_bytes());
                page[22..26].fill(0);
                let checksum = ogg_checksum(page);
                page[22..26].copy_from_slice(&checksum.to_le_bytes());
            }
            start += 27 + segments + body;
        }
        bytes
    }

    #[test]
    fn sound_before_time_zero_is_left_out() {
        let folder = TempDir::new().unwrap();
        let (whole, _) = audio::load(&fixture("mono.ogg"), 44_100).unwrap();
        let early = moved(std::fs::read(fixture("mono.ogg")).unwrap(), -1000);
        let (samples, _) = audio::load(&file_of(&folder, "early.ogg", &early), 44_100).unwrap();
        assert_eq!(samples.len(), whole.len() - 1000);
        assert!(samples == whole[1000..], "not the sound from the thousandth sample on");
    }

    #[test]
    fn files_cut_off_are_refused_where_their_length_is_known() {
        let folder = TempDir::new().unwrap();
        for name in ["mono.flac", "mono-vbr.mp3"] {
            let bytes = std::fs::read(fixture(name)).unwrap();
            let error = refusal(&file_of(&folder, name, &bytes[..bytes.len() / 4 * 3]));
            assert!(error.contains("as its header says"), "{error}");
        }
        let bytes = std::fs::read(fixture("stereo.m4a")).unwrap();
        let error = refusal(&file_of(&folder, "index-lost.m4a", &bytes[..bytes.len() / 2]));
        assert!(error.contains("MP4/M4A that cannot be opened"), "{error}");
    }

    /// Real music, where it is there: the first files of the data folder decode without a damaged packet.
    #[test]
    fn real_tracks_decode() {
        let folder = std::env::var_os("HOMONYM_DATA").map_or("../shared/data".into(), PathBuf::from).join("open/audio");
        let Ok(entries) = std::fs::read_dir(&folder) else {
            return println!("skipped: {} is not there; set HOMONYM_DATA", folder.display());
        };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in &paths[..paths.len().min(5)] {
            let (samples, info) = audio::load(path, 22_050).unwrap();
            println!("{}: {info:?}", path.display());
            assert_eq!(info.skipped_packets, 0);
            assert!((samples.len() as f64 / 22_050.0 - info.seconds).abs() < 1e-3);
        }
    }
}
