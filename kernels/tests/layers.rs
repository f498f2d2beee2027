//! The general layers on every instruction set that this CPU has, against the naive f64 definitions, at ragged shapes.

#[allow(unreachable_pub, dead_code)] // modules of the tests, not interfaces
mod naive;
#[allow(unreachable_pub)]
mod sets;

use homonym_kernels::*;
use naive::{Values, layers, relative_error};
use sets::each_isa;

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[test]
fn products_match_their_definition_also_of_transposed_matrices() {
    each_isa(|isa| {
        let mut scratch = GemmScratch::default();
        for [m, k, n] in [[1, 1, 1], [5, 3, 7], [6, 16, 16], [7, 300, 33], [13, 9, 130], [50, 513, 20], [200, 40, 600]]
        {
            let mut values = Values::new((m * 100 + k * 10 + n) as u64);
            let (a, b, c) = (values.take(m * k), values.take(k * n), values.take(m * n));
            for (a_across, b_across) in [(false, false), (true, false), (false, true), (true, true)] {
                let a64 = |i: usize, l: usize| f64::from(if a_across { a[l * m + i] } else { a[i * k + l] });
                let b64 = |l: usize, j: usize| f64::from(if b_across { b[j * k + l] } else { b[l * n + j] });
                let mut want = layers::product(&a64, &b64, [m, k, n]);
                want.iter_mut().zip(&c).for_each(|(want, &c)| *want += f64::from(c));
                let a = if a_across { Matrix::new(&a, k, m).transposed() } else { Matrix::new(&a, m, k) };
                let b = if b_across { Matrix::new(&b, n, k).transposed() } else { Matrix::new(&b, k, n) };
                let mut got = c.clone();
                gemm(isa, a, b, &mut got, &mut scratch);
                let error = relative_error(&got, &want);
                assert!(error < 1e-6, "{isa} {m} × {k} × {n} {a_across} {b_across}: relative error {error}");
            }
        }
    });
}

/// Images, rows, columns, inputs, outputs, kernel, stride; "same" or valid.
type Sizes = (usize, [usize; 3], usize, [usize; 2], [usize; 2], bool);

const SHAPES: [Sizes; 28] = [
    (2, [9, 1, 3], 5, [4, 1], [1, 1], true),
    (3, [129, 1, 24], 40, [4, 1], [1, 1], true),
    (5, [8, 1, 20], 33, [2, 1], [1, 1], true),
    (4, [2, 1, 16], 50, [1, 1], [1, 1], true),
    (2, [1, 31, 7], 9, [1, 5], [1, 2], true),
    (2, [31, 1, 7], 9, [5, 1], [3, 1], false),
    (1, [12, 10, 1], 16, [3, 3], [1, 1], true),
    (2, [7, 6, 5], 3, [3, 3], [2, 2], true),
    (2, [8, 8, 17], 34, [3, 3], [2, 1], true),
    (1, [6, 5, 4], 7, [2, 2], [1, 1], true),
    (1, [6, 5, 4], 7, [2, 4], [2, 3], false),
    (1, [5, 5, 2], 300, [5, 5], [1, 1], false),
    (2, [11, 9, 3], 8, [1, 1], [2, 2], false),
    (1, [3, 40, 70], 20, [3, 5], [1, 1], true),
    (2, [60, 40, 2], 10, [3, 3], [2, 1], true),
    (2, [600, 1, 3], 12, [5, 1], [2, 1], true),
    (2, [1, 700, 3], 5, [1, 4], [1, 2], true),
    // By Winograd:
    (1, [4, 4, 16], 16, [3, 3], [1, 1], true),
    (3, [9, 7, 20], 33, [3, 3], [1, 1], true),
    (2, [6, 5, 16], 40, [3, 3], [1, 1], false),
    (5, [1, 2, 24], 17, [3, 3], [1, 1], true),
    (7, [2, 4, 130], 65, [3, 3], [1, 1], true),
    (1, [33, 13, 48], 64, [3, 3], [1, 1], true),
    (2, [3, 3, 32], 32, [3, 3], [1, 1], false),
    (2, [8, 12, 300], 20, [3, 3], [1, 1], true),
    (1, [5, 30, 19], 64, [3, 3], [1, 1], true),
    (1, [6, 7, 16], 130, [3, 3], [1, 1], true),
    (2, [60, 62, 16], 16, [3, 3], [1, 1], true),
];

