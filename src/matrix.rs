//! A plain row-major matrix: the joint between embeddings, clustering and evaluation.

/// `rows × cols` numbers, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix<T> {
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub cols: usize,
    /// `rows · cols` numbers; row `r` starts at `r · cols`.
    pub data: Vec<T>,
}

impl<T: Copy> Matrix<T> {
    /// Wraps row-major `data`.
    ///
    /// # Panics
    /// Where `data` does not hold `rows · cols` numbers.
    pub fn new(rows: usize, cols: usize, data: Vec<T>) -> Self {
        assert_eq!(Some(data.len()), rows.checked_mul(cols), "a {rows} x {cols} matrix");
        Self { rows, cols, data }
    }

    /// Row `row`, `cols` long.
    pub fn row(&self, row: usize) -> &[T] {
        &self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// All rows in order.
    pub fn iter_rows(&self) -> impl ExactSizeIterator<Item = &[T]> {
        (0..self.rows).map(|row| self.row(row))
    }

    /// A copy of some rows, in the order given.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut data = Vec::with_capacity(rows.len() * self.cols);
        rows.iter().for_each(|&row| data.extend_from_slice(self.row(row)));
        Self::new(rows.len(), self.cols, data)
    }
}

impl<T: Copy + Into<f64>> Matrix<T> {
    /// Row and column of the first NaN or infinity.
    pub fn non_finite(&self) -> Option<(usize, usize)> {
        let place = self.data.iter().position(|&x| !x.into().is_finite())?;
        Some((place / self.cols, place % self.cols))
    }
}

#[cfg(test)]
mod tests {
    use super::Matrix;

    #[test]
    fn rows_are_found_selected_and_checked() {
        let matrix = Matrix::new(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, f64::NAN]);
        assert_eq!(matrix.row(1), [2.0, 3.0]);
        assert_eq!(matrix.select(&[1, 0]).data, [2.0, 3.0, 0.0, 1.0]);
        assert_eq!(matrix.non_finite(), Some((2, 1)));
        assert_eq!(matrix.select(&[0, 1]).non_finite(), None);
        assert_eq!(Matrix::<f64>::new(3, 0, vec![]).iter_rows().count(), 3);
    }
}
