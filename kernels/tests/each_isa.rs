//! Every kernel on every instruction set that this CPU has, against the naive f64 definitions, at ragged shapes.
//! Sets that the CPU lacks are named; with `HOMONYM_REQUIRE_ISA=1` they are failures.

#[allow(unreachable_pub, dead_code)] // modules of the tests, not interfaces
mod naive;
#[allow(unreachable_pub)]
mod sets;

use homonym_kernels::*;
use naive::{Pixels, Values, bf16, convolve, largest_error, relative_error, relu_pool};
use sets::each_isa;

/// Rows, columns, input channels, output channels, pool: the paper's layers (shortened) and ragged ones.
const SHAPES: [(usize, usize, usize, usize, usize); 13] = [
    (12, 16, 1, 16, 2),
    (13, 9, 1, 16, 3),
    (9, 21, 16, 32, 3),
    (10, 64, 16, 32, 3),
    (11, 10, 32, 64, 3),
    (7, 5, 64, 48, 2),
    (4, 4, 3, 5, 2),
    (5, 7, 7, 17, 3),
    (3, 3, 1, 1, 3),
    (2, 2, 2, 33, 2),
    (6, 8, 24, 40, 2),
    (6, 5, 128, 16, 3),
    (5, 6, 1, 7, 2),
];

/// A convolution with random contents, as the kernels see it and as the definitions do.
struct Case {
    shape: ConvPool,
    x: Buffer,
    w: Vec<f32>,
    bias: Vec<f32>,
    pixels: Pixels,
}

impl Case {
    fn new((rows, cols, inputs, outputs, pool): (usize, usize, usize, usize, usize)) -> Self {
        let shape = ConvPool::new(Image::new(rows, cols, inputs), outputs, pool);
        let mut values = Values::new((rows * 31 + cols * 7 + inputs + outputs) as u64);
        let mut x = Buffer::zeros(shape.input.len());
        let mut pixels = vec![vec![vec![0.0; inputs]; cols]; rows];
        for row in 0..rows {
            for col in 0..cols {
                for channel in 0..inputs {
                    let value = values.next();
                    x[shape.input.at(row, col) + channel] = value;
                    pixels[row][col][channel] = f64::from(value);
                }
            }
        }
        let w = values.take(shape.weights());
        let bias = values.take(outputs);
        Self { shape, x, w, bias, pixels }
    }

    fn w(&self, output: usize, dr: usize, dc: usize, channel: usize) -> f64 {
        f64::from(self.w[((output * 3 + dr) * 3 + dc) * self.shape.input.channels + channel])
    }

    fn forward(&self, isa: Isa) -> (Buffer, Vec<u8>) {
        self.forward_with(isa, &ConvWeights::pack(&self.shape, &self.w, &self.bias))
    }

    fn forward_with(&self, isa: Isa, weights: &ConvWeights) -> (Buffer, Vec<u8>) {
        let mut y = Buffer::zeros(self.shape.output.len());
        let mut argmax = vec![0; self.shape.argmax()];
        conv_relu_pool(isa, &self.shape, weights, &self.x, &mut y, Some(&mut argmax));
        let mut without = Buffer::zeros(self.shape.output.len());
        conv_relu_pool(isa, &self.shape, weights, &self.x, &mut without, None);
        assert_eq!(*y, *without, "the argmax must not change the values");
        (y, argmax)
    }

