//! Learnt distances of tracks: the mean over all pairs of their segments (Lu, Wu, Duan and Zhang, ICASSP 2017).

use homonym_kernels::Isa;
use rayon::prelude::*;

use super::{check_front_end, starts};
use crate::models::{HeadSpec, Layer, Model, PairHead};
use crate::sampling::TrackSegments;
use crate::store::Store;
use crate::{Error, Monitor, Result};

/// Tracks, each as the embeddings of its segments, and a learnt distance.
pub struct LearntDistances<'m> {
    model: &'m Model,
    isa: Isa,
    dims: usize,
    hidden: usize,
    /// Segments × dims of each track.
    tracks: Vec<Vec<f32>>,
}

impl<'m> LearntDistances<'m> {
    /// Some rows of a store under a model with such a distance.
    ///
    /// # Errors
    /// [`Error::Setting`] where the model has none, [`Error::Input`] where the store's front end is not the model's.
    pub fn new(store: &Store, rows: &[usize], model: &'m Model, monitor: &dyn Monitor) -> Result<Self> {
        let Some(HeadSpec::Pair { hidden }) = model.header.head else {
            let problem = "has no learnt distance; train it with --preset matchnet or --objective match-net";
            return Err(Error::setting("model", problem));
        };
        check_front_end(store, model)?;
        let network = model.network()?;
        monitor.begin("embedding", Some(rows.len() as u64));
        let embed = |&row: &usize| {
            if monitor.interrupted() {
                return Err(Error::Interrupted("stopped while embedding".to_owned()));
            }
            let frames = store.frames(row)?;
            let starts = starts(model.header.track, frames.len(), model.header.frames);
            let segments = TrackSegments::new(frames, &starts, 0); // twins learn no distance
            monitor.advance(1);
            Ok(network.embed(&model.params, &segments, Layer::Embedding))
        };
        let tracks = rows.par_iter().map(embed).collect::<Result<_>>()?;
        monitor.end();
        Ok(Self { model, isa: Isa::chosen()?, dims: network.dims(), hidden, tracks })
    }

    /// The distance of two tracks, by their place among the rows: 0 to 1, alike from both sides.
    pub fn between(&self, a: usize, b: usize) -> f64 {
        let [x, y] = [a, b].map(|track| &self.tracks[track]);
        let [rows, cols] = [x, y].map(|track| (track.len() / self.dims) as u32);
        let pairs: Vec<[u32; 2]> = (0..rows).flat_map(|i| (0..cols).map(move |j| [i, j])).collect();
        let head = PairHead::new(self.isa, &self.model.head, self.dims, self.hidden);
        let distance = |&z: &f32| 1.0 / (1.0 + (-f64::from(z)).exp());
        head.logits(x, y, &pairs).0.iter().map(distance).sum::<f64>() / pairs.len() as f64
    }
}
