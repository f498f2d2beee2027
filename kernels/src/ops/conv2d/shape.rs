//! The geometry of a convolution: grids, padding, strides.

/// A dense image without border, channels last: *rows × cols × channels*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Pixels downwards: frames.
    pub rows: usize,
    /// Pixels across: bands; 1 for a sequence.
    pub cols: usize,
    /// Values of a pixel, next to each other.
    pub channels: usize,
}

impl Grid {
    /// Pixels of an image.
    pub fn pixels(&self) -> usize {
        self.rows * self.cols
    }

    /// Values of an image.
    #[allow(clippy::len_without_is_empty)] // a size in memory, not a collection
    pub fn len(&self) -> usize {
        self.pixels() * self.channels
    }

    /// How many such images `values` are.
    ///
    /// # Panics
    /// If they are no whole number of images.
    pub(crate) fn images(&self, values: &[f32]) -> usize {
        assert!(values.len().is_multiple_of(self.len()), "whole images of {} values, not {}", self.len(), values.len());
        values.len() / self.len()
    }
}

/// Zeros around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns before the first.
    pub left: usize,
    /// Columns after the last.
    pub right: usize,
}

impl Padding {
    /// None: the kernel stays inside the image.
    pub const VALID: Self = Self { top: 0, bottom: 0, left: 0, right: 0 };

    /// TensorFlow's "same": ⌈size / stride⌉ outputs; of an odd number of zeros the greater part comes last.
    pub fn same(input: Grid, kernel: [usize; 2], stride: [usize; 2]) -> Self {
        let split = |size: usize, kernel: usize, stride: usize| {
            let whole = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
            (whole / 2, whole - whole / 2)
        };
        let (top, bottom) = split(input.rows, kernel[0], stride[0]);
        let (left, right) = split(input.cols, kernel[1], stride[1]);
        Self { top, bottom, left, right }
    }
}

/// The geometry of a convolution; weights are *outputs × kernel rows × kernel columns × input channels*.
///
/// A convolution of a sequence is one of an image with one column and a kernel `[k, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    pub(super) input: Grid,
    pub(super) output: Grid,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: Padding,
}

impl Conv2d {
    /// A convolution of images `input` to `outputs` channels; `kernel` and `stride` are downwards, across.
    ///
    /// # Panics
    /// If a size is zero or the kernel is larger than the padded image.
    pub fn new(input: Grid, outputs: usize, kernel: [usize; 2], stride: [usize; 2], padding: Padding) -> Self {
        let sizes = [input.len(), outputs, kernel[0], kernel[1], stride[0], stride[1]];
        assert!(sizes.iter().all(|&size| size > 0), "sizes of a convolution are positive");
        let Padding { top, bottom, left, right } = padding;
        let (rows, cols) = (input.rows + top + bottom, input.cols + left + right);
        assert!(kernel[0] <= rows && kernel[1] <= cols, "the kernel fits the padded image");
        let output = Grid {
            rows: (rows - kernel[0]) / stride[0] + 1,
            cols: (cols - kernel[1]) / stride[1] + 1,
            channels: outputs,
        };
        Self { input, output, kernel, stride, padding }
    }

    /// The images read.
    pub fn input(&self) -> Grid {
        self.input
    }

    /// The images written.
    pub fn output(&self) -> Grid {
        self.output
    }

    /// Values of a patch: what an output sees.
    pub(super) fn patch(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.input.channels
    }

    /// Weights: outputs × kernel rows × kernel columns × input channels.
    pub fn weights(&self) -> usize {
        self.output.channels * self.patch()
    }

    /// Floating-point operations for an image by the definition, a multiply-add counted as two.
    pub fn flops(&self) -> usize {
        2 * self.output.len() * self.patch()
    }
}
