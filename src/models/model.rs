//! A trained network with everything needed to embed a track, in one safetensors file.

use std::borrow::Cow;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::{Arithmetic, Network, NetworkSpec, TrackMap, TrackVector};
use crate::frontend::Recipe;
use crate::hash::digits;
use crate::matrix::Matrix;
use crate::output::write_whole;
use crate::{Error, Result};

/// Which numbers of the network become the vector of a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The output on the unit sphere, as in the paper.
    #[default]
    Embedding,
    /// The features below the last layer: less sure of artists like those of the training, surer of others.
    Features,
    /// Both side by side, each projected onto the sphere, so that they weigh the same.
    Both,
    /// What the last two convolutions find, before it is pooled over time: the mean over time of each value, and its
    /// deviation, which says what comes and goes. Of the paper's network.
    Moments,
}

impl Layer {
    /// How many numbers the layer of a network has.
    pub fn width(self, network: &dyn Network) -> usize {
        self.parts(network).iter().sum()
    }

    /// Of how many numbers each of the parts is that weigh the same.
    pub fn parts(self, network: &dyn Network) -> Vec<usize> {
        match self {
            Self::Embedding => vec![network.dims()],
            Self::Features => vec![network.features()],
            Self::Both => vec![network.dims(), network.features()],
            Self::Moments => vec![network.moments()],
        }
    }
}

/// A linear map of each value on its own: `x·scale + shift`. Fitted once on training data, never trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardisation {
    /// Factors.
    pub scale: Vec<f32>,
    /// Addends, in units of the result.
    pub shift: Vec<f32>,
}

impl Standardisation {
    /// The map that changes nothing.
    pub fn identity(size: usize) -> Self {
        Self { scale: vec![1.0; size], shift: vec![0.0; size] }
    }

    /// The map that takes the rows of a `n × size` matrix to mean 0 and deviation 1 in every column.
    pub fn fit(rows: &[f32], size: usize) -> Self {
        let mut moments = Moments::new(rows.len() / size, size);
        rows.chunks_exact(size).for_each(|row| moments.add(row));
        moments.standardisation()
    }

    /// Maps a row in place.
    pub fn apply(&self, row: &mut [f32]) {
        for ((x, scale), shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
            *x = *x * scale + shift;
        }
    }
}

/// Mean and mean square of each column of a matrix whose rows come one by one.
pub(super) struct Moments {
    rows: f64,
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl Moments {
    /// Those of a matrix of `rows × size`.
    pub(super) fn new(rows: usize, size: usize) -> Self {
        Self { rows: rows.max(1) as f64, mean: vec![0.0; size], square: vec![0.0; size] }
    }

    pub(super) fn add(&mut self, row: &[f32]) {
        for ((mean, square), &x) in self.mean.iter_mut().zip(&mut self.square).zip(row) {
            *mean += f64::from(x) / self.rows;
            *square += f64::from(x).powi(2) / self.rows;
        }
    }

    /// The map to mean 0 and deviation 1; columns that hardly vary are only centred.
    pub(super) fn standardisation(&self) -> Standardisation {
        let scale = |(mean, square): (&f64, &f64)| {
            let deviation = (square - mean * mean).max(0.0).sqrt();
            if deviation > 1e-6 * (1.0 + mean.abs()) { 1.0 / deviation } else { 1.0 }
        };
        let scale: Vec<f64> = self.mean.iter().zip(&self.square).map(scale).collect();
        let shift = self.mean.iter().zip(&scale).map(|(mean, scale)| (-mean * scale) as f32).collect();
        Standardisation { scale: scale.into_iter().map(|scale| scale as f32).collect(), shift }
    }
}

/// A trained network with everything needed to embed a track.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What the file says of itself in its metadata.
    pub header: Header,
    /// Per-band map behind the dynamic compression.
    pub input: Standardisation,
    /// Map of the mean vector of a track.
    pub output: TrackMap,
    /// The parameters, flat.
    pub params: Vec<f32>,
    /// How its network computes; not part of the file.
    pub arithmetic: Arithmetic,
}

