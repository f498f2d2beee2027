//! `homonym apply`: human decisions on labels.

use std::path::PathBuf;

use super::{Console, Outcome};
use crate::Result;
use crate::disambiguate::{Labels, apply, read_decisions};

/// Apply decisions, as the review report exports them, to labels.
///
/// Replays them in their order; what a human decided has confidence 1. For decisions that need a new split (tracks that must
/// be apart, albums as one), give them to `split --decisions` instead.
#[derive(clap::Args)]
pub(super) struct Apply {
    /// Labels, as `split` wrote them.
    labels: PathBuf,
    /// The decisions (JSON Lines).
    decisions: PathBuf,
    /// Where to write the new labels.
    #[arg(long, short, value_name = "LABELS.csv")]
    out: PathBuf,
}

impl Apply {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let mut labels = Labels::read(&self.labels)?;
        let applied = apply(&mut labels, &read_decisions(&self.decisions)?)?;
        labels.table().write(&self.out)?;
        console.result("homonym.apply/1", &applied, || {
            format!(
                "{}: {} decisions, {} names skipped, {} tracks changed, {} tracks unknown",
                self.out.display(),
                applied.decisions,
                applied.skipped,
                applied.changed,
                applied.unknown
            )
        })?;
        Ok(Outcome::Done)
    }
}
