//! The layers of the paper's network at their real sizes (9 s), each instruction set, one thread. Throughput is in
//! multiply-adds counted as two, of the *direct dense* convolution, for the gradients too.
#![allow(missing_docs)]

#[allow(unreachable_pub)]
mod noise;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homonym_kernels::*;
use noise::noise;

struct Layer {
    name: &'static str,
    shape: ConvPool,
    x: Buffer,
    w: Vec<f32>,
    bias: Vec<f32>,
}

impl Layer {
    fn paper() -> [Self; 3] {
        let first = ConvPool::new(Image::new(388, 128, 1), 16, 2);
        let second = ConvPool::new(first.output, 32, 3);
        let third = ConvPool::new(second.output, 64, 3);
        [("conv1", first), ("conv2", second), ("conv3", third)].map(|(name, shape)| Self::new(name, shape))
    }

    fn new(name: &'static str, shape: ConvPool) -> Self {
        let mut x = Buffer::zeros(shape.input.len());
        for row in 0..shape.input.rows {
            let at = shape.input.at(row, 0);
            x[at..at + shape.input.cols * shape.input.channels]
                .copy_from_slice(&noise(row, shape.input.cols * shape.input.channels));
        }
        Self { name, shape, x, w: noise(1, shape.weights()), bias: noise(2, shape.output.channels) }
    }

    fn forward(&self, isa: Isa, weights: &ConvWeights, y: &mut Buffer, argmax: Option<&mut [u8]>) {
        conv_relu_pool(isa, &self.shape, weights, &self.x, y, argmax);
    }
}

fn forward(criterion: &mut Criterion) {
    for layer in Layer::paper() {
        let weights = ConvWeights::pack(&layer.shape, &layer.w, &layer.bias);
        let mut group = criterion.benchmark_group(format!("{}/forward", layer.name));
        group.throughput(Throughput::Elements(layer.shape.flops() as u64));
        let mut want = Buffer::zeros(layer.shape.output.len());
        layer.forward(Isa::PORTABLE, &weights, &mut want, None);
        for isa in Isa::available() {
            let mut y = Buffer::zeros(layer.shape.output.len());
            let mut argmax = vec![0; layer.shape.argmax()];
            group.bench_function(format!("{isa}"), |bench| bench.iter(|| layer.forward(isa, &weights, &mut y, None)));
            group.bench_function(format!("{isa}+argmax"), |bench| {
                bench.iter(|| layer.forward(isa, &weights, &mut y, Some(&mut argmax)));
            });
            layer.forward(isa, &weights, &mut y, None);
            let error = y.iter().zip(&*want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 1e-3, "{isa}: off by {error}");
        }
        match Tiles::request() {
            Ok(tiles) => {
                let weights = ConvWeights::pack_bf16(tiles, &layer.shape, &layer.w, &layer.bias);
                let mut y = Buffer::zeros(layer.shape.output.len());
                group.bench_function("bf16", |bench| {
                    bench.iter(|| layer.forward(Isa::PORTABLE, &weights, &mut y, None));
                });
                let error = y.iter().zip(&*want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(error > 0.0 && error < 0.1, "bf16: off by {error}");
            }
            Err(reason) => println!("skipped: {}/forward/bf16: {reason}", layer.name),
        }
    }
}

fn backward(criterion: &mut Criterion) {
    for layer in Layer::paper() {
        let weights = ConvWeights::pack(&layer.shape, &layer.w, &layer.bias);
        let mut y = Buffer::zeros(layer.shape.output.len());
        let mut argmax = vec![0; layer.shape.argmax()];
        layer.forward(Isa::PORTABLE, &weights, &mut y, Some(&mut argmax));
        let mut dy = Buffer::zeros(layer.shape.output.len());
        dy.copy_from_slice(&noise(3, layer.shape.output.len()));
        let input = ConvGradInput { shape: &layer.shape, argmax: &argmax, dy: &dy, x: &layer.x, w: &layer.w };
        let mut scratch = ConvGradScratch::default();
        let mut grads = Grads::new(&layer);
        let mut want = Grads::new(&layer);
        conv_grad(Isa::PORTABLE, input, want.output(true), &mut scratch);
        let mut group = criterion.benchmark_group(format!("{}/backward", layer.name));
        group.throughput(Throughput::Elements(layer.shape.flops() as u64));
        for isa in Isa::available() {
            let first = layer.shape.input.channels == 1;
            let name = if first { format!("{isa}/weights") } else { format!("{isa}/weights+input") };
            group.bench_function(name, |bench| {
                bench.iter(|| conv_grad(isa, input, grads.output(!first), &mut scratch));
            });
            grads = Grads::new(&layer);
            conv_grad(isa, input, grads.output(true), &mut scratch);
            for (what, got, want) in
                [("dw", &grads.dw, &want.dw), ("db", &grads.db, &want.db), ("dx", &grads.dx, &want.dx)]
            {
                let size = want.iter().fold(0.0, |size: f32, x| size.max(x.abs()));
                let error = got.iter().zip(&**want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / size;
                assert!(error < 1e-5, "{isa}: {what} off by {error}");
            }
        }
    }
}

struct Grads {
    dw: Buffer,
    db: Buffer,
    dx: Buffer,
}

impl Grads {
    fn new(layer: &Layer) -> Self {
        let zeros = Buffer::zeros;
        Self { dw: zeros(layer.w.len()), db: zeros(layer.bias.len()), dx: zeros(layer.shape.input.len()) }
    }

    fn output(&mut self, with_input: bool) -> ConvGradOutput<'_> {
        ConvGradOutput { dw: &mut self.dw, db: &mut self.db, dx: with_input.then_some(&mut self.dx[..]) }
    }
}

fn front(criterion: &mut Criterion) {
    let image = Image::new(388, 128, 1);
    let x: Vec<f32> = noise(4, 388 * 128).iter().map(|x| x * x * 10.0).collect();
    let (scale, shift) = ([1.0; 128], [0.0; 128]);
    let mut y = Buffer::zeros(image.len());
    let mut group = criterion.benchmark_group("compress");
    group.throughput(Throughput::Elements(x.len() as u64));
    for isa in Isa::available() {
        group.bench_function(format!("{isa}"), |bench| {
            bench.iter(|| compress(isa, Compression::Log1p { gain: 1e4 }, image, &x, &scale, &shift, &mut y));
        });
    }
}

criterion_group! {
    name = paper;
    config = Criterion::default().sample_size(20);
    targets = front, forward, backward
}
criterion_main!(paper);
