//! How the segments of a track become its vector.

use serde::{Deserialize, Serialize};

use super::{Layer, Standardisation};
use crate::linear::half_whitening;
use crate::matrix::Matrix;
use crate::{Error, Result};

/// How the segments of a track become its vector (paper, section 4.1): linearly spaced (or side by side), averaged, mapped,
/// projected back onto the sphere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrackVector {
    /// Segments of a track.
    pub segments: usize,
    /// Which numbers of the network.
    pub layer: Layer,
    /// Whether the mean vector is centred and scaled by what the training tracks showed, before the projection.
    pub standardise: bool,
    /// Directions that the standardised vector is reduced to at most, those in which the training tracks vary most, half-way
    /// to whitening; 0 keeps the values as they are.
    pub components: usize,
    /// Whether the segments lie side by side in the middle of the track, fewer where it is too short for all, instead of
    /// spread over it.
    pub consecutive: bool,
    /// Whether the mean vector is projected onto the sphere.
    pub sphere: bool,
}

impl Default for TrackVector {
    fn default() -> Self {
        let layer = Layer::Embedding;
        Self { segments: 10, layer, standardise: false, components: 0, consecutive: false, sphere: true }
    }
}

impl TrackVector {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<()> {
        if self.segments == 0 {
            return Err(Error::setting("track.segments", "must be positive"));
        }
        if self.components > 0 && !self.standardise {
            return Err(Error::setting(
                "track.components",
                "are of standardised vectors: set track.standardise as well",
            ));
        }
        Ok(())
    }
}

/// The map of the mean vector of a track, fitted to training tracks.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackMap {
    /// First each value on its own.
    pub values: Standardisation,
    /// Then to these directions: components × values; without any the values stay.
    pub components: Matrix<f32>,
}

impl TrackMap {
    /// The map that changes nothing.
    pub fn identity(width: usize) -> Self {
        Self { values: Standardisation::identity(width), components: Matrix::new(0, width, Vec::new()) }
    }

    /// The map that `track` asks for, of mean vectors (rows of `width`).
    pub fn fit(track: TrackVector, means: &[f32], width: usize) -> Self {
        let mut map = Self::identity(width);
        if track.standardise {
            map.values = Standardisation::fit(means, width);
        }
        if track.components > 0 {
            let mut rows = means.to_vec();
            rows.chunks_exact_mut(width).for_each(|row| map.values.apply(row));
            map.components = half_whitening(&Matrix::new(rows.len() / width, width, rows), track.components);
        }
        map
    }

    /// How many numbers come out.
    pub fn width(&self) -> usize {
        if self.components.rows > 0 { self.components.rows } else { self.components.cols }
    }

    /// Maps a mean vector.
    pub fn apply(&self, mut mean: Vec<f32>) -> Vec<f32> {
        self.values.apply(&mut mean);
        if self.components.rows == 0 {
            return mean;
        }
        let dot = |component: &[f32]| component.iter().zip(&mean).map(|(c, x)| f64::from(c * x)).sum::<f64>() as f32;
        self.components.iter_rows().map(dot).collect()
    }
}
