//! `homonym calibrate`: what a model's distances mean.

use std::path::PathBuf;

use super::{Console, Outcome};
use crate::Result;
use crate::catalogue::filter::{Filter, matching};
use crate::disambiguate::{Calibration, calibrate};
use crate::eval::protocols::{Objective, Options};
use crate::store::embeddings::Embeddings;

/// Learn where to cut and how sure that is, from labelled embeddings of artists unseen in training.
///
/// Makes names out of groups of artists (or takes them from a column), chooses the distance on some and judges it on the
/// others, and learns how likely a track at some distance is an artist's. `split`, `run`, `check` and `report` use it.
#[derive(clap::Args)]
pub(super) struct Calibrate {
    /// The embeddings: PREFIX.npy and PREFIX.csv.
    prefix: PathBuf,
    /// The model that made them: the calibration is kept beside it as MODEL.calibration.json.
    #[arg(long, value_name = "MODEL.safetensors", required_unless_present = "out")]
    model: Option<PathBuf>,
    /// Where to write the calibration [default: beside the model].
    #[arg(long, short, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// Choose by the cost of a wrong merge against that of a wrong split, per pair of tracks, instead of AMI.
    #[arg(long, value_name = "MERGE:SPLIT", value_parser = cost)]
    cost: Option<Objective>,
    /// Use only rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
    /// The column with the true artist.
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    artist_column: String,
    /// The column with names that several artists share [default: make names by grouping artists].
    #[arg(long, value_name = "COLUMN")]
    name_column: Option<String>,
    /// Make names only of artists that share this column's value.
    #[arg(long, value_name = "COLUMN", conflicts_with = "name_column")]
    within: Option<String>,
    /// Use one track of each value of this column (album), so that albums are not taken for artists.
    #[arg(long, value_name = "COLUMN")]
    across: Option<String>,
    /// Parts that the names are dealt into: each is judged by what the others taught. Fewer do with fewer artists.
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// Draw names anew this many times.
    #[arg(long, value_name = "N", default_value_t = 20)]
    repeats: usize,
    /// What random draws depend on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn cost(text: &str) -> Result<Objective, String> {
    let numbers = text.split_once(':').and_then(|(merge, split)| Some((merge.parse().ok()?, split.parse().ok()?)));
    let (merge, split) = numbers.ok_or("expected two numbers such as 3:1")?;
    Ok(Objective::Cost { merge, split })
}

impl Calibrate {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let mut embeddings = Embeddings::open(&self.prefix)?;
        if !self.filters.is_empty() {
            embeddings = embeddings.select(&matching(&embeddings.table, &self.filters)?);
        }
        let options = Options {
            artist_column: self.artist_column,
            name_column: self.name_column,
            within: self.within,
            across: self.across,
            objective: self.cost.unwrap_or_default(),
            folds: self.folds,
            repeats: self.repeats,
            seed: self.seed,
            ..Options::default()
        };
        let calibration = calibrate(&embeddings, &options, console)?;
        if let Some(model) = &self.model {
            super::check_model(&embeddings, &self.prefix, model)?;
        }
        let beside = self.model.as_deref().map(Calibration::path_beside);
        let out = self.out.or(beside).expect("the parser asks for one of them");
        calibration.write(&out)?;
        console.remark(&format!("wrote {}", out.display()));
        console.result("homonym.calibration/1", &calibration, || calibration.to_string())?;
        Ok(Outcome::Done)
    }
}
