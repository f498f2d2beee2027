//! A trained network with everything needed to embed a track, in one safetensors file.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Arithmetic, HeadSpec, Network, NetworkSpec, TrackMap, TrackVector};
use crate::catalogue::table::Table;
use crate::frontend::Recipe;
use crate::hash::digits;
use crate::matrix::Matrix;
use crate::nn::Param;
use crate::store::tensors::{self, Sealed, Tensor, Tensors};
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
    /// Those of its head, flat; empty without one.
    pub head: Vec<f32>,
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
    /// The notions that have a part of the embedding of their own, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notions: Vec<String>,
    /// What the model knows beside its network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadSpec>,
    /// Which kind of audio goes through which of two towers, where they have weights of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Kinds>,
    /// Updates behind the parameters.
    pub step: u64,
    /// The merged configuration of the training run, and what it reached.
    pub training: serde_json::Value,
}

/// Two kinds of audio, told apart by a column of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kinds {
    /// The column.
    pub column: String,
    /// Its values, the first tower's first.
    pub values: [String; 2],
}

impl Kinds {
    /// The two values of a column.
    ///
    /// # Errors
    /// Where it does not exist, or has not two values.
    pub fn of(table: &Table, column: &str) -> Result<Self> {
        let place = table.require(column, "kind column")?;
        let values: BTreeSet<&str> = table.values(place).filter(|value| !value.is_empty()).collect();
        let names: Vec<String> = values.into_iter().map(str::to_owned).collect();
        let values = names.try_into().map_err(|names: Vec<String>| {
            Error::setting("kind_column", format!("`{column}` has {} values and not two", names.len()))
        })?;
        Ok(Self { column: column.to_owned(), values })
    }

    /// Which kind each row of a table is of.
    ///
    /// # Errors
    /// Where the column is missing, or has another value.
    pub fn of_rows(&self, table: &Table, subject: &Path) -> Result<Vec<usize>> {
        let place = table.require(&self.column, "kind column")?;
        let of = |value: &str| self.values.iter().position(|known| known == value);
        let kinds = table.values(place).map(|value| {
            let [first, second] = &self.values;
            let expected = format!("`{first}` or `{second}` in the column `{}`", self.column);
            let advice = "fill the column in, or choose other rows with --where";
            of(value).ok_or_else(|| Error::file(subject, expected, format!("`{value}`"), advice))
        });
        kinds.collect()
    }
}

/// Version of the layout of model files.
pub const FORMAT: u32 = 1;
/// Where in the safetensors metadata the header is.
const KEY: &str = "homonym";
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
        Ok(digits(&tensors::to_bytes(KEY, &self.header, self.tensors(&[])?)?))
    }

    /// Writes the model, whole or not at all; `extra` tensors (an optimiser's state) ride along.
    pub fn save(&self, path: &Path, extra: &[(&str, &[f32])]) -> Result<()> {
        tensors::save(path, KEY, &self.header, self.tensors(extra)?)
    }

    fn tensors(&self, extra: &[(&str, &[f32])]) -> Result<Vec<(String, Tensor)>> {
        let network = self.network()?;
        let flat = |values: &[f32]| Tensor::new(vec![values.len()], values);
        let mut tensors: Vec<(String, Tensor)> = network
            .params()
            .iter()
            .map(|param| (param.name.clone(), Tensor::new(param.shape.clone(), &self.params[param.range()])))
            .collect();
        if let Some(head) = &self.header.head {
            let of = |param: &Param| (param.name.clone(), Tensor::new(param.shape.clone(), &self.head[param.range()]));
            tensors.extend(head.params(network.dims()).iter().map(of));
        }
        for (name, map) in [("input", &self.input), ("output", &self.output.values)] {
            tensors.push((format!("{name}.scale"), flat(&map.scale)));
            tensors.push((format!("{name}.shift"), flat(&map.shift)));
        }
        let Matrix { rows, cols, data } = &self.output.components;
        if *rows > 0 {
            tensors.push((COMPONENTS.to_owned(), Tensor::new(vec![*rows, *cols], data)));
        }
        tensors.extend(extra.iter().map(|(name, values)| ((*name).to_owned(), flat(values))));
        Ok(tensors)
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
        Self::read(path, &[]).and_then(|(.., sealed)| sealed.require(path, "train it again"))
    }

    /// Reads a model and the tensors of given names and sizes that ride along.
    pub fn open_with(path: &Path, extra: &[(&str, usize)]) -> Result<(Self, Vec<Vec<f32>>)> {
        Self::read(path, extra).map(|(model, extra, _)| (model, extra))
    }

    /// Also says whether the file has a checksum.
    fn read(path: &Path, extra: &[(&str, usize)]) -> Result<(Self, Vec<Vec<f32>>, Sealed)> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let wrong = |found: String| {
            Error::file(path, "a model that homonym trained", found, "train it again, or restore it from a copy")
        };
        let tensors = Tensors::parse(&bytes, KEY).map_err(wrong)?;
        let header: Header = tensors.header().map_err(wrong)?;
        if header.format != FORMAT {
            return Err(wrong(format!("format {}, while this version reads {FORMAT}", header.format)));
        }
        let read = |name: &str, size: usize| tensors.values(name, size).map_err(wrong);
        let bands = header.front_end.bands;
        let input = Standardisation { scale: read("input.scale", bands)?, shift: read("input.shift", bands)? };
        let unusable = |error: Error| wrong(format!("a header where {error}"));
        header.front_end.validate().and_then(|()| header.track.validate()).map_err(unusable)?;
        let network = header.network.build(header.frames, bands, input.clone()).map_err(unusable)?;
        let mut params = Vec::new(); // no room in advance: what the header says may be wrong
        for param in network.params().iter() {
            params.extend(read(&param.name, param.range().len())?);
        }
        let mut head = Vec::new();
        if let Some(spec) = &header.head {
            spec.validate().map_err(unusable)?;
            for param in spec.params(network.dims()).iter() {
                head.extend(read(&param.name, param.range().len())?);
            }
        }
        let width = header.track.layer.width(&*network);
        let values = Standardisation { scale: read("output.scale", width)?, shift: read("output.shift", width)? };
        let rows = tensors.count(COMPONENTS).checked_div(width).unwrap_or(0);
        let data = if rows > 0 { read(COMPONENTS, rows * width)? } else { Vec::new() };
        let output = TrackMap { values, components: Matrix::new(rows, width, data) };
        let extra = extra.iter().map(|&(name, size)| read(name, size)).collect::<Result<_>>()?;
        let sealed = tensors.check().map_err(wrong)?;
        Ok((Self { header, input, output, params, head, arithmetic: Arithmetic::F32 }, extra, sealed))
    }
}