/// A convolution with random contents.
struct Case {
    shape: Conv2d,
    naive: layers::Conv,
    x: Vec<f32>,
    w: Vec<f32>,
    bias: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new((images, [rows, cols, inputs], outputs, kernel, stride, same): Sizes) -> Self {
        let input = Grid { rows, cols, channels: inputs };
        let padding = if same { Padding::same(input, kernel, stride) } else { Padding::VALID };
        Self::padded(images, input, outputs, kernel, stride, padding)
    }

    fn padded(
        images: usize,
        input: Grid,
        outputs: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: Padding,
    ) -> Self {
        let shape = Conv2d::new(input, outputs, kernel, stride, padding);
        let output = shape.output();
        let naive = layers::Conv {
            images,
            input: [input.rows, input.cols, input.channels],
            kernel,
            stride,
            before: [padding.top, padding.left],
            output: [output.rows, output.cols, output.channels],
        };
        let mut values = Values::new((input.len() + outputs) as u64);
        let (x, w) = (values.take(images * input.len()), values.take(shape.weights()));
        let (bias, dy) = (values.take(outputs), values.take(images * output.len()));
        Self { shape, naive, x, w, bias, dy }
    }

    fn check(&self, isa: Isa, scratch: &mut Conv2dScratch) {
        let Self { shape, naive, x, w, bias, dy } = self;
        let outputs = bias.len();
        let mut y = vec![7.0; dy.len()];
        conv2d(isa, &Conv2dWeights::pack(isa, shape, w, bias), x, &mut y, scratch);
        let (mut dw, mut db, mut dx) = (vec![0.5; w.len()], vec![0.5; outputs], vec![7.0; x.len()]);
        conv2d_weight_grad(isa, shape, x, dy, &mut dw, &mut db, scratch);
        conv2d_input_grad(isa, &Conv2dGradWeights::pack(isa, shape, w), dy, &mut dx, scratch);

        let (x64, w64, dy64) = (wide(x), wide(w), wide(dy));
        let mut want_y: Vec<f64> = (0..dy.len()).map(|at| f64::from(bias[at % outputs])).collect();
        let (mut want_dw, mut want_db, mut want_dx) = (vec![0.5; w.len()], vec![0.5; outputs], vec![0.0; x.len()]);
        naive.products(|y, x, w| {
            want_y[y] += x64[x] * w64[w];
            want_dw[w] += x64[x] * dy64[y];
            want_dx[x] += w64[w] * dy64[y];
        });
        dy64.iter().enumerate().for_each(|(at, dy)| want_db[at % outputs] += dy);
        for (what, got, want) in
            [("y", &y, &want_y), ("dw", &dw, &want_dw), ("db", &db, &want_db), ("dx", &dx, &want_dx)]
        {
            let error = relative_error(got, want);
            assert!(error < 2e-6, "{isa} {naive:?} {what}: relative error {error}");
        }
    }
}

#[test]
fn convolutions_and_their_gradients_match_their_definition() {
    each_isa(|isa| {
        let mut scratch = Conv2dScratch::default();
        SHAPES.into_iter().for_each(|sizes| Case::new(sizes).check(isa, &mut scratch));
    });
}

#[test]
fn padding_may_be_anything() {
    each_isa(|isa| {
        let mut scratch = Conv2dScratch::default();
        for (top, bottom, left, right) in [(0, 1, 2, 0), (2, 2, 2, 2), (1, 0, 0, 2), (3, 4, 5, 0)] {
            let padding = Padding { top, bottom, left, right };
            for channels in [3, 18] {
                let input = Grid { rows: 6, cols: 9, channels };
                Case::padded(2, input, 21, [3, 3], [1, 1], padding).check(isa, &mut scratch);
                Case::padded(2, input, 4, [4, 2], [1, 3], padding).check(isa, &mut scratch);
            }
        }
    });
}

#[test]
fn same_padding_is_tensorflows() {
    let grid = |rows| Grid { rows, cols: 1, channels: 1 };
    for (rows, kernel, stride, top, bottom) in
        [(129, 4, 1, 1, 2), (8, 2, 1, 0, 1), (8, 1, 1, 0, 0), (8, 3, 1, 1, 1), (5, 3, 2, 1, 1), (6, 3, 2, 0, 1)]
    {
        let padding = Padding::same(grid(rows), [kernel, 1], [stride, 1]);
        assert_eq!((padding.top, padding.bottom), (top, bottom), "{rows} rows, kernel {kernel}, stride {stride}");
        let shape = Conv2d::new(grid(rows), 1, [kernel, 1], [stride, 1], padding);
        assert_eq!(shape.output().rows, rows.div_ceil(stride));
    }
}

