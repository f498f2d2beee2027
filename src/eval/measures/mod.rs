//! Measures as pure functions of labels and scores, equal to scikit-learn's.

mod agreement;
mod error_rate;

pub use agreement::{adjusted_mutual_information, adjusted_rand_index};
pub use error_rate::{EqualErrorRate, Score, equal_error_rate};
