//! The bytes of the store's index and the text of its `store.json`.

use std::{fs, path::Path};

use half::f16;
use serde::{Deserialize, Serialize};

use crate::frontend::Recipe;
use crate::output;
use crate::store::seal;
use crate::{Error, Result};

pub(super) const MANIFEST: &str = "store.json";
pub(super) const FRAMES: &str = "frames.bin";
pub(super) const BLOCKS: &str = "blocks.bin";
pub(super) const INDEX: &str = "index.bin";
pub(super) const TRACKS: &str = "tracks.csv";
pub(super) const FAILURES: &str = "failures.csv";
/// The files of a store.
pub(super) const ALL: [&str; 6] = [MANIFEST, FRAMES, BLOCKS, INDEX, TRACKS, FAILURES];

/// Frames that share a checksum.
pub(super) const BLOCK_ROWS: usize = 4096;
/// Bytes of one checksum.
pub(super) const CHECKSUM_BYTES: usize = size_of::<u32>();

const FORMAT: &str = "homonym.store/1";
const MAGIC: &[u8; 8] = b"homostor";
const VERSION: u32 = 1;

/// How a store keeps its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Half precision: 11 significant bits, values beyond 65504 are kept as 65504.
    F16,
    /// Single precision, as computed.
    F32,
}

impl Precision {
    /// Bytes of one value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 => size_of::<f16>(),
            Self::F32 => size_of::<f32>(),
        }
    }

    /// Its name in `store.json` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }
}

/// What must be equal for tracks to share a store.
#[derive(Clone, Debug)]
pub struct Spec {
    /// How the frames were computed.
    pub recipe: Recipe,
    /// How the values are kept.
    pub precision: Precision,
}

impl Spec {
    /// Bytes of one frame.
    pub(super) fn row_bytes(&self) -> usize {
        self.recipe.bands * self.precision.bytes()
    }
}

/// `store.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    pub(super) precision: Precision,
    pub(super) recipe_hash: String,
    pub(super) recipe: Recipe,
    /// The catalogue extracted last; relative paths in `tracks.csv` start from its folder.
    pub(super) catalogue: String,
    /// Tracks the store holds when its extraction is over, failures included.
    pub(super) planned: u64,
    /// Tracks that the last extraction tried and could not read; 0 while it runs.
    pub(super) failed: u64,
    /// CRC-32 of `tracks.csv`; none while an extraction runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tracks_crc32: Option<String>,
}

impl Manifest {
    pub(super) fn new(spec: &Spec, catalogue: &Path) -> Self {
        Self {
            format: FORMAT.to_owned(),
            precision: spec.precision,
            recipe_hash: spec.recipe.hash(),
            recipe: spec.recipe.clone(),
            catalogue: catalogue.display().to_string(),
            planned: 0,
            failed: 0,
            tracks_crc32: None,
        }
    }

