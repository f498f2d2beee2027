//! Eigenvalues and eigenvectors of symmetric matrices.
//!
//! Householder reflections make the matrix tridiagonal, QL with implicit shifts finds the eigenvalues and notes its rotations;
//! reflections and rotations are then applied to stripes of columns, each on its own: that is most of the work, stays in
//! the cache and is shared by the threads. For sizes up to about 1000 (2 s on one core); no shape is special.

use rayon::prelude::*;

/// Columns of a stripe: with a thousand rows they fill half of a small L2 cache.
const STRIPE: usize = 32;
/// Sweeps for one eigenvalue; two are usual.
const SWEEPS: usize = 60;

/// Eigenvalues, largest first, and eigenvectors of length 1 as rows, the value of the largest size positive.
pub(super) struct Eigen {
    pub(super) values: Vec<f64>,
    /// Vectors × coordinates.
    pub(super) vectors: Vec<f64>,
}

/// Of the symmetric matrix `a` (`size × size`).
pub(super) fn symmetric(a: Vec<f64>, size: usize) -> Eigen {
    assert_eq!(a.len(), size * size, "a square matrix");
    let Tridiagonal { mut diagonal, mut beside, reflections } = Tridiagonal::of(a, size);
    let rotations = diagonalise(&mut diagonal, &mut beside);
    let stripes: Vec<Vec<f64>> = (0..size.div_ceil(STRIPE))
        .into_par_iter()
        .map(|number| stripe(number * STRIPE, size, &reflections, &rotations))
        .collect();
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    let vector = |&row: &usize| {
        let parts = stripes.iter().map(|stripe| &stripe[row * (stripe.len() / size)..][..stripe.len() / size]);
        let vector: Vec<f64> = parts.flatten().copied().collect();
        let largest = vector.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
        vector.into_iter().map(move |x| x * largest.signum())
    };
    Eigen { values: order.iter().map(|&at| diagonal[at]).collect(), vectors: order.iter().flat_map(vector).collect() }
}

/// `H = 1 − 2·v·vᵀ`, where v begins at coordinate `first` and has length 1.
struct Reflection {
    first: usize,
    v: Vec<f64>,
}

/// `T = Hₙ…H₁·A·H₁…Hₙ`.
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// `beside[i]` is between `i` and `i + 1`; the last is 0.
    beside: Vec<f64>,
    reflections: Vec<Reflection>,
}

impl Tridiagonal {
    fn of(mut a: Vec<f64>, size: usize) -> Self {
        let mut tridiagonal = Self { diagonal: vec![0.0; size], beside: vec![0.0; size], reflections: Vec::new() };
        for at in 0..size {
            tridiagonal.diagonal[at] = a[at * size + at];
            let (row, rest) = a[at * size..].split_at_mut(size);
            let row = &row[at + 1..];
            let Some((&head, tail)) = row.split_first() else { break };
            if tail.iter().all(|&x| x == 0.0) {
                tridiagonal.beside[at] = head;
                continue;
            }
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            tridiagonal.beside[at] = -norm.copysign(head);
            let mut v = row.to_vec();
            v[0] += norm.copysign(head);
            let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            v.iter_mut().for_each(|x| *x /= length);
            reflect_both_sides(rest, size, at + 1, &v);
            tridiagonal.reflections.push(Reflection { first: at + 1, v });
        }
        tridiagonal
    }
}

/// `B ← H·B·H` for the trailing square of the rows in `rest`, which begins at column `first`.
fn reflect_both_sides(rest: &mut [f64], size: usize, first: usize, v: &[f64]) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut w: Vec<f64> = rest.par_chunks_exact(size).with_min_len(64).map(|row| 2.0 * dot(&row[first..], v)).collect();
    let along = dot(&w, v);
    w.iter_mut().zip(v).for_each(|(w, v)| *w -= along * v);
    rest.par_chunks_exact_mut(size).with_min_len(64).zip(&w).zip(v).for_each(|((row, wi), vi)| {
        for ((x, w), v) in row[first..].iter_mut().zip(&w).zip(v) {
            *x -= vi * w + wi * v;
        }
    });
}

/// Turns rows `at` and `at + 1`.
struct Rotation {
    at: usize,
    cos: f64,
    sin: f64,
}

/// QL with implicit (Wilkinson) shifts: leaves the eigenvalues on the diagonal.
fn diagonalise(diagonal: &mut [f64], beside: &mut [f64]) -> Vec<Rotation> {
    let mut rotations = Vec::new();
    for first in 0..diagonal.len() {
        for _ in 0..SWEEPS {
            let negligible = |at: usize| {
                at + 1 == diagonal.len()
                    || beside[at].abs() <= f64::EPSILON * (diagonal[at].abs() + diagonal[at + 1].abs())
            };
            let last = (first..diagonal.len()).find(|&at| negligible(at)).expect("the last place ends every block");
            if last == first {
                break;
            }
            sweep(diagonal, beside, first, last, &mut rotations);
        }
    }
    rotations
}

