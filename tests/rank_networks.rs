//! Five updates of the networks of learning to rank go the way that PyTorch goes in `f64` (made by
//! tools/oracle/torch_rank.py), and the first gradient is PyTorch's, value by value.

use std::path::Path;

use homonym::loss::{binary_cross_entropy, triplet_loss};
use homonym::matrix::Matrix;
use homonym::models::{InMemory, Layer, NetworkSpec, RankCnnSpec, RankDesign, Standardisation};
use homonym::nn::Init;
use homonym::optim::Adam;
use homonym::store::npy;
use serde_json::Value;

/// Relative L2 error of the first gradient, relative error of the losses, largest difference of a value of the embeddings.
const GRADIENT: f64 = 1e-4;
const LOSS: f64 = 1e-4;
const EMBEDDING: f64 = 1e-3;

const BANDS: usize = 96;
const DIMS: usize = 6;
const ROWS: usize = 5;
const MARGIN: f32 = 0.5;
/// What gradients are added to; small, because what rounds it away is not the gradient's error.
const BEFORE: f32 = 1.0 / 1024.0;
const ADAM: Adam = Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };

/// The script's generator (Numerical Recipes).
struct Lcg(u32);

impl Lcg {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0 >> 8) / 16_777_216.0
    }

    /// Segments whose bands are shaped by the row, and targets.
    fn batch(&mut self, frames: usize) -> (Vec<f32>, Vec<f32>) {
        let value = |place: usize, u: f64| {
            let (row, band) = (place / (frames * BANDS), place % BANDS);
            (u * u * (1 + band * (row + 2) % 8) as f64 / 8.0) as f32
        };
        let segments = (0..ROWS * frames * BANDS).map(|place| value(place, self.uniform())).collect();
        (segments, (0..ROWS * DIMS).map(|_| f32::from(self.uniform() < 0.4)).collect())
    }
}

fn check(name: &str, design: RankDesign, width: f32, frames: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rank");
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("updates.json")).unwrap()).unwrap();
    let spec = RankCnnSpec { design, dims: DIMS, width, ..RankCnnSpec::default() };
    let input = Standardisation { scale: vec![0.5; BANDS], shift: vec![-3.5; BANDS] };
    let network = NetworkSpec::RankCnn(spec).build(frames, BANDS, input).unwrap();
    let mut lcg = Lcg(7);
    let mut params = vec![0.0; network.params().len()];
    for param in network.params().iter() {
        match param.init {
            Init::Glorot { fan_in, fan_out } => {
                let limit = (6.0 / (fan_in + fan_out) as f64).sqrt();
                params[param.range()].fill_with(|| ((2.0 * lcg.uniform() - 1.0) * limit) as f32);
            }
            _ if param.name == "autopool.alpha" => {
                params[param.range()].fill_with(|| (2.0 * lcg.uniform() - 1.0) as f32);
            }
            _ => {}
        }
    }
    let triplets: Vec<[u32; 3]> = (2..ROWS as u32).map(|negative| [0, 1, negative]).collect();
    let (mut means, mut pass) = (vec![0.0; 2 * params.len()], network.training_pass());
    for (step, expected) in report[name]["losses"].as_array().unwrap().iter().enumerate() {
        let (segments, targets) = lcg.batch(frames);
        let segments = InMemory { values: &segments, size: frames * BANDS };
        let points = pass.forward(&params, &segments, (0, 0));
        let mut slopes = vec![0.0; points.len()];
        let loss = match design {
            RankDesign::At => binary_cross_entropy(points, DIMS, &targets, &mut slopes).0,
            _ => triplet_loss(MARGIN, points, DIMS, &triplets, &mut slopes),
        };
        let far = (f64::from(loss) / expected.as_f64().unwrap() - 1.0).abs();
        println!("{name}, step {step}: loss {loss} within {far:.1e}");
        assert!(far < LOSS, "{name}, step {step}: {loss} for {expected}");
        let mut grads = vec![BEFORE; params.len()];
        pass.backward(&params, &segments, &slopes, &mut grads);
        grads.iter_mut().for_each(|grad| *grad -= BEFORE);
        if step == 0 {
            let golden: Matrix<f32> = npy::read(&folder.join(format!("{name}.gradient.npy"))).unwrap();
            for param in network.params().iter() {
                let square = |x: f32| f64::from(x).powi(2);
                let pairs = || grads[param.range()].iter().zip(&golden.data[param.range()]);
                let size = pairs().map(|(_, &b)| square(b)).sum::<f64>().sqrt();
                let far = pairs().map(|(a, b)| square(a - b)).sum::<f64>().sqrt() / size;
                println!("{name}: gradient of {} within {far:.1e}", param.name);
                assert!(size > 0.0 && far < GRADIENT, "{name}, {}: {far:e} of {size:e}", param.name);
            }
        }
        ADAM.step(&mut params, &grads, &mut means, step as u64);
    }
    let (segments, _) = lcg.batch(frames);
    let segments = InMemory { values: &segments, size: frames * BANDS };
    let points = network.embed(&params, &segments, Layer::Embedding);
    let golden: Vec<f64> = report[name]["embeddings"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert_eq!(points.len(), golden.len());
    let mut both = [points.iter().map(|&x| f64::from(x)).collect(), golden];
    if design != RankDesign::At {
        // Distances do not know of a shift of all points: its gradient is rounding, of which Adam makes whole steps.
        both.iter_mut().for_each(|points| centre(points));
    }
    let far = both[0].iter().zip(&both[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{name}: embeddings within {far:.1e}");
    assert!(far < EMBEDDING, "{name}: embeddings within {far:e}");
}

/// Takes the mean of all rows from each.
fn centre(points: &mut [f64]) {
    for value in 0..DIMS {
        let column = || (value..points.len()).step_by(DIMS);
        let mean = column().map(|at| points[at]).sum::<f64>() / column().count() as f64;
        (value..points.len()).step_by(DIMS).for_each(|at| points[at] -= mean);
    }
}

#[test]
fn the_auto_tagger() {
    check("at", RankDesign::At, 1.0 / 64.0, 384);
}

#[test]
fn the_triplet_network() {
    check("tl", RankDesign::Tl, 1.0 / 64.0, 384);
}

#[test]
fn the_triplet_network_with_auto_pooling() {
    check("tl-autopool", RankDesign::TlAutopool, 1.0 / 32.0, 80);
}
