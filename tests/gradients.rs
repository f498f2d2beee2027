//! The paper's network against a naive `f64` one that shares no line with it: embeddings, and every group of parameters
//! against central differences.
//!
//! The objective is `Σ c·embedding` with random `c`, so that every value of every embedding counts. Central differences
//! of the `f64` network need tiny steps only, and hardly ever cross a kink of ReLU or of a maximum.

use homonym::models::{InMemory, Layer, MetricCnnSpec, Network, NetworkSpec, Squash, Standardisation, TemporalPooling};
use homonym::random::Random;

/// Largest difference of a value of an embedding; measured up to 6e-7.
const FORWARD: f64 = 1e-5;
/// Relative L2 error of the sampled slopes of a group; measured up to 4e-6. Room for a maximum that rounding moves to a neighbour.
const GRADIENT: f64 = 1e-4;
/// Step of the central differences.
const STEP: f64 = 1e-8;
/// Single parameters tried in each group, and random directions through the whole group.
const SAMPLES: (usize, usize) = (10, 3);
/// Key of the dropout: seed and step.
const NOISE: (u64, u64) = (5, 17);

/// An image, channels last.
struct Image {
    rows: usize,
    cols: usize,
    channels: usize,
    values: Vec<f64>,
}

impl Image {
    /// A pixel of the image or of the zeros around it.
    fn at(&self, row: isize, col: isize, channel: usize) -> f64 {
        if row < 0 || col < 0 || row as usize >= self.rows || col as usize >= self.cols {
            return 0.0;
        }
        self.values[(row as usize * self.cols + col as usize) * self.channels + channel]
    }

    /// 3x3 "same" convolution with `weights` (outputs × 3 × 3 × inputs), bias and ReLU.
    fn convolved(&self, weights: &[f64], bias: &[f64]) -> Self {
        let mut values = Vec::with_capacity(self.rows * self.cols * bias.len());
        let mut patch = vec![0.0; 9 * self.channels];
        for row in 0..self.rows as isize {
            for col in 0..self.cols as isize {
                for (place, value) in patch.iter_mut().enumerate() {
                    let (tap, channel) = ((place / self.channels) as isize, place % self.channels);
                    *value = self.at(row + tap / 3 - 1, col + tap % 3 - 1, channel);
                }
                let of = |w: &[f64]| w.iter().zip(&patch).map(|(w, x)| w * x).sum::<f64>();
                values.extend(weights.chunks(patch.len()).zip(bias).map(|(w, b)| (of(w) + b).max(0.0)));
            }
        }
        Self { channels: bias.len(), values, ..*self }
    }

    /// Maxima of whole windows of `size × size`.
    fn pooled(&self, size: usize) -> Self {
        let (rows, cols) = (self.rows / size, self.cols / size);
        let mut values = vec![f64::NEG_INFINITY; rows * cols * self.channels];
        for (place, best) in values.iter_mut().enumerate() {
            let (pixel, channel) = (place / self.channels, place % self.channels);
            for within in 0..size * size {
                let (row, col) = (pixel / cols * size + within / size, pixel % cols * size + within % size);
                *best = best.max(self.at(row as isize, col as isize, channel));
            }
        }
        Self { rows, cols, channels: self.channels, values }
    }
}

/// The network, the input and the objective of one case.
struct Case {
    spec: MetricCnnSpec,
    frames: usize,
    bands: usize,
    input: Standardisation,
    segments: Vec<f32>,
    params: Vec<f32>,
    slopes: Vec<f32>,
    network: Box<dyn Network>,
}

impl Case {
    fn new(spec: MetricCnnSpec, frames: usize, bands: usize, count: usize, standardised: bool) -> Self {
        let mut random = Random::keyed(2018, &[frames as u64, bands as u64, count as u64]);
        let mut draw = |size: usize, make: &dyn Fn(f64) -> f64| -> Vec<f32> {
            (0..size).map(|_| make(random.normal()) as f32).collect()
        };
        let input = match standardised {
            true => Standardisation { scale: draw(bands, &|z| 0.4 + 0.1 * z), shift: draw(bands, &|z| z - 1.0) },
            false => Standardisation::identity(bands),
        };
        let network = NetworkSpec::MetricCnn(spec.clone()).build(frames, bands, input.clone()).unwrap();
        let mut params = network.params().initial(3);
        // Biases start at zero; anything else tells more.
        params.iter_mut().zip(draw(network.params().len(), &|z| 0.03 * z)).for_each(|(param, z)| *param += z);
        let segments = draw(count * frames * bands, &|z| (1.5 * z - 3.0).exp());
        let slopes = draw(count * spec.dims, &|z| z);
        Self { spec, frames, bands, input, segments, params, slopes, network }
    }

