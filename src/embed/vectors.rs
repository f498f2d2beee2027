//! Vectors of another kind as points among tracks, by a model of two towers.

use std::path::Path;

use homonym_kernels::{Isa, normalise};

use crate::matrix::Matrix;
use crate::models::{HeadSpec, Model, VectorTower};
use crate::store::embeddings::{Embeddings, Origin};
use crate::{Error, Result};

/// The points of given vectors, on the sphere where the model places tracks.
///
/// # Errors
/// [`Error::Setting`] where the model has no tower for vectors, [`Error::Input`] for vectors of another size.
pub fn project(vectors: &Embeddings, model: &Model, subject: &Path) -> Result<Embeddings> {
    let Some(HeadSpec::Vectors { width }) = model.header.head else {
        let problem = "has no tower for vectors; train it with --vectors";
        return Err(Error::setting("model", problem));
    };
    if vectors.points.cols != width {
        let expected = format!("vectors of {width} values, as the model was trained with");
        return Err(Error::file(subject, expected, vectors.points.cols, "make them as those for training were made"));
    }
    let dims = model.network()?.dims();
    let mut points = VectorTower::new(Isa::chosen()?, &model.head, dims).points(&vectors.points.data);
    for point in points.chunks_exact_mut(dims) {
        normalise(Isa::PORTABLE, point);
    }
    let frontend = model.header.front_end.hash();
    let origin = Origin { model: model.hash()?, frontend, rest: serde_json::Map::new() };
    Embeddings::new(Matrix::new(vectors.points.rows, dims, points), vectors.table.clone(), Some(origin), subject)
}
