//! The descent that learnt maps share: of all points together where they are few, else of random batches.

use homonym_kernels::Isa;
use serde::Serialize;

use super::pairs::{Loss, Sample};
use super::{Data, Learned, Options, lda, pca};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::optim::{RmsProp, minimise};
use crate::random::Random;
use crate::{Error, Result};

/// Points of one class that come into a batch together, so that small classes have company there.
const GROUP: usize = 8;
/// Learning rate of the first batch, as a share of the largest number of the first map; it falls to 0 with the last.
const RATE: f64 = 0.01;
/// Purpose of a random stream.
const BATCHES: u64 = 7;

/// How a map was learnt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Descent {
    /// Mean loss of a point (of the first batch) before.
    pub before: f64,
    /// Mean loss of a point (of the last batch) after.
    pub after: f64,
    /// Passes over all points, or batches.
    pub iterations: usize,
    /// Points of a batch, where not all were learnt from together.
    pub batch: Option<usize>,
}

/// What is to be learnt.
pub(super) struct Problem<'a> {
    pub(super) data: &'a Data,
    pub(super) loss: &'a Loss,
    /// Rows × count: the rows that each row is linked to, `u32::MAX` for none.
    pub(super) targets: Option<(&'a [u32], usize)>,
    /// The descent of all points ends where a step gains less than this share.
    pub(super) tolerance: f64,
}

/// Learns a matrix for centred rows.
pub(super) fn learn(problem: &Problem<'_>, options: &Options, monitor: &dyn Monitor) -> Result<Learned> {
    let start = first_map(problem.data, options)?;
    let whole = problem.data.x.rows <= options.batch;
    monitor.begin(if whole { "passes" } else { "batches" }, Some(options.iterations as u64));
    let learnt =
        if whole { descend(problem, &start, options, monitor) } else { walk(problem, &start, options, monitor) };
    monitor.end();
    let (matrix, descent) = learnt?;
    let matrix = Matrix::new(start.rows, start.cols, matrix);
    Ok(Learned { matrix, variance: None, descent: Some(descent) })
}

/// Where a descent begins: the points as they are, or for fewer dimensions their discriminants, or else their components.
fn first_map(data: &Data, options: &Options) -> Result<Matrix<f64>> {
    let cols = data.x.cols;
    let dims = options.dims(cols, "values of a point")?;
    if dims == cols {
        let unit = (0..cols * cols).map(|at| f64::from(u8::from(at % (cols + 1) == 0))).collect();
        return Ok(Matrix::new(cols, cols, unit));
    }
    let options = Options { dims: Some(dims), ..Options::default() };
    let fit = if dims < data.classes().len() { lda::fit } else { pca::fit };
    Ok(fit(data, &options, &())?.matrix)
}

fn check(monitor: &dyn Monitor, loss: f64) -> Result<()> {
    monitor.advance(1);
    monitor.status(&format!("loss {loss:.4}"));
    match monitor.interrupted() {
        true => Err(Error::Interrupted("stopped while learning a map; nothing was written".to_owned())),
        false => Ok(()),
    }
}

/// L-BFGS on all points.
fn descend(
    problem: &Problem<'_>,
    start: &Matrix<f64>,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<(Vec<f64>, Descent)> {
    let isa = Isa::chosen()?;
    let rows: Vec<usize> = (0..problem.data.x.rows).collect();
    let sample = problem.sample(&rows);
    let mut before = None;
    let function = |map: &[f64]| {
        let (loss, gradient) = sample.evaluate(isa, problem.loss, map);
        before.get_or_insert(loss);
        (loss, gradient)
    };
    let each = |_, loss| check(monitor, loss);
    let end = minimise(start.data.clone(), options.iterations, problem.tolerance, function, each)?;
    let before = before.unwrap_or(end.value);
    Ok((end.x, Descent { before, after: end.value, iterations: end.iterations, batch: None }))
}

/// RMSProp on random batches.
fn walk(
    problem: &Problem<'_>,
    start: &Matrix<f64>,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<(Vec<f64>, Descent)> {
    let isa = Isa::chosen()?;
    let mut map: Vec<f32> = start.data.iter().map(|&x| x as f32).collect();
    let mut squares = vec![0.0; map.len()];
    let rate = RATE * start.data.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let classes = problem.data.classes();
    let mut losses = Vec::with_capacity(options.iterations);
    for step in 0..options.iterations {
        let mut random = Random::keyed(options.seed, &[BATCHES, step as u64]);
        let sample = problem.sample(&batch(problem.data, &classes, options.batch, &mut random));
        let wide: Vec<f64> = map.iter().copied().map(f64::from).collect();
        let (loss, gradient) = sample.evaluate(isa, problem.loss, &wide);
        let gradient: Vec<f32> = gradient.into_iter().map(|x| x as f32).collect();
        let left = 1.0 - step as f64 / options.iterations as f64;
        let optimiser = RmsProp { learning_rate: (rate * left) as f32, ..RmsProp::default() };
        optimiser.step(&mut map, &gradient, &mut squares);
        losses.push(loss);
        check(monitor, loss)?;
    }
    let (before, after) = (losses[0], losses[losses.len() - 1]);
    let descent = Descent { before, after, iterations: options.iterations, batch: Some(options.batch) };
    Ok((map.into_iter().map(f64::from).collect(), descent))
}

/// Random rows, ascending, in groups of a class: every row of a class of [`GROUP`] or more is as likely as any other.
fn batch(data: &Data, classes: &[std::ops::Range<usize>], count: usize, random: &mut Random) -> Vec<usize> {
    let mut chosen = std::collections::BTreeSet::new();
    while chosen.len() < count {
        let first = random.below(data.x.rows);
        let class = &classes[classes.partition_point(|class| class.end <= first)];
        let mut group = vec![first];
        group.extend((1..GROUP).map(|_| class.start + random.below(class.len())));
        let group = if class.len() <= GROUP { class.clone().collect() } else { group };
        chosen.extend(group.into_iter().take(count - chosen.len()));
    }
    chosen.into_iter().collect()
}

impl Problem<'_> {
    /// Some rows, ascending, with their links.
    pub(super) fn sample(&self, rows: &[usize]) -> Sample {
        let cols = self.data.x.cols;
        let class: Vec<usize> = rows.iter().map(|&row| self.data.class[row]).collect();
        let mut own = Vec::with_capacity(rows.len());
        for class in class.chunk_by(|a, b| a == b) {
            let start = own.len();
            own.extend(class.iter().map(|_| start..start + class.len()));
        }
        let (mut links, mut linked, mut each) = (Vec::new(), Vec::new(), 0);
        if let Some((targets, count)) = self.targets {
            each = count;
            for &row in rows {
                let targets = &targets[row * count..(row + 1) * count];
                let known = targets.iter().filter(|&&target| target != u32::MAX).count();
                for &target in &targets[..known] {
                    let other = self.data.x.row(target as usize);
                    links.extend(self.data.x.row(row).iter().zip(other).map(|(x, y)| x - y));
                }
                links.resize(links.len() + (count - known) * cols, 0.0);
                linked.push(known);
            }
        }
        let weight = (self.data.x.rows as f32 - 1.0) / (rows.len() as f32 - 1.0);
        Sample { cols, x: self.data.x.select(rows).data, own, links, each, linked, weight }
    }
}