    /// Checks a result against the definition, in which inputs and weights are as `precision` makes them.
    fn check(&self, how: &str, (y, argmax): &(Buffer, Vec<u8>), precision: impl Fn(f64) -> f64) {
        let (shape, dimensions) = (&self.shape, (self.shape.input, self.shape.output.channels, self.shape.pool));
        let mut pixels = self.pixels.clone();
        pixels.iter_mut().flatten().flatten().for_each(|x| *x = precision(*x));
        let full = convolve(&pixels, &|o, r, c, i| precision(self.w(o, r, c, i)), &self.bias);
        let (want, places) = relu_pool(&full, shape.pool);
        let got = interior(&shape.output, y);
        let error = relative_error(&got, &flat(&want));
        assert!(error < 1e-6, "{how} {dimensions:?}: relative error {error}");
        for (got, want) in argmax.iter().zip(flat(&places)) {
            assert_eq!(*got, want.map_or(DEAD, |at| at as u8), "{how} {dimensions:?}: position of the maximum");
        }
        let border = y.iter().map(|y| y.abs()).sum::<f32>() - got.iter().map(|y| y.abs()).sum::<f32>();
        assert!(border.abs() < 1e-3 * y.len() as f32, "{how} {dimensions:?}: the border stays zero");
    }
}

fn interior(image: &Image, buffer: &[f32]) -> Vec<f32> {
    (0..image.rows)
        .flat_map(|row| (0..image.cols).flat_map(move |col| (0..image.channels).map(move |c| (row, col, c))))
        .map(|(row, col, c)| buffer[image.at(row, col) + c])
        .collect()
}

fn flat<T: Copy>(pixels: &[Vec<Vec<T>>]) -> Vec<T> {
    pixels.iter().flatten().flatten().copied().collect()
}

#[test]
fn conv_relu_pool_matches_its_definition() {
    each_isa(|isa| {
        for dimensions in SHAPES {
            let case = Case::new(dimensions);
            case.check(isa.name(), &case.forward(isa), |x| x);
        }
    });
}

#[test]
fn conv_relu_pool_on_tiles_matches_its_definition() {
    let tiles = match Tiles::request() {
        Ok(tiles) => tiles,
        Err(reason) if std::env::var_os("HOMONYM_REQUIRE_ISA").is_some() => panic!("no tiles: {reason}"),
        Err(reason) => return println!("skipped: no tiles: {reason}"),
    };
    for dimensions in SHAPES {
        let case = Case::new(dimensions);
        let weights = ConvWeights::pack_bf16(tiles, &case.shape, &case.w, &case.bias);
        case.check("bf16", &case.forward_with(Isa::PORTABLE, &weights), bf16);
    }
}

#[test]
fn of_equal_maxima_the_first_is_kept() {
    each_isa(|isa| {
        let shape = ConvPool::new(Image::new(6, 6, 1), 16, 3);
        let mut x = Buffer::zeros(shape.input.len());
        for row in 0..6 {
            for col in 0..6 {
                x[shape.input.at(row, col)] = 1.0;
            }
        }
        let mut w = vec![0.0; shape.weights()];
        w.iter_mut().skip(4).step_by(9).for_each(|centre| *centre = 1.0);
        let mut y = Buffer::zeros(shape.output.len());
        let mut argmax = vec![9; shape.argmax()];
        let weights = ConvWeights::pack(&shape, &w, &[0.0; 16]);
        conv_relu_pool(isa, &shape, &weights, &x, &mut y, Some(&mut argmax));
        assert!(argmax.iter().all(|&at| at == 0), "{isa}: {argmax:?}");
        let weights = ConvWeights::pack(&shape, &w, &[-1.0; 16]);
        conv_relu_pool(isa, &shape, &weights, &x, &mut y, Some(&mut argmax));
        assert!(argmax.iter().all(|&at| at == DEAD), "{isa}: a maximum of exactly 0 passes no gradient");
    });
}