    fn group(&self, name: &str) -> std::ops::Range<usize> {
        self.network.params().iter().find(|param| param.name == name).unwrap().range()
    }

    fn compressed(&self, segment: &[f32]) -> Image {
        let values = segment.iter().enumerate().map(|(place, &x)| {
            let x = f64::from(x);
            let level = match self.spec.compression {
                Squash::Log1p => (1.0 + f64::from(self.spec.gain) * x).ln(),
                Squash::Literal => (1.0 + 10f64.powf(x)).ln(),
            };
            let band = place % self.bands;
            level * f64::from(self.input.scale[band]) + f64::from(self.input.shift[band])
        });
        Image { rows: self.frames, cols: self.bands, channels: 1, values: values.collect() }
    }

    /// What the second and the third convolution leave behind their pools.
    fn images(&self, params: &[f64], segment: &[f32]) -> [Image; 2] {
        let apply = |image: Image, layer: usize, pool: usize| {
            let (w, b) = (self.group(&format!("conv{layer}.weight")), self.group(&format!("conv{layer}.bias")));
            image.convolved(&params[w], &params[b]).pooled(pool)
        };
        let second = apply(apply(self.compressed(segment), 1, 2), 2, 3);
        let third = apply(Image { values: second.values.clone(), ..second }, 3, 3);
        [second, third]
    }

    /// Means and deviations over time, image by image.
    fn moments(&self, params: &[f64], segment: &[f32]) -> Vec<f64> {
        let of_image = |image: Image| {
            let width = image.cols * image.channels;
            let column = |place: usize| image.values.iter().skip(place).step_by(width);
            let mean = |place: usize| column(place).sum::<f64>() / image.rows as f64;
            let square = |place: usize| column(place).map(|x| x * x).sum::<f64>() / image.rows as f64;
            let means: Vec<f64> = (0..width).map(mean).collect();
            let deviations: Vec<f64> =
                (0..width).map(|place| (square(place) - means[place].powi(2)).max(0.0).sqrt()).collect();
            [means, deviations].concat()
        };
        self.images(params, segment).into_iter().flat_map(of_image).collect()
    }

    fn features(&self, params: &[f64], segment: &[f32]) -> Vec<f64> {
        let [_, Image { rows, cols, channels, values }] = self.images(params, segment);
        let value = |row: usize, col: usize, channel: usize| values[(row * cols + col) * channels + channel];
        match self.spec.temporal_pooling {
            TemporalPooling::OverTime => (0..cols * channels)
                .map(|place| (0..rows).map(|row| value(row, place / channels, place % channels)).sum::<f64>())
                .map(|sum| sum / rows as f64)
                .collect(),
            TemporalPooling::OverChannels => (0..rows * cols)
                .map(|place| (0..channels).map(|channel| value(place / cols, place % cols, channel)).sum::<f64>())
                .map(|sum| sum / channels as f64)
                .collect(),
        }
    }

    fn embedding(&self, params: &[f64], index: usize, noisy: bool) -> Vec<f64> {
        let size = self.frames * self.bands;
        let mut features = self.features(params, &self.segments[index * size..][..size]);
        if noisy && self.spec.dropout > 0.0 {
            let rate = f64::from(self.spec.dropout);
            let mut random = Random::keyed(NOISE.0, &[NOISE.1, index as u64]);
            features.iter_mut().for_each(|x| *x *= 1.0 + (rate / (1.0 - rate)).sqrt() * random.normal());
        }
        let (w, b) = (&params[self.group("dense.weight")], &params[self.group("dense.bias")]);
        let dims = self.spec.dims;
        let sum = |d: usize| b[d] + features.iter().enumerate().map(|(i, x)| x * w[i * dims + d]).sum::<f64>();
        let point: Vec<f64> = (0..dims).map(|d| sum(d).tanh()).collect();
        let norm = point.iter().map(|x| x * x).sum::<f64>().sqrt();
        point.into_iter().map(|x| x / norm).collect()
    }

    fn embeddings(&self, params: &[f64], noisy: bool) -> Vec<f64> {
        let count = self.segments.len() / (self.frames * self.bands);
        (0..count).flat_map(|index| self.embedding(params, index, noisy)).collect()
    }

