//! `homonym bench`: how fast this build is on this machine, on synthetic input.

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use homonym_kernels::Isa;
use rayon::prelude::*;
use serde::Serialize;

use super::{Console, Outcome};
use crate::cluster::{Scratch, linkage_with};
use crate::demo::noise_store;
use crate::frontend::{FrameStream, Recipe, frames_of_file};
use crate::matrix::Matrix;
use crate::models::{Arithmetic, Layer, Standardisation};
use crate::random::Random;
use crate::sampling::{Augmentation, Drawer, Drawing, LabelledTracks, TrackList};
use crate::store::npy;
use crate::train::{TrainConfig, Updater};
use crate::{Error, Monitor as _, Result};

/// Measure the speed of a part of the engine on synthetic input; medians of several rounds.
#[derive(clap::Args)]
pub(super) struct Bench {
    /// What to measure.
    part: Part,
    /// Rounds to take the median of.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Length of a segment in seconds (network).
    #[arg(long, value_name = "SECONDS", default_value_t = 9.0)]
    segment: f64,
    /// An audio file to decode, resample and turn into frames, instead of ready samples (mel, cqt).
    #[arg(long, value_name = "FILE")]
    audio: Option<PathBuf>,
    /// Number of points (ward).
    #[arg(long, value_name = "N", default_value_t = 2000)]
    points: usize,
    /// A NumPy matrix of points instead of synthetic ones (ward).
    #[arg(long, value_name = "POINTS.npy")]
    input: Option<std::path::PathBuf>,
    /// Sizes of groups of consecutive points that are clustered each by itself: a NumPy column (ward).
    #[arg(long, value_name = "SIZES.npy", requires = "input")]
    groups: Option<std::path::PathBuf>,
    /// Values of a point (ward) or of an embedding (network).
    #[arg(long, value_name = "D", default_value_t = 32)]
    dims: usize,
    /// How the convolutions of forward passes compute (network).
    #[arg(long, value_enum, default_value = "f32")]
    arithmetic: Arithmetic,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// The paper's network, batch 96: inference, forward and backward alone, and whole training steps: batch drawn from a
    /// mapped store, forward, mining, backward, update.
    Network,
    /// Mel spectrograms, a signal or file for each thread.
    Mel,
    /// Constant-Q transforms, as above.
    Cqt,
    /// Ward clustering of points on the sphere.
    Ward,
}

/// Artists and tracks of each in a synthetic store.
const CATALOGUE: (usize, usize) = (48, 6);
/// Seconds of audio that every thread turns into frames in a round.
const AUDIO_SECONDS: usize = 60;

