//! What a model knows beside its network: a learnt distance of two embeddings, or a tower for vectors of another kind.

use homonym_kernels::{self as kernels, GemmScratch, Isa};
use serde::{Deserialize, Serialize};

use crate::nn::{Init, ParamTable};
use crate::{Error, Result};

/// Units and values at most.
const LARGEST: usize = 1 << 20;

/// A head, and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HeadSpec {
    /// A distance of pairs of embeddings ([`PairHead`]).
    Pair {
        /// Units of its hidden layer.
        hidden: usize,
    },
    /// A tower for given vectors ([`VectorTower`]).
    Vectors {
        /// Values of a vector.
        width: usize,
    },
}

impl HeadSpec {
    /// Refuses sizes beyond all bounds.
    pub(super) fn validate(&self) -> Result<()> {
        let (Self::Pair { hidden: size } | Self::Vectors { width: size }) = *self;
        match size {
            1..=LARGEST => Ok(()),
            _ => Err(Error::setting("head", format!("{size} is not within 1..={LARGEST}"))),
        }
    }

    /// Its parameters, on embeddings of `dims` values.
    pub fn params(&self, dims: usize) -> ParamTable {
        let mut params = ParamTable::default();
        let mut dense = |name: &str, inputs: usize, outputs: usize| {
            let init = Init::Glorot { fan_in: inputs, fan_out: outputs };
            params.add(&format!("{name}.weight"), &[inputs, outputs], init);
            params.add(&format!("{name}.bias"), &[outputs], Init::Zero);
        };
        match *self {
            Self::Pair { hidden } => {
                dense("pair.hidden", 2 * dims, hidden);
                dense("pair.out", hidden, 1);
            }
            Self::Vectors { width } => dense("vectors", width, dims),
        }
        params
    }
}

/// The distance that Triplet MatchNet learns: `f(x, y) = σ(v·relu(W·[|x − y|, x∘y] + b) + c)`, alike from both sides.
pub struct PairHead<'p> {
    isa: Isa,
    dims: usize,
    w: &'p [f32],
    b: &'p [f32],
    v: &'p [f32],
    c: &'p [f32],
}

/// What the backward pass of a head needs.
pub struct PairStash {
    inputs: Vec<f32>,
    hidden: Vec<f32>,
}

impl<'p> PairHead<'p> {
    /// The head of a [`HeadSpec::Pair`] with these parameters.
    pub fn new(isa: Isa, params: &'p [f32], dims: usize, hidden: usize) -> Self {
        let (w, rest) = params.split_at(2 * dims * hidden);
        let (b, rest) = rest.split_at(hidden);
        let (v, c) = rest.split_at(hidden);
        assert_eq!(c.len(), 1, "the parameters of a pair head");
        Self { isa, dims, w, b, v, c }
    }

    /// The logits `z` of the distances `σ(z)` of pairs of rows (of `x` and of `y`, both rows × dims).
    pub fn logits(&self, x: &[f32], y: &[f32], pairs: &[[u32; 2]]) -> (Vec<f32>, PairStash) {
        let mut inputs = Vec::with_capacity(pairs.len() * 2 * self.dims);
        for &[a, b] in pairs {
            let [a, b] = [(x, a), (y, b)].map(|(rows, at)| &rows[at as usize * self.dims..][..self.dims]);
            inputs.extend(a.iter().zip(b).map(|(a, b)| (a - b).abs()));
            inputs.extend(a.iter().zip(b).map(|(a, b)| a * b));
        }
        let mut scratch = GemmScratch::default();
        let mut hidden = vec![0.0; pairs.len() * self.b.len()];
        kernels::dense_batch(self.isa, &inputs, self.w, self.b, &mut hidden, &mut scratch);
        kernels::relu(self.isa, &mut hidden);
        let mut logits = vec![0.0; pairs.len()];
        kernels::dense_batch(self.isa, &hidden, self.v, self.c, &mut logits, &mut scratch);
        (logits, PairStash { inputs, hidden })
    }

    /// Adds the gradients of the parameters and of the rows, for pairs among the rows of `x`.
    pub fn grad(
        &self,
        x: &[f32],
        pairs: &[[u32; 2]],
        stash: &PairStash,
        d_logits: &[f32],
        d_params: &mut [f32],
        d_x: &mut [f32],
    ) {
        let dims = self.dims;
        let mut scratch = GemmScratch::default();
        let (dw, rest) = d_params.split_at_mut(self.w.len());
        let (db, rest) = rest.split_at_mut(self.b.len());
        let (dv, dc) = rest.split_at_mut(self.v.len());
        let mut d_hidden = vec![0.0; stash.hidden.len()];
        kernels::dense_batch_grad(self.isa, &stash.hidden, self.v, d_logits, dv, dc, &mut d_hidden, &mut scratch);
        kernels::relu_grad(self.isa, &stash.hidden, &mut d_hidden);
        let mut d_inputs = vec![0.0; stash.inputs.len()];
        kernels::dense_batch_grad(self.isa, &stash.inputs, self.w, &d_hidden, dw, db, &mut d_inputs, &mut scratch);
        for (pair, d) in pairs.iter().zip(d_inputs.chunks_exact(2 * dims)) {
            let [a, b] = pair.map(|row| row as usize * dims);
            for at in 0..dims {
                let (p, q) = (x[a + at], x[b + at]);
                let away = if p == q { 0.0 } else { d[at] * (p - q).signum() };
                d_x[a + at] += away + d[dims + at] * q;
                d_x[b + at] += d[dims + at] * p - away;
            }
        }
    }
}