#[test]
fn conv_gradients_match_their_definition() {
    each_isa(|isa| {
        let mut scratch = ConvGradScratch::default();
        for dimensions in SHAPES {
            let case = Case::new(dimensions);
            let ConvPool { input: image, output, pool } = case.shape;
            let (_, argmax) = case.forward(isa);
            let mut dy = Buffer::zeros(output.len());
            let mut values = Values::new(5);
            let mut full = vec![vec![vec![0.0; output.channels]; image.cols]; image.rows];
            for row in 0..output.rows {
                for col in 0..output.cols {
                    for channel in 0..output.channels {
                        let slope = values.next();
                        dy[output.at(row, col) + channel] = slope;
                        let at = argmax[(row * output.cols + col) * output.channels + channel];
                        if at != DEAD {
                            let at = usize::from(at);
                            full[row * pool + at / pool][col * pool + at % pool][channel] = f64::from(slope);
                        }
                    }
                }
            }
            let input = ConvGradInput { shape: &case.shape, argmax: &argmax, dy: &dy, x: &case.x, w: &case.w };
            let (mut dw, mut db) = (vec![1.0; case.shape.weights()], vec![1.0; output.channels]);
            let mut dx = Buffer::zeros(image.len());
            dx.fill(7.0);
            let output = ConvGradOutput { dw: &mut dw, db: &mut db, dx: Some(&mut dx) };
            conv_grad(isa, input, output, &mut scratch);
            let (mut dw_alone, mut db_alone) = (vec![1.0; dw.len()], vec![1.0; db.len()]);
            let output = ConvGradOutput { dw: &mut dw_alone, db: &mut db_alone, dx: None };
            conv_grad(isa, input, output, &mut scratch);

            let mut want_dw = vec![1.0; dw.len()];
            let mut want_db = vec![1.0; db.len()];
            let mut want_dx = vec![vec![vec![0.0; image.channels]; image.cols]; image.rows];
            for (row, line) in full.iter().enumerate() {
                for (col, pixel) in line.iter().enumerate() {
                    for (o, &slope) in pixel.iter().enumerate() {
                        want_db[o] += slope;
                        for dr in 0..3 {
                            for dc in 0..3 {
                                let (r, c) = (row + dr, col + dc);
                                if r < 1 || r > image.rows || c < 1 || c > image.cols {
                                    continue;
                                }
                                for i in 0..image.channels {
                                    want_dw[((o * 3 + dr) * 3 + dc) * image.channels + i] +=
                                        slope * case.pixels[r - 1][c - 1][i];
                                    want_dx[r - 1][c - 1][i] += slope * case.w(o, dr, dc, i);
                                }
                            }
                        }
                    }
                }
            }
            for (what, error) in [
                ("weights", relative_error(&dw, &want_dw)),
                ("bias", relative_error(&db, &want_db)),
                ("weights alone", relative_error(&dw_alone, &want_dw)),
                ("bias alone", relative_error(&db_alone, &want_db)),
                ("input", relative_error(&interior(&image, &dx), &flat(&want_dx))),
            ] {
                assert!(error < 2e-6, "{isa} {dimensions:?}: gradient of {what}: relative error {error}");
            }
        }
    });
}

#[test]
fn compression_matches_its_definition() {
    each_isa(|isa| {
        for cols in [1, 7, 16, 128, 131] {
            let image = Image::new(5, cols, 1);
            let mut values = Values::new(cols as u64);
            let power = |value: f32| if value < -0.8 { 0.0 } else { 10f32.powf(5.0 * value) };
            let x: Vec<f32> = values.take(5 * cols).into_iter().map(power).collect();
            let (scale, shift) = (values.take(cols), values.take(cols));
            for how in [Compression::Log1p { gain: 1e4 }, Compression::Log1p { gain: 10.0 }, Compression::Literal] {
                let mut y = Buffer::zeros(image.len());
                compress(isa, how, image, &x, &scale, &shift, &mut y);
                for (at, (&x, got)) in x.iter().zip(interior(&image, &y)).enumerate() {
                    let x = f64::from(x);
                    let plain = match how {
                        Compression::Log1p { gain } => (f64::from(gain) * x).ln_1p(),
                        Compression::Literal if x > 300.0 => x * std::f64::consts::LN_10,
                        Compression::Literal => 10f64.powf(x).ln_1p(),
                    };
                    let (scale, shift) = (f64::from(scale[at % cols]), f64::from(shift[at % cols]));
                    let want = plain * scale + shift;
                    let tolerance = 1e-6 + 4e-7 * plain.abs();
                    assert!((f64::from(got) - want).abs() <= tolerance, "{isa} {how:?} of {x}: {got} for {want}");
                }
            }
        }
    });
}

