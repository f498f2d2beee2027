//! `homonym run`: from a catalogue of audio files to artists told apart, in one go.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome, extract, split};
use crate::disambiguate::{Calibration, Rules};
use crate::embed::Embedder;
use crate::extract::Extraction;
use crate::models::{Arithmetic, Model};
use crate::store::{Precision, Spec, Store};
use crate::{Error, Result};

/// Extract, embed and split a catalogue in one go.
///
/// Writes DIR/store, DIR/embeddings.npy (.csv, .json) and DIR/labels.csv. Running it again goes on where it stopped.
#[derive(clap::Args)]
pub(super) struct Run {
    /// Table of the tracks (CSV, TSV or JSON Lines) with the columns `path`, relative to its folder, and `artist`.
    catalogue: PathBuf,
    /// The model to embed with.
    #[arg(long, value_name = "MODEL.safetensors")]
    model: PathBuf,
    /// Tracks whose Ward distance is at most this are one artist's [default: that of the model's calibration].
    #[arg(long, value_name = "T")]
    distance: Option<f64>,
    /// How the convolutions compute.
    #[arg(long, value_enum, default_value = "f32")]
    arithmetic: Arithmetic,
    /// The folder to write to.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// The column with the names to split.
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    name_column: String,
}

#[derive(Serialize)]
struct Summary<'a> {
    extraction: &'a crate::extract::Summary,
    split: &'a split::Summary,
    labels: PathBuf,
}

impl Run {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let model = Model { arithmetic: self.arithmetic, ..Model::open(&self.model)? };
        model.network()?; // what cannot embed here is refused before the work
        let calibration = self.calibration()?;
        let threshold = self.distance.or(calibration.as_ref().map(|calibration| calibration.threshold));
        let Some(threshold) = threshold else {
            let problem = "is needed: the model has no calibration (make one with `homonym calibrate`)";
            return Err(Error::setting("--distance", problem));
        };
        std::fs::create_dir_all(&self.out).map_err(Error::io(&self.out))?;
        let spec = Spec { recipe: model.header.front_end.clone(), precision: Precision::F16 };
        let folder = self.out.join("store");
        let extraction =
            Extraction { catalogue: self.catalogue, out: folder.clone(), spec, force: false, report: None };
        let extracted = extraction.run(console)?;
        extract::remark(&extracted, &extraction, console);
        let store = Store::open(&folder)?;
        let rows: Vec<usize> = (0..store.len()).collect();
        let embeddings = Embedder::Model(&model).embed(&store, &rows, console)?;
        embeddings.write(&self.out.join("embeddings"))?;
        let labels = self.out.join("labels.csv");
        if let Some(calibration) = &calibration {
            calibration.check(&embeddings, &self.model)?;
        }
        let membership = calibration.as_ref().map(|calibration| &calibration.membership);
        let rules = Rules { threshold, membership, constraints: None };
        let split = split::decide(&embeddings, &self.name_column, rules, None, &labels, console)?.summary;
        let summary = Summary { extraction: &extracted, split: &split, labels };
        console.result("homonym.run/1", &summary, || {
            format!("{}\n{}: {split}", extract::describe(&extracted, &extraction), summary.labels.display())
        })?;
        Ok(if extracted.failed.is_empty() { Outcome::Done } else { Outcome::SomeInputsFailed })
    }

    /// The calibration beside the model, where there is one.
    fn calibration(&self) -> Result<Option<Calibration>> {
        let path = Calibration::path_beside(&self.model);
        path.exists().then(|| Calibration::open(&path)).transpose()
    }
}