#[test]
fn a_batch_gives_what_its_images_give() {
    each_isa(|isa| {
        for sizes in [(5, [7, 9, 16], 24, [3, 3], [1, 1], true), (5, [20, 1, 6], 12, [4, 1], [1, 1], true)] {
            let Case { shape, x, w, bias, dy, .. } = Case::new(sizes);
            let (weights, back) =
                (Conv2dWeights::pack(isa, &shape, &w, &bias), Conv2dGradWeights::pack(isa, &shape, &w));
            let mut scratch = Conv2dScratch::default();
            let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
            conv2d(isa, &weights, &x, &mut y, &mut scratch);
            conv2d_input_grad(isa, &back, &dy, &mut dx, &mut scratch);
            let (inputs, outputs) = (shape.input().len(), shape.output().len());
            for image in 0..5 {
                let (mut one_y, mut one_dx) = (vec![0.0; outputs], vec![0.0; inputs]);
                conv2d(isa, &weights, &x[image * inputs..][..inputs], &mut one_y, &mut scratch);
                conv2d_input_grad(isa, &back, &dy[image * outputs..][..outputs], &mut one_dx, &mut scratch);
                assert_eq!(one_y, y[image * outputs..][..outputs], "{isa}: y of image {image}");
                // Where patches overlap, the order of their sum depends on what was packed together.
                let error = relative_error(&one_dx, &wide(&dx[image * inputs..][..inputs]));
                assert!(error < 1e-6, "{isa}: dx of image {image}: relative error {error}");
            }
        }
    });
}

#[test]
fn pooling_and_its_gradients_match_their_definition() {
    each_isa(|isa| {
        for (images, [rows, cols, channels], window, stride) in [
            (3, [129, 1, 20], [4, 1], [4, 1]),
            (2, [9, 7, 5], [2, 3], [2, 3]),
            (2, [8, 12, 16], [3, 3], [1, 2]),
            (1, [5, 4, 33], [5, 4], [1, 1]),
            (2, [6, 6, 1], [1, 2], [3, 1]),
        ] {
            let grid = Grid { rows, cols, channels };
            let pool = MaxPool::new(grid, window, stride);
            let output = pool.output();
            let mut values = Values::new((rows * cols * channels) as u64);
            // Few different values, so that maxima tie.
            let x: Vec<f32> = values.take(images * grid.len()).iter().map(|x| (x * 4.0).round()).collect();
            let dy = values.take(images * output.len());
            let (mut y, mut argmax) = (vec![0.0; dy.len()], vec![0; dy.len()]);
            max_pool(isa, &pool, &x, &mut y, Some(&mut argmax));
            let mut without = vec![0.0; dy.len()];
            max_pool(isa, &pool, &x, &mut without, None);
            assert_eq!(y, without, "{isa}: the argmax must not change the values");
            let mut dx = vec![7.0; x.len()];
            max_pool_grad(&pool, &argmax, &dy, &mut dx);

            let mut want_dx = vec![0.0; x.len()];
            for at in 0..dy.len() {
                let (pixel, channel) = (at / channels, at % channels);
                let (image, pixel) = (pixel / output.pixels(), pixel % output.pixels());
                let (first_row, first_col) = (pixel / output.cols * stride[0], pixel % output.cols * stride[1]);
                let (mut best, mut place) = (f32::NEG_INFINITY, 0);
                for row in first_row..first_row + window[0] {
                    for col in first_col..first_col + window[1] {
                        let value = x[image * grid.len() + (row * cols + col) * channels + channel];
                        if value > best {
                            (best, place) = (value, row * cols + col);
                        }
                    }
                }
                assert_eq!((y[at], argmax[at] as usize), (best, place), "{isa} {window:?} {stride:?}");
                want_dx[image * grid.len() + place * channels + channel] += f64::from(dy[at]);
            }
            assert!(relative_error(&dx, &want_dx) < 1e-6, "{isa} {window:?} {stride:?}: gradient");

            let (mut y, mut dx) = (vec![0.0; images * channels], vec![7.0; x.len()]);
            mean_pool(isa, grid, &x, &mut y);
            mean_pool_grad(grid, &dy[..y.len()], &mut dx);
            let mean = |at: usize| {
                let image = &x[at / channels * grid.len()..][..grid.len()];
                layers::moments(image, channels, at % channels).0
            };
            assert!(relative_error(&y, &(0..y.len()).map(mean).collect::<Vec<_>>()) < 1e-6, "{isa}: mean");
            for (at, dx) in dx.iter().enumerate() {
                let want = dy[at / grid.len() * channels + at % channels] / grid.pixels() as f32;
                assert!((dx - want).abs() < 1e-6, "{isa}: gradient of the mean");
            }
        }
    });
}

