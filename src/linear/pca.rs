//! Principal component analysis.

use homonym_kernels::Isa;

use super::eigen::symmetric;
use super::scatter::products;
use super::{Data, Learned, Options};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// Variances below this share of the largest are noise of f32 that must not be blown up.
const NOTHING: f64 = 1e-6;

/// The eigenvectors of the covariance, most variance first; divided by their deviations where whitened.
pub(super) fn fit(data: &Data, options: &Options, _: &dyn Monitor) -> Result<Learned> {
    let (rows, cols) = (data.x.rows, data.x.cols);
    let dims = options.dims(cols.min(rows - 1), "that so many points and values tell of")?;
    let mut covariance = products(Isa::chosen()?, &data.x.data, cols);
    covariance.iter_mut().for_each(|x| *x /= (rows - 1) as f64);
    let components = symmetric(covariance, cols);
    let mut matrix = Matrix::new(dims, cols, components.vectors[..dims * cols].to_vec());
    if options.whiten {
        let most = components.values[0];
        for (row, &variance) in matrix.data.chunks_exact_mut(cols).zip(&components.values) {
            if variance <= NOTHING * most {
                let carry = components.values.iter().filter(|&&variance| variance > NOTHING * most).count();
                let problem = format!("only {carry} components vary enough to be whitened; ask for as many");
                return Err(Error::setting("dims", problem));
            }
            row.iter_mut().for_each(|x| *x /= variance.sqrt());
        }
    }
    let share = components.values[..dims].iter().sum::<f64>() / components.values.iter().sum::<f64>();
    Ok(Learned { matrix, variance: Some(share), descent: None })
}
