//! The general layers at sizes of the classifier and of the learning-to-rank network, each instruction set, one thread; the
//! answers are compared with the portable set's. Percent of the machine's peak: `benches/roofline.rs`.
#![allow(missing_docs)]

#[allow(unreachable_pub)]
mod noise;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use homonym_kernels::*;
use noise::noise;

/// Times `work`, which leaves its answer in a slice of `length` zeros, on every set.
fn each_isa(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    length: usize,
    mut work: impl FnMut(Isa, &mut [f32]),
) {
    let mut want = vec![0.0; length];
    work(Isa::PORTABLE, &mut want);
    let size = want.iter().fold(0.0, |size: f32, value| size.max(value.abs()));
    for isa in Isa::available() {
        let mut got = vec![0.0; length];
        work(isa, &mut got);
        let error = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error <= 2e-5 * size, "{isa} {name}: off by {error}");
        group.bench_function(format!("{isa}/{name}"), |bench| bench.iter(|| work(isa, &mut got)));
    }
}

fn products(criterion: &mut Criterion) {
    let mut scratch = GemmScratch::default();
    for [m, k, n] in [[15, 256, 1000], [192, 256, 512], [1935, 512, 128], [1024, 1024, 1024]] {
        let (a, b) = (noise(1, m * k), noise(2, k * n));
        let mut group = criterion.benchmark_group(format!("gemm/{m}x{k}x{n}"));
        group.throughput(Throughput::Elements(2 * (m * k * n) as u64));
        each_isa(&mut group, "plain", m * n, |isa, c| {
            c.fill(0.0);
            gemm(isa, Matrix::new(&a, m, k), Matrix::new(&b, k, n), c, &mut scratch);
        });
        each_isa(&mut group, "transposed", m * n, |isa, c| {
            c.fill(0.0);
            let (a, b) = (Matrix::new(&a, k, m).transposed(), Matrix::new(&b, n, k).transposed());
            gemm(isa, a, b, c, &mut scratch);
        });
    }
}

fn convolutions(criterion: &mut Criterion) {
    for (name, images, [rows, cols, channels], outputs, kernel) in [
        ("classifier1", 15, [129, 1, 128], 128, [4, 1]),
        ("classifier3", 15, [8, 1, 128], 128, [4, 1]),
        ("rank1", 1, [512, 96, 1], 64, [3, 3]),
        ("rank4", 4, [64, 12, 256], 512, [3, 3]),
    ] {
        let input = Grid { rows, cols, channels };
        let shape = Conv2d::new(input, outputs, kernel, [1, 1], Padding::same(input, kernel, [1, 1]));
        let (x, dy) = (noise(1, images * input.len()), noise(2, images * shape.output().len()));
        let (w, bias) = (noise(3, shape.weights()), noise(4, outputs));
        let mut scratch = Conv2dScratch::default();
        let mut group = criterion.benchmark_group(format!("conv2d/{name}"));
        group.throughput(Throughput::Elements((images * shape.flops()) as u64));
        let weights = Conv2dWeights::pack(Isa::PORTABLE, &shape, &w, &bias);
        let back = Conv2dGradWeights::pack(Isa::PORTABLE, &shape, &w);
        each_isa(&mut group, "forward", dy.len(), |isa, y| conv2d(isa, &weights, &x, y, &mut scratch));
        each_isa(&mut group, "weights", w.len(), |isa, dw| {
            dw.fill(0.0);
            conv2d_weight_grad(isa, &shape, &x, &dy, dw, &mut vec![0.0; outputs], &mut scratch);
        });
        each_isa(&mut group, "input", x.len(), |isa, dx| conv2d_input_grad(isa, &back, &dy, dx, &mut scratch));
        each_isa(&mut group, "pack", dy.len(), |isa, y| {
            conv2d(isa, &Conv2dWeights::pack(isa, &shape, &w, &bias), &x, y, &mut scratch);
        });
    }
}

