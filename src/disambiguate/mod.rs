//! From embeddings to decisions: which tracks under a name belong to which artist, how sure that is and why.
//!
//! `labelled embeddings → calibration`; `embeddings, calibration, earlier decisions → split → explanation, report → human
//! decisions → split`; and against a split catalogue: new releases (the gate) and other names (aliases).

mod aliases;
mod ball;
mod calibration;
mod constraints;
mod explain;
mod gate;
mod labels;
mod learn;
mod levels;
mod logistic;
mod meetings;
mod membership;
mod placement;
#[cfg(feature = "report")]
pub mod report;
mod split;
mod stability;

pub use aliases::{Alias, Artist, aliases, artists};
pub use calibration::{Calibration, Figure};
pub use constraints::{Constraints, Entry, read_decisions};
pub use explain::{Across, Album, Columns, Explanation, explain};
pub use gate::{Credit, Gate, Judgement, Verdict};
pub use labels::{Applied, Label, Labels, Standing, apply, numbered_names};
pub use learn::calibrate;
pub use levels::{ERRORS, Level, Levels, Shares};
pub use membership::Membership;
pub use placement::{Bin, Placement, Reliability};
pub use split::{Decision, NameSplit, Rules, split};
pub use stability::stability;

/// Level of certainty: decisions of at least this probability count as sure, all others say that they are not.
pub const SURE: f64 = 0.8;
