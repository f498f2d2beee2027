//! What every kernel must compute, written as its definition says, in f64, pixel by pixel; shares nothing with the crate.

pub mod layers;

/// A deterministic stream of values in [−1, 1).
pub struct Values(u64);

impl Values {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// A dense image without border: value of `[row][col][channel]`.
pub type Pixels = Vec<Vec<Vec<f64>>>;

/// 3x3 "same" convolution plus bias; `w[o][dr][dc][c]`.
pub fn convolve(x: &Pixels, w: &dyn Fn(usize, usize, usize, usize) -> f64, bias: &[f32]) -> Pixels {
    let (rows, cols, channels) = (x.len() as i64, x[0].len() as i64, x[0][0].len());
    let pixel = |row: i64, col: i64, output: usize| {
        let mut sum = f64::from(bias[output]);
        for dr in 0..3i64 {
            for dc in 0..3i64 {
                let (r, c) = (row + dr - 1, col + dc - 1);
                if r >= 0 && r < rows && c >= 0 && c < cols {
                    for channel in 0..channels {
                        sum += x[r as usize][c as usize][channel] * w(output, dr as usize, dc as usize, channel);
                    }
                }
            }
        }
        sum
    };
    (0..rows)
        .map(|row| (0..cols).map(|col| (0..bias.len()).map(|output| pixel(row, col, output)).collect()).collect())
        .collect()
}

/// Max-pool of ReLU, and where in the window the first maximum is (None: cut by ReLU).
#[allow(clippy::type_complexity)]
pub fn relu_pool(y: &Pixels, pool: usize) -> (Pixels, Vec<Vec<Vec<Option<usize>>>>) {
    let channels = y[0][0].len();
    let mut values = vec![vec![vec![0.0; channels]; y[0].len() / pool]; y.len() / pool];
    let mut places = vec![vec![vec![None; channels]; y[0].len() / pool]; y.len() / pool];
    for row in 0..values.len() {
        for col in 0..values[0].len() {
            for channel in 0..channels {
                for at in 0..pool * pool {
                    let value = y[row * pool + at / pool][col * pool + at % pool][channel];
                    if value > values[row][col][channel] {
                        values[row][col][channel] = value;
                        places[row][col][channel] = Some(at);
                    }
                }
            }
        }
    }
    (values, places)
}

/// `‖got − want‖ / ‖want‖`, or the plain norm where `want` is zero.
pub fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let error: f64 = got.iter().zip(want).map(|(&got, want)| (f64::from(got) - want).powi(2)).sum();
    let norm: f64 = want.iter().map(|want| want * want).sum();
    if norm == 0.0 { error.sqrt() } else { (error / norm).sqrt() }
}

/// The largest `|got − want|`.
pub fn largest_error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).map(|(&got, want)| (f64::from(got) - want).abs()).fold(0.0, f64::max)
}

/// The nearest number with eight significant bits, of two equally near the one with an even last bit.
pub fn bf16(x: f64) -> f64 {
    if x == 0.0 {
        return x;
    }
    let step = 2f64.powi(x.abs().log2().floor() as i32 - 7);
    (x / step).round_ties_even() * step
}

/// The Fourier transform of (real, imaginary) values, by its definition.
pub fn transform(x: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let n = x.len();
    let term = |k: usize, j: usize| {
        let (sin, cos) = (-std::f64::consts::TAU * (j * k % n) as f64 / n as f64).sin_cos();
        (x[j].0 * cos - x[j].1 * sin, x[j].0 * sin + x[j].1 * cos)
    };
    (0..n).map(|k| (0..n).map(|j| term(k, j)).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))).collect()
}
