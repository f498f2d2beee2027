//! Linear discriminant analysis (Fisher): between classes as far apart as possible, within them spread 1 in every direction.

use super::eigen::symmetric;
use super::scatter::products;
use super::{Data, Learned, Options};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// Directions in which classes spread less than this share of the widest are left out: f32 knows nothing of them.
const NOTHING: f64 = 1e-6;

/// The generalised eigenvectors of the scatter of class means against the covariance within classes.
pub(super) fn fit(data: &Data, options: &Options, _: &dyn Monitor) -> Result<Learned> {
    let (rows, cols) = (data.x.rows, data.x.cols);
    let classes = data.classes();
    if rows == classes.len() {
        let advice = "take classes with several points";
        return Err(Error::input("the classes", "some with two points or more", "one point in each", advice));
    }
    let means = means(data, &classes);
    let whitening = whitening(data, &classes, &means, options)?;
    // Means as the whitening sees them, weighted by the points of their class: classes × directions.
    let seen: Vec<f64> = (classes.iter().zip(means.chunks_exact(cols)))
        .flat_map(|(class, mean)| {
            let weight = (class.len() as f64 / rows as f64).sqrt();
            whitening.iter_rows().map(move |row| weight * dot(row, mean))
        })
        .collect();
    let size = whitening.rows;
    let mut between = vec![0.0; size * size];
    for mean in seen.chunks_exact(size) {
        for (sums, x) in between.chunks_exact_mut(size).zip(mean) {
            sums.iter_mut().zip(mean).for_each(|(sum, y)| *sum += x * y);
        }
    }
    let discriminants = symmetric(between, size);
    let dims = options.dims(size.min(classes.len() - 1), "that so many classes and values tell of")?;
    let values = &discriminants.values;
    let share = values[..dims].iter().sum::<f64>() / values.iter().sum::<f64>();
    let vectors = &discriminants.vectors[..dims * size];
    Ok(Learned { matrix: product(vectors, &whitening), variance: Some(share), descent: None })
}

/// The map that makes the (shrunk) covariance within classes the unit matrix: directions × values.
fn whitening(data: &Data, classes: &[std::ops::Range<usize>], means: &[f64], options: &Options) -> Result<Matrix<f64>> {
    let (rows, cols) = (data.x.rows, data.x.cols);
    let mut centred = data.x.data.clone();
    for (class, mean) in classes.iter().zip(means.chunks_exact(cols)) {
        for row in centred[class.start * cols..class.end * cols].chunks_exact_mut(cols) {
            row.iter_mut().zip(mean).for_each(|(x, mean)| *x = (f64::from(*x) - mean) as f32);
        }
    }
    let mut within = products(&centred, cols);
    within.iter_mut().for_each(|x| *x *= (1.0 - options.shrinkage) / (rows - classes.len()) as f64);
    let spread: f64 = centred.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / (rows - classes.len()) as f64;
    (0..cols).for_each(|at| within[at * cols + at] += options.shrinkage * spread / cols as f64);
    let axes = symmetric(within, cols);
    let known = axes.values.iter().filter(|&&value| value > NOTHING * axes.values[0]).count();
    let rows = axes.vectors.chunks_exact(cols).zip(&axes.values).take(known);
    let data = rows.flat_map(|(row, value)| row.iter().map(move |x| x / value.sqrt())).collect();
    Ok(Matrix::new(known, cols, data))
}

/// The mean of each class: classes × values.
fn means(data: &Data, classes: &[std::ops::Range<usize>]) -> Vec<f64> {
    let cols = data.x.cols;
    let mean = |class: &std::ops::Range<usize>| {
        let mut sums = vec![0.0; cols];
        for row in class.clone() {
            sums.iter_mut().zip(data.x.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        sums.into_iter().map(|sum| sum / class.len() as f64).collect::<Vec<_>>()
    };
    classes.iter().flat_map(mean).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `A·B` for `a` with as many columns as B has rows.
fn product(a: &[f64], b: &Matrix<f64>) -> Matrix<f64> {
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
