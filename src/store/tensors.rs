//! Files of tensors: safetensors with a header of one JSON text in their metadata, and a checksum of all they hold.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::output::write_whole;
use crate::{Error, Result};

/// The tensor (one `u32`) that holds the CRC-32 of all else.
const CHECKSUM: &str = "checksum";

/// A tensor on its way to a file.
pub(crate) struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    /// Values of a shape.
    pub(crate) fn new(shape: Vec<usize>, values: &[f32]) -> Self {
        Self { dtype: Dtype::F32, shape, bytes: bytemuck::cast_slice(values).to_vec() }
    }
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

/// The bytes of a file without checksum, its `header` under `key`.
pub(crate) fn to_bytes(key: &str, header: &impl Serialize, tensors: Vec<(String, Tensor)>) -> Result<Vec<u8>> {
    serialise(key, text(header), tensors)
}

/// Writes a file with a checksum, whole or not at all.
pub(crate) fn save(path: &Path, key: &str, header: &impl Serialize, mut tensors: Vec<(String, Tensor)>) -> Result<()> {
    let header = text(header);
    let parts = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice(), tensor.bytes.as_slice()));
    let bytes = checksum(&header, parts.collect()).to_le_bytes().to_vec();
    tensors.push((CHECKSUM.to_owned(), Tensor { dtype: Dtype::U32, shape: vec![1], bytes }));
    write_whole(path, &serialise(key, header, tensors)?)
}

fn text(header: &impl Serialize) -> String {
    serde_json::to_string(header).expect("a header is plain data")
}

fn serialise(key: &str, header: String, tensors: Vec<(String, Tensor)>) -> Result<Vec<u8>> {
    safetensors::serialize(tensors, Some([(key.to_owned(), header)].into()))
        .map_err(|error| Error::Failed(format!("the tensors cannot be written: {error}")))
}

/// What the bytes of a file hold; errors say what is wrong with them.
pub(crate) struct Tensors<'a> {
    header: String,
    tensors: SafeTensors<'a>,
}

impl<'a> Tensors<'a> {
    /// Finds the header under `key`, and the tensors.
    pub(crate) fn parse(bytes: &'a [u8], key: &str) -> Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let header = metadata.metadata().as_ref().and_then(|texts| texts.get(key));
        let header = header.ok_or_else(|| format!("a safetensors file without `{key}` in its metadata"))?;
        Ok(Self { header: header.clone(), tensors })
    }

    /// The header.
    pub(crate) fn header<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_str(&self.header).map_err(|error| format!("a header where {error}"))
    }

    /// How many `f32` a tensor holds; none where there is no such tensor.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.tensors.tensor(name).map_or(0, |tensor| tensor.data().len() / 4)
    }

    /// The finite values of a tensor of the right size.
    pub(crate) fn values(&self, name: &str, size: usize) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.tensor(name).map_err(|_| format!("no tensor `{name}`"))?;
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

    /// Compares the checksum, where there is one, with what the file holds; files of older versions have none.
    pub(crate) fn check(&self) -> Result<Sealed, String> {
        let Ok(recorded) = self.tensors.tensor(CHECKSUM) else { return Ok(Sealed(false)) };
        let others = self.tensors.iter().filter(|(name, _)| *name != CHECKSUM);
        // A view lives as long as the iterator's item; its shape and data as long as the file.
        let parts = others.map(|(name, view)| (name, view.shape().to_vec(), view.data()));
        let found = checksum(&self.header, parts.collect());
        match recorded.data() == found.to_le_bytes() {
            true => Ok(Sealed(true)),
            false => Err(format!("contents of checksum {found:08x} and not that of its tensor `{CHECKSUM}`")),
        }
    }
}

/// Whether a file has a checksum, which then fits.
pub(crate) struct Sealed(bool);

impl Sealed {
    /// Refuses a file without a checksum; `again` says how such a file is made.
    pub(crate) fn require(self, path: &Path, again: &str) -> Result<()> {
        let advice = format!("{again}: an older version wrote it, or it is damaged");
        self.0.then_some(()).ok_or_else(|| Error::file(path, format!("a tensor `{CHECKSUM}`"), "none", advice))
    }
}

/// Whether the file at `path` has a header under `key`; reads no tensors.
pub(crate) fn has_header(path: &Path, key: &str) -> bool {
    #[derive(Deserialize)]
    struct Preface {
        #[serde(rename = "__metadata__")]
        texts: HashMap<String, String>,
    }
    let preface = || {
        let (mut file, mut length) = (File::open(path).ok()?, [0; 8]);
        file.read_exact(&mut length).ok()?;
        let preface = BufReader::new(file.take(u64::from_le_bytes(length)));
        serde_json::from_reader(preface).ok()
    };
    preface().is_some_and(|Preface { texts }| texts.contains_key(key))
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_header_is_found_without_what_follows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        save(&path, "ours", &7, vec![("x".to_owned(), Tensor::new(vec![2, 1], &[1.0, 2.0]))]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert!(has_header(&path, "ours") && !has_header(&path, "theirs"));
        // 64 GB of tensors, none of which is on the disk.
        File::options().write(true).open(&path).unwrap().set_len(1 << 36).unwrap();
        assert!(has_header(&path, "ours"));
        std::fs::write(&path, &whole[..whole.len() - 12]).unwrap();
        assert!(has_header(&path, "ours"), "tensors that are cut off");
        let mut file = File::create(&path).unwrap();
        file.write_all(&u64::MAX.to_le_bytes()).unwrap();
        file.write_all(&whole[8..20]).unwrap();
        assert!(!has_header(&path, "ours") && !has_header(folder.path(), "ours"));
    }
}
