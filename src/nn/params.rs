//! All parameters of a network in one flat buffer, with a table of names, shapes and offsets.

use std::ops::Range;

use crate::random::Random;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform in `±√(6 / (fan_in + fan_out))` (Glorot and Bengio 2010; Keras' default for kernels).
    Glorot {
        /// Inputs that meet in one output.
        fan_in: usize,
        /// Outputs that one input reaches.
        fan_out: usize,
    },
    /// Uniform in `±√(6 / fan_in)` (He et al. 2015), for layers behind which ReLU drops half.
    He {
        /// Inputs that meet in one output.
        fan_in: usize,
    },
    /// All zero (Keras' default for biases).
    Zero,
    /// All one: gains and variances of a normalisation.
    One,
}

impl Init {
    /// Where random values end on both sides; None where they are not random.
    pub fn limit(self) -> Option<f64> {
        match self {
            Self::Glorot { fan_in, fan_out } => Some((6.0 / (fan_in + fan_out) as f64).sqrt()),
            Self::He { fan_in } => Some((6.0 / fan_in as f64).sqrt()),
            Self::Zero | Self::One => None,
        }
    }
}

/// One named parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The name in a checkpoint, e.g. `conv1.weight`.
    pub name: String,
    /// The shape, row-major.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// Where its first value is in the flat buffer.
    pub offset: usize,
}

impl Param {
    /// Where its values are in the flat buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.iter().product::<usize>()
    }

    /// Whether it is the kernel of a layer, which L2 regularisation keeps small, not a bias, gain or statistic.
    pub fn is_kernel(&self) -> bool {
        self.init.limit().is_some()
    }
}

/// The parameters of a network, in the order of the flat buffer. Gradients and optimiser states have the same layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParamTable(Vec<Param>);

impl ParamTable {
    /// Appends a parameter; returns where its values are.
    pub fn add(&mut self, name: &str, shape: &[usize], init: Init) -> Range<usize> {
        let param = Param { name: name.to_owned(), shape: shape.to_vec(), init, offset: self.len() };
        let range = param.range();
        self.0.push(param);
        range
    }

    /// Values in the flat buffer.
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |last| last.range().end)
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.0.iter()
    }

    /// Fresh values; each parameter draws from a stream of its own.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; self.len()];
        for (index, param) in self.0.iter().enumerate() {
            let values = &mut values[param.range()];
            if let Some(limit) = param.init.limit() {
                let mut random = Random::keyed(seed, &[index as u64]);
                values.fill_with(|| ((2.0 * random.uniform() - 1.0) * limit) as f32);
            } else if param.init == Init::One {
                values.fill(1.0);
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::{Init, ParamTable};

    #[test]
    fn glorot_fills_its_interval_and_biases_are_zero() {
        let mut table = ParamTable::default();
        let weight = table.add("dense.weight", &[40, 60], Init::Glorot { fan_in: 40, fan_out: 60 });
        let bias = table.add("dense.bias", &[60], Init::Zero);
        let values = table.initial(1);
        let limit = (6.0f32 / 100.0).sqrt();
        let largest = values[weight.clone()].iter().fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(largest <= limit && largest > 0.99 * limit, "{largest} of {limit}");
        let mean = values[weight.clone()].iter().sum::<f32>() / weight.len() as f32;
        assert!(mean.abs() < 0.01, "mean {mean}");
        assert!(values[bias].iter().all(|&value| value == 0.0));
        assert_eq!(values, table.initial(1));
        assert_ne!(values, table.initial(2));
    }
}