    /// The derivative of the objective at `params` along `direction`.
    fn slope(&self, params: &[f64], direction: &[(usize, f64)]) -> f64 {
        let objective = |step: f64| -> f64 {
            let mut moved = params.to_vec();
            direction.iter().for_each(|&(place, by)| moved[place] += step * by);
            self.embeddings(&moved, true).iter().zip(&self.slopes).map(|(y, &c)| y * f64::from(c)).sum()
        };
        (objective(STEP) - objective(-STEP)) / (2.0 * STEP)
    }

    fn check(&self, name: &str) {
        let segments = InMemory { values: &self.segments, size: self.frames * self.bands };
        let params: Vec<f64> = self.params.iter().copied().map(f64::from).collect();
        let mut pass = self.network.training_pass();
        let clean = self.network.embed(&self.params, &segments, Layer::Embedding);
        let moments = self.network.embed(&self.params, &segments, Layer::Moments);
        let naive_moments: Vec<f64> =
            self.segments.chunks(segments.size).flat_map(|segment| self.moments(&params, segment)).collect();
        assert_eq!(moments.len(), naive_moments.len());
        let noisy = pass.forward(&self.params, &segments, NOISE).to_vec();
        for (kind, own, naive) in [
            ("inference", clean, self.embeddings(&params, false)),
            ("moments", moments, naive_moments),
            ("training", noisy, self.embeddings(&params, true)),
        ] {
            let error = own.iter().zip(&naive).map(|(&own, naive)| (f64::from(own) - naive).abs()).fold(0.0, f64::max);
            println!("{name}: {kind} forward pass within {error:.1e}");
            assert!(error < FORWARD, "{name}, {kind}: {error:e}");
        }
        let already = 0.25; // gradients are added to what is there
        let mut grads = vec![already; self.params.len()];
        pass.backward(&self.params, &segments, &self.slopes, &mut grads);
        grads.iter_mut().for_each(|grad| *grad -= already);
        for param in self.network.params().iter() {
            let error = self.group_error(&params, &grads, param.range());
            println!("{name}: gradient of {} within {error:.1e}", param.name);
            assert!(error < GRADIENT, "{name}, {}: {error:e}", param.name);
        }
    }

    /// Relative L2 error of the gradient of a group along single parameters and along random directions.
    fn group_error(&self, params: &[f64], grads: &[f32], group: std::ops::Range<usize>) -> f64 {
        let mut random = Random::keyed(1, &[group.start as u64]);
        let single = random.sample(group.len(), SAMPLES.0).into_iter().map(|place| vec![(group.start + place, 1.0)]);
        let mut directions: Vec<Vec<(usize, f64)>> = single.collect();
        directions.extend((0..SAMPLES.1).map(|_| {
            let share = (group.len() as f64).sqrt().recip();
            group.clone().map(|place| (place, share * random.normal())).collect()
        }));
        let (mut difference, mut size) = (0.0, 0.0);
        for direction in directions {
            let naive = self.slope(params, &direction);
            let own: f64 = direction.iter().map(|&(place, by)| by * f64::from(grads[place])).sum();
            difference += (own - naive).powi(2);
            size += naive.powi(2);
        }
        assert!(size > 0.0, "the group has no influence, nothing is checked");
        (difference / size).sqrt()
    }
}

macro_rules! cases {
    ($($test:ident: $frames:literal x $bands:literal, $count:literal segments, $spec:expr, standardised $std:literal;)*) => {
        $(#[test] fn $test() { Case::new($spec, $frames, $bands, $count, $std).check(stringify!($test)) })*
    };
}

fn spec(dims: usize, compression: Squash, temporal_pooling: TemporalPooling, dropout: f32) -> MetricCnnSpec {
    MetricCnnSpec { dims, compression, temporal_pooling, dropout, ..MetricCnnSpec::default() }
}

use Squash::{Literal, Log1p};
use TemporalPooling::{OverChannels, OverTime};

cases! {
    // More segments than the four of a shard.
    over_time: 36 x 36, 5 segments, spec(32, Log1p, OverTime, 0.0), standardised false;
    over_channels: 40 x 37, 2 segments, spec(32, Log1p, OverChannels, 0.0), standardised false;
    standardised_input_and_dropout: 36 x 40, 2 segments, spec(5, Log1p, OverTime, 0.3), standardised true;
    literal_compression: 37 x 41, 2 segments, spec(16, Literal, OverTime, 0.0), standardised false;
    literal_over_channels_with_dropout: 60 x 36, 1 segments, spec(7, Literal, OverChannels, 0.5), standardised true;
    smallest_input: 18 x 18, 3 segments, spec(1 + 32, Log1p, OverTime, 0.2), standardised false;
}
