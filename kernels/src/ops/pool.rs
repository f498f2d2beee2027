//! Max-pooling with any window, and the mean over all pixels, of a batch of images, channels last; with gradients.

use super::columns::add_column_sums;
use super::conv2d::Grid;
use crate::isa::Isa;
use crate::simd::{self, Kernel, MAX_LANES, Simd};

/// The geometry of max-pooling: whole windows only ("valid", floor).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    input: Grid,
    output: Grid,
    window: [usize; 2],
    stride: [usize; 2],
}

/// 2²³: from it on, f32 steps by ones, and its lower 23 bits count them.
const ONES: f32 = 8_388_608.0;
const COUNT: u32 = (1 << 23) - 1;

impl MaxPool {
    /// Windows of `window` rows and columns, `stride` apart. One as large as the image gives the maximum of all pixels.
    ///
    /// # Panics
    /// If no window fits, a size is zero, or an image has 2²³ pixels or more.
    pub fn new(input: Grid, window: [usize; 2], stride: [usize; 2]) -> Self {
        assert!(window.iter().chain(&stride).all(|&size| size > 0) && input.len() > 0, "sizes of a pool are positive");
        assert!(window[0] <= input.rows && window[1] <= input.cols, "at least one pooling window");
        assert!(input.pixels() <= COUNT as usize, "an image of less than 2²³ pixels");
        let (rows, cols) = ((input.rows - window[0]) / stride[0] + 1, (input.cols - window[1]) / stride[1] + 1);
        Self { input, output: Grid { rows, cols, channels: input.channels }, window, stride }
    }

    /// The images read.
    pub fn input(&self) -> Grid {
        self.input
    }

    /// The images written.
    pub fn output(&self) -> Grid {
        self.output
    }

    fn check(&self, x: &[f32], y: &[f32]) {
        assert_eq!(self.input.images(x), self.output.images(y), "as many output as input images");
    }
}

/// `y = max x` over each window; `x`: n × input, `y`: n × output. `argmax`, where wanted, has a value for each of `y`: the
/// pixel (`row · cols + col` of the input image) of the maximum, the first of equals.
pub fn max_pool(isa: Isa, pool: &MaxPool, x: &[f32], y: &mut [f32], argmax: Option<&mut [u32]>) {
    pool.check(x, y);
    match argmax {
        Some(argmax) => {
            assert_eq!(argmax.len(), y.len(), "argmax");
            isa.run(Pool::<true> { pool, x, y, argmax });
        }
        None => isa.run(Pool::<false> { pool, x, y, argmax: &mut [] }),
    }
}

struct Pool<'a, const KEEP: bool> {
    pool: &'a MaxPool,
    x: &'a [f32],
    y: &'a mut [f32],
    argmax: &'a mut [u32],
}

impl<const KEEP: bool> Kernel for Pool<'_, KEEP> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let MaxPool { input, output, window, stride } = *self.pool;
        let channels = input.channels;
        for (pixel, y) in self.y.chunks_exact_mut(channels).enumerate() {
            let (image, at) = (pixel / output.pixels(), pixel % output.pixels());
            let x = &self.x[image * input.len()..][..input.len()];
            let (first_row, first_col) = (at / output.cols * stride[0], at % output.cols * stride[1]);
            for channel in (0..channels).step_by(S::LANES) {
                let lanes = S::LANES.min(channels - channel);
                let (mut best, mut place) = (simd.splat(f32::NEG_INFINITY), simd.splat(ONES));
                for row in first_row..first_row + window[0] {
                    for col in first_col..first_col + window[1] {
                        let pixel = row * input.cols + col;
                        // SAFETY: windows lie inside the image; a pixel holds `channels ≥ channel + lanes` values.
                        let x = unsafe { simd::load_first(simd, x.as_ptr().add(pixel * channels + channel), lanes) };
                        if KEEP {
                            place = simd.select_gt(x, best, simd.splat(ONES + pixel as f32), place);
                        }
                        best = simd.max(best, x);
                    }
                }
                // SAFETY: as above, of the output.
                unsafe { simd::store_first(simd, y.as_mut_ptr().add(channel), best, lanes) }
                if KEEP {
                    let mut places = [0.0f32; MAX_LANES];
                    // SAFETY: `places` holds the widest vector.
                    unsafe { simd.store(places.as_mut_ptr(), place) };
                    let to = &mut self.argmax[pixel * channels + channel..][..lanes];
                    to.iter_mut().zip(places).for_each(|(to, place)| *to = place.to_bits() & COUNT);
                }
            }
        }
    }
}

/// Gradient of [`max_pool`]: `dx = Σ dy` of the windows whose maximum it was, overwritten.
pub fn max_pool_grad(pool: &MaxPool, argmax: &[u32], dy: &[f32], dx: &mut [f32]) {
    pool.check(dx, dy);
    assert_eq!(argmax.len(), dy.len(), "argmax");
    dx.fill(0.0);
    let (images, outputs, channels) = (pool.input.len(), pool.output.len(), pool.input.channels);
    for ((dx, dy), argmax) in
        dx.chunks_exact_mut(images).zip(dy.chunks_exact(outputs)).zip(argmax.chunks_exact(outputs))
    {
        for (dy, argmax) in dy.chunks_exact(channels).zip(argmax.chunks_exact(channels)) {
            for (channel, (dy, &pixel)) in dy.iter().zip(argmax).enumerate() {
                dx[pixel as usize * channels + channel] += dy;
            }
        }
    }
}

/// `y[c] = mean x[pixel, c]` over all pixels of an image; `x`: n × `grid`, `y`: n × channels.
pub fn mean_pool(isa: Isa, grid: Grid, x: &[f32], y: &mut [f32]) {
    assert_eq!(grid.images(x) * grid.channels, y.len(), "a value for each channel of each image");
    y.fill(0.0);
    let factor = 1.0 / grid.pixels() as f32;
    for (x, y) in x.chunks_exact(grid.len()).zip(y.chunks_exact_mut(grid.channels)) {
        add_column_sums(isa, x, y);
        y.iter_mut().for_each(|y| *y *= factor);
    }
}

/// Gradient of [`mean_pool`]: `dx[pixel, c] = dy[c] / pixels`, overwritten.
pub fn mean_pool_grad(grid: Grid, dy: &[f32], dx: &mut [f32]) {
    assert_eq!(grid.images(dx) * grid.channels, dy.len(), "a value for each channel of each image");
    let factor = 1.0 / grid.pixels() as f32;
    for (dx, dy) in dx.chunks_exact_mut(grid.len()).zip(dy.chunks_exact(grid.channels)) {
        for dx in dx.chunks_exact_mut(grid.channels) {
            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * factor);
        }
    }
}
