//! What a run needs to go on as if it had never stopped: a model file beside the best one, with the optimiser's state.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::models::Model;
use crate::{Error, Result};

/// Progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Updates done.
    pub step: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// The best error on held-out artists.
    pub best_error: Option<f64>,
    /// The step of the best error.
    pub best_step: u64,
}

/// Where the state of a run to `out` is kept while it runs.
pub(super) fn path(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".state");
    name.into()
}

/// The tensors beside the parameters: the optimiser's squares, the parameters before the last update.
const TENSORS: [&str; 2] = ["optimizer.squares", "previous"];

/// Saves the state: `model` holds the current parameters.
pub(super) fn save(path: &Path, model: &Model, progress: &Progress, squares: &[f32], previous: &[f32]) -> Result<()> {
    let mut model = model.clone();
    model.header.training["progress"] = serde_json::to_value(progress).expect("progress is plain data");
    model.save(path, &[(TENSORS[0], squares), (TENSORS[1], previous)])
}

/// Reads a state; the run must have had the same configuration, but for its limits.
pub(super) fn open(path: &Path, fresh: &Model) -> Result<(Model, Progress, Vec<f32>, Vec<f32>)> {
    let (mut model, tensors) = Model::open_with(path, &TENSORS)?;
    let progress = model.header.training["progress"].take();
    let progress = serde_json::from_value(progress)
        .map_err(|error| Error::file(path, "the state of a training run", error, "train without --resume"))?;
    let limits = ["steps", "minutes"];
    let config = |model: &Model| {
        let mut config = model.header.training["config"].clone();
        if let Some(config) = config.as_object_mut() {
            limits.iter().for_each(|limit| drop(config.remove(*limit)));
        }
        config
    };
    let same = config(&model) == config(fresh)
        && model.header.front_end == fresh.header.front_end
        && model.input == fresh.input;
    if !same {
        let advice = "resume with the settings and data of the run that made it, or train without --resume";
        return Err(Error::file(path, "the state of a run with the same settings and data", "another run's", advice));
    }
    let [squares, previous] = <[Vec<f32>; 2]>::try_from(tensors).expect("as many tensors as names");
    Ok((model, progress, squares, previous))
}