/// Lengths around the widths of vectors.
const LENGTHS: [usize; 9] = [1, 2, 7, 8, 15, 16, 17, 32, 448];

#[test]
fn activations_match_their_definitions() {
    each_isa(|isa| {
        for length in LENGTHS {
            let mut values = Values::new(length as u64);
            let x: Vec<f32> = values.take(length).iter().map(|x| x * 6.0).collect();
            let dy = values.take(length);
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let (x64, dy64) = (wide(&x), wide(&dy));

            let (mut y, mut dx) = (x.clone(), dy.clone());
            tanh(isa, &mut y);
            tanh_grad(isa, &y, &mut dx);
            let slope: Vec<f64> = x64.iter().zip(&dy64).map(|(x, dy)| dy / x.cosh().powi(2)).collect();
            assert!(largest_error(&y, &x64.iter().map(|x| x.tanh()).collect::<Vec<_>>()) < 3e-7, "{isa} tanh {length}");
            assert!(largest_error(&dx, &slope) < 1e-6, "{isa} tanh gradient {length}");

            let (mut y, mut dx) = (x.clone(), dy.clone());
            relu(isa, &mut y);
            relu_grad(isa, &y, &mut dx);
            for at in 0..length {
                assert_eq!(y[at], x[at].max(0.0), "{isa} relu");
                assert_eq!(dx[at], if x[at] > 0.0 { dy[at] } else { 0.0 }, "{isa} relu gradient");
            }

            let (mut y, mut dx) = (x.clone(), dy.clone());
            let inverse = normalise(isa, &mut y);
            normalise_grad(isa, &y, inverse, &mut dx);
            let norm = x64.iter().map(|x| x * x).sum::<f64>().sqrt();
            let along: f64 = x64.iter().zip(&dy64).map(|(x, dy)| x / norm * dy).sum();
            let want: Vec<f64> = x64.iter().map(|x| x / norm).collect();
            let slope: Vec<f64> = want.iter().zip(&dy64).map(|(y, dy)| (dy - y * along) / norm).collect();
            assert!(largest_error(&y, &want) < 3e-7, "{isa} normalise {length}");
            assert!(largest_error(&dx, &slope) < 1e-6, "{isa} normalise gradient {length}");
        }
    });
}

#[test]
fn tanh_is_right_at_the_ends_and_normalise_at_zero() {
    each_isa(|isa| {
        let mut x = [0.0, 1e-6, -1e-6, 9.5, -9.5, 40.0, -1e30, f32::MAX];
        tanh(isa, &mut x);
        assert!(x[0] == 0.0 && (x[1] - 1e-6).abs() < 1e-7 && x[3] > 0.999_999 && x[4] < -0.999_999, "{isa}: {x:?}");
        assert_eq!(x[5..], [1.0, -1.0, 1.0], "{isa}");
        let mut zero = [0.0; 20];
        let inverse = normalise(isa, &mut zero);
        let mut dx = [1.0; 20];
        normalise_grad(isa, &zero, inverse, &mut dx);
        assert!(zero.iter().all(|&x| x == 0.0), "{isa}: the zero vector stays");
        assert!(dx.iter().all(|dx| dx.is_finite()), "{isa}: and its gradient is finite");
    });
}