/// The metadata of a model file: one JSON object under the key `homonym`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of this layout.
    pub format: u32,
    /// The network.
    pub network: NetworkSpec,
    /// The front end that made its training data, and must make what it embeds.
    pub front_end: Recipe,
    /// Frames of a segment.
    pub frames: usize,
    /// How a track becomes a vector.
    pub track: TrackVector,
    /// Updates behind the parameters.
    pub step: u64,
    /// The merged configuration of the training run, and what it reached.
    pub training: serde_json::Value,
}

/// Version of the layout of model files.
pub const FORMAT: u32 = 1;
/// Where in the safetensors metadata the header is.
const KEY: &str = "homonym";
/// The tensor (one `u32`) that holds the CRC-32 of all else.
const CHECKSUM: &str = "checksum";
/// The tensor of the directions that track vectors are reduced to, where they are.
const COMPONENTS: &str = "output.components";

impl Model {
    /// Builds the network.
    pub fn network(&self) -> Result<Box<dyn Network>> {
        let Header { network, frames, front_end, .. } = &self.header;
        let mut network = network.build(*frames, front_end.bands, self.input.clone())?;
        network.compute_in(self.arithmetic)?;
        Ok(network)
    }

    /// Sixteen hexadecimal digits that tell models apart: FNV-1a of the file's bytes without checksum and what rides along.
    pub fn hash(&self) -> Result<String> {
        let tensors = self.tensors(&[])?;
        Ok(digits(&self.serialise(tensors)?))
    }

    /// Writes the model, whole or not at all; `extra` tensors (an optimiser's state) ride along.
    pub fn save(&self, path: &Path, extra: &[(&str, &[f32])]) -> Result<()> {
        let mut tensors = self.tensors(extra)?;
        let parts =
            tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice(), tensor.bytes.as_slice()));
        let bytes = checksum(&self.header_text(), parts.collect()).to_le_bytes().to_vec();
        tensors.push((CHECKSUM.to_owned(), Tensor { dtype: Dtype::U32, shape: vec![1], bytes }));
        write_whole(path, &self.serialise(tensors)?)
    }

    fn header_text(&self) -> String {
        serde_json::to_string(&self.header).expect("a header is plain data")
    }

    fn tensors(&self, extra: &[(&str, &[f32])]) -> Result<Vec<(String, Tensor)>> {
        let network = self.network()?;
        let tensor = |shape: Vec<usize>, values: &[f32]| Tensor {
            dtype: Dtype::F32,
            shape,
            bytes: bytemuck::cast_slice(values).to_vec(),
        };
        let flat = |values: &[f32]| tensor(vec![values.len()], values);
        let mut tensors: Vec<(String, Tensor)> = network
            .params()
            .iter()
            .map(|param| (param.name.clone(), tensor(param.shape.clone(), &self.params[param.range()])))
            .collect();
        for (name, map) in [("input", &self.input), ("output", &self.output.values)] {
            tensors.push((format!("{name}.scale"), flat(&map.scale)));
            tensors.push((format!("{name}.shift"), flat(&map.shift)));
        }
        let Matrix { rows, cols, data } = &self.output.components;
        if *rows > 0 {
            tensors.push((COMPONENTS.to_owned(), tensor(vec![*rows, *cols], data)));
        }
        tensors.extend(extra.iter().map(|(name, values)| ((*name).to_owned(), flat(values))));
        Ok(tensors)
    }

    fn serialise(&self, tensors: Vec<(String, Tensor)>) -> Result<Vec<u8>> {
        safetensors::serialize(tensors, Some([(KEY.to_owned(), self.header_text())].into()))
            .map_err(|error| Error::Failed(format!("the model cannot be written: {error}")))
    }

    /// Reads a model.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, &[]).map(|(model, _)| model)
    }

    /// [`open`](Self::open), and refuses a file without a checksum.
    ///
    /// # Errors
    /// As there.
    pub fn verify(path: &Path) -> Result<()> {
        let (.., sealed) = Self::read(path, &[])?;
        let advice = "train it again: an older version wrote it, or it is damaged";
        sealed.then_some(()).ok_or_else(|| Error::file(path, format!("a tensor `{CHECKSUM}`"), "none", advice))
    }

    /// Reads a model and the tensors of given names and sizes that ride along.
    pub fn open_with(path: &Path, extra: &[(&str, usize)]) -> Result<(Self, Vec<Vec<f32>>)> {
        Self::read(path, extra).map(|(model, extra, _)| (model, extra))
    }

    /// Also says whether the file has a checksum.
    fn read(path: &Path, extra: &[(&str, usize)]) -> Result<(Self, Vec<Vec<f32>>, bool)> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let wrong = |found: String| {
            Error::file(path, "a model that homonym trained", found, "train it again, or restore it from a copy")
        };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| wrong(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let text = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let text = text.ok_or_else(|| wrong(format!("a safetensors file without `{KEY}` in its metadata")))?;
        let header: Header = serde_json::from_str(text).map_err(|error| wrong(format!("a header where {error}")))?;
        if header.format != FORMAT {
            return Err(wrong(format!("format {}, while this version reads {FORMAT}", header.format)));
        }
        let read = |name: &str, size: usize| tensor_values(&tensors, name, size).map_err(&wrong);
        let bands = header.front_end.bands;
        let input = Standardisation { scale: read("input.scale", bands)?, shift: read("input.shift", bands)? };
        let unusable = |error: Error| wrong(format!("a header where {error}"));
        header.front_end.validate().and_then(|()| header.track.validate()).map_err(unusable)?;
        let network = header.network.build(header.frames, bands, input.clone()).map_err(unusable)?;
        let mut params = Vec::new(); // no room in advance: what the header says may be wrong
        for param in network.params().iter() {
            params.extend(read(&param.name, param.range().len())?);
        }
        let width = header.track.layer.width(&*network);
        let values = Standardisation { scale: read("output.scale", width)?, shift: read("output.shift", width)? };
        let rows = tensors.tensor(COMPONENTS).map_or(0, |tensor| tensor.data().len() / (4 * width));
        let data = if rows > 0 { read(COMPONENTS, rows * width)? } else { Vec::new() };
        let output = TrackMap { values, components: Matrix::new(rows, width, data) };
        let extra = extra.iter().map(|&(name, size)| read(name, size)).collect::<Result<_>>()?;
        let sealed = check_sum(text, &tensors).map_err(&wrong)?;
        Ok((Self { header, input, output, params, arithmetic: Arithmetic::F32 }, extra, sealed))
    }
}