fn pools(criterion: &mut Criterion) {
    for (name, images, [rows, cols, channels], window) in
        [("classifier1", 15, [129, 1, 128], [4, 1]), ("rank1", 1, [512, 96, 64], [2, 2])]
    {
        let grid = Grid { rows, cols, channels };
        let pool = MaxPool::new(grid, window, window);
        let x = noise(1, images * grid.len());
        let dy = noise(2, images * pool.output().len());
        let mut argmax = vec![0; dy.len()];
        let mut group = criterion.benchmark_group(format!("max_pool/{name}"));
        group.throughput(Throughput::Elements(x.len() as u64));
        each_isa(&mut group, "forward", dy.len(), |isa, y| max_pool(isa, &pool, &x, y, None));
        each_isa(&mut group, "forward+argmax", dy.len(), |isa, y| max_pool(isa, &pool, &x, y, Some(&mut argmax)));
        let mut dx = vec![0.0; x.len()];
        group.bench_function("gradient", |bench| bench.iter(|| max_pool_grad(&pool, &argmax, &dy, &mut dx)));
        each_isa(&mut group, "mean", images * channels, |isa, y| mean_pool(isa, grid, &x, y));
    }
}

fn normalisation(criterion: &mut Criterion) {
    let (rows, channels) = (15 * 129, 128);
    let (x, dy) = (noise(1, rows * channels), noise(2, rows * channels));
    let (mean, inverse, gain, shift) =
        (noise(3, channels), vec![1.7; channels], noise(4, channels), noise(5, channels));
    let norm = BatchNorm { mean: &mean, inverse: &inverse, gain: &gain, shift: &shift };
    let mut group = criterion.benchmark_group("batch_norm/classifier1");
    group.throughput(Throughput::Elements(x.len() as u64));
    each_isa(&mut group, "moments", channels, |isa, variances| {
        let mut moments = Moments::new(channels);
        moments.add(isa, &x);
        variances.iter_mut().zip(moments.variances()).for_each(|(to, variance)| *to = variance as f32);
    });
    each_isa(&mut group, "forward", x.len(), |isa, y| batch_norm(isa, &norm, &x, y));
    each_isa(&mut group, "sums", channels, |isa, sums| {
        let (mut dgain, mut dshift) = (vec![0.0; channels], vec![0.0; channels]);
        batch_norm_sums(isa, &norm, &x, &dy, &mut dgain, &mut dshift);
        sums.iter_mut().zip(dgain).for_each(|(to, sum)| *to = sum as f32);
    });
    let sums = (vec![3.0; channels], vec![5.0; channels]);
    each_isa(&mut group, "input", x.len(), |isa, dx| {
        dx.copy_from_slice(&dy);
        batch_norm_grad(isa, &norm, &x, (&sums.0, &sums.1, rows), dx);
    });
}

fn dense_layers(criterion: &mut Criterion) {
    let (n, inputs, outputs) = (15, 256, 1000);
    let (x, w, b, dy) = (noise(1, n * inputs), noise(2, inputs * outputs), noise(3, outputs), noise(4, n * outputs));
    let mut scratch = GemmScratch::default();
    let mut group = criterion.benchmark_group("dense_batch");
    group.throughput(Throughput::Elements(2 * (n * inputs * outputs) as u64));
    each_isa(&mut group, "forward", n * outputs, |isa, y| dense_batch(isa, &x, &w, &b, y, &mut scratch));
    let (mut dw, mut db) = (vec![0.0; w.len()], vec![0.0; outputs]);
    each_isa(&mut group, "gradients", n * inputs, |isa, dx| {
        dense_batch_grad(isa, &x, &w, &dy, &mut dw, &mut db, dx, &mut scratch);
    });
}

criterion_group! {
    name = layers;
    config = Criterion::default().sample_size(10);
    targets = products, convolutions, pools, normalisation, dense_layers
}
criterion_main!(layers);
