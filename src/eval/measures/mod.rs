//! Measures as pure functions of labels and scores, equal to scikit-learn's.

mod agreement;
mod error_rate;
mod fulfilment;
mod ranking;

pub use agreement::{Pairs, adjusted_mutual_information, adjusted_rand_index, pairs};
pub use error_rate::{EqualErrorRate, Score, equal_error_rate};
pub use fulfilment::fulfilment;
pub use ranking::{RankScores, rank_scores};
