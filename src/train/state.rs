//! What a run needs to go on as if it had never stopped: a model file beside the best one, with the optimiser's state.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::models::Model;
use crate::optim::Optimizer;
use crate::output::beside;
use crate::{Error, Result};

/// Progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Updates done.
    pub step: u64,
    /// Updates before the last evaluation; none where not even the untrained network was evaluated.
    pub evaluated: Option<u64>,
    /// Seconds of training so far.
    pub seconds: f64,
    /// The best error on held-out artists.
    pub best_error: Option<f64>,
    /// The step of the best error.
    pub best_step: u64,
    /// Steps in a row, up to the last, that looked collapsed.
    pub collapsed: u32,
}

/// Where the state of a run to `out` is kept while it runs.
pub fn path(out: &Path) -> PathBuf {
    beside(out, ".state")
}

/// All the numbers that training changes: of network and objective together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    /// The parameters.
    pub params: Vec<f32>,
    /// Those before the last update.
    pub previous: Vec<f32>,
    /// Their running average, which is what is evaluated and kept; the parameters themselves where averaging is off.
    pub average: Vec<f32>,
    /// The optimiser's state: running squares, a velocity, or both.
    pub state: Vec<f32>,
}

impl Weights {
    /// Those of a run that begins with `params`.
    pub(super) fn new(params: Vec<f32>, optimizer: &Optimizer) -> Self {
        let state = vec![0.0; optimizer.state_len(params.len())];
        Self { previous: params.clone(), average: params.clone(), state, params }
    }
}

/// The tensors beside the parameters.
const TENSORS: [&str; 4] = ["weights", "previous", "average", "optimizer.state"];

/// Saves the state; `model` says whose.
pub(super) fn save(path: &Path, model: &Model, progress: &Progress, weights: &Weights) -> Result<()> {
    let Weights { params, previous, average, state } = weights;
    let mut model = model.clone();
    let own = model.params.len();
    model.params.copy_from_slice(&params[..own]);
    model.header.training["progress"] = serde_json::to_value(progress).expect("progress is plain data");
    model.save(path, &[(TENSORS[0], params), (TENSORS[1], previous), (TENSORS[2], average), (TENSORS[3], state)])
}

/// Reads a state as large as `weights`; the run must have had the same data and configuration as that of `fresh`, but for
/// its limits.
pub(super) fn open(path: &Path, fresh: &Model, weights: &Weights) -> Result<(Weights, Progress)> {
    let Weights { params, previous, average, state } = weights;
    let sizes = [params, previous, average, state].map(Vec::len);
    let expected: Vec<_> = TENSORS.into_iter().zip(sizes).collect();
    let (mut model, tensors) = Model::open_with(path, &expected)?;
    let progress = model.header.training["progress"].take();
    let progress = serde_json::from_value(progress)
        .map_err(|error| Error::file(path, "the state of a training run", error, "train without --resume"))?;
    let limits = ["steps", "minutes"];
    let unlimited = |model: &Model| {
        let mut training = model.header.training.clone();
        if let Some(config) = training["config"].as_object_mut() {
            limits.iter().for_each(|limit| drop(config.remove(*limit)));
        }
        (training["config"].take(), training["data"].take())
    };
    let same = unlimited(&model) == unlimited(fresh)
        && model.header.front_end == fresh.header.front_end
        && model.input == fresh.input;
    if !same {
        let advice = "resume with the settings and data of the run that made it, or train without --resume";
        return Err(Error::file(path, "the state of a run with the same settings and data", "another run's", advice));
    }
    let [params, previous, average, state] = <[Vec<f32>; 4]>::try_from(tensors).expect("as many tensors as names");
    Ok((Weights { params, previous, average, state }, progress))
}
