//! What bf16 costs: embeddings against those in f32, and against a model of the arithmetic that runs on any machine.

use homonym::models::{Arithmetic, InMemory, Layer, MetricCnnSpec, Network, NetworkSpec, Standardisation};
use homonym::random::Random;
use homonym_kernels::*;

const FRAMES: usize = 388;
const BANDS: usize = 128;
/// How far embeddings, of length 1, may be from those in f32.
const TOLERANCE: f64 = 5e-3;

/// How far the gradient behind a forward pass in bf16 may be from that in f32, relative: now and then another pixel of a
/// window is the largest.
const GRADIENT_TOLERANCE: f64 = 3e-2;

/// A network with random weights and segments whose frames hang together as music's do, at several levels.
struct Case {
    network: Box<dyn Network>,
    params: Vec<f32>,
    segments: Vec<f32>,
}

impl Case {
    fn new(segments: usize) -> Self {
        let input = Standardisation { scale: vec![0.5; BANDS], shift: vec![-1.0; BANDS] };
        let network = NetworkSpec::default().build(FRAMES, BANDS, input).unwrap();
        let mut random = Random::keyed(5, &[]);
        let mut params = network.params().initial(1);
        let biases: Vec<_> = network.params().iter().filter(|param| param.name.ends_with("bias")).collect();
        for at in biases.into_iter().flat_map(|param| param.range()) {
            params[at] = 0.1 * random.normal() as f32;
        }
        let mut values = Vec::new();
        for segment in 0..segments {
            let mut level = [0.0; BANDS];
            for _ in 0..FRAMES {
                for (band, level) in level.iter_mut().enumerate() {
                    *level = 0.9 * *level + random.normal();
                    values.push((*level - 2.0 * segment as f64 - band as f64 / 30.0).exp() as f32);
                }
            }
        }
        Self { network, params, segments: values }
    }

    fn embed(&self) -> Vec<f32> {
        let segments = InMemory { values: &self.segments, size: FRAMES * BANDS };
        self.network.embed(&self.params, &segments, Layer::Embedding)
    }

    /// The gradient of the parameters under slopes of the embeddings that are the same at every call.
    fn gradient(&self) -> Vec<f32> {
        let segments = InMemory { values: &self.segments, size: FRAMES * BANDS };
        let mut pass = self.network.training_pass();
        let count = pass.forward(&self.params, &segments, (0, 0)).len();
        let mut random = Random::keyed(7, &[]);
        let slopes: Vec<f32> = (0..count).map(|_| random.normal() as f32).collect();
        let mut gradient = vec![0.0; self.params.len()];
        pass.backward(&self.params, &segments, &slopes, &mut gradient);
        gradient
    }

    fn param(&self, name: &str) -> &[f32] {
        &self.params[self.network.params().iter().find(|param| param.name == name).unwrap().range()]
    }

    /// The embedding of a segment by f32 kernels whose inputs, behind the first layer, are rounded to bf16.
    fn model(&self, segment: &[f32]) -> Vec<f32> {
        let isa = Isa::PORTABLE;
        let image = Image::new(FRAMES, BANDS, 1);
        let mut x = Buffer::zeros(image.len());
        let how = Compression::Log1p { gain: MetricCnnSpec::default().gain };
        compress(isa, how, image, segment, &[0.5; BANDS], &[-1.0; BANDS], &mut x);
        let mut last = image;
        for (layer, (channels, pool)) in [(16, 2), (32, 3), (64, 3)].into_iter().enumerate() {
            let round = if layer == 0 { |x| x } else { bf16 };
            let shape = ConvPool::new(last, channels, pool);
            let w: Vec<f32> = self.param(&format!("conv{}.weight", layer + 1)).iter().copied().map(round).collect();
            let weights = ConvWeights::pack(&shape, &w, self.param(&format!("conv{}.bias", layer + 1)));
            x.iter_mut().for_each(|x| *x = round(*x));
            let mut y = Buffer::zeros(shape.output.len());
            conv_relu_pool(isa, &shape, &weights, &x, &mut y, None);
            (x, last) = (y, shape.output);
        }
        let mean = |at| (0..last.rows).map(|row| x[last.at(row, 0) + at]).sum::<f32>() / last.rows as f32;
        let features: Vec<f32> = (0..last.cols * last.channels).map(mean).collect();
        let mut embedding = vec![0.0; self.network.dims()];
        dense(isa, &features, self.param("dense.weight"), self.param("dense.bias"), &mut embedding);
        tanh(isa, &mut embedding);
        normalise(isa, &mut embedding);
        embedding
    }
}

/// Eight significant bits, ties to even.
fn bf16(x: f32) -> f32 {
    if x == 0.0 {
        return x;
    }
    let step = 2f32.powi(x.abs().log2().floor() as i32 - 7);
    (x / step).round_ties_even() * step
}

fn with_threads<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

fn distances(a: &[f32], b: &[f32], dims: usize) -> Vec<f64> {
    let distance =
        |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    a.chunks_exact(dims).zip(b.chunks_exact(dims)).map(distance).collect()
}

fn assert_near(what: &str, distances: &[f64], tolerance: f64) {
    println!("{what}: distances {distances:.5?}");
    assert!(distances.iter().all(|&distance| distance < tolerance), "{what}: {distances:?}");
    assert!(distances.iter().any(|&distance| distance > 0.0), "{what}: the two must not be the same computation");
}

#[test]
fn rounding_to_bf16_moves_embeddings_less_than_the_tolerance() {
    let case = Case::new(3);
    let model: Vec<f32> = case.segments.chunks_exact(FRAMES * BANDS).flat_map(|segment| case.model(segment)).collect();
    assert_near("model of bf16 to f32", &distances(&model, &case.embed(), case.network.dims()), TOLERANCE);
}

/// Sets the network to bf16, or says why the rest of the test is skipped.
fn in_bf16(case: &mut Case) -> bool {
    let Err(error) = case.network.compute_in(Arithmetic::Bf16) else { return true };
    assert!(Tiles::request().is_err() && error.to_string().contains("AMX"), "{error}");
    assert!(std::env::var_os("HOMONYM_REQUIRE_ISA").is_none(), "{error}");
    println!("skipped: {error}");
    false
}

#[test]
fn embeddings_in_bf16_are_near_those_in_f32_and_are_the_models() {
    let mut case = Case::new(3);
    let dims = case.network.dims();
    let f32s = case.embed();
    if !in_bf16(&mut case) {
        return assert_eq!(case.embed(), f32s, "what was refused changes nothing");
    }
    let bf16s = with_threads(1, || case.embed());
    for round in 0..4 {
        assert_eq!(with_threads(3, || case.embed()), bf16s, "round {round}: threads must not see each other's tiles");
    }
    assert_near("bf16 to f32", &distances(&bf16s, &f32s, dims), TOLERANCE);
    let model: Vec<f32> = case.segments.chunks_exact(FRAMES * BANDS).flat_map(|segment| case.model(segment)).collect();
    assert_near("bf16 to its model", &distances(&bf16s, &model, dims), 1e-5);
    case.network.compute_in(Arithmetic::F32).unwrap();
    assert_eq!(case.embed(), f32s);
}

#[test]
fn gradients_behind_bf16_are_near_those_behind_f32() {
    let mut case = Case::new(2);
    let f32s = case.gradient();
    if !in_bf16(&mut case) {
        return;
    }
    let norm = f32s.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    let apart = distances(&case.gradient(), &f32s, f32s.len())[0] / norm;
    assert_near("gradient behind bf16 to f32, relative", &[apart], GRADIENT_TOLERANCE);
}
