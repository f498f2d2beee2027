//! 3x3 "same" convolution, bias, ReLU and max-pooling in one pass, channels last, and its gradients.
//!
//! One file a formulation: [`direct`] for any shape, [`winograd`] for those that allow it; [`grad`] goes back.

mod direct;
mod grad;
mod mono;
mod shape;
mod winograd;

pub use grad::{ConvGradInput, ConvGradOutput, ConvGradScratch, conv_grad};
pub use shape::{ConvPool, DEAD};

use crate::buffer::Buffer;
use crate::isa::Isa;
use direct::Direct;
use shape::{BLOCK, Conv, Pooled, TAPS};

/// The weights of a convolution in the order in which the forward kernel reads them, in blocks of 16 output channels;
/// channels past the last are zero.
#[derive(Clone, Debug)]
pub struct ConvWeights {
    formulation: Formulation,
    /// Blocks × depth × 16, where the depth is taps (direct) or products (Winograd) × input channels.
    packed: Buffer,
    /// Blocks × 16.
    bias: Buffer,
}

/// How a shape is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Formulation {
    /// This file.
    Direct,
    /// [`winograd`], a third of the multiplications.
    Winograd,
}

impl Formulation {
    /// Winograd's transforms run along the input channels and give 3x3 pixels: whole vectors and 3x3 pools only.
    fn of(shape: &ConvPool) -> Self {
        let whole = shape.input.channels.is_multiple_of(BLOCK);
        if shape.pool == 3 && whole { Self::Winograd } else { Self::Direct }
    }

    /// Weights of a pair of an input and an output channel.
    fn steps(self) -> usize {
        match self {
            Self::Direct => TAPS,
            Self::Winograd => winograd::PRODUCTS,
        }
    }
}

impl ConvWeights {
    /// Packs `w` (output channels × 3 × 3 × input channels) and `bias` (output channels).
    pub fn pack(shape: &ConvPool, w: &[f32], bias: &[f32]) -> Self {
        assert_eq!(w.len(), shape.weights(), "weights");
        let (inputs, outputs) = (shape.input.channels, shape.output.channels);
        assert_eq!(bias.len(), outputs, "biases");
        let formulation = Formulation::of(shape);
        let depth = formulation.steps() * inputs;
        let blocks = outputs.div_ceil(BLOCK);
        let mut packed = Buffer::zeros(blocks * depth * BLOCK);
        for (output, w) in w.chunks_exact(TAPS * inputs).enumerate() {
            let block = &mut packed[output / BLOCK * depth * BLOCK..][..depth * BLOCK];
            match formulation {
                Formulation::Direct => {
                    w.iter().enumerate().for_each(|(step, &w)| block[step * BLOCK + output % BLOCK] = w);
                }
                Formulation::Winograd => winograd::pack(w, inputs, &mut block[output % BLOCK..]),
            }
        }
        let mut padded = Buffer::zeros(blocks * BLOCK);
        padded[..outputs].copy_from_slice(bias);
        Self { formulation, packed, bias: padded }
    }
}

/// Convolves, adds the bias, applies ReLU and max-pools.
///
/// `x`: `shape.input.len()` with zeros in the border; `y`: `shape.output.len()`, whose border stays as it is; `argmax`,
/// where wanted: `shape.argmax()`, the position in its window (`row · pool + col`, the first of equals) of each maximum,
/// or [`DEAD`].
pub fn conv_relu_pool(
    isa: Isa,
    shape: &ConvPool,
    weights: &ConvWeights,
    x: &[f32],
    y: &mut [f32],
    argmax: Option<&mut [u8]>,
) {
    assert_eq!(x.len(), shape.input.len(), "input image");
    assert_eq!(y.len(), shape.output.len(), "output image");
    assert_eq!(weights.formulation, Formulation::of(shape), "weights of this shape");
    assert_eq!(weights.bias.len(), shape.output.channels.next_multiple_of(BLOCK), "weights of this shape");
    let depth = weights.formulation.steps() * shape.input.channels;
    assert_eq!(weights.packed.len(), weights.bias.len() * depth, "weights of this shape");
    match argmax {
        Some(argmax) => {
            assert_eq!(argmax.len(), shape.argmax(), "argmax");
            forward(isa, shape, weights, x, Pooled::<true> { y, argmax });
        }
        None => forward(isa, shape, weights, x, Pooled::<false> { y, argmax: &mut [] }),
    }
}

fn forward<const KEEP: bool>(isa: Isa, shape: &ConvPool, weights: &ConvWeights, x: &[f32], pooled: Pooled<'_, KEEP>) {
    let ConvWeights { formulation, packed, bias } = weights;
    let conv = Conv { shape, packed, bias, x, pooled };
    match formulation {
        Formulation::Direct => isa.run(Direct(conv)),
        Formulation::Winograd => isa.run(winograd::Winograd(conv)),
    }
}
