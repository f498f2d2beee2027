//! From files to frames, on one thread: the front end, resampling, decoding, and all of it. Throughput is in samples at the
//! rate that comes in.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homonym::audio;
use homonym::frontend::{FRONT_ENDS, Recipe, frames_of_file};
use homonym::random::Random;

const SECONDS: u32 = 20;

fn noise(rate: u32) -> Vec<f32> {
    let mut random = Random::keyed(1, &[]);
    (0..SECONDS * rate).map(|_| random.normal() as f32 * 0.1).collect()
}

fn front_ends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    for front_end in FRONT_ENDS {
        let recipe = Recipe { kind: front_end.kind.into(), ..Recipe::default() };
        let samples = noise(recipe.sample_rate);
        let mut stream = recipe.stream().unwrap();
        let mut frames = Vec::new();
        group.throughput(Throughput::Elements(samples.len() as u64));
        group.bench_function(front_end.kind, |bench| {
            bench.iter(|| {
                frames.clear();
                stream.push(&samples, &mut frames);
                stream.finish(&mut frames);
            });
        });
        assert_eq!(frames.len(), recipe.bands * recipe.seconds_to_frames(f64::from(SECONDS)));
        assert!(frames.iter().all(|&value| value > 0.0 && value.is_finite()), "noise has power in every band");
    }
}

/// Noise in a WAV file of the rate, to 22,050 Hz: at that rate already, it is the cost of reading WAV.
fn resampling(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("wav to 22050 Hz");
    for rate in [22_050, 44_100, 48_000, 32_000, 96_000] {
        let path = folder.path().join("noise.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        noise(rate).iter().for_each(|sample| writer.write_sample((sample * 32_768.0) as i16).unwrap());
        writer.finalize().unwrap();
        group.throughput(Throughput::Elements(u64::from(SECONDS * rate)));
        group.bench_function(rate.to_string(), |bench| {
            bench.iter(|| audio::load(&path, 22_050).unwrap());
        });
        let (samples, _) = audio::load(&path, 22_050).unwrap();
        assert_eq!(samples.len(), (SECONDS * 22_050) as usize);
        let power = samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32;
        let kept = 22_050.0 / rate.max(22_050) as f32; // the share of the band below the lower Nyquist frequency
        assert!((power / (0.01 * kept) - 1.0).abs() < 0.03, "{rate} Hz: power {power}");
    }
}

/// The fixtures of the tests, about a second each.
fn files(criterion: &mut Criterion) {
    let mut stream = Recipe::default().stream().unwrap();
    for name in ["stereo.flac", "stereo-cbr.mp3", "stereo.ogg", "stereo.m4a"] {
        let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio").join(name);
        let mut group = criterion.benchmark_group(name);
        let (samples, _) = audio::load(&path, 44_100).unwrap();
        group.throughput(Throughput::Elements(samples.len() as u64));
        group.bench_function("decode", |bench| bench.iter(|| audio::load(&path, 44_100).unwrap()));
        group.bench_function("decode, resample", |bench| bench.iter(|| audio::load(&path, 22_050).unwrap()));
        let mut values = 0;
        group.bench_function("decode, resample, mel", |bench| {
            bench.iter(|| {
                values = 0;
                frames_of_file(&path, &mut *stream, &mut |frames| {
                    values += frames.len();
                    Ok(())
                })
                .unwrap()
            });
        });
        assert_eq!(values, 128 * (1 + samples.len().div_ceil(2) / 512));
    }
}

criterion_group!(benches, front_ends, resampling, files);
criterion_main!(benches);
