//! `homonym run`: from a catalogue of audio files to artists told apart, in one go.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome, extract, split};
use crate::catalogue::list::keys;
use crate::disambiguate::{Calibration, Constraints, Labels, Rules};
use crate::embed::Embedder;
use crate::extract::Extraction;
use crate::models::{Arithmetic, Model};
use crate::store::{Precision, Spec, Store};
use crate::{Error, Result};

/// Extract, embed and split a catalogue in one go.
///
/// Writes DIR/store, DIR/embeddings.npy (.csv, .json), DIR/labels.csv, and DIR/names.csv in the order in which a review pays.
/// Running it again goes on where it stopped; tracks that have a label keep it, new ones join or found an artist, and
/// DIR/changes.jsonl says which.
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
    /// Split anew even what has been split before: numbers of artists may change.
    #[arg(long)]
    resplit: bool,
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
        let embeddings =
            Embedder::Model(&model).embed_to(&store, &rows, None, &self.out.join("embeddings"), console)?;
        let labels = self.out.join("labels.csv");
        if let Some(calibration) = &calibration {
            calibration.check(&embeddings, &self.model)?;
        }
        let previous = (labels.exists() && !self.resplit).then(|| Labels::read(&labels)).transpose()?;
        let mut constraints = Constraints::default();
        if let Some(previous) = &previous {
            let names = embeddings.table.require(&self.name_column, "--name-column")?;
            let keys = keys(&embeddings.table, &folder)?;
            split::keep(previous, &keys, embeddings.table.values(names), &mut constraints);
            let kept = constraints.fixed.len();
            console.remark(&format!("{kept} tracks stay as {} has them; --resplit splits anew", labels.display()));
        }
        let placement = calibration.as_ref().map(|calibration| &calibration.placement);
        let rules = Rules { threshold, placement, constraints: Some(&constraints) };
        let done = split::decide(&embeddings, &self.name_column, rules, None, &labels, console)?;
        done.names_table().write(&self.out.join("names.csv"))?;
        if let Some(previous) = &previous {
            split::write_changes(&self.out.join("changes.jsonl"), previous, &done.labels)?;
        }
        let split = &done.summary;
        let summary = Summary { extraction: &extracted, split, labels };
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