impl Bench {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        match self.part {
            Part::Network => self.network(console),
            Part::Mel => self.frames(console, &Recipe::default()),
            Part::Cqt => self.frames(console, &Recipe::cqt()),
            Part::Ward => self.ward(console),
        }?;
        console.end();
        Ok(Outcome::Done)
    }

    /// The median of the rounds, in seconds; one more round before them warms up.
    fn median(&self, console: &Console, what: &str, mut job: impl FnMut(u64)) -> f64 {
        self.medians(console, what, [&mut job])[0]
    }

    /// The medians of jobs that take turns, so that all see the same machine.
    fn medians<const N: usize>(&self, console: &Console, what: &str, mut jobs: [&mut dyn FnMut(u64); N]) -> [f64; N] {
        console.begin(what, Some(u64::from(self.rounds)));
        jobs.iter_mut().for_each(|job| job(0));
        let mut seconds = [const { Vec::new() }; N];
        for round in 1..=u64::from(self.rounds) {
            for (job, seconds) in jobs.iter_mut().zip(&mut seconds) {
                let clock = Instant::now();
                job(round);
                seconds.push(clock.elapsed().as_secs_f64());
            }
            console.advance(1);
        }
        seconds.map(|mut seconds| {
            seconds.sort_unstable_by(f64::total_cmp);
            seconds[seconds.len() / 2]
        })
    }

    fn network(&self, console: &Console) -> Result<()> {
        #[derive(Serialize)]
        struct Report {
            batch: usize,
            frames: usize,
            dims: usize,
            threads: usize,
            isa: &'static str,
            arithmetic: Arithmetic,
            forward_samples_per_s: f64,
            passes_samples_per_s: f64,
            train_samples_per_s: f64,
            peak_memory_bytes: Option<u64>,
        }
        let config = TrainConfig::default();
        let recipe = Recipe::default();
        let (frames, bands) = (recipe.seconds_to_frames(self.segment), recipe.bands);
        let spec = crate::models::MetricCnnSpec { dims: self.dims, ..Default::default() };
        let mut network =
            crate::models::NetworkSpec::MetricCnn(spec).build(frames, bands, Standardisation::identity(bands))?;
        network.compute_in(self.arithmetic)?;
        let folder = tempfile::tempdir().map_err(Error::io(&std::env::temp_dir()))?;
        let store = noise_store(folder.path(), CATALOGUE, 2 * frames)?;
        let rows: Vec<usize> = (0..store.len()).collect();
        let tracks = LabelledTracks::new(&store, &TrackList::of_rows(&store, &rows)?, "artist", None)?;
        let drawing = (Drawing::ByArtist, config.batch);
        let mut drawer = Drawer::new(&tracks, drawing, Augmentation::default(), frames, config.seed);
        let mut draw = |step| drawer.batch(step);
        let (ready, batch) = (draw(0), config.batch.artists * config.batch.samples);
        let params = network.params().initial(0);

        let mut pass = network.training_pass();
        let mut grads = vec![0.0; params.len()];
        let mut updater = Updater::new(&*network, &config, tracks.artists(), params.clone())?;
        let [forward, passes, train] = self.medians(
            console,
            "network",
            [
                &mut |_| drop(network.embed(&params, &ready, Layer::Embedding)),
                &mut |step| {
                    let slopes = pass.forward(&params, &ready, (0, step)).to_vec();
                    pass.backward(&params, &ready, &slopes, &mut grads);
                },
                &mut |step| {
                    let drawn = draw(step);
                    updater.update(&drawn, &drawn.labels, step);
                },
            ],
        );
        let report = Report {
            batch,
            frames,
            dims: self.dims,
            threads: rayon::current_num_threads(),
            isa: Isa::chosen()?.name(),
            arithmetic: self.arithmetic,
            forward_samples_per_s: batch as f64 / forward,
            passes_samples_per_s: batch as f64 / passes,
            train_samples_per_s: batch as f64 / train,
            peak_memory_bytes: peak_memory(),
        };
        console.result("homonym.bench.network/2", &report, || {
            let Report { forward_samples_per_s: forward, passes_samples_per_s: passes, .. } = &report;
            let Report { train_samples_per_s: train, threads, isa, .. } = &report;
            format!(
                "forward {forward:.0}, forward and backward {passes:.0}, training from a store {train:.0} samples/s \
                 ({isa}, {threads} threads, batch {batch})"
            )
        })
    }

    fn frames(&self, console: &Console, recipe: &Recipe) -> Result<()> {
        #[derive(Serialize)]
        struct Report {
            threads: usize,
            audio_seconds: f64,
            audio_seconds_per_s: f64,
            /// Of all threads, for a second of audio; none where the system does not say.
            cpu_seconds_per_s: Option<f64>,
        }
        let threads = rayon::current_num_threads();
        let mut random = Random::keyed(0, &[]);
        let samples: Vec<f32> =
            (0..AUDIO_SECONDS * recipe.sample_rate as usize).map(|_| random.normal() as f32 * 0.1).collect();
        // Filters are made once for any number of signals, as `extract` does.
        let mut streams: Vec<_> = (0..threads).map(|_| recipe.stream()).collect::<Result<_>>()?;
        let work = |stream: &mut Box<dyn FrameStream>| {
            let mut frames = Vec::with_capacity(recipe.bands * recipe.seconds_to_frames(AUDIO_SECONDS as f64));
            let mut collect = |new: &[f32]| {
                frames.extend_from_slice(new);
                Ok(())
            };
            let seconds = if let Some(path) = &self.audio {
                frames_of_file(path, &mut **stream, &mut collect)?.seconds
            } else {
                stream.push(&samples, &mut frames);
                stream.finish(&mut frames);
                AUDIO_SECONDS as f64
            };
            std::hint::black_box(frames);
            Ok(seconds)
        };
        let mut audio: Result<f64> = Ok(0.0);
        let mut cpu = Vec::new();
        let seconds = self.median(console, &recipe.kind, |round| {
            let before = cpu_seconds();
            audio = streams.par_iter_mut().map(&work).sum();
            if round > 0 {
                cpu.extend(cpu_seconds().zip(before).map(|(after, before)| after - before));
            }
        });
        let audio_seconds = audio?;
        cpu.sort_unstable_by(f64::total_cmp);
        let cpu_seconds_per_s = cpu.get(cpu.len() / 2).map(|cpu| cpu / audio_seconds);
        let audio_seconds_per_s = audio_seconds / seconds;
        let report = Report { threads, audio_seconds, audio_seconds_per_s, cpu_seconds_per_s };
        console.result("homonym.bench.mel/1", &report, || {
            format!("{}: {audio_seconds_per_s:.0} seconds of audio per second ({threads} threads)", recipe.kind)
        })
    }

    fn ward(&self, console: &Console) -> Result<()> {
        #[derive(Serialize)]
        struct Report {
            points: usize,
            groups: usize,
            dims: usize,
            threads: usize,
            seconds: f64,
            /// Of all threads; none where the system does not say.
            cpu_seconds: Option<f64>,
            /// The height of each group's last merge.
            top_heights: Vec<f64>,
        }
        let points = match &self.input {
            Some(path) => npy::read_finite::<f32>(path)?,
            None => clustered_points(self.points, self.dims),
        };
        let sizes = match &self.groups {
            Some(path) => npy::read_finite::<f64>(path)?.data.into_iter().map(|size| size as usize).collect(),
            None => vec![points.rows],
        };
        if sizes.iter().sum::<usize>() != points.rows || sizes.contains(&0) {
            return Err(Error::setting("--groups", format!("must hold positive sizes that add up to {}", points.rows)));
        }
        let ends = sizes.iter().scan(0, |end, size| {
            *end += size;
            Some(*end)
        });
        let groups: Vec<std::ops::Range<usize>> = ends.zip(&sizes).map(|(end, size)| end - size..end).collect();
        let one = |scratch: &mut Scratch, rows: &std::ops::Range<usize>| {
            let tree = linkage_with(scratch, rows.clone().map(|row| points.row(row)), &())?;
            Ok(tree.merges().last().map_or(0.0, |merge| merge.height))
        };
        let (mut top_heights, mut cpu) = (Ok(Vec::new()), Vec::new());
        let seconds = self.median(console, "ward", |round| {
            let before = cpu_seconds();
            top_heights = groups.par_iter().map_init(Scratch::default, &one).collect::<Result<Vec<f64>>>();
            if round > 0 {
                cpu.extend(cpu_seconds().zip(before).map(|(after, before)| after - before));
            }
        });
        cpu.sort_unstable_by(f64::total_cmp);
        let report = Report {
            points: points.rows,
            groups: groups.len(),
            dims: points.cols,
            threads: rayon::current_num_threads(),
            seconds,
            cpu_seconds: cpu.get(cpu.len() / 2).copied(),
            top_heights: top_heights?,
        };
        console.result("homonym.bench.ward/1", &report, || {
            let Report { points, groups, dims, .. } = &report;
            format!("ward: {points} points × {dims} in {groups} groups in {seconds:.3} s")
        })
    }
}

/// What all threads of this process have computed so far, where the system says.
fn cpu_seconds() -> Option<f64> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let nanoseconds = tasks.map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanoseconds.sum::<Option<u64>>().map(|nanoseconds| nanoseconds as f64 * 1e-9)
}

/// The most memory that this process has had so far, where the system says.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Points on the sphere around n / 50 centres, with noise of 0.35.
fn clustered_points(count: usize, dims: usize) -> Matrix<f32> {
    let mut random = Random::keyed(0, &[]);
    let centres: Vec<f64> = (0..count.div_ceil(50) * dims).map(|_| random.normal()).collect();
    let mut data = Vec::with_capacity(count * dims);
    for point in 0..count {
        let centre = &centres[point / 50 * dims..][..dims];
        let norm = centre.iter().map(|x| x * x).sum::<f64>().sqrt();
        let noisy: Vec<f64> = centre.iter().map(|x| x / norm + 0.35 * random.normal() / (dims as f64).sqrt()).collect();
        let norm = noisy.iter().map(|x| x * x).sum::<f64>().sqrt();
        data.extend(noisy.iter().map(|x| (x / norm) as f32));
    }
    Matrix::new(count, dims, data)
}
