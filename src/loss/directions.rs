//! Points seen from the origin: what losses on cosines share.

/// The directions of some rows.
pub(super) struct Directions {
    dims: usize,
    /// Rows × dims, each of length 1; a row at the origin has none and stays 0.
    units: Vec<f64>,
    inverse_norms: Vec<f64>,
}

impl Directions {
    pub(super) fn of(rows: &[f32], dims: usize) -> Self {
        let inverse = |row: &[f32]| {
            let norm = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            if norm > 0.0 { 1.0 / norm } else { 0.0 }
        };
        let inverse_norms: Vec<f64> = rows.chunks_exact(dims).map(inverse).collect();
        let units = rows.chunks_exact(dims).zip(&inverse_norms);
        let units = units.flat_map(|(row, inverse)| row.iter().map(move |&x| f64::from(x) * inverse)).collect();
        Self { dims, units, inverse_norms }
    }

    pub(super) fn rows(&self) -> usize {
        self.inverse_norms.len()
    }

    fn unit(&self, row: usize) -> &[f64] {
        &self.units[row * self.dims..][..self.dims]
    }

    /// The cosines of all rows with all of `others`: rows × others.
    pub(super) fn cosines(&self, others: &Self) -> Vec<f64> {
        let cosine = |a, b| self.unit(a).iter().zip(others.unit(b)).map(|(a, b)| a * b).sum();
        (0..self.rows()).flat_map(|a| (0..others.rows()).map(move |b| cosine(a, b))).collect()
    }

    /// Adds the gradient by these rows, given the `slopes` (rows × others) by the cosines with `others`.
    pub(super) fn add_gradient(&self, others: &Self, slopes: &[f64], d_rows: &mut [f32]) {
        let slopes = slopes.chunks_exact(others.rows());
        for (row, (slopes, d_row)) in slopes.zip(d_rows.chunks_exact_mut(self.dims)).enumerate() {
            let mut along = vec![0.0; self.dims];
            for (other, slope) in slopes.iter().enumerate().filter(|(_, slope)| **slope != 0.0) {
                along.iter_mut().zip(others.unit(other)).for_each(|(sum, x)| *sum += slope * x);
            }
            // Only what turns a row changes its cosines.
            let outward: f64 = along.iter().zip(self.unit(row)).map(|(a, u)| a * u).sum();
            for ((d, a), u) in d_row.iter_mut().zip(along).zip(self.unit(row)) {
                *d += ((a - outward * u) * self.inverse_norms[row]) as f32;
            }
        }
    }
}
