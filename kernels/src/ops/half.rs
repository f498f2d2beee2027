//! Half precision to single.

use half::f16;

use crate::isa::Isa;
use crate::simd::{Kernel, Simd};

/// Widens `x` into `y`, exactly.
pub fn widen(isa: Isa, x: &[f16], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "as many values as places");
    isa.run(Widen { x, y });
}

struct Widen<'a> {
    x: &'a [f16],
    y: &'a mut [f32],
}

impl Kernel for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let whole = self.x.len() / S::LANES * S::LANES;
        for at in (0..whole).step_by(S::LANES) {
            // SAFETY: `at + LANES ≤ whole ≤ len` of both slices.
            unsafe { simd.store(self.y.as_mut_ptr().add(at), simd.load_f16(self.x.as_ptr().add(at))) }
        }
        for (x, y) in self.x[whole..].iter().zip(&mut self.y[whole..]) {
            *y = x.to_f32();
        }
    }
}
