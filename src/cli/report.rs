//! `homonym report`: one HTML file to review a split with.

use std::path::PathBuf;

use serde::Serialize;

use super::split::Cut;
use super::{Console, Outcome};
use crate::Result;
use crate::catalogue::list::keys;
use crate::disambiguate::Labels;
use crate::disambiguate::report::{Settings, report};
use crate::monitor::Monitor as _;
use crate::store::embeddings::Embeddings;

/// Write one HTML file to review a split with: works offline, keyboard only if you like, exports decisions.
///
/// Names come in the order of tracks likely misplaced. `apply` or `split --decisions` takes what it exports.
#[derive(clap::Args)]
pub(super) struct Report {
    /// The embeddings: PREFIX.npy and PREFIX.csv.
    prefix: PathBuf,
    #[command(flatten)]
    cut: Cut,
    /// Labels, as `split` wrote them.
    #[arg(long, value_name = "LABELS.csv")]
    labels: PathBuf,
    /// Where to write.
    #[arg(long, short, value_name = "REPORT.html")]
    out: PathBuf,
    /// The title.
    #[arg(long, default_value = "Artists to review")]
    title: String,
    /// Put before the column `path` to find the audio from where the report lies, such as `../music/`.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    audio_base: String,
    /// The most names to show.
    #[arg(long, value_name = "N", default_value_t = 500)]
    most: usize,
}

/// The result: `homonym.report/1`.
#[derive(Serialize)]
struct Summary {
    report: PathBuf,
    bytes: usize,
    tracks_without_label: usize,
}

impl Report {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let embeddings = Embeddings::open(&self.prefix)?;
        let (calibration, threshold) = self.cut.open(&embeddings, &self.prefix)?;
        let labels = Labels::read(&self.labels)?;
        let settings = Settings {
            title: self.title,
            threshold,
            calibrated: calibration.is_some(),
            audio_base: self.audio_base,
            most_names: self.most,
        };
        let keys = keys(&embeddings.table, &self.prefix)?;
        let (html, left_out) = report(&embeddings, &keys, &labels, &settings, console)?;
        if left_out > 0 {
            console.warn(&format!("left out {left_out} tracks without a label"));
        }
        crate::output::write_whole(&self.out, html.as_bytes())?;
        let summary = Summary { report: self.out, bytes: html.len(), tracks_without_label: left_out };
        console.result("homonym.report/1", &summary, || {
            format!("{}: {:.1} MB; open it in a browser", summary.report.display(), summary.bytes as f64 / 1e6)
        })?;
        Ok(Outcome::Done)
    }
}
