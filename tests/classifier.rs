//! The classifier's network against a naive `f64` one that shares no line with it (embeddings, running statistics, every
//! group of parameters against central differences), and ten updates against PyTorch in `f64` (made by
//! tools/oracle/torch_classifier.py).

mod common;

use std::collections::HashMap;
use std::path::Path;

use homonym::mining::BatchLabels;
use homonym::models::{ClassifierCnnSpec, InMemory, Layer, Network, NetworkSpec, Standardisation};
use homonym::nn::ParamTable;
use homonym::optim::{Optimizer, Sgd};
use homonym::random::Random;
use homonym::train::{ObjectiveSpec, TrainConfig, Updater};
use serde_json::Value;

use common::lcg::Lcg;

/// Largest difference of a value of an embedding; measured up to 2e-6.
const FORWARD: f64 = 2e-5;
/// Relative L2 error of the sampled slopes of a group; measured up to 3e-6.
const GRADIENT: f64 = 1e-4;
const STEP: f64 = 1e-7;

/// Kernel and pool of each block.
const BLOCKS: [(usize, usize); 5] = [(4, 4), (4, 4), (4, 4), (2, 2), (1, 1)];
const EPSILON: f64 = 1e-3;

type Frames = Vec<Vec<f64>>;

/// The network by its definition: frames of values, one segment after the other.
struct Naive<'a> {
    table: &'a ParamTable,
    params: Vec<f64>,
}

impl Naive<'_> {
    fn of(&self, block: usize, name: &str) -> &[f64] {
        let name = format!("block{block}.{name}");
        &self.params[self.table.iter().find(|param| param.name == name).unwrap().range()]
    }

    fn convolved(&self, block: usize, kernel: usize, x: &Frames) -> Frames {
        let (weights, bias, inputs) = (self.of(block, "weight"), self.of(block, "bias"), x[0].len());
        let before = (kernel - 1) / 2; // TensorFlow: the greater part of the zeros comes last
        let value = |time: usize, output: usize| {
            let mut sum = bias[output];
            for tap in 0..kernel {
                let Some(frame) = (time + tap).checked_sub(before).and_then(|place| x.get(place)) else { continue };
                let weights = &weights[(output * kernel + tap) * inputs..][..inputs];
                sum += frame.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>();
            }
            sum
        };
        (0..x.len()).map(|time| (0..bias.len()).map(|output| value(time, output)).collect()).collect()
    }

    /// Mean and variance of each channel over all frames of all segments.
    fn moments(batch: &[Frames]) -> Vec<(f64, f64)> {
        let frames: Vec<&Vec<f64>> = batch.iter().flatten().collect();
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / frames.len() as f64;
        let of = |channel: usize| {
            let centre = mean(&mut frames.iter().map(|frame| frame[channel]));
            (centre, mean(&mut frames.iter().map(|frame| (frame[channel] - centre).powi(2))))
        };
        (0..frames[0].len()).map(of).collect()
    }

    /// The last block of every segment; normalised by the batch, whose moments are also returned, or by running statistics.
    fn last(&self, mut batch: Vec<Frames>, training: bool) -> (Vec<Frames>, Vec<Vec<(f64, f64)>>) {
        let mut all = Vec::new();
        for (block, (kernel, pool)) in (1..).zip(BLOCKS) {
            batch = batch.iter().map(|x| self.convolved(block, kernel, x)).collect();
            let running = || self.of(block, "mean").iter().copied().zip(self.of(block, "variance").iter().copied());
            let moments = if training { Self::moments(&batch) } else { running().collect() };
            let (gain, shift) = (self.of(block, "gain"), self.of(block, "shift"));
            for frame in batch.iter_mut().flatten() {
                for (channel, x) in frame.iter_mut().enumerate() {
                    let (mean, variance) = moments[channel];
                    *x = ((*x - mean) / (variance + EPSILON).sqrt() * gain[channel] + shift[channel]).max(0.0);
                }
            }
            let pooled = |x: &Frames| -> Frames {
                let largest = |window: &[Vec<f64>]| {
                    (0..window[0].len()).map(|c| window.iter().map(|frame| frame[c]).fold(f64::MIN, f64::max)).collect()
                };
                x.chunks_exact(pool).map(largest).collect()
            };
            batch = batch.iter().map(pooled).collect();
            all.push(moments);
        }
        (batch, all)
    }

    fn embeddings(&self, batch: Vec<Frames>, training: bool) -> Vec<f64> {
        let mean = |x: &Frames| -> Vec<f64> {
            (0..x[0].len()).map(|c| x.iter().map(|frame| frame[c]).sum::<f64>() / x.len() as f64).collect()
        };
        self.last(batch, training).0.iter().flat_map(mean).collect()
    }
}

