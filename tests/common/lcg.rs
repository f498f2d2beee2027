//! The generator of `tools/oracle/lcg.py`: Numerical Recipes' linear congruential one.

/// Its state.
pub(crate) struct Lcg(pub(crate) u32);

impl Lcg {
    /// The upper 24 bits of the next state.
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    /// In 0..1, exact.
    pub(crate) fn uniform(&mut self) -> f32 {
        self.next() as f32 / 16_777_216.0
    }

    /// In `0..bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    /// Weights in -limit..limit.
    pub(crate) fn symmetric(&mut self, values: &mut [f32], limit: f64) {
        values.fill_with(|| ((2.0 * f64::from(self.uniform()) - 1.0) * limit) as f32);
    }
}
