//! Sums over the rows of a *rows × channels* matrix.

use crate::isa::Isa;
use crate::simd::{self, Kernel, Simd};

/// Rows that are added up before they join the total: with it, the error grows with the root of the number of rows.
const ROWS: usize = 64;

/// `sums[c] += Σ_rows x[row, c]`.
pub(crate) fn add_column_sums(isa: Isa, x: &[f32], sums: &mut [f32]) {
    struct Sums<'a>(&'a [f32], &'a mut [f32]);
    impl Kernel for Sums<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let channels = self.1.len();
            for x in self.0.chunks(ROWS * channels) {
                for at in (0..channels).step_by(S::LANES) {
                    let lanes = S::LANES.min(channels - at);
                    let mut total = simd.splat(0.0);
                    for row in x.chunks_exact(channels) {
                        // SAFETY: a row holds `channels ≥ at + lanes` values.
                        total = simd.add(total, unsafe { simd::load_first(simd, row.as_ptr().add(at), lanes) });
                    }
                    // SAFETY: as above, of the sums.
                    unsafe {
                        let to = self.1.as_mut_ptr().add(at);
                        simd::store_first(simd, to, simd.add(simd::load_first(simd, to, lanes), total), lanes);
                    }
                }
            }
        }
    }
    isa.run(Sums(x, sums));
}
