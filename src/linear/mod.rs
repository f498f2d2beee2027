//! Linear maps of vectors, learnt from their values alone or with classes: the tutorial's linear metric learning (McFee,
//! Lee and Nam, ISMIR 2020).
//!
//! A map is `y = M·(x − c)`. Every method first centres and, unless told otherwise, scales each value to deviation 1, then
//! learns a matrix for what comes out of that; both are one [`LinearMap`] in the end.

mod eigen;
mod lda;
mod learn;
mod lmnn;
mod map;
mod nca;
mod pairs;
mod pca;
mod scatter;
mod whitening;

pub use learn::Descent;
pub use map::{LinearMap, MapHeader};
pub(crate) use whitening::half_whitening;

use serde::Serialize;

use crate::catalogue::groups::numbered;
use crate::matrix::Matrix;
use crate::models::Standardisation;
use crate::monitor::Monitor;
use crate::{Error, Result};

/// A method: what the command line shows and runs.
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Whether it learns from classes.
    pub supervised: bool,
    /// The options it reads beside `raw`.
    pub options: &'static [&'static str],
    /// Learns from centred rows.
    fit: fn(&Data, &Options, &dyn Monitor) -> Result<Learned>,
}

/// All methods.
pub static METHODS: [Method; 4] = [
    Method {
        name: "pca",
        help: "Principal components: the directions in which the points vary most",
        supervised: false,
        options: &["dims", "whiten"],
        fit: pca::fit,
    },
    Method {
        name: "lda",
        help: "Linear discriminants: the directions in which classes differ most, measured by their own spread",
        supervised: true,
        options: &["dims", "shrinkage"],
        fit: lda::fit,
    },
    Method {
        name: "nca",
        help: "Neighbourhood components: as many points as possible among neighbours of their class",
        supervised: true,
        options: &["dims", "iterations", "batch", "seed"],
        fit: nca::fit,
    },
    Method {
        name: "lmnn",
        help: "Large margin nearest neighbours: some neighbours of the class nearer than all others, by a margin",
        supervised: true,
        options: &["dims", "neighbours", "iterations", "batch", "seed"],
        fit: lmnn::fit,
    },
];

/// The method called `name`.
pub fn method(name: &str) -> Result<&'static Method> {
    METHODS.iter().find(|method| method.name == name).ok_or_else(|| {
        let known: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
        Error::setting("method", format!("there is no `{name}`; there are {}", known.join(", ")))
    })
}

/// What the methods can be told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Options {
    /// Values of a mapped point; as many as the method can give where not said.
    pub dims: Option<usize>,
    /// Values are only centred, not scaled to deviation 1.
    pub raw: bool,
    /// Components are divided by their deviation.
    pub whiten: bool,
    /// Share of a ball in the spread of classes, for more values than points can tell of.
    pub shrinkage: f64,
    /// Neighbours of its class that a point is to have near it (`k`).
    pub neighbours: usize,
    /// Passes over all points, or batches where there are more.
    pub iterations: usize,
    /// Points of a batch; as many are learnt from as a whole.
    pub batch: usize,
    /// What random draws depend on.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dims: None,
            raw: false,
            whiten: false,
            shrinkage: 0.0,
            neighbours: 3,
            iterations: 200,
            batch: 4096,
            seed: 0,
        }
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        let refuse = |name: &str, problem: &str| Err(Error::setting(name, problem));
        match self {
            Self { shrinkage, .. } if !(0.0..=1.0).contains(shrinkage) => refuse("shrinkage", "must be within 0..=1"),
            Self { neighbours: 0, .. } => refuse("neighbours", "must be at least 1"),
            Self { iterations: 0, .. } => refuse("iterations", "must be at least 1"),
            Self { batch: 0..16, .. } => refuse("batch", "must be at least 16"),
            _ => Ok(()),
        }
    }

    /// How many dimensions are asked for, of at most `most`.
    fn dims(&self, most: usize, reason: &str) -> Result<usize> {
        match self.dims.unwrap_or(most) {
            0 => Err(Error::setting("dims", "must be at least 1")),
            dims if dims > most => Err(Error::setting("dims", format!("{dims} is more than the {most} {reason}"))),
            dims => Ok(dims),
        }
    }
}

