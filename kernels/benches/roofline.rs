//! Layers of other networks against the measured peak, one thread: `cargo bench --bench roofline [-- NAME…]`.
//!
//! Percent of the peak FMA of the instruction set, in operations of the *direct* convolution; more than 100 is Winograd's
//! doing. The peak is measured before each layer, times are the best of several, and answers are compared with the
//! portable set's.
#![allow(missing_docs)]

#[allow(unreachable_pub)]
mod noise;

use std::time::Instant;

use homonym_kernels::*;
use noise::noise;

/// Name, images, rows, columns, inputs, outputs, kernel.
type Layer = (&'static str, usize, [usize; 3], usize, [usize; 2]);

const LAYERS: [Layer; 18] = [
    // Learning to rank, first two columns of its table: 128 channels and up.
    ("tl1", 1, [512, 96, 1], 128, [3, 3]),
    ("tl2", 1, [128, 48, 128], 256, [3, 3]),
    ("tl3", 4, [32, 24, 256], 512, [3, 3]),
    ("tl4", 8, [8, 12, 512], 1024, [3, 3]),
    ("tl5", 42, [2, 4, 1024], 2048, [3, 3]),
    // The third column, with auto-pooling: half the channels.
    ("auto1", 1, [512, 96, 1], 64, [3, 3]),
    ("auto2", 1, [256, 48, 64], 128, [3, 3]),
    ("auto3", 2, [128, 24, 128], 256, [3, 3]),
    ("auto4", 4, [64, 12, 256], 512, [3, 3]),
    ("auto5", 8, [32, 6, 512], 1024, [3, 3]),
    // The 1-D classifier.
    ("cl1", 15, [129, 1, 128], 128, [4, 1]),
    ("cl2", 15, [32, 1, 128], 128, [4, 1]),
    ("cl3", 15, [8, 1, 128], 128, [4, 1]),
    ("cl4", 15, [2, 1, 128], 128, [2, 1]),
    ("cl5", 15, [1, 1, 128], 256, [1, 1]),
    // Others.
    ("5x5", 2, [64, 48, 64], 64, [5, 5]),
    ("16", 2, [64, 48, 16], 16, [3, 3]),
    ("64", 2, [64, 48, 64], 64, [3, 3]),
];

/// Seconds of the fastest of at least 3 runs within half a second.
fn best(mut work: impl FnMut()) -> f64 {
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    let mut runs = 0;
    while runs < 3 || start.elapsed().as_secs_f64() < 0.3 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}

/// Operations a second.
fn measured_peak(isa: Isa) -> f64 {
    let rounds = 1 << 20;
    let mut operations = 0;
    let seconds = best(|| operations = peak(isa, rounds));
    operations as f64 / seconds
}

/// Forward, weight gradient, input gradient, packing both ways.
struct Answers([Vec<f32>; 3]);

fn run(isa: Isa, (_, images, [rows, cols, channels], outputs, kernel): Layer, timed: bool) -> ([f64; 5], Answers) {
    let input = Grid { rows, cols, channels };
    let shape = Conv2d::new(input, outputs, kernel, [1, 1], Padding::same(input, kernel, [1, 1]));
    let x = noise(1, images * input.len());
    let (w, bias, dy) = (noise(2, shape.weights()), noise(3, outputs), noise(4, images * shape.output().len()));
    let mut scratch = Conv2dScratch::default();
    let mut weights = Conv2dWeights::pack(isa, &shape, &w, &bias);
    let mut back = Conv2dGradWeights::pack(isa, &shape, &w);
    let mut y = vec![0.0; dy.len()];
    let (mut dw, mut db, mut dx) = (vec![0.0; w.len()], vec![0.0; outputs], vec![0.0; x.len()]);
    conv2d(isa, &weights, &x, &mut y, &mut scratch);
    conv2d_weight_grad(isa, &shape, &x, &dy, &mut dw, &mut db, &mut scratch);
    conv2d_input_grad(isa, &back, &dy, &mut dx, &mut scratch);
    let answers = Answers([y.clone(), dw.clone(), dx.clone()]);
    let seconds = if timed {
        [
            best(|| conv2d(isa, &weights, &x, &mut y, &mut scratch)),
            best(|| conv2d_weight_grad(isa, &shape, &x, &dy, &mut dw, &mut db, &mut scratch)),
            best(|| conv2d_input_grad(isa, &back, &dy, &mut dx, &mut scratch)),
            best(|| weights.repack(isa, &w, &bias)),
            best(|| back.repack(isa, &w)),
        ]
    } else {
        [0.0; 5]
    };
    (seconds, answers)
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    println!("isa       layer    GF/s peak  forward %  weight %  input %   pack ms  pack back ms");
    for layer in LAYERS.into_iter().filter(|layer| names.is_empty() || names.iter().any(|name| name == layer.0)) {
        let (name, images, [rows, cols, channels], outputs, kernel) = layer;
        let flops = (2 * images * rows * cols * outputs * kernel[0] * kernel[1] * channels) as f64;
        let (_, want) = run(Isa::PORTABLE, layer, false);
        for isa in Isa::available().filter(|&isa| isa != Isa::PORTABLE || Isa::chosen().is_ok_and(|it| it == isa)) {
            let peak = measured_peak(isa);
            let (seconds, answers) = run(isa, layer, true);
            for (got, want) in answers.0.iter().zip(&want.0) {
                let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
                let error =
                    square(&mut got.iter().zip(want).map(|(got, want)| got - want)) / square(&mut want.iter().copied());
                assert!(error.sqrt() < 4e-6, "{isa} {name}: off by {}", error.sqrt());
            }
            let percent = |at: usize| 100.0 * flops / seconds[at] / peak;
            println!(
                "{:9} {name:8} {:9.1} {:10.0} {:9.0} {:8.0} {:9.2} {:9.2}",
                isa.name(),
                peak / 1e9,
                percent(0),
                percent(1),
                percent(2),
                seconds[3] * 1e3,
                seconds[4] * 1e3
            );
        }
    }
}