/// What a case of the naive network needs.
struct Case {
    network: Box<dyn Network>,
    params: Vec<f32>,
    values: Vec<f32>,
    size: usize,
    input: Vec<Frames>,
}

/// Six segments (more than a shard of four) whose last block has two frames.
fn case() -> Case {
    let (frames, bands, count) = (260, 5, 6);
    let mut random = Random::keyed(16, &[]);
    let map = Standardisation { scale: vec![1.5; bands], shift: vec![-0.5; bands] };
    let spec = NetworkSpec::ClassifierCnn(ClassifierCnnSpec { dims: 7, ..ClassifierCnnSpec::default() });
    let network = spec.build(frames, bands, map).unwrap();
    let mut params = network.params().initial(3);
    for param in network.params().iter().filter(|param| !param.is_kernel()) {
        params[param.range()].iter_mut().for_each(|x| *x += 0.1 * random.normal() as f32);
    }
    let values: Vec<f32> = (0..count * frames * bands).map(|_| (1.2 * random.normal() - 1.0).exp() as f32).collect();
    let level = |x: &f32| (1.0 + 10.0 * f64::from(*x)).log10() * 1.5 - 0.5;
    let frame = |frame: &[f32]| frame.iter().map(level).collect();
    let size = frames * bands;
    let input = values.chunks(size).map(|segment| segment.chunks(bands).map(frame).collect()).collect();
    Case { network, params, values, size, input }
}

impl Case {
    fn naive(&self, params: &[f32]) -> Naive<'_> {
        Naive { table: self.network.params(), params: params.iter().copied().map(f64::from).collect() }
    }
}

fn worst(own: &[f32], naive: &[f64]) -> f64 {
    assert_eq!(own.len(), naive.len());
    own.iter().zip(naive).map(|(&own, naive)| (f64::from(own) - naive).abs()).fold(0.0, f64::max)
}

#[test]
fn inference_is_that_of_the_definition() {
    let case = case();
    let segments = InMemory { values: &case.values, size: case.size };
    let naive = case.naive(&case.params);
    let own = case.network.embed(&case.params, &segments, Layer::Embedding);
    let error = worst(&own, &naive.embeddings(case.input.clone(), false));
    println!("inference within {error:.1e}");
    assert!(error < FORWARD, "{error:e}");
    let largest = |x: &Frames| -> Vec<f64> {
        assert_eq!(x.len(), 2, "something to take the maximum of");
        (0..x[0].len()).map(|c| x.iter().map(|frame| frame[c]).fold(f64::MIN, f64::max)).collect()
    };
    let moments = |x: &Frames| -> Vec<f64> {
        let mean = |c: usize| x.iter().map(|frame| frame[c]).sum::<f64>() / x.len() as f64;
        let deviation =
            |c: usize| (x.iter().map(|frame| (frame[c] - mean(c)).powi(2)).sum::<f64>() / x.len() as f64).sqrt();
        (0..x[0].len()).map(mean).chain((0..x[0].len()).map(deviation)).collect()
    };
    let moments: Vec<f64> = naive.last(case.input.clone(), false).0.iter().flat_map(moments).collect();
    let maxima: Vec<f64> = naive.last(case.input.clone(), false).0.iter().flat_map(largest).collect();
    let own = case.network.embed(&case.params, &segments, Layer::Features);
    assert!(worst(&own, &maxima) < FORWARD);
    assert!(worst(&case.network.embed(&case.params, &segments, Layer::Moments), &moments) < FORWARD);
}

