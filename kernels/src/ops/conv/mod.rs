//! 3x3 "same" convolution, bias, ReLU and max-pooling in one pass, channels last, and its gradients.
//!
//! One file a formulation: [`direct`] for any shape, [`winograd`] for those that allow it, [`tiles`] in bf16 where it
//! is asked for; [`grad`] goes back.

mod direct;
mod grad;
mod mono;
mod shape;
mod tiles;
mod winograd;

pub use grad::{ConvGradInput, ConvGradOutput, ConvGradScratch, conv_grad};
pub use shape::{ConvPool, DEAD};

use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::tiles::Tiles;
use direct::Direct;
use shape::{BLOCK, Conv, Pooled, TAPS};
use tiles::OnTiles;

/// The weights of a convolution in the order in which the forward kernel reads them, in blocks of 16 output channels (32
/// on tiles); channels past the last are zero.
#[derive(Clone, Debug)]
pub struct ConvWeights {
    formulation: Formulation,
    /// Blocks × depth × channels of a block; the depth is taps (direct) or products (Winograd) × input channels, or pairs
    /// of bf16 (tiles).
    packed: Buffer,
    /// Blocks × channels of a block.
    bias: Buffer,
}

/// How a shape is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Formulation {
    /// This file.
    Direct,
    /// [`winograd`], a third of the multiplications.
    Winograd,
    /// [`tiles`], in bf16.
    Tiles(Tiles),
}

impl Formulation {
    /// Winograd's transforms run along the input channels and give 3x3 pixels: whole vectors and 3x3 pools only.
    fn of(shape: &ConvPool) -> Self {
        let whole = shape.input.channels.is_multiple_of(BLOCK);
        if shape.pool == 3 && whole { Self::Winograd } else { Self::Direct }
    }

    /// Packed values of an output channel.
    fn depth(self, inputs: usize) -> usize {
        match self {
            Self::Direct => TAPS * inputs,
            Self::Winograd => winograd::PRODUCTS * inputs,
            Self::Tiles(_) => tiles::depth(inputs),
        }
    }

    /// Output channels of a block.
    fn block(self) -> usize {
        match self {
            Self::Direct | Self::Winograd => BLOCK,
            Self::Tiles(_) => tiles::CHANNELS,
        }
    }
}

impl ConvWeights {
    /// Packs `w` (output channels × 3 × 3 × input channels) and `bias` (output channels).
    pub fn pack(shape: &ConvPool, w: &[f32], bias: &[f32]) -> Self {
        Self::pack_for(Formulation::of(shape), shape, w, bias)
    }

    /// Packs them rounded to bf16: the convolution rounds its input likewise and sums the products in f32, on AMX tiles.
    pub fn pack_bf16(tiles: Tiles, shape: &ConvPool, w: &[f32], bias: &[f32]) -> Self {
        Self::pack_for(Formulation::Tiles(tiles), shape, w, bias)
    }

    fn pack_for(formulation: Formulation, shape: &ConvPool, w: &[f32], bias: &[f32]) -> Self {
        assert_eq!(w.len(), shape.weights(), "weights");
        let (inputs, outputs) = (shape.input.channels, shape.output.channels);
        assert_eq!(bias.len(), outputs, "biases");
        let (depth, channels) = (formulation.depth(inputs), formulation.block());
        let blocks = outputs.div_ceil(channels);
        let mut packed = Buffer::zeros(blocks * depth * channels);
        for (output, w) in w.chunks_exact(TAPS * inputs).enumerate() {
            let block = &mut packed[output / channels * depth * channels..][..depth * channels];
            let output = output % channels;
            match formulation {
                Formulation::Direct => w.iter().enumerate().for_each(|(step, &w)| block[step * BLOCK + output] = w),
                Formulation::Winograd => winograd::pack(w, inputs, &mut block[output..]),
                Formulation::Tiles(_) => tiles::pack(w, output, block),
            }
        }
        let mut padded = Buffer::zeros(blocks * channels);
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
    let formulation = weights.formulation;
    let fits = matches!(formulation, Formulation::Tiles(_)) || formulation == Formulation::of(shape);
    assert!(fits, "weights of this shape");
    assert_eq!(
        weights.bias.len(),
        shape.output.channels.next_multiple_of(formulation.block()),
        "weights of this shape"
    );
    let depth = formulation.depth(shape.input.channels);
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
        Formulation::Tiles(tiles) => tiles.0.run(OnTiles { conv, amx: tiles.0 }),
    }
}
