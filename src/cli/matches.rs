//! `homonym match`: tracks like this one, by a learnt distance.

use std::path::PathBuf;

use rayon::prelude::*;
use serde::Serialize;

use super::{Console, Outcome};
use crate::catalogue::filter::{Filter, matching};
use crate::catalogue::list::keys;
use crate::embed::LearntDistances;
use crate::models::Model;
use crate::{Error, Result};

/// Find the tracks nearest to one by the distance that a model has learnt for pairs (`train --preset matchnet`).
#[derive(clap::Args)]
pub(super) struct Match {
    /// The feature store.
    store: PathBuf,
    /// The track: its `track_id`, or else its `path`.
    track: String,
    /// The model.
    #[arg(long, value_name = "MODEL.safetensors")]
    model: PathBuf,
    /// How many to find.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Find rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
}

/// The result: `homonym.match/1`.
#[derive(Serialize)]
struct Summary<'a> {
    track: &'a str,
    nearest: Vec<Near<'a>>,
}

#[derive(Serialize)]
struct Near<'a> {
    track: &'a str,
    /// 0 to 1.
    distance: f64,
}

impl Match {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let store = super::open_store(&self.store, console)?;
        let model = Model::open(&self.model)?;
        let keys = keys(store.table()?, &self.store)?;
        let query = keys.iter().position(|&key| key == self.track).ok_or_else(|| {
            Error::file(&self.store, format!("a track `{}`", self.track), "none", "name it by its `track_id` or `path`")
        })?;
        let mut rows = matching(store.table()?, &self.filters)?;
        rows.retain(|&row| row != query);
        let all: Vec<usize> = std::iter::once(query).chain(rows).collect();
        let tracks = LearntDistances::new(&store, &all, &model, console)?;
        let near = |place: usize| Near { track: keys[all[place]], distance: tracks.between(0, place) };
        let mut nearest: Vec<Near> = (1..all.len()).into_par_iter().map(near).collect();
        nearest.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        nearest.truncate(self.top);
        let summary = Summary { track: keys[query], nearest };
        console.result("homonym.match/1", &summary, || {
            summary.nearest.iter().map(|near| format!("{:.4}  {}\n", near.distance, near.track)).collect()
        })?;
        Ok(Outcome::Done)
    }
}