#[test]
fn softmin_matches_its_definition() {
    each_isa(|isa| {
        for length in [1, 2, 7, 8, 15, 16, 17, 33, 100, 1000] {
            let mut x: Vec<f32> = Values::new(length as u64).take(length).iter().map(|x| 40.0 + 39.0 * x).collect();
            x[length / 2] = f32::INFINITY;
            x[length - 1] = 3.0;
            let least = x.iter().fold(f64::INFINITY, |least, &x| least.min(x.into()));
            let weights: Vec<f64> = x.iter().map(|&x| (least - f64::from(x)).exp()).collect();
            let total: f64 = weights.iter().sum();
            softmin(isa, &mut x);
            for (at, (own, weight)) in x.iter().zip(weights).enumerate() {
                let want = weight / total;
                // A rounding of the difference of two values is a relative error of its exponential.
                let within = (1e-6 - 1.2e-7 * weight.ln().max(-100.0)) * want + 1e-34;
                assert!((f64::from(*own) - want).abs() <= within, "{isa} {length} {at}: {own} {want}");
            }
        }
        let mut far = [1e6f32, 1e6 + 100.0, f32::INFINITY];
        softmin(isa, &mut far);
        assert_eq!(far, [1.0, 0.0, 0.0], "{isa}");
    });
}

#[test]
fn gram_matches_its_definition() {
    each_isa(|isa| {
        for (rows, cols) in [(1, 1), (3, 2), (7, 8), (128, 9), (129, 16), (300, 31), (50, 70)] {
            let x = Values::new((rows * 100 + cols) as u64).take(rows * cols);
            let at = |i: usize, j: usize| f64::from(x[i * cols + j]);
            let want = naive::layers::product(&|i, j| at(j, i), &at, [cols, rows, cols]);
            let got = gram(isa, &x, cols);
            for (place, (got, want)) in got.iter().zip(&want).enumerate() {
                // Products of f32 are exact in f64; sums of at most 300 of at most 1.
                assert!((got - want).abs() < 300.0 * f64::EPSILON, "{isa} {rows}x{cols} {place}: {got} {want}");
            }
        }
    });
}

#[test]
fn what_is_below_a_limit_is_found_and_its_rows_are_added_up() {
    each_isa(|isa| {
        assert_eq!(least(isa, &[]), f32::INFINITY);
        for length in [1, 7, 8, 31, 32, 33, 64, 100, 1000] {
            let mut x = Values::new(length as u64).take(length);
            x[length / 2] = f32::INFINITY;
            x[length - 1] = 0.25;
            assert_eq!(least(isa, &x), x.iter().copied().fold(f32::INFINITY, f32::min), "{isa} {length}");
            for limit in [f32::NEG_INFINITY, -0.9, 0.25, f32::INFINITY] {
                let mut places = vec![7];
                places_below(isa, &x, limit, &mut places);
                let want: Vec<u32> = (0..length as u32).filter(|&at| x[at as usize] < limit).collect();
                assert_eq!((places[0], &places[1..]), (7, &want[..]), "{isa} {length} below {limit}");
            }
        }
        for cols in [1, 8, 13, 16, 50] {
            let mut values = Values::new(cols as u64);
            let (x, weights, mut y) = (values.take(40 * cols), values.take(5), values.take(cols));
            let rows = [39, 0, 7, 7, 20];
            let at = |row: u32, c: usize| f64::from(x[row as usize * cols + c]);
            let sum = |c: usize| rows.iter().zip(&weights).map(|(&row, &w)| f64::from(w) * at(row, c)).sum::<f64>();
            let want: Vec<f64> = (0..cols).map(|c| f64::from(y[c]) + sum(c)).collect();
            add_rows(isa, &x, &rows, &weights, &mut y);
            assert!(largest_error(&y, &want) < 1e-6, "{isa} {cols}");
        }
    });
}

