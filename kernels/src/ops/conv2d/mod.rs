//! Convolution of any size over a batch of images, channels last, and its gradients.
//!
//! [`patches`] does any shape as a product with the patches of the image, [`winograd`] those of 3x3 and stride 1 with a
//! quarter of the multiplications. A batch may be split by images anywhere: shards are independent calls, whose weight
//! gradients the caller sums in its own order.

mod patches;
mod shape;
mod winograd;

pub use shape::{Conv2d, Grid, Padding};

use crate::buffer::Buffer;
use crate::isa::Isa;
use patches::Patches;
use winograd::Winograd;

/// The weights of a convolution as [`conv2d`] reads them.
#[derive(Clone, Debug)]
pub struct Conv2dWeights {
    shape: Conv2d,
    packed: Buffer,
    bias: Buffer,
}

/// The weights of a convolution as [`conv2d_input_grad`] reads them.
#[derive(Clone, Debug)]
pub struct Conv2dGradWeights {
    shape: Conv2d,
    packed: Buffer,
}

/// Room for what the convolutions need in between; reusable between calls of any shape.
#[derive(Clone, Debug, Default)]
pub struct Conv2dScratch {
    image: Buffer,
    a: Buffer,
    b: Buffer,
    c: Buffer,
}

impl Conv2dWeights {
    /// Packs `w` (outputs × kernel × input channels) and `bias` (outputs).
    pub fn pack(isa: Isa, shape: &Conv2d, w: &[f32], bias: &[f32]) -> Self {
        let mut weights = Self { shape: *shape, packed: Buffer::default(), bias: Buffer::zeros(bias.len()) };
        weights.repack(isa, w, bias);
        weights
    }

    /// As [`pack`](Self::pack), new values of the same shape in the same place.
    pub fn repack(&mut self, isa: Isa, w: &[f32], bias: &[f32]) {
        assert_eq!(w.len(), self.shape.weights(), "weights");
        assert_eq!(bias.len(), self.shape.output.channels, "biases");
        self.bias.copy_from_slice(bias);
        match Winograd::of(&self.shape) {
            Some(winograd) => winograd.pack(isa, w, &mut self.packed),
            None => Patches(&self.shape).pack(w, &mut self.packed),
        }
    }
}

impl Conv2dGradWeights {
    /// Packs `w` (outputs × kernel × input channels).
    pub fn pack(isa: Isa, shape: &Conv2d, w: &[f32]) -> Self {
        let mut weights = Self { shape: *shape, packed: Buffer::default() };
        weights.repack(isa, w);
        weights
    }

    /// As [`pack`](Self::pack), new values of the same shape in the same place.
    pub fn repack(&mut self, isa: Isa, w: &[f32]) {
        assert_eq!(w.len(), self.shape.weights(), "weights");
        match Winograd::of(&self.shape) {
            Some(winograd) => winograd.backward().pack(isa, w, &mut self.packed),
            None => Patches(&self.shape).pack_grad(w, &mut self.packed),
        }
    }
}

/// `y[o] = bias[o] + Σ x[patch]·w[o]`; `x`: n × rows × cols × input channels, `y`: n × output rows × output cols ×
/// outputs.
///
/// Relative error (L2) ≤ 2e-6, by Winograd; else the rounding of f32 sums.
pub fn conv2d(isa: Isa, weights: &Conv2dWeights, x: &[f32], y: &mut [f32], scratch: &mut Conv2dScratch) {
    let Conv2dWeights { shape, packed, bias } = weights;
    check(shape, x, y);
    match Winograd::of(shape) {
        Some(winograd) => winograd.convolve(isa, packed, Some(bias), x, y, scratch),
        None => Patches(shape).convolve(isa, packed, bias, x, y, scratch),
    }
}

/// Gradient of [`conv2d`] by the weights: `dw += Σ dy·x[patch]`, `db += Σ dy`; shapes as there.
pub fn conv2d_weight_grad(
    isa: Isa,
    shape: &Conv2d,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    db: &mut [f32],
    scratch: &mut Conv2dScratch,
) {
    check(shape, x, dy);
    assert_eq!(dw.len(), shape.weights(), "weight gradient");
    assert_eq!(db.len(), shape.output.channels, "bias gradient");
    match Winograd::of(shape) {
        Some(winograd) => winograd.weight_grad(isa, x, dy, dw, db, scratch),
        None => Patches(shape).weight_grad(isa, x, dy, dw, db, scratch),
    }
}

/// Gradient of [`conv2d`] by the input: `dx[patch] = Σ dy·w`, overwritten; shapes as there.
pub fn conv2d_input_grad(
    isa: Isa,
    weights: &Conv2dGradWeights,
    dy: &[f32],
    dx: &mut [f32],
    scratch: &mut Conv2dScratch,
) {
    let Conv2dGradWeights { shape, packed } = weights;
    check(shape, dx, dy);
    match Winograd::of(shape) {
        Some(winograd) => winograd.backward().convolve(isa, packed, None, dy, dx, scratch),
        None => Patches(shape).input_grad(isa, packed, dy, dx, scratch),
    }
}

fn check(shape: &Conv2d, x: &[f32], y: &[f32]) {
    assert_eq!(shape.input.images(x), shape.output.images(y), "as many output as input images");
}
