//! The feature store: one folder a catalogue, memory-mapped, readable without this software.
//!
//! | File | Holds |
//! |---|---|
//! | `store.json` | format and version, precision, front-end recipe and its hash, the catalogue's path, tracks planned and failed, CRC-32 of `tracks.csv` and of all these |
//! | `frames.bin` | the frames of all tracks, track after track: rows × bands, little-endian `f16` or `f32`, no header |
//! | `blocks.bin` | one little-endian `u32` CRC-32 per block of frames; a track has ⌈rows / 4096⌉ blocks of its own |
//! | `index.bin` | a header of 40 bytes, then one record of 40 bytes per track |
//! | `tracks.csv` | the catalogue's rows of these tracks, all columns untouched, in the same order |
//! | `failures.csv` | path and error of every track that could not be extracted; absent when there is none |
//! | `.lock` | empty; locked while an extraction writes |
//!
//! Segments are views into a track's frames (see [`crate::sampling::segments`]); nothing is stored twice.
//!
//! # Reading it with NumPy
//! ```python
//! import json, numpy as np, pandas as pd
//! info = json.load(open("store.json"))
//! frames = np.memmap("frames.bin", {"f16": "<f2", "f32": "<f4"}[info["precision"]], "r")
//! frames = frames.reshape(-1, info["recipe"]["bands"])
//! record = np.dtype([("first_row", "<u8"), ("rows", "<u8"), ("first_block", "<u8"),
//!                    ("seconds", "<f8"), ("key", "<u4"), ("crc", "<u4")])
//! index = np.memmap("index.bin", record, "r", offset=40)
//! tracks = pd.read_csv("tracks.csv", dtype=str, keep_default_na=False)
//! track = frames[index["first_row"][i] :][: index["rows"][i]]  # that of tracks.iloc[i]
//! ```
//! This holds for a finished store. While one is being written, the index is what counts: rows of the other files beyond
//! its last record are not part of the store yet.
//!
//! # The index, byte by byte
//! All numbers are little-endian; `crc` is the CRC-32 of the bytes before it.
//!
//! | Header | bytes | | Record | bytes |
//! |---|---|---|---|---|
//! | magic `homostor` | 0..8 | | `first_row` of the track in `frames.bin` | 0..8 |
//! | version, 1 | 8..12 | | `rows` (frames) of the track | 8..16 |
//! | bands | 12..16 | | `first_block` of the track in `blocks.bin` | 16..24 |
//! | bytes per value, 2 or 4 | 16..20 | | `seconds` of audio, `f64` | 24..32 |
//! | rows per block, 4096 | 20..24 | | `key`: CRC-32 of the track's `track_id`, or `path` where it has none | 32..36 |
//! | CRC-32 of the recipe's hash | 24..28 | | `crc` | 36..40 |
//! | zeros | 28..36 | | | |
//! | `crc` | 36..40 | | | |
//!
//! # Why nothing is lost
//! Frames, checksums and catalogue rows are written and synchronised first, the index records after them. A writer that
//! is stopped at any moment therefore leaves a store that opens (and says that it is unfinished); the next run cuts off
//! what the index does not cover and goes on, to the same bytes as an undisturbed run.

#[cfg(not(target_endian = "little"))]
compile_error!("the feature store maps little-endian numbers and needs a little-endian machine");

mod encode;
mod files;
mod format;
mod reader;
mod replacement;
mod tracks;
mod verify;
mod writer;

pub use encode::{Encoded, Encoder};
pub use format::{Precision, Spec};
pub use reader::{Frames, Store};
pub use replacement::Replacement;
pub use tracks::Keys;
pub use writer::Writer;
