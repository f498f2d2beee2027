//! Packs a matrix into blocks of 16 columns.

use super::{BLOCK, Matrix};

/// Blocks × rows × 16; columns past the last are zero.
pub(crate) fn pack(from: Matrix<'_>, to: &mut [f32]) {
    for (first, block) in (0..from.cols).step_by(BLOCK).zip(to.chunks_exact_mut(from.rows * BLOCK)) {
        let count = BLOCK.min(from.cols - first);
        let from = from.cols(first, count);
        if from.col_stride == 1 {
            for (i, to) in block.chunks_exact_mut(BLOCK).enumerate() {
                let row = &from.data[i * from.row_stride..][..count];
                if count == BLOCK {
                    to.copy_from_slice(row); // of a length known here: two moves, no call
                } else {
                    to[..count].copy_from_slice(row);
                    to[count..].fill(0.0);
                }
            }
        } else {
            if count < BLOCK {
                block.fill(0.0);
            }
            for j in 0..count {
                let column = from.data[j * from.col_stride..].iter().step_by(from.row_stride);
                for (to, &value) in block[j..].iter_mut().step_by(BLOCK).zip(column) {
                    *to = value;
                }
            }
        }
    }
}