#[test]
fn gradients_are_slopes_and_statistics_run() {
    let case = case();
    let segments = InMemory { values: &case.values, size: case.size };
    let mut pass = case.network.training_pass();
    let own = pass.forward(&case.params, &segments, (0, 0)).to_vec();
    let error = worst(&own, &case.naive(&case.params).embeddings(case.input.clone(), true));
    println!("training forward within {error:.1e}");
    assert!(error < FORWARD, "{error:e}");

    let mut settled = case.params.clone();
    pass.settle(&mut settled);
    let moments = case.naive(&case.params).last(case.input.clone(), true).1;
    for (block, moments) in (1..).zip(&moments) {
        let (before, after) = (case.naive(&case.params), case.naive(&settled));
        for (channel, &(mean, variance)) in moments.iter().enumerate() {
            for (name, new) in [("mean", mean), ("variance", variance)] {
                let expected = 0.99 * before.of(block, name)[channel] + 0.01 * new;
                assert!((after.of(block, name)[channel] - expected).abs() < 1e-5, "{block} {name}");
            }
        }
    }

    let mut random = Random::keyed(17, &[]);
    let slopes: Vec<f32> = own.iter().map(|_| random.normal() as f32).collect();
    let mut grads = vec![0.25; case.params.len()];
    pass.backward(&case.params, &segments, &slopes, &mut grads);
    let objective = |direction: &[(usize, f64)], step: f64| -> f64 {
        let mut naive = case.naive(&case.params);
        direction.iter().for_each(|&(place, by)| naive.params[place] += step * by);
        let points = naive.embeddings(case.input.clone(), true);
        points.iter().zip(&slopes).map(|(y, &c)| y * f64::from(c)).sum()
    };
    let group = |name: &str| case.network.params().iter().find(|param| param.name == name).unwrap().range();
    let scale = norm(&grads[group("block5.gain")], 0.25);
    for param in case.network.params().iter() {
        let range = param.range();
        let mut directions: Vec<Vec<(usize, f64)>> =
            random.sample(range.len(), 2).into_iter().map(|place| vec![(range.start + place, 1.0)]).collect();
        let share = (range.len() as f64).sqrt().recip();
        directions.push(range.clone().map(|place| (place, share * random.normal())).collect());
        let (mut difference, mut size) = (0.0, 0.0);
        for direction in directions {
            let naive = (objective(&direction, STEP) - objective(&direction, -STEP)) / (2.0 * STEP);
            let own: f64 = direction.iter().map(|&(place, by)| by * f64::from(grads[place] - 0.25)).sum();
            difference += (own - naive).powi(2);
            size += naive.powi(2);
        }
        println!("gradient of {}: {:.1e} of {:.1e}", param.name, difference.sqrt(), size.sqrt());
        match param.name.split('.').nth(1).unwrap() {
            "mean" | "variance" => assert_eq!(norm(&grads[range], 0.25), 0.0, "no gradient reaches statistics"),
            // Normalisation takes a bias away: its slope is zero, up to rounding.
            "bias" => assert!(size.sqrt() < 1e-5 * scale && difference.sqrt() < 1e-4 * scale, "{}", param.name),
            _ => assert!(
                size > 0.0 && (difference / size).sqrt() < GRADIENT,
                "{}: {}",
                param.name,
                (difference / size).sqrt()
            ),
        }
    }
}

fn norm(values: &[f32], centre: f32) -> f64 {
    values.iter().map(|&x| f64::from(x - centre).powi(2)).sum::<f64>().sqrt()
}

/// The sizes and settings of the script.
mod script {
    pub(super) const FRAMES: usize = 160;
    pub(super) const BANDS: usize = 12;
    pub(super) const DIMS: usize = 24;
    pub(super) const ROWS: usize = 12;
    pub(super) const ARTISTS: usize = 3;
    pub(super) const MAP: (f32, f32) = (1.5, -0.7);
}

/// The script's batch.
fn batch(lcg: &mut Lcg) -> Vec<f32> {
    let place = |place: usize| {
        let (row, band) = (place / (script::FRAMES * script::BANDS), place % script::BANDS);
        (lcg.uniform(), (1 + band * (row % script::ARTISTS + 2) % 5) as f32)
    };
    let values = (0..script::ROWS * script::FRAMES * script::BANDS).map(place);
    values.map(|(u, shape)| u * u * shape).collect()
}