/// What a method learns from.
struct Data {
    /// Rows × values of mean 0; those of a class are neighbours, classes in order of their number.
    x: Matrix<f32>,
    /// The class of each row; all 0 for a method that knows no classes.
    class: Vec<usize>,
}

impl Data {
    /// The rows of each class.
    fn classes(&self) -> Vec<std::ops::Range<usize>> {
        let mut start = 0;
        let mut next = |rows: &[usize]| {
            start += rows.len();
            start - rows.len()..start
        };
        self.class.chunk_by(|a, b| a == b).map(&mut next).collect()
    }
}

/// What a method has learnt: a matrix for centred rows, and how it came about.
struct Learned {
    /// Dimensions × values.
    matrix: Matrix<f64>,
    variance: Option<f64>,
    descent: Option<Descent>,
}

/// What a fit did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Points learnt from.
    pub rows: usize,
    /// Their classes, where the method reads them.
    pub classes: Option<usize>,
    /// Values of a point.
    pub values: usize,
    /// Values of a mapped point.
    pub dims: usize,
    /// The share of the variance (of class means, for discriminants) that the dimensions carry.
    pub variance: Option<f64>,
    /// The descent, where there was one.
    pub descent: Option<Descent>,
}

/// Learns a map from points (rows × values) and, where the method reads them, their classes.
///
/// # Errors
/// [`Error::Setting`] for options that cannot be used with these points, [`Error::Input`] for points too few or all of one
/// class, [`Error::Interrupted`] where the monitor asks to stop.
pub fn fit(
    method: &Method,
    points: &Matrix<f32>,
    classes: Option<&[&str]>,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<(LinearMap, Report)> {
    options.check()?;
    let too_few = |expected: &str, found: usize| {
        Err(Error::input("the points to fit to", expected, found, "check the class column and the filters"))
    };
    if points.rows < 2 {
        return too_few("at least two", points.rows);
    }
    let classes = classes.filter(|_| method.supervised).map(|names| numbered(names.iter().copied()));
    let (class, count) = match classes {
        Some((_, 1)) => return too_few("points of at least two classes", 1),
        Some((class, count)) => (class, Some(count)),
        None if method.supervised => return Err(Error::setting("classes", format!("{} needs them", method.name))),
        None => (vec![0; points.rows], None),
    };
    let standardisation = standardisation(points, options.raw);
    let mut order: Vec<usize> = (0..points.rows).collect();
    order.sort_by_key(|&row| class[row]);
    let mut x = Vec::with_capacity(points.data.len());
    for &row in &order {
        let start = x.len();
        x.extend_from_slice(points.row(row));
        standardisation.apply(&mut x[start..]);
    }
    let x = Matrix::new(points.rows, points.cols, x);
    let data = Data { x, class: order.iter().map(|&row| class[row]).collect() };
    let Learned { matrix, variance, descent } = (method.fit)(&data, options, monitor)?;
    let report =
        Report { rows: points.rows, classes: count, values: points.cols, dims: matrix.rows, variance, descent };
    let map = LinearMap::new(method.name, &standardisation, &matrix);
    Ok((map, report))
}

/// The map of each value to mean 0 and, unless `raw`, deviation 1.
fn standardisation(points: &Matrix<f32>, raw: bool) -> Standardisation {
    let fitted = Standardisation::fit(&points.data, points.cols);
    if !raw {
        return fitted;
    }
    let shift = fitted.shift.iter().zip(&fitted.scale).map(|(shift, scale)| shift / scale).collect();
    Standardisation { scale: vec![1.0; points.cols], shift }
}

#[cfg(test)]
mod tests;
