//! Minimising a smooth or nearly smooth function whose value and gradient are known as a whole.

use crate::Result;

/// Steps whose curvature is remembered.
const MEMORY: usize = 10;
/// Weak Wolfe conditions: the least share of the foreseen decrease, and of the slope that may be left.
const DECREASE: f64 = 1e-4;
const SLOPE: f64 = 0.9;
/// Tries of a line search.
const TRIES: usize = 25;
/// The least share of what is left of the line that a try leaves out; also where a value is none, as a parabola's then is.
const LEAST: f64 = 0.1;

/// Where a descent ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The lowest point found.
    pub x: Vec<f64>,
    /// Its value.
    pub value: f64,
    /// Steps made.
    pub iterations: usize,
}

/// L-BFGS (Nocedal 1980) with the bracketing line search of Lewis and Overton (2013), which is at ease with kinks such as those
/// of hinges; parabolas say where to try next.
///
/// `function` gives value and gradient; `each` hears number and value of every step and may stop the descent by an error.
/// Ends after `limit` steps, where a step lowers the value by less than `tolerance` of itself, or where no step lowers it.
pub fn minimise(
    start: Vec<f64>,
    limit: usize,
    tolerance: f64,
    mut function: impl FnMut(&[f64]) -> (f64, Vec<f64>),
    mut each: impl FnMut(usize, f64) -> Result<()>,
) -> Result<Minimum> {
    let (value, gradient) = function(&start);
    let mut here = Point { x: start, value, gradient };
    let mut memory: Vec<Pair> = Vec::new();
    for iteration in 0..limit {
        let direction = direction(&here.gradient, &memory);
        let Some(next) = search(&here, &direction, &mut function) else {
            return Ok(Minimum { x: here.x, value: here.value, iterations: iteration });
        };
        let gain = here.value - next.value;
        let pair = Pair::between(&here, &next);
        if pair.curvature > 0.0 {
            memory.truncate(MEMORY - 1);
            memory.insert(0, pair);
        }
        here = next;
        each(iteration + 1, here.value)?;
        if gain <= tolerance * here.value.abs() {
            return Ok(Minimum { x: here.x, value: here.value, iterations: iteration + 1 });
        }
    }
    Ok(Minimum { x: here.x, value: here.value, iterations: limit })
}

struct Point {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// A step and how the gradient changed along it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// Their product.
    curvature: f64,
}

impl Pair {
    fn between(from: &Point, to: &Point) -> Self {
        let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
        let (step, change) = (difference(&to.x, &from.x), difference(&to.gradient, &from.gradient));
        let curvature = dot(&step, &change);
        Self { step, change, curvature }
    }
}

/// The two loops; `memory` holds the latest pair first. Without memory a step of length 1.
fn direction(gradient: &[f64], memory: &[Pair]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for pair in memory {
        let share = dot(&pair.step, &direction) / pair.curvature;
        add(&mut direction, -share, &pair.change);
        shares.push(share);
    }
    let scale = match memory.first() {
        Some(pair) => pair.curvature / dot(&pair.change, &pair.change),
        None => 1.0 / dot(gradient, gradient).sqrt().max(f64::MIN_POSITIVE),
    };
    direction.iter_mut().for_each(|x| *x *= scale);
    for (pair, share) in memory.iter().zip(shares).rev() {
        let back = dot(&pair.change, &direction) / pair.curvature;
        add(&mut direction, share - back, &pair.step);
    }
    direction
}

/// A point along the direction that meets the weak Wolfe conditions, or else the best decrease met on the way.
fn search(here: &Point, direction: &[f64], function: &mut impl FnMut(&[f64]) -> (f64, Vec<f64>)) -> Option<Point> {
    let slope = dot(&here.gradient, direction);
    if slope >= 0.0 {
        return None;
    }
    let mut low = Place { length: 0.0, value: here.value, slope };
    let (mut high, mut length, mut best) = (None, 1.0, None);
    for _ in 0..TRIES {
        let mut x = here.x.clone();
        add(&mut x, length, direction);
        let (value, gradient) = function(&x);
        if value.is_nan() || value > here.value + DECREASE * length * slope {
            high = Some((length, value));
        } else {
            low = Place { length, value, slope: dot(&gradient, direction) };
            best = Some(Point { x, value, gradient });
            if low.slope >= SLOPE * slope {
                break;
            }
        }
        length = high.map_or(2.0 * low.length, |high| low.before(high));
    }
    best
}

/// A place on the line that is searched.
struct Place {
    length: f64,
    value: f64,
    slope: f64,
}

impl Place {
    /// Where the parabola of this place and a farther one that is too high is lowest: never beyond their middle by much.
    fn before(&self, (length, value): (f64, f64)) -> f64 {
        let width = length - self.length;
        let fall = -self.slope * width;
        self.length + width * (0.5 * fall / (value - self.value + fall)).max(LEAST)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, other: &[f64]) {
    to.iter_mut().zip(other).for_each(|(x, y)| *x += factor * y);
}

#[cfg(test)]
mod tests {
    use super::minimise;
    use crate::{Error, Result};

    #[test]
    fn the_valley_of_rosenbrock_is_followed_to_its_end() {
        let function = |x: &[f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
        };
        let end = minimise(vec![-1.2, 1.0], 100, 0.0, function, |_, _| Ok(())).unwrap();
        assert!(end.value < 1e-20 && end.x.iter().all(|x| (x - 1.0).abs() < 1e-9), "{end:?}");
        assert!(end.iterations < 60, "{}", end.iterations);
    }

    #[test]
    fn kinks_are_survived_and_the_end_is_one() {
        let function = |x: &[f64]| (x[0].abs() + 3.0 * x[1].abs(), vec![x[0].signum(), 3.0 * x[1].signum()]);
        let mut last = f64::INFINITY;
        let falls = |_, value: f64| {
            assert!(value < last);
            last = value;
            Ok(())
        };
        let end = minimise(vec![3.0, -2.0], 200, 1e-12, function, falls).unwrap();
        assert!(end.value < 1e-3, "{end:?}");
        let still = minimise(vec![0.5], 10, 0.0, |_| (1.0, vec![0.0]), |_, _| Ok(())).unwrap();
        assert_eq!((still.x, still.iterations), (vec![0.5], 0));
        let stop = |_, _| -> Result<()> { Err(Error::Interrupted("now".to_owned())) };
        assert!(minimise(vec![3.0], 9, 0.0, |x| (x[0] * x[0], vec![2.0 * x[0]]), stop).is_err());
    }
}