    pub(super) fn spec(&self) -> Spec {
        Spec { recipe: self.recipe.clone(), precision: self.precision }
    }

    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let wrong = |found: String, advice| Error::file(&path, format!("a description of a {FORMAT}"), found, advice);
        let damaged = |error: serde_json::Error| wrong(error.to_string(), "restore the store or extract it anew");
        let mut value: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        match value.get("format").and_then(|format| format.as_str()) {
            Some(FORMAT) => {}
            Some(other) => return Err(wrong(format!("{other:?}"), "use the homonym that wrote it, or extract anew")),
            None => return Err(wrong("no \"format\"".into(), "name the folder of a feature store")),
        }
        let seal = seal::take(&mut value);
        let manifest: Self = serde_json::from_value(value).map_err(damaged)?;
        manifest.recipe.validate().map_err(|error| wrong(error.to_string(), "restore the store or extract it anew"))?;
        let hash = manifest.recipe.hash();
        if hash != manifest.recipe_hash {
            let found = format!("a recipe whose hash is {hash} instead of {}", manifest.recipe_hash);
            return Err(wrong(found, "undo the change to this file, or extract anew"));
        }
        seal.check(&path)?;
        Ok(manifest)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        output::write_whole(&folder.join(MANIFEST), seal::to_text(self).as_bytes())
    }

    /// The first bytes of the index: what it takes to read the other files, and whose they are.
    pub(super) fn header(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        let recipe = crc32fast::hash(self.recipe_hash.as_bytes());
        let geometry = [self.recipe.bands as u32, self.precision.bytes() as u32, BLOCK_ROWS as u32];
        for (place, number) in [VERSION].into_iter().chain(geometry).chain([recipe]).enumerate() {
            bytes[8 + 4 * place..][..4].copy_from_slice(&number.to_le_bytes());
        }
        seal(&mut bytes);
        bytes
    }

    /// Refuses an index that is no index, of another version, or of another store than this manifest's.
    pub(super) fn check_header(&self, path: &Path, index: &[u8]) -> Result<()> {
        let wrong = |expected: &str, found: String, advice: &str| Err(Error::file(path, expected, found, advice));
        let rebuild = "restore the file from a copy, or extract anew with --force";
        let Some(bytes) = index.get(..RECORD_BYTES) else {
            let found = format!("{} bytes", index.len());
            return wrong("a header of 40 bytes", found, "run extract again to repair the store");
        };
        if bytes[..8] != *MAGIC {
            return wrong("\"homostor\" at byte 0", format!("{:?}", bytes[..8].escape_ascii().to_string()), rebuild);
        }
        let version = read_u32(bytes, 8);
        if version != VERSION {
            let advice = "use the homonym that wrote it, or extract anew";
            return wrong("version 1 at byte 8", format!("version {version}"), advice);
        }
        let expected = self.header();
        if let Some(place) = (0..RECORD_BYTES).find(|&place| bytes[place] != expected[place]) {
            let found = format!("another value at byte {place}");
            return wrong("the header that store.json implies", found, rebuild);
        }
        Ok(())
    }
}

/// Bytes of a record of the index, and of its header.
pub(super) const RECORD_BYTES: usize = 40;

/// Where a track's frames and checksums are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) first_row: u64,
    pub(super) rows: u64,
    pub(super) first_block: u64,
    /// Length of the audio.
    pub(super) seconds: f64,
    /// CRC-32 of the track's key.
    pub(super) key: u32,
}

impl Record {
    pub(super) fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[0..8].copy_from_slice(&self.first_row.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.rows.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_block.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.seconds.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.key.to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    /// The record in `bytes`, whether or not its checksum is right.
    pub(super) fn unchecked(bytes: &[u8]) -> Self {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        Self {
            first_row: number(0),
            rows: number(8),
            first_block: number(16),
            seconds: f64::from_bits(number(24)),
            key: read_u32(bytes, 32),
        }
    }

    /// The record in `bytes`; `None` when its checksum is wrong.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == RECORD_BYTES && is_sealed(bytes)).then(|| Self::unchecked(bytes))
    }

    /// Where the files stand behind this track.
    pub(super) fn end(&self) -> Extent {
        let blocks = self.rows.div_ceil(BLOCK_ROWS as u64);
        Extent { rows: self.first_row.saturating_add(self.rows), blocks: self.first_block.saturating_add(blocks) }
    }
}

/// How far `frames.bin` and `blocks.bin` are filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) rows: u64,
    pub(super) blocks: u64,
}

impl Extent {
    pub(super) fn frame_bytes(self, spec: &Spec) -> u64 {
        self.rows.saturating_mul(spec.row_bytes() as u64)
    }

    pub(super) fn block_bytes(self) -> u64 {
        self.blocks.saturating_mul(CHECKSUM_BYTES as u64)
    }
}

/// The bytes of record `track` within the index.
pub(super) fn record_bytes(index: &[u8], track: usize) -> &[u8] {
    &index[RECORD_BYTES * (track + 1)..][..RECORD_BYTES]
}

/// How many records an index of this many bytes holds; a part of one at its end does not count.
pub(super) fn record_count(index: &[u8]) -> usize {
    (index.len() / RECORD_BYTES).saturating_sub(1)
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

/// Puts the checksum of all bytes before the last four into the last four.
fn seal(bytes: &mut [u8; RECORD_BYTES]) {
    let (content, crc) = bytes.split_at_mut(RECORD_BYTES - CHECKSUM_BYTES);
    crc.copy_from_slice(&crc32fast::hash(content).to_le_bytes());
}

fn is_sealed(bytes: &[u8]) -> bool {
    let end = RECORD_BYTES - CHECKSUM_BYTES;
    crc32fast::hash(&bytes[..end]) == read_u32(bytes, end)
}