#[test]
fn dense_and_its_gradients_match_their_definitions() {
    each_isa(|isa| {
        for (inputs, outputs) in [(1, 1), (3, 17), (448, 32), (448, 256), (147, 5), (16, 16)] {
            let mut values = Values::new((inputs + outputs) as u64);
            let (x, w) = (values.take(inputs), values.take(inputs * outputs));
            let (b, dy) = (values.take(outputs), values.take(outputs));
            let w64 = |i: usize, o: usize| f64::from(w[i * outputs + o]);
            let mut y = vec![0.0; outputs];
            dense(isa, &x, &w, &b, &mut y);
            let sum = |o: usize| f64::from(b[o]) + (0..inputs).map(|i| f64::from(x[i]) * w64(i, o)).sum::<f64>();
            assert!(relative_error(&y, &(0..outputs).map(sum).collect::<Vec<_>>()) < 1e-6, "{isa} {inputs} {outputs}");

            let (mut dw, mut db, mut dx) = (vec![0.5; w.len()], vec![0.5; outputs], vec![9.0; inputs]);
            dense_grad(isa, &x, &w, &dy, &mut dw, &mut db, &mut dx);
            let want_dw = |at: usize| 0.5 + f64::from(x[at / outputs]) * f64::from(dy[at % outputs]);
            let want_dx = |i: usize| (0..outputs).map(|o| w64(i, o) * f64::from(dy[o])).sum::<f64>();
            assert!(relative_error(&dw, &(0..w.len()).map(want_dw).collect::<Vec<_>>()) < 1e-6, "{isa} dw");
            assert!(relative_error(&dx, &(0..inputs).map(want_dx).collect::<Vec<_>>()) < 2e-6, "{isa} dx");
            assert!(db.iter().zip(&dy).all(|(db, dy)| (db - 0.5 - dy).abs() < 1e-6), "{isa} db");
        }
    });
}

#[test]
fn power_spectra_match_their_definition() {
    each_isa(|isa| {
        for n in [2, 4, 6, 18, 30, 34, 62, 66, 68, 100, 250, 512] {
            let mut values = Values::new(n as u64);
            let x = values.take(n);
            let pairs = x.as_chunks().0.iter().map(|&[re, im]| (f64::from(re), f64::from(im))).collect::<Vec<_>>();
            let narrow = |(re, im): (f64, f64)| [re as f32, im as f32];
            let z: Vec<[f32; 2]> = naive::transform(&pairs).into_iter().map(narrow).collect();
            let mut got = vec![0.0; n / 2 + 1];
            power_spectrum(isa, &HalfTransform::new(n), &z, &mut got);
            let real: Vec<_> = x.iter().map(|&x| (f64::from(x), 0.0)).collect();
            let want = naive::transform(&real).into_iter().map(|(re, im)| re * re + im * im);
            let want: Vec<f64> = want.take(n / 2 + 1).collect();
            let loudest = want.iter().fold(0.0, |a: f64, b| a.max(*b));
            assert!(largest_error(&got, &want) < 1e-6 * loudest, "{isa} n = {n}: {got:?} for {want:?}");
            let (mut re, mut im) = (got.clone(), got);
            spectrum(isa, &HalfTransform::new(n), &z, &mut re, &mut im);
            let (want_re, want_im): (Vec<f64>, Vec<f64>) = naive::transform(&real).into_iter().take(n / 2 + 1).unzip();
            for (got, want) in [(re, want_re), (im, want_im)] {
                assert!(largest_error(&got, &want) < 1e-6 * loudest.sqrt(), "{isa} n = {n}");
            }
        }
    });
}

/// A sine, whose bin has the magnitude 64: in bins far from it errors must be small beside one, not beside 64².
#[test]
fn quiet_bins_are_right_beside_loud_ones() {
    each_isa(|isa| {
        let n = 256;
        let hann = |j: usize| (std::f64::consts::PI * j as f64 / n as f64).sin().powi(2);
        let x: Vec<f64> = (0..n).map(|j| hann(j) * (0.1 * j as f64).sin()).collect();
        let z = naive::transform(&x.as_chunks().0.iter().map(|&[re, im]| (re, im)).collect::<Vec<_>>());
        let z: Vec<[f32; 2]> = z.into_iter().map(|(re, im)| [re as f32, im as f32]).collect();
        let mut got = vec![0.0; n / 2 + 1];
        power_spectrum(isa, &HalfTransform::new(n), &z, &mut got);
        let want = naive::transform(&x.iter().map(|&x| (x, 0.0)).collect::<Vec<_>>());
        for (k, (got, (re, im))) in got.iter().zip(want).enumerate() {
            let want = re.hypot(im);
            assert!((f64::from(*got).sqrt() - want).abs() < 1e-5, "{isa} bin {k}: {} for {want}", got.sqrt());
        }
    });
}

