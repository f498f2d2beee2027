//! Six updates of Triplet MatchNet, of its tower beside one for given vectors, and of the tower by every loss that needs nothing
//! drawn at random, go the way that PyTorch goes in `f64` (made by tools/oracle/torch_heads.py), and what the tower's gradient
//! says is the slope.

mod common;

use std::path::Path;

use common::lcg::Lcg;
use homonym::catalogue::table::Table;
use homonym::matrix::Matrix;
use homonym::mining::BatchLabels;
use homonym::models::{HeadSpec, InMemory, Layer, Network, NetworkSpec, ResidualCnnSpec, Standardisation};
use homonym::nn::{Init, ParamTable};
use homonym::optim::{Optimizer, Sgd};
use homonym::random::Random;
use homonym::store::embeddings::Embeddings;
use homonym::train::{ObjectiveSpec, TrainConfig, Updater};
use serde_json::Value;

const FRAMES: usize = 19;
const BANDS: usize = 6;
const DIMS: usize = 4;
const HIDDEN: usize = 6;
const ARTISTS: usize = 3;
const PER_ARTIST: usize = 3;

fn network() -> Box<dyn Network> {
    let input = Standardisation { scale: vec![0.5; BANDS], shift: vec![-3.5; BANDS] };
    let spec = ResidualCnnSpec { dims: DIMS, channels: 5, blocks: 2 };
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

/// A segment for each of the artists.
fn segments(lcg: &mut Lcg, artists: &[u32]) -> Vec<f32> {
    let value = |place: usize| {
        let (artist, band) = (artists[place / (FRAMES * BANDS)] as usize, place % BANDS);
        let (u, shape) = (lcg.uniform(), 1 + band * (artist + 2) % 8);
        u * u * shape as f32 * 0.125
    };
    (0..artists.len() * FRAMES * BANDS).map(value).collect()
}

fn everyone() -> Vec<u32> {
    (0..ARTISTS * PER_ARTIST).map(|row| (row / PER_ARTIST) as u32).collect()
}

/// Goes the steps of a golden trajectory, whose batches have segments of some artists, and compares.
fn follow(name: &str, head: &ParamTable, objective: ObjectiveSpec, rate: f32, steps: &[(BatchLabels, Vec<u32>)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.json"));
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let network = network();
    let mut lcg = Lcg(4);
    let start = [fill(network.params(), &mut lcg), fill(head, &mut lcg)].concat();
    let config = TrainConfig {
        objective,
        optimizer: Optimizer::Sgd(Sgd { learning_rate: rate, momentum: 0.0, decay: 0.0 }),
        ..TrainConfig::default()
    };
    let mut updater = Updater::new(&*network, &config, ARTISTS, start.clone()).unwrap();
    let losses = golden["losses"].as_array().unwrap();
    assert_eq!(losses.len(), steps.len());
    for (step, (want, (labels, artists))) in losses.iter().zip(steps).enumerate() {
        let values = segments(&mut lcg, artists);
        let batch = InMemory { values: &values, size: FRAMES * BANDS };
        let loss = f64::from(updater.update(&batch, labels, step as u64).loss);
        let want = want.as_f64().unwrap();
        assert!((loss - want).abs() < 1e-5 * want, "{name}, step {step}: {loss} {want}");
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
        println!("{name}, {}: change within {error:.1e}", param.name);
        assert!(change > 0.0 && error < 2e-3, "{name}, {}: {error:e}", param.name);
    }
}

/// A step with segments of these artists, in threes.
fn step_of(artists: Vec<u32>) -> (BatchLabels, Vec<u32>) {
    let tags = vec![Vec::new(); artists.len()];
    (BatchLabels { per_artist: PER_ARTIST, tags, artists: artists.clone(), ..BatchLabels::default() }, artists)
}

#[test]
fn a_learnt_distance_is_updated_as_by_pytorch() {
    let objective = ObjectiveSpec::MatchNet { hidden: HIDDEN };
    let head = HeadSpec::Pair { hidden: HIDDEN }.params(DIMS);
    follow("match", &head, objective, 0.05, &vec![step_of(everyone()); 6]);
}

#[test]
fn losses_are_descended_as_by_pytorch() {
    let none = ParamTable::default;
    let mut classifier = none();
    classifier.add("classifier.weight", &[DIMS, ARTISTS], Init::He { fan_in: DIMS });
    classifier.add("classifier.bias", &[ARTISTS], Init::Zero);
    let mut centroids = none();
    centroids.add("classifier.centroids", &[ARTISTS, DIMS], Init::He { fan_in: DIMS });
    for (name, head, objective, artists) in [
        ("contrastive", none(), ObjectiveSpec::Contrastive { margin: 1.5 }, everyone()),
        ("nt-xent", none(), ObjectiveSpec::NtXent { temperature: 0.4 }, everyone()),
        ("prototypical", none(), ObjectiveSpec::Prototypical { shots: 2 }, everyone()),
        ("siamese", none(), ObjectiveSpec::Siamese { negatives: 1, margin: 0.4 }, vec![0, 0, 1, 1, 1, 2, 2, 2, 0]),
        ("classification", classifier, ObjectiveSpec::Classification { dropout: 0.0 }, everyone()),
        (
            "normalised-classification",
            centroids,
            ObjectiveSpec::NormalisedClassification { temperature: 0.3 },
            everyone(),
        ),
    ] {
        follow(name, &head, objective, 0.1, &vec![step_of(artists); 6]);
    }
}

/// Two segments and their two vectors a step: each anchor has one positive and one negative, whatever is drawn at random.
#[test]
fn two_towers_are_updated_as_by_pytorch() {
    const WIDTH: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let value = |place: usize| ((3 * (place / WIDTH) + 2 * (place % WIDTH).pow(2)) % 7) as f32 / 4.0 - 0.75;
    let points = Matrix::new(4, WIDTH, (0..4 * WIDTH).map(value).collect());
    let rows = (0..4).map(|row| vec![format!("word {row}")]).collect();
    let table = Table { columns: vec!["track_id".to_owned()], rows };
    Embeddings { points, table, origin: None }.write(&folder.path().join("words")).unwrap();
    let step = |words: [u32; 2]| {
        let tags = words.map(|word| vec![word]).to_vec();
        (BatchLabels { per_artist: 1, tags, artists: words.to_vec(), ..BatchLabels::default() }, words.to_vec())
    };
    let steps = [[0, 1], [2, 3], [1, 2], [3, 0], [0, 2], [1, 3]].map(step);
    let objective = ObjectiveSpec::TwoTowers { vectors: folder.path().join("words"), margin: 0.4 };
    follow("towers", &HeadSpec::Vectors { width: WIDTH }.params(DIMS), objective, 0.1, &steps);
}

/// Central differences along random directions of all parameters.
#[test]
fn the_gradient_is_the_slope() {
    let network = network();
    let params = network.params().initial(7);
    let values = segments(&mut Lcg(9), &everyone());
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
