//! A learnt map in its file.

use std::path::Path;

use homonym_kernels::{GemmScratch, Isa, Matrix as Kernel, gemm};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::hash::digits;
use crate::matrix::Matrix;
use crate::models::{Standardisation, tensor_values};
use crate::output::write_whole;
use crate::store::embeddings::{Embeddings, Origin};
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
            (Some(origin), _) => Some(Origin { model: format!("{}+{}", origin.model, self.hash()?), ..origin }),
            (None, _) => None,
        };
        Embeddings::new(points, embeddings.table, origin, subject)
    }

    /// Sixteen hexadecimal digits that tell maps apart.
    pub fn hash(&self) -> Result<String> {
        Ok(digits(&self.to_bytes()?))
    }

    /// Writes the map, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, &self.to_bytes()?)
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let failed = |error| Error::Failed(format!("the map cannot be written: {error}"));
        let tensor = |shape, values| TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(values)).map_err(failed);
        let MapHeader { values, dims, .. } = self.header;
        let tensors = [
            ("centre", tensor(vec![values], &self.centre)?),
            ("matrix", tensor(vec![dims, values], &self.matrix.data)?),
        ];
        let header = serde_json::to_string(&self.header).expect("a header is plain data");
        safetensors::serialize(tensors, Some([(KEY.to_owned(), header)].into())).map_err(failed)
    }

    /// Whether the file at `path` is a map, which shares its extension with models.
    pub fn is_at(path: &Path) -> bool {
        std::fs::read(path).is_ok_and(|bytes| {
            SafeTensors::read_metadata(&bytes)
                .is_ok_and(|(_, tensors)| tensors.metadata().as_ref().is_some_and(|texts| texts.contains_key(KEY)))
        })
    }

    /// Reads a map.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let wrong = |found: String| Error::file(path, "a map that `homonym fit` made", found, "fit it again");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| wrong(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let header = metadata.metadata().as_ref().and_then(|texts| texts.get(KEY));
        let header = header.ok_or_else(|| wrong(format!("a safetensors file without `{KEY}` in its metadata")))?;
        let header: MapHeader =
            serde_json::from_str(header).map_err(|error| wrong(format!("a header where {error}")))?;
        if header.format != FORMAT {
            return Err(wrong(format!("format {}, while this version reads {FORMAT}", header.format)));
        }
        let MapHeader { values, dims, .. } = header;
        let size = values.checked_mul(dims).filter(|&size| size > 0);
        let size = size.ok_or_else(|| wrong(format!("{dims} dimensions of {values} values")))?;
        let centre = tensor_values(&tensors, "centre", values).map_err(wrong)?;
        let matrix = Matrix::new(dims, values, tensor_values(&tensors, "matrix", size).map_err(wrong)?);
        Ok(Self { header, centre, matrix })
    }
}