/// One sweep from `last` up to `first`.
fn sweep(diagonal: &mut [f64], beside: &mut [f64], first: usize, last: usize, rotations: &mut Vec<Rotation>) {
    let half = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let mut bulge = diagonal[last] - diagonal[first] + beside[first] / (half + half.hypot(1.0).copysign(half));
    let (mut sin, mut cos, mut shift) = (1.0, 1.0, 0.0);
    for at in (first..last).rev() {
        let (along, across) = (cos * beside[at], sin * beside[at]);
        let length = across.hypot(bulge);
        beside[at + 1] = length;
        if length == 0.0 {
            diagonal[at + 1] -= shift;
            beside[last] = 0.0;
            return;
        }
        (sin, cos) = (across / length, bulge / length);
        let above = diagonal[at + 1] - shift;
        let step = (diagonal[at] - above) * sin + 2.0 * cos * along;
        shift = sin * step;
        diagonal[at + 1] = above + shift;
        bulge = cos * step - along;
        rotations.push(Rotation { at, cos, sin });
    }
    diagonal[first] -= shift;
    beside[first] = bulge;
    beside[last] = 0.0;
}

/// Some columns, from `first` on, of the matrix whose rows are the eigenvectors: rotations · reflections · unit matrix.
fn stripe(first: usize, size: usize, reflections: &[Reflection], rotations: &[Rotation]) -> Vec<f64> {
    let width = STRIPE.min(size - first);
    let mut rows = vec![0.0; size * width];
    (0..width).for_each(|column| rows[(first + column) * width + column] = 1.0);
    for Reflection { first, v } in reflections {
        let rows = &mut rows[first * width..];
        let mut sums = [0.0; STRIPE];
        for (row, v) in rows.chunks_exact(width).zip(v) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += v * x);
        }
        for (row, v) in rows.chunks_exact_mut(width).zip(v) {
            row.iter_mut().zip(&sums).for_each(|(x, sum)| *x -= 2.0 * v * sum);
        }
    }
    for Rotation { at, cos, sin } in rotations {
        let (lower, upper) = rows[at * width..(at + 2) * width].split_at_mut(width);
        for (x, y) in lower.iter_mut().zip(upper) {
            (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn check(a: &[f64], size: usize) {
        let Eigen { values, vectors } = symmetric(a.to_vec(), size);
        let row = |at: usize| &vectors[at * size..(at + 1) * size];
        let scale = a.iter().fold(1e-300f64, |most, x| most.max(x.abs()));
        for at in 0..size {
            for i in 0..size {
                let image: f64 = (0..size).map(|j| a[i * size + j] * row(at)[j]).sum();
                let error = (image - values[at] * row(at)[i]).abs();
                assert!(error < 1e-12 * scale * size as f64, "vector {at} of {size}: {error:e}");
            }
            for other in 0..=at {
                let dot: f64 = row(at).iter().zip(row(other)).map(|(x, y)| x * y).sum();
                assert!((dot - f64::from(u8::from(at == other))).abs() < 1e-12 * size as f64, "{at} {other}: {dot}");
            }
        }
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]), "largest first");
    }

    #[test]
    fn vectors_are_stretched_by_their_values_and_orthonormal() {
        let mut random = Random::keyed(7, &[]);
        for size in [1, 2, 3, 7, 32, 33, 150] {
            let mut a = vec![0.0; size * size];
            for i in 0..size {
                for j in 0..=i {
                    let value = random.normal();
                    (a[i * size + j], a[j * size + i]) = (value, value);
                }
            }
            check(&a, size);
        }
    }

    #[test]
    fn special_matrices_are_no_trouble() {
        check(&[0.0; 25], 5);
        let unit: Vec<f64> = (0..36).map(|at| f64::from(u8::from(at % 7 == 0))).collect();
        check(&unit, 6);
        check(&[1.0; 49], 7);
        // Eigenvalues over twenty decades, and a matrix in two blocks.
        let graded: Vec<f64> = (0..64).map(|at| 10f64.powi(-(at / 8 + at % 8) * 3 / 2)).collect();
        check(&graded, 8);
        let blocks = [2.0, 1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 5.0, -3.0, 0.0, 0.0, -3.0, 5.0];
        check(&blocks, 4);
        assert_eq!(symmetric(vec![3.0, 0.0, 0.0, 4.0], 2).values, [4.0, 3.0]);
    }
}