/// Norm, sum and a fixed product of how far the parameters of a group have moved.
fn figures(start: &[f32], end: &[f32]) -> [f64; 3] {
    let change = || start.iter().zip(end).map(|(&start, &end)| f64::from(end) - f64::from(start));
    let probe = change().enumerate().map(|(place, x)| x * (1.0 + place as f64).cos()).sum();
    [change().map(|x| x * x).sum::<f64>().sqrt(), change().sum(), probe]
}

fn check_trajectory(name: &str, objective: ObjectiveSpec, learning_rate: f32, (loss, change): (f64, f64)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/classifier.json");
    let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let golden = &report[name];
    let head = matches!(objective, ObjectiveSpec::Classification { .. });
    let spec = ClassifierCnnSpec { dims: script::DIMS, ..ClassifierCnnSpec::default() };
    let config = TrainConfig {
        network: NetworkSpec::ClassifierCnn(spec),
        objective,
        optimizer: Optimizer::Sgd(Sgd { learning_rate, momentum: 0.9, decay: 1e-2 }),
        l2: 1e-3,
        ..TrainConfig::default()
    };
    let map = Standardisation { scale: vec![script::MAP.0; script::BANDS], shift: vec![script::MAP.1; script::BANDS] };
    let network = config.network.build(script::FRAMES, script::BANDS, map).unwrap();
    let mut lcg = Lcg(7);
    let mut params = network.params().initial(0);
    for param in network.params().iter().filter(|param| param.is_kernel()) {
        let fan_in: usize = param.shape[1..].iter().product();
        lcg.symmetric(&mut params[param.range()], (6.0 / fan_in as f64).sqrt());
    }
    let mut groups: HashMap<String, std::ops::Range<usize>> =
        network.params().iter().map(|param| (param.name.clone(), param.range())).collect();
    if head {
        let (own, weights) = (params.len(), script::DIMS * script::ARTISTS);
        params.resize(own + weights + script::ARTISTS, 0.0);
        lcg.symmetric(&mut params[own..own + weights], (6.0 / script::DIMS as f64).sqrt());
        groups.insert("classifier.weight".into(), own..own + weights);
        groups.insert("classifier.bias".into(), own + weights..params.len());
    }
    let mut updater = Updater::new(&*network, &config, script::ARTISTS, params.clone()).unwrap();
    let labels = BatchLabels {
        per_artist: 1,
        tags: vec![Vec::new(); script::ROWS],
        artists: (0..script::ROWS).map(|row| (row % script::ARTISTS) as u32).collect(),
        ..BatchLabels::default()
    };
    for (step, expected) in golden["losses"].as_array().unwrap().iter().enumerate() {
        let values = batch(&mut lcg);
        let segments = InMemory { values: &values, size: script::FRAMES * script::BANDS };
        let own = f64::from(updater.update(&segments, &labels, step as u64).loss);
        let error = (own - expected.as_f64().unwrap()).abs() / expected.as_f64().unwrap();
        println!("{name}, step {}: loss {own:.6}, within {error:.1e}", step + 1);
        assert!(error < loss, "{name}, step {}: {error:e}", step + 1);
        let Value::Object(milestone) = &golden["milestones"][(step + 1).to_string()] else { continue };
        for (group, golden) in milestone {
            let own = figures(&params[groups[group].clone()], &updater.params()[groups[group].clone()]);
            let golden: Vec<f64> = golden.as_array().unwrap().iter().map(|figure| figure.as_f64().unwrap()).collect();
            // A bias in front of a normalisation moves by rounding alone.
            let size = if group.starts_with("block") && group.ends_with("bias") { 1e-2 } else { golden[0] };
            let error = own.iter().zip(&golden).map(|(own, golden)| (own - golden).abs() / size).fold(0.0, f64::max);
            println!("{name}, step {}: change of {group} within {error:.1e}", step + 1);
            assert!(error < change, "{name}, step {}, {group}: {error:e}", step + 1);
        }
    }
}

#[test]
fn classification_goes_the_way_of_pytorch() {
    check_trajectory("classification", ObjectiveSpec::Classification { dropout: 0.0 }, 0.05, (1e-5, 1e-3));
}

#[test]
fn the_siamese_variant_goes_the_way_of_pytorch() {
    check_trajectory("siamese", ObjectiveSpec::Siamese { negatives: 4, margin: 0.4 }, 0.005, (1e-4, 1e-3));
}
