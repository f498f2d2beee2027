//! A learnt map in its file.

use std::path::Path;

use homonym_kernels::{GemmScratch, Isa, Matrix as Kernel, gemm};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::hash::digits;
use crate::matrix::Matrix;
use crate::models::Standardisation;
use crate::store::embeddings::{Embeddings, NOTIONS, Origin};
use crate::store::tensors::{self, Sealed, Tensor, Tensors};
use crate::{Error, Result};

/// Rows that a thread maps at a time.
const SHARD: usize = 256;
/// Version of the layout of the files.
const FORMAT: u32 = 1;
/// Where in the safetensors metadata the header is.
const KEY: &str = "homonym.linear";

/// `y = M·(x − c)`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearMap {
    /// What the file says of itself.
    pub header: MapHeader,
    /// `c`.
    centre: Vec<f32>,
    /// `M`: dimensions × values.
    matrix: Matrix<f32>,
}

/// The metadata of a map's file: one JSON object under the key `homonym.linear`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapHeader {
    /// Version of this layout.
    pub format: u32,
    /// The method that learnt it.
    pub method: String,
    /// Values of a point.
    pub values: usize,
    /// Values of a mapped point.
    pub dims: usize,
    /// The hash of the model that made the points it was learnt from, where that was recorded.
    pub model: Option<String>,
    /// How it was learnt.
    pub fit: serde_json::Value,
}

impl LinearMap {
    /// A `matrix` behind a standardisation, as one map.
    pub(super) fn new(method: &str, standardisation: &Standardisation, matrix: &Matrix<f64>) -> Self {
        let Standardisation { scale, shift } = standardisation;
        let centre = shift.iter().zip(scale).map(|(shift, scale)| -shift / scale).collect();
        let scaled = |row: &[f64]| row.iter().zip(scale).map(|(x, &scale)| (x * f64::from(scale)) as f32).collect();
        let rows: Vec<Vec<f32>> = matrix.iter_rows().map(scaled).collect();
        let header = MapHeader {
            format: FORMAT,
            method: method.to_owned(),
            values: matrix.cols,
            dims: matrix.rows,
            model: None,
            fit: serde_json::Value::Null,
        };
        Self { header, centre, matrix: Matrix::new(matrix.rows, matrix.cols, rows.concat()) }
    }

    /// Maps points: rows × values to rows × dimensions.
    ///
    /// # Errors
    /// [`Error::Input`] where the points have another number of values; `subject` names them.
    pub fn apply(&self, points: &Matrix<f32>, subject: &Path) -> Result<Matrix<f32>> {
        let MapHeader { values, dims, .. } = self.header;
        if points.cols != values {
            let expected = format!("points of {values} values, as the map was learnt from");
            let advice = "map points that the same model or program made";
            return Err(Error::file(subject, expected, points.cols, advice));
        }
        let isa = Isa::chosen()?;
        let mut mapped = vec![0.0; points.rows * dims];
        mapped.par_chunks_mut(SHARD * dims).zip(points.data.par_chunks(SHARD * values)).for_each(|(mapped, points)| {
            let mut centred = points.to_vec();
            for row in centred.chunks_exact_mut(values) {
                row.iter_mut().zip(&self.centre).for_each(|(x, centre)| *x -= centre);
            }
            let matrix = Kernel::new(&self.matrix.data, dims, values).transposed();
            let rows = Kernel::new(&centred, centred.len() / values, values);
            gemm(isa, rows, matrix, mapped, &mut GemmScratch::default());
        });
        Ok(Matrix::new(points.rows, dims, mapped))
    }

    /// Maps embeddings; they are then of the model and this map.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and [`Error::Input`] where another model made the points that it was learnt from.
    pub fn apply_to(&self, embeddings: Embeddings, subject: &Path) -> Result<Embeddings> {
        let points = self.apply(&embeddings.points, subject)?;
        let origin = match (embeddings.origin, &self.header.model) {
            (Some(origin), Some(model)) if origin.model != *model => {
                let expected = format!("embeddings of model {model}, which the map was learnt from");
                let advice = "embed the tracks with that model, or fit a map to these";
                return Err(Error::file(subject, expected, format!("those of {}", origin.model), advice));
            }
            (Some(mut origin), _) => {
                origin.rest.remove(NOTIONS); // mapped values are a mixture of all
                Some(Origin { model: format!("{}+{}", origin.model, self.hash()?), ..origin })
            }
            (None, _) => None,
        };
        Embeddings::new(points, embeddings.table, origin, subject)
    }

    /// Sixteen hexadecimal digits that tell maps apart.
    pub fn hash(&self) -> Result<String> {
        Ok(digits(&tensors::to_bytes(KEY, &self.header, self.tensors())?))
    }

    /// Writes the map, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        tensors::save(path, KEY, &self.header, self.tensors())
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let MapHeader { values, dims, .. } = self.header;
        let parts = [("centre", vec![values], &self.centre), ("matrix", vec![dims, values], &self.matrix.data)];
        parts.map(|(name, shape, values)| (name.to_owned(), Tensor::new(shape, values))).into()
    }

    /// Whether the file at `path` is a map, which shares its extension with models.
    pub fn is_at(path: &Path) -> bool {
        tensors::has_header(path, KEY)
    }

    /// Reads a map.
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(path).map(|(map, _)| map)
    }

    /// [`open`](Self::open), and refuses a file without a checksum.
    ///
    /// # Errors
    /// As there.
    pub fn verify(path: &Path) -> Result<()> {
        Self::read(path).and_then(|(_, sealed)| sealed.require(path, "fit it again"))
    }

    fn read(path: &Path) -> Result<(Self, Sealed)> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let wrong = |found: String| Error::file(path, "a map that `homonym fit` made", found, "fit it again");
        let tensors = Tensors::parse(&bytes, KEY).map_err(wrong)?;
        let header: MapHeader = tensors.header().map_err(wrong)?;
        if header.format != FORMAT {
            return Err(wrong(format!("format {}, while this version reads {FORMAT}", header.format)));
        }
        let MapHeader { values, dims, .. } = header;
        let size = values.checked_mul(dims).filter(|&size| size > 0);
        let size = size.ok_or_else(|| wrong(format!("{dims} dimensions of {values} values")))?;
        let centre = tensors.values("centre", values).map_err(wrong)?;
        let matrix = Matrix::new(dims, values, tensors.values("matrix", size).map_err(wrong)?);
        let sealed = tensors.check().map_err(wrong)?;
        Ok((Self { header, centre, matrix }, sealed))
    }
}
