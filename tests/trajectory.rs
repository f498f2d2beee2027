//! Ten updates of the network go the way that PyTorch goes in `f64` (made by tools/oracle/torch_trajectory.py).
//!
//! Inputs, initial weights and triplets come from the generator that the script has too; triplets are drawn, not mined, so
//! that a rounding cannot choose another one.

mod common;

use std::path::Path;

use homonym::loss::triplet_loss;
use homonym::matrix::Matrix;
use homonym::mining::Triplet;
use homonym::models::{InMemory, MetricCnnSpec, Network, NetworkSpec, Standardisation, TemporalPooling};
use homonym::nn::Init;
use homonym::optim::RmsProp;
use homonym::store::npy;
use serde_json::Value;

use common::lcg::Lcg;

/// Relative error of the loss at any step; measured up to 1e-6.
const LOSS: f64 = 1e-5;
/// Relative L2 error of all parameters after the last step; measured up to 6e-6. RMSProp divides by the size of the
/// gradient: where that is nothing but rounding the sign decides, so single parameters may be off by a step.
const PARAMS: f64 = 1e-4;
/// Errors of each group's change at the milestones, in units of its L2 norm: of the norm, and of the sum of all changes,
/// which one parameter that is off by a step moves by more; measured up to 7e-6 and 2e-3.
const CHANGE: (f64, f64) = (1e-4, 5e-3);

const FRAMES: usize = 60;
const BANDS: usize = 40;
const ARTISTS: usize = 4;
const PER_ARTIST: usize = 3;
const MARGIN: f32 = 0.2;
/// Factor and addend behind the compression, the same in every band.
const INPUT: (f32, f32) = (0.5, -3.5);
const OPTIMIZER: RmsProp = RmsProp { learning_rate: 1e-4, rho: 0.9, epsilon: 1e-8 };

fn initial_params(network: &dyn Network, lcg: &mut Lcg) -> Vec<f32> {
    let mut params = vec![0.0; network.params().len()];
    for param in network.params().iter() {
        if let Init::Glorot { fan_in, fan_out } = param.init {
            lcg.symmetric(&mut params[param.range()], (6.0 / (fan_in + fan_out) as f64).sqrt());
        }
    }
    params
}

/// Segments, artist by artist, and one triplet for each positive pair.
fn batch(lcg: &mut Lcg) -> (Vec<f32>, Vec<Triplet>) {
    let rows = ARTISTS * PER_ARTIST;
    let mut segments = Vec::with_capacity(rows * FRAMES * BANDS);
    for place in 0..rows * FRAMES * BANDS {
        let (artist, band) = (place / (FRAMES * BANDS * PER_ARTIST), place % BANDS);
        let (u, shape) = (lcg.uniform(), 1 + band * (artist + 2) % 8);
        segments.push(u * u * shape as f32 * 0.125);
    }
    let mut triplets = Vec::new();
    for anchor in 0..rows {
        let artist = anchor / PER_ARTIST;
        for positive in anchor + 1..(artist + 1) * PER_ARTIST {
            let other = (artist + 1 + lcg.below(ARTISTS - 1)) % ARTISTS;
            let negative = other * PER_ARTIST + lcg.below(PER_ARTIST);
            triplets.push([anchor as u32, positive as u32, negative as u32]);
        }
    }
    (segments, triplets)
}

fn relative(own: &[f32], other: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let difference: f64 = own.iter().zip(other).map(|(a, b)| square(f64::from(a - b))).sum();
    (difference / other.iter().map(|&x| square(f64::from(x))).sum::<f64>()).sqrt()
}

/// Compares how far each group has moved: the L2 norm of its change, and the sum of it.
fn check_change(name: &str, network: &dyn Network, start: &[f32], params: &[f32], step: usize, golden: &Value) {
    for param in network.params().iter() {
        let change = param.range().map(|place| f64::from(params[place]) - f64::from(start[place]));
        let (square, sum) = change.fold((0.0, 0.0), |(square, sum), x| (square + x * x, sum + x));
        let [norm, total] = [0, 1].map(|place| golden[&param.name][place].as_f64().unwrap());
        let (size, direction) = ((square.sqrt() - norm).abs() / norm, (sum - total).abs() / norm);
        println!("{name}, step {step}: change of {} within {size:.1e}, its sum within {direction:.1e}", param.name);
        assert!(size < CHANGE.0 && direction < CHANGE.1, "{name}, step {step}, {}: {size:e} {direction:e}", param.name);
    }
}

fn check(name: &str, temporal_pooling: TemporalPooling) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/trajectory");
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("trajectories.json")).unwrap()).unwrap();
    let golden = &report[name];
    let spec = MetricCnnSpec { dims: 16, temporal_pooling, dropout: 0.0, ..MetricCnnSpec::default() };
    let input = Standardisation { scale: vec![INPUT.0; BANDS], shift: vec![INPUT.1; BANDS] };
    let network = NetworkSpec::MetricCnn(spec).build(FRAMES, BANDS, input).unwrap();
    let mut lcg = Lcg(1);
    let mut params = initial_params(&*network, &mut lcg);
    let (start, mut squares) = (params.clone(), vec![0.0; params.len()]);
    let mut pass = network.training_pass();
    let mut worst: f64 = 0.0;
    let losses = golden["losses"].as_array().unwrap();
    for (step, expected) in losses.iter().map(|loss| loss.as_f64().unwrap()).enumerate() {
        let (segments, triplets) = batch(&mut lcg);
        let segments = InMemory { values: &segments, size: FRAMES * BANDS };
        let embeddings = pass.forward(&params, &segments, (0, step as u64));
        let mut slopes = vec![0.0; embeddings.len()];
        let loss = triplet_loss(MARGIN, embeddings, network.dims(), &triplets, &mut slopes);
        worst = worst.max((f64::from(loss) - expected).abs() / expected);
        let mut grads = vec![0.0; params.len()];
        pass.backward(&params, &segments, &slopes, &mut grads);
        OPTIMIZER.step(&mut params, &grads, &mut squares);
        if let Some(golden) = golden["milestones"].get((step + 1).to_string()) {
            check_change(name, &*network, &start, &params, step + 1, golden);
        }
    }
    let end: Matrix<f32> = npy::read(&folder.join(format!("{name}.params.npy"))).unwrap();
    let error = relative(&params, &end.data);
    let torch = &golden["float32"];
    println!("{name}: losses within {worst:.1e} (PyTorch in f32: {:.1e})", torch["loss"].as_f64().unwrap());
    println!("{name}: parameters within {error:.1e} (PyTorch in f32: {:.1e})", torch["params"].as_f64().unwrap());
    assert!(worst < LOSS, "{name}: losses off by {worst:e}");
    assert!(error < PARAMS, "{name}: parameters off by {error:e}");
}

#[test]
fn over_time_as_in_the_text() {
    check("over_time", TemporalPooling::OverTime);
}

#[test]
fn over_channels_as_in_the_table() {
    check("over_channels", TemporalPooling::OverChannels);
}