#[test]
fn batch_normalisation_and_its_gradients_match_their_definition() {
    each_isa(|isa| {
        for (rows, channels) in [(1, 3), (7, 1), (63, 17), (64, 16), (65, 8), (400, 33)] {
            let mut values = Values::new((rows * channels) as u64);
            // A mean well above the deviation: a difference of squares would lose it.
            let x: Vec<f32> = values.take(rows * channels).iter().map(|x| x + 10.0).collect();
            let dy = values.take(x.len());
            let (gain, shift) = (values.take(channels), values.take(channels));

            let mut moments = Moments::new(channels);
            moments.add(isa, &x);
            let want: Vec<_> = (0..channels).map(|c| layers::moments(&x, channels, c)).collect();
            for (c, variance) in moments.variances().enumerate() {
                assert!((moments.means()[c] - want[c].0).abs() < 1e-7, "{isa} {rows} × {channels}: mean");
                assert!((variance - want[c].1).abs() <= 1e-6 * want[c].1, "{isa} {rows} × {channels}: variance");
            }
            let mut halves = Moments::new(channels);
            for shard in x.chunks(rows.div_ceil(2) * channels) {
                let mut moments = Moments::new(channels);
                moments.add(isa, shard);
                halves.merge(&moments);
            }
            assert_eq!(halves.count(), rows);
            for (c, variance) in halves.variances().enumerate() {
                assert!((variance - want[c].1).abs() <= 1e-6 * want[c].1, "{isa}: variance of two shards");
            }

            let mean: Vec<f32> = moments.means().iter().map(|&mean| mean as f32).collect();
            let inverse: Vec<f32> =
                moments.variances().map(|variance| (1.0 / (variance + 1e-3).sqrt()) as f32).collect();
            let norm = BatchNorm { mean: &mean, inverse: &inverse, gain: &gain, shift: &shift };
            let mut y = vec![0.0; x.len()];
            batch_norm(isa, &norm, &x, &mut y);
            let (mut dgain, mut dshift, mut dx) = (vec![0.5; channels], vec![0.5; channels], dy.clone());
            batch_norm_sums(isa, &norm, &x, &dy, &mut dgain, &mut dshift);
            let sums = |sums: &[f64]| sums.iter().map(|sum| sum - 0.5).collect::<Vec<_>>();
            batch_norm_grad(isa, &norm, &x, (&sums(&dgain), &sums(&dshift), rows), &mut dx);

            // The definition differentiated by hand, variance and mean as functions of x.
            let (mut want_y, mut want_dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            for c in 0..channels {
                let (n, (mean, variance)) = (rows as f64, want[c]);
                let deviation = (variance + 1e-3).sqrt();
                let gain = f64::from(gain[c]);
                let centred = |row: usize| f64::from(x[row * channels + c]) - mean;
                let slope = |row: usize| f64::from(dy[row * channels + c]);
                let d_variance: f64 =
                    (0..rows).map(|row| slope(row) * gain * centred(row) * -0.5 / deviation.powi(3)).sum();
                let d_mean: f64 = (0..rows).map(|row| -slope(row) * gain / deviation).sum();
                for row in 0..rows {
                    let at = row * channels + c;
                    want_y[at] = centred(row) / deviation * gain + f64::from(shift[c]);
                    want_dx[at] = slope(row) * gain / deviation + d_variance * 2.0 * centred(row) / n + d_mean / n;
                }
                let want_dgain: f64 = (0..rows).map(|row| slope(row) * centred(row) / deviation).sum();
                let want_dshift: f64 = (0..rows).map(slope).sum();
                assert!((dgain[c] - 0.5 - want_dgain).abs() < 1e-4, "{isa} {rows} × {channels}: gain");
                assert!((dshift[c] - 0.5 - want_dshift).abs() < 1e-4, "{isa} {rows} × {channels}: shift");
            }
            // A mean of 10 is rounded by up to 5e-7, and divided by a deviation of 0.03 in a batch of one row.
            assert!(naive::largest_error(&y, &want_y) < 3e-5, "{isa} {rows} × {channels}: y");
            assert!(naive::largest_error(&dx, &want_dx) < 3e-5, "{isa} {rows} × {channels}: dx");
        }
    });
}

#[test]
fn dense_on_a_batch_is_dense_on_each() {
    each_isa(|isa| {
        let mut scratch = GemmScratch::default();
        for (n, inputs, outputs) in [(1, 1, 1), (15, 256, 70), (7, 33, 300), (100, 448, 32)] {
            let mut values = Values::new((n + inputs + outputs) as u64);
            let (x, w, b) = (values.take(n * inputs), values.take(inputs * outputs), values.take(outputs));
            let dy = values.take(n * outputs);
            let mut y = vec![7.0; dy.len()];
            dense_batch(isa, &x, &w, &b, &mut y, &mut scratch);
            let (mut dw, mut db, mut dx) = (vec![0.5; w.len()], vec![0.5; outputs], vec![7.0; x.len()]);
            dense_batch_grad(isa, &x, &w, &dy, &mut dw, &mut db, &mut dx, &mut scratch);

            let (mut want_y, mut want_dx) = (vec![0.0; y.len()], vec![0.0; x.len()]);
            let (mut want_dw, mut want_db) = (vec![0.5; w.len()], vec![0.5; outputs]);
            for i in 0..n {
                let (x, dy) = (&x[i * inputs..][..inputs], &dy[i * outputs..][..outputs]);
                dense(isa, x, &w, &b, &mut want_y[i * outputs..][..outputs]);
                dense_grad(isa, x, &w, dy, &mut want_dw, &mut want_db, &mut want_dx[i * inputs..][..inputs]);
            }
            for (what, got, want) in
                [("y", &y, &want_y), ("dw", &dw, &want_dw), ("db", &db, &want_db), ("dx", &dx, &want_dx)]
            {
                let error = relative_error(got, &wide(want));
                assert!(error < 2e-6, "{isa} {n} {inputs} {outputs} {what}: relative error {error}");
            }
        }
    });
}

/// The value by its definition and the gradients as slopes of it, in f64.
#[test]
fn auto_pooling_and_its_gradients_match_their_definition() {
    let pooled = |times: usize, channels: usize, alpha: &[f64], x: &[f64]| -> Vec<f64> {
        let value = |at: usize| {
            let (image, c) = (at / channels, at % channels);
            let column = || (0..times).map(|t| x[(image * times + t) * channels + c]);
            let total: f64 = column().map(|x| (alpha[c] * x).exp()).sum();
            column().map(|x| x * (alpha[c] * x).exp() / total).sum()
        };
        (0..x.len() / times).map(value).collect()
    };
    each_isa(|isa| {
        for (images, times, channels) in [(1, 1, 1), (2, 5, 3), (3, 32, 16), (2, 7, 33)] {
            let mut values = Values::new((times * 10 + channels) as u64);
            let (x, dy) = (values.take(images * times * channels), values.take(images * channels));
            // From a minimum over the mean to a maximum.
            let alpha: Vec<f32> =
                (0..channels).map(|c| 4.0 * (c as f32 - (channels / 2) as f32) / channels as f32).collect();
            let mut y = vec![9.0; images * channels];
            auto_pool(isa, times, &alpha, &x, &mut y);
            let (wide_alpha, wide_x) = (wide(&alpha), wide(&x));
            let error = relative_error(&y, &pooled(times, channels, &wide_alpha, &wide_x));
            assert!(error < 2e-6, "{isa} {times} × {channels}: {error}");
            let (mut dalpha, mut dx) = (vec![0.5; channels], vec![9.0; x.len()]);
            auto_pool_grad(isa, times, &alpha, &x, &y, &dy, &mut dalpha, &mut dx);
            dalpha.iter_mut().for_each(|slope| *slope -= 0.5);
            let objective = |alpha: &[f64], x: &[f64]| -> f64 {
                pooled(times, channels, alpha, x).iter().zip(&dy).map(|(y, &dy)| y * f64::from(dy)).sum()
            };
            let slope = |at: usize, values: &[f64], f: &dyn Fn(&[f64]) -> f64| {
                let [above, below] = [1e-5, -1e-5].map(|step| {
                    let mut moved = values.to_vec();
                    moved[at] += step;
                    f(&moved)
                });
                (above - below) / 2e-5
            };
            let want: Vec<f64> = (0..x.len()).map(|at| slope(at, &wide_x, &|x| objective(&wide_alpha, x))).collect();
            let error = relative_error(&dx, &want);
            assert!(error < 1e-5, "{isa} {times} × {channels}: gradient by x {error}");
            let want: Vec<f64> =
                (0..channels).map(|at| slope(at, &wide_alpha, &|alpha| objective(alpha, &wide_x))).collect();
            let error = relative_error(&dalpha, &want);
            assert!(error < 2e-5, "{isa} {times} × {channels}: gradient by alpha {error}");
        }
        // Nothing overflows, and the ends are the maximum and the minimum.
        let mut y = [0.0; 2];
        auto_pool(isa, 3, &[1e6, -1e6], &[1.0, 1.0, 3.0, 3.0, 2.0, 2.0], &mut y);
        assert_eq!(y, [3.0, 1.0], "{isa}");
    });
}
