//! The machine's limit: multiply-adds from registers alone.

use crate::isa::Isa;
use crate::simd::{Kernel, Simd};

/// Runs `rounds` of independent multiply-adds and returns how many operations they were, a multiply-add counted as two: with
/// the time taken, the peak that kernels on `isa` are measured by.
pub fn peak(isa: Isa, rounds: usize) -> u64 {
    isa.run(Peak(rounds))
}

struct Peak(usize);

impl Kernel for Peak {
    type Output = u64;

    /// As many accumulators as leave registers for the factors; eight or more hide the latency.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> u64 {
        match S::REGISTERS {
            32.. => chains::<S, 24>(simd, self.0),
            16.. => chains::<S, 12>(simd, self.0),
            _ => chains::<S, 4>(simd, self.0),
        }
    }
}

#[inline(always)]
fn chains<S: Simd, const N: usize>(simd: S, rounds: usize) -> u64 {
    let (factor, step) = (simd.splat(std::hint::black_box(0.5)), simd.splat(std::hint::black_box(1.0)));
    let mut sums = [step; N];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = simd.mul_add(*sum, factor, step);
        }
    }
    for sum in sums {
        std::hint::black_box(simd.sum(sum));
    }
    (2 * rounds * N * S::LANES) as u64
}