/// The tower of given vectors: dense, tanh. Its points are compared by direction.
pub struct VectorTower<'p> {
    isa: Isa,
    w: &'p [f32],
    b: &'p [f32],
}

impl<'p> VectorTower<'p> {
    /// The tower of a [`HeadSpec::Vectors`] with these parameters.
    pub fn new(isa: Isa, params: &'p [f32], dims: usize) -> Self {
        let (w, b) = params.split_at(params.len() - dims);
        Self { isa, w, b }
    }

    /// Vectors (rows × width) to points (rows × dims).
    pub fn points(&self, vectors: &[f32]) -> Vec<f32> {
        let width = self.w.len() / self.b.len();
        let mut points = vec![0.0; vectors.len() / width * self.b.len()];
        kernels::dense_batch(self.isa, vectors, self.w, self.b, &mut points, &mut GemmScratch::default());
        kernels::tanh(self.isa, &mut points);
        points
    }

    /// Adds the gradient of the parameters, given that of the `points` of some vectors.
    pub fn grad(&self, vectors: &[f32], points: &[f32], mut d_points: Vec<f32>, d_params: &mut [f32]) {
        kernels::tanh_grad(self.isa, points, &mut d_points);
        let (dw, db) = d_params.split_at_mut(self.w.len());
        let mut d_vectors = vec![0.0; vectors.len()];
        let scratch = &mut GemmScratch::default();
        kernels::dense_batch_grad(self.isa, vectors, self.w, &d_points, dw, db, &mut d_vectors, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn normal(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::keyed(seed, &[]);
        (0..count).map(|_| 0.7 * random.normal() as f32).collect()
    }

    /// Compares a gradient with the slope of a value at every place.
    fn check(x: &[f32], gradient: &[f32], value: impl Fn(&[f32]) -> f64) {
        assert!(gradient.iter().any(|slope| slope.abs() > 0.01), "nothing to compare");
        for at in 0..x.len() {
            let moved = |step: f32| {
                let mut x = x.to_vec();
                x[at] += step;
                value(&x)
            };
            let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
            assert!(
                (slope - f64::from(gradient[at])).abs() < 3e-3 * (1.0 + slope.abs()),
                "{at}: {slope} {}",
                gradient[at]
            );
        }
    }

    fn weighed(values: &[f32], weights: &[f32]) -> f64 {
        values.iter().zip(weights).map(|(x, w)| f64::from(x * w)).sum()
    }

    #[test]
    fn a_learnt_distance_is_alike_from_both_sides_and_has_its_gradients() {
        let (isa, dims, hidden) = (Isa::chosen().unwrap(), 5, 7);
        let params = normal(HeadSpec::Pair { hidden }.params(dims).len(), 1);
        let (x, weights) = (normal(4 * dims, 2), normal(5, 3));
        let pairs = [[0, 1], [1, 0], [2, 3], [3, 1], [0, 2]];
        let value = |params: &[f32], x: &[f32]| {
            weighed(&PairHead::new(isa, params, dims, hidden).logits(x, x, &pairs).0, &weights)
        };
        let head = PairHead::new(isa, &params, dims, hidden);
        let (logits, stash) = head.logits(&x, &x, &pairs);
        assert!((logits[0] - logits[1]).abs() < 1e-6, "{logits:?}");
        let (mut d_params, mut d_x) = (vec![0.0; params.len()], vec![0.0; x.len()]);
        head.grad(&x, &pairs, &stash, &weights, &mut d_params, &mut d_x);
        check(&params, &d_params, |params| value(params, &x));
        check(&x, &d_x, |x| value(&params, x));
    }

    #[test]
    fn the_tower_of_vectors_has_its_gradient() {
        let (isa, dims, width) = (Isa::chosen().unwrap(), 3, 6);
        let params = normal(HeadSpec::Vectors { width }.params(dims).len(), 4);
        let (vectors, weights) = (normal(4 * width, 5), normal(4 * dims, 6));
        let tower = VectorTower::new(isa, &params, dims);
        let mut d_params = vec![0.0; params.len()];
        tower.grad(&vectors, &tower.points(&vectors), weights.clone(), &mut d_params);
        check(&params, &d_params, |params| weighed(&VectorTower::new(isa, params, dims).points(&vectors), &weights));
    }
}