/// Compares the checksum, where there is one, with what a file holds; whether there is one, or what is wrong.
fn check_sum(header: &str, tensors: &SafeTensors<'_>) -> Result<bool, String> {
    let Ok(recorded) = tensors.tensor(CHECKSUM) else { return Ok(false) };
    let others = tensors.iter().filter(|(name, _)| *name != CHECKSUM);
    // A view lives as long as the iterator's item; its shape and data as long as the file.
    let found = checksum(header, others.map(|(name, view)| (name, view.shape().to_vec(), view.data())).collect());
    match recorded.data() == found.to_le_bytes() {
        true => Ok(true),
        false => Err(format!("contents of checksum {found:08x} and not that of its tensor `{CHECKSUM}`")),
    }
}

/// CRC-32 of a header and of tensors by name, shape and bytes, in the order of their names.
fn checksum<S: AsRef<[usize]>>(header: &str, mut tensors: Vec<(&str, S, &[u8])>) -> u32 {
    tensors.sort_by_key(|&(name, ..)| name);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.as_bytes());
    for (name, shape, bytes) in tensors {
        hasher.update(format!("\n{name} {:?}\n", shape.as_ref()).as_bytes());
        hasher.update(bytes);
    }
    hasher.finalize()
}

/// The finite values of a tensor of the right size, or what is wrong with it.
pub(crate) fn tensor_values(tensors: &SafeTensors<'_>, name: &str, size: usize) -> Result<Vec<f32>, String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("no tensor `{name}`"))?;
    if tensor.dtype() != Dtype::F32 || Some(tensor.data().len()) != size.checked_mul(4) {
        return Err(format!("tensor `{name}` of {:?} {:?} instead of {size} f32", tensor.dtype(), tensor.shape()));
    }
    let bytes = tensor.data().chunks_exact(4);
    let values: Vec<f32> = bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("{} at place {at} of tensor `{name}`", values[at])),
        None => Ok(values),
    }
}

/// A tensor on its way to a file.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