#[test]
fn band_sums_match_their_definition() {
    each_isa(|isa| {
        let mut values = Values::new(3);
        let spans = [(0, 1), (0, 7), (3, 8), (5, 9), (2, 16), (11, 17), (4, 33), (40, 2), (1, 64)];
        let rows: Vec<(usize, Vec<f32>)> = spans.iter().map(|&(first, count)| (first, values.take(count))).collect();
        let bands = Bands::new(rows.clone());
        let bins = values.take(bands.reach() + 3);
        let mut got = vec![9.0; bands.count()];
        band_sums(isa, &bands, &bins, &mut got);
        let term = |first: usize, (j, &weight): (usize, &f32)| f64::from(weight) * f64::from(bins[first + j]);
        let sum = |(first, row): &(usize, Vec<f32>)| row.iter().enumerate().map(|each| term(*first, each)).sum();
        assert!(largest_error(&got, &rows.iter().map(sum).collect::<Vec<f64>>()) < 1e-6, "{isa}");
    });
}

#[test]
fn folded_filters_match_their_definition() {
    each_isa(|isa| {
        for m in [16, 48, 64] {
            let mut values = Values::new(m as u64);
            let spans = [(0, 1), (5, 16), (m, m), (3 * m - 1, 2), (2 * m + 7, 200), (40, 1)];
            let filter = |&(first, count): &(usize, usize)| (first, values.take(2 * count).as_chunks().0.to_vec());
            let filters: Vec<(usize, Vec<[f32; 2]>)> = spans.iter().map(filter).collect();
            let folded_filters = FoldedFilters::new(m, &filters);
            let bins = folded_filters.reach() + 3;
            let (re, im) = (values.take(bins), values.take(bins));
            let mut got = vec![[9.0; 2]; spans.len() * m];
            fold(isa, &folded_filters, &re, &im, &mut got);
            let mut want = vec![0.0; 2 * got.len()];
            for (number, (first, response)) in filters.iter().enumerate() {
                for (bin, &[a, b]) in (*first..).zip(response) {
                    let [a, b, re, im] = [a, b, re[bin], im[bin]].map(f64::from);
                    want[2 * (number * m + bin % m)] += a * re - b * im;
                    want[2 * (number * m + bin % m) + 1] += a * im + b * re;
                }
            }
            assert!(largest_error(got.as_flattened(), &want) < 3e-6, "{isa} m = {m}");
        }
    });
}

#[test]
fn distances_match_their_definition_even_of_near_points() {
    each_isa(|isa| {
        for d in [1, 3, 16, 32, 33, 256] {
            let mut values = Values::new(d as u64);
            let (a, mut b) = (values.take(5 * d), values.take(4 * d));
            for k in 0..d {
                b[k] = a[k] * (1.0 + 1e-5);
            }
            let mut got = vec![0.0; 20];
            squared_distances(isa, &a, &b, d, &mut got);
            for (at, got) in got.iter().enumerate() {
                let (p, q) = (&a[at / 4 * d..][..d], &b[at % 4 * d..][..d]);
                let want: f64 = p.iter().zip(q).map(|(p, q)| (f64::from(*p) - f64::from(*q)).powi(2)).sum();
                assert!((f64::from(*got) - want).abs() <= 1e-6 * want, "{isa} d = {d}: {got} for {want}");
            }
        }
        squared_distances(isa, &[], &[], 3, &mut []);
    });
}
