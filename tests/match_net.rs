//! Six updates of Triplet MatchNet go the way that PyTorch goes in `f64` (made by tools/oracle/torch_match.py), and what the
//! tower's gradient says is the slope.

mod common;

use std::path::Path;

use common::lcg::Lcg;
use homonym::mining::BatchLabels;
use homonym::models::{HeadSpec, InMemory, Layer, Network, NetworkSpec, ResidualCnnSpec, Standardisation};
use homonym::nn::{Init, ParamTable};
use homonym::optim::{Optimizer, Sgd};
use homonym::random::Random;
use homonym::train::{ObjectiveSpec, TrainConfig, Updater};
use serde_json::Value;

const FRAMES: usize = 19;
const BANDS: usize = 6;
const HIDDEN: usize = 6;
const ARTISTS: usize = 3;
const PER_ARTIST: usize = 3;

fn network() -> Box<dyn Network> {
    let input = Standardisation { scale: vec![0.5; BANDS], shift: vec![-3.5; BANDS] };
    let spec = ResidualCnnSpec { dims: 4, channels: 5, blocks: 2 };
    NetworkSpec::ResidualCnn(spec).build(FRAMES, BANDS, input).unwrap()
}

fn fill(table: &ParamTable, lcg: &mut Lcg) -> Vec<f32> {
    let mut params = vec![0.0; table.len()];
    for param in table.iter() {
        match param.init {
            Init::Glorot { .. } | Init::He { .. } => {
                lcg.symmetric(&mut params[param.range()], param.init.limit().unwrap());
            }
            Init::Zero | Init::One => {}
        }
    }
    params
}

fn segments(lcg: &mut Lcg) -> Vec<f32> {
    let value = |place: usize| {
        let (artist, band) = (place / (FRAMES * BANDS * PER_ARTIST), place % BANDS);
        let (u, shape) = (lcg.uniform(), 1 + band * (artist + 2) % 8);
        u * u * shape as f32 * 0.125
    };
    (0..ARTISTS * PER_ARTIST * FRAMES * BANDS).map(value).collect()
}

#[test]
fn updates_are_those_of_pytorch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/match.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let network = network();
    let head = HeadSpec::Pair { hidden: HIDDEN }.params(network.dims());
    let mut lcg = Lcg(4);
    let start = [fill(network.params(), &mut lcg), fill(&head, &mut lcg)].concat();
    let config = TrainConfig {
        objective: ObjectiveSpec::MatchNet { hidden: HIDDEN },
        optimizer: Optimizer::Sgd(Sgd { learning_rate: 0.05, momentum: 0.0, decay: 0.0 }),
        ..TrainConfig::default()
    };
    let mut updater = Updater::new(&*network, &config, ARTISTS, start.clone()).unwrap();
    let labels = BatchLabels {
        per_artist: PER_ARTIST,
        tags: vec![Vec::new(); ARTISTS * PER_ARTIST],
        artists: (0..ARTISTS * PER_ARTIST).map(|row| (row / PER_ARTIST) as u32).collect(),
        ..BatchLabels::default()
    };
    for (step, want) in golden["losses"].as_array().unwrap().iter().enumerate() {
        let values = segments(&mut lcg);
        let batch = InMemory { values: &values, size: FRAMES * BANDS };
        let loss = f64::from(updater.update(&batch, &labels, step as u64).loss);
        let want = want.as_f64().unwrap();
        assert!((loss - want).abs() < 1e-5 * want, "step {step}: {loss} {want}");
    }
    let own = updater.params();
    let places = network.params().iter().map(|param| (param, 0));
    for (param, before) in places.chain(head.iter().map(|param| (param, network.params().len()))) {
        let end = golden["params"][&param.name].as_array().unwrap();
        let range = param.range().start + before..param.range().end + before;
        let (mut difference, mut change) = (0.0, 0.0);
        for (want, at) in end.iter().map(|x| x.as_f64().unwrap()).zip(range) {
            difference += (f64::from(own[at]) - want).powi(2);
            change += (f64::from(start[at]) - want).powi(2);
        }
        let error = (difference / change).sqrt();
        println!("{}: change within {error:.1e}", param.name);
        assert!(change > 0.0 && error < 2e-3, "{}: {error:e}", param.name);
    }
}

/// Central differences along random directions of all parameters.
#[test]
fn the_gradient_is_the_slope() {
    let network = network();
    let params = network.params().initial(7);
    let values = segments(&mut Lcg(9));
    let batch = InMemory { values: &values, size: FRAMES * BANDS };
    let mut random = Random::keyed(11, &[]);
    let mut pass = network.training_pass();
    let points = pass.forward(&params, &batch, (0, 0)).to_vec();
    assert_eq!(points, network.embed(&params, &batch, Layer::Embedding));
    let slopes: Vec<f32> = points.iter().map(|_| random.normal() as f32).collect();
    let mut gradient = vec![0.0; params.len()];
    pass.backward(&params, &batch, &slopes, &mut gradient);
    let value = |params: &[f32]| -> f64 {
        let points = network.embed(params, &batch, Layer::Embedding);
        points.iter().zip(&slopes).map(|(&x, &c)| f64::from(x) * f64::from(c)).sum()
    };
    for _ in 0..8 {
        let direction: Vec<f64> = params.iter().map(|_| random.normal()).collect();
        let moved = |step: f64| -> Vec<f32> {
            params.iter().zip(&direction).map(|(&p, by)| (f64::from(p) + step * by) as f32).collect()
        };
        let slope = (value(&moved(1e-4)) - value(&moved(-1e-4))) / 2e-4;
        let own: f64 = gradient.iter().zip(&direction).map(|(&g, by)| f64::from(g) * by).sum();
        assert!((slope - own).abs() < 0.02 * (1.0 + own.abs()), "{slope} {own}");
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let build = |spec: ResidualCnnSpec, frames| {
        NetworkSpec::ResidualCnn(spec).build(frames, BANDS, Standardisation::identity(BANDS)).err().unwrap().to_string()
    };
    assert!(build(ResidualCnnSpec::default(), 7).contains("use at least 8"));
    assert!(build(ResidualCnnSpec { blocks: 0, ..ResidualCnnSpec::default() }, 43).contains("blocks"));
    assert!(build(ResidualCnnSpec { dims: 0, ..ResidualCnnSpec::default() }, 43).contains("dims"));
}
