//! Linear discriminant analysis (Fisher): between classes as far apart as possible, within them spread 1 in every direction.

use std::ops::Range;

use homonym_kernels::Isa;
use rayon::prelude::*;

use super::eigen::symmetric;
use super::scatter::products;
use super::{Data, Learned, Options};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// Directions in which classes spread less than this share of the widest are left out: f32 knows nothing of them.
const NOTHING: f64 = 1e-6;
/// Likewise of a spread within classes below this share of that of all points.
const LOST: f64 = 1e-13;

/// The generalised eigenvectors of the scatter of class means against the covariance within classes.
pub(super) fn fit(data: &Data, options: &Options, _: &dyn Monitor) -> Result<Learned> {
    let (rows, cols) = (data.x.rows, data.x.cols);
    let classes = data.classes();
    if rows == classes.len() {
        let advice = "take classes with several points";
        return Err(Error::input("the classes", "some with two points or more", "one point in each", advice));
    }
    let means = means(data, &classes);
    let whitening = whitening(data, &classes, &means, options.shrinkage)?;
    // Means as the whitening sees them, weighted by the points of their class: classes × directions.
    let seen: Vec<f64> = (classes.iter().zip(means.chunks_exact(cols)))
        .flat_map(|(class, mean)| {
            let weight = (class.len() as f64 / rows as f64).sqrt();
            whitening.iter_rows().map(move |row| weight * dot(row, mean))
        })
        .collect();
    let size = whitening.rows;
    let mut between = vec![0.0; size * size];
    seen.chunks_exact(size).for_each(|mean| add_outer(&mut between, 1.0, mean));
    let discriminants = symmetric(between, size);
    let dims = options.dims(size.min(classes.len() - 1), "that so many classes and values tell of")?;
    let values = &discriminants.values;
    let share = values[..dims].iter().sum::<f64>() / values.iter().sum::<f64>();
    let vectors = &discriminants.vectors[..dims * size];
    Ok(Learned { matrix: product(vectors, &whitening), variance: Some(share), descent: None })
}

/// A map to as many values in which classes spread about as much in every direction; the fewer points tell of the spread, the
/// less it changes. None where points of a class are all alike.
pub(super) fn evened(data: &Data) -> Result<Option<Matrix<f64>>> {
    let (classes, cols) = (data.classes(), data.x.cols);
    let known = data.x.rows - classes.len();
    if known == 0 {
        return Ok(None);
    }
    let shrinkage = cols as f64 / (cols + known) as f64;
    let map = whitening(data, &classes, &means(data, &classes), shrinkage)?;
    Ok(Some(map).filter(|map| map.rows == cols))
}

/// The map that makes the (shrunk) covariance within classes the unit matrix: directions × values.
fn whitening(data: &Data, classes: &[Range<usize>], means: &[f64], shrinkage: f64) -> Result<Matrix<f64>> {
    let (rows, cols) = (data.x.rows, data.x.cols);
    // Σ (x − m)(x − m)ᵀ = Σ x·xᵀ − Σ m·mᵀ: what f64 loses by that, values of f32 do not hold.
    let mut within = products(Isa::chosen()?, &data.x.data, cols);
    let trace = |scatter: &[f64]| scatter.iter().step_by(cols + 1).sum::<f64>();
    let all = trace(&within) / (rows - classes.len()) as f64;
    for (class, mean) in classes.iter().zip(means.chunks_exact(cols)) {
        add_outer(&mut within, -(class.len() as f64), mean);
    }
    within.iter_mut().for_each(|x| *x /= (rows - classes.len()) as f64);
    let spread = trace(&within) / cols as f64;
    within.iter_mut().for_each(|x| *x *= 1.0 - shrinkage);
    within.iter_mut().step_by(cols + 1).for_each(|x| *x += shrinkage * spread);
    let axes = symmetric(within, cols);
    let least = (NOTHING * axes.values[0]).max(LOST * all);
    let known = axes.values.iter().filter(|&&value| value > least).count();
    let rows = axes.vectors.chunks_exact(cols).zip(&axes.values).take(known);
    let data = rows.flat_map(|(row, value)| row.iter().map(move |x| x / value.sqrt())).collect();
    Ok(Matrix::new(known, cols, data))
}

/// The mean of each class: classes × values.
fn means(data: &Data, classes: &[Range<usize>]) -> Vec<f64> {
    let cols = data.x.cols;
    let mean = |class: &Range<usize>| {
        let mut sums = vec![0.0; cols];
        for row in class.clone() {
            sums.iter_mut().zip(data.x.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        sums.into_iter().map(|sum| sum / class.len() as f64).collect::<Vec<_>>()
    };
    classes.par_iter().map(mean).collect::<Vec<_>>().concat()
}

/// `S ← S + factor·x·xᵀ`.
fn add_outer(sums: &mut [f64], factor: f64, x: &[f64]) {
    for (sums, a) in sums.chunks_exact_mut(x.len()).zip(x) {
        sums.iter_mut().zip(x).for_each(|(sum, b)| *sum += factor * a * b);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `A·B` for `a` with as many columns as B has rows.
pub(super) fn product(a: &[f64], b: &Matrix<f64>) -> Matrix<f64> {
    let mut data = Vec::with_capacity(a.len() / b.rows * b.cols);
    for row in a.chunks_exact(b.rows) {
        let mut sums = vec![0.0; b.cols];
        for (x, b) in row.iter().zip(b.iter_rows()) {
            sums.iter_mut().zip(b).for_each(|(sum, b)| *sum += x * b);
        }
        data.extend(sums);
    }
    Matrix::new(a.len() / b.rows, b.cols, data)
}
