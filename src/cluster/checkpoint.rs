//! A linkage of many points that may be stopped and go on: the merges so far and what the living clusters know of their
//! surroundings, in one file. Centroids and sizes follow from the merges, to the last bit.

use std::path::{Path, PathBuf};

use homonym_kernels::{Neighbour, WeightedPoints};

use super::Found;
use super::surroundings::{K, Surroundings};
use crate::output::{self, write_whole};
use crate::{Error, Result};

const MAGIC: &[u8; 16] = b"homonym ward   3";

/// Where a checkpoint is kept and which points it belongs to.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    resume: bool,
}

/// What a checkpoint holds.
pub(super) struct Saved {
    /// Of the first search.
    pub(super) turn: usize,
    pub(super) found: Vec<Found>,
    pub(super) known: Vec<Surroundings>,
    pub(super) changed: Vec<u32>,
}

impl Checkpoint {
    /// Keeps checkpoints at `path`; with `resume` an existing one is gone on from.
    pub fn new(path: PathBuf, resume: bool) -> Self {
        Self { path, resume }
    }

    /// Removes the file, once the tree is safe.
    pub fn remove(&self) -> Result<()> {
        output::remove(&self.path)
    }

    /// Where it is kept.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The error of a file that cannot be gone on from.
    pub(super) fn wrong(&self, found: &str) -> Error {
        let advice = "leave out --resume to begin anew";
        Error::file(&self.path, "a checkpoint of the linkage of these points", found, advice)
    }

    /// Writes the state of the work on points of this fingerprint, whole or not at all.
    pub(super) fn save(
        &self,
        points: u64,
        turn: usize,
        found: &[Found],
        known: &[Surroundings],
        changed: &[u32],
    ) -> Result<()> {
        let numbers = 6 + 3 * found.len() + (1 + 2 * K) * known.len() + changed.len();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 8 * numbers);
        bytes.extend(MAGIC);
        let mut put = |number: u64| bytes.extend(number.to_le_bytes());
        [points, turn as u64, found.len() as u64, known.len() as u64, changed.len() as u64]
            .into_iter()
            .for_each(&mut put);
        for Found { nodes, height } in found {
            [nodes[0] as u64, nodes[1] as u64, height.to_bits()].into_iter().for_each(&mut put);
        }
        for Surroundings { list, bound } in known {
            put(bound.to_bits());
            for Neighbour { squared, place } in list {
                put(squared.to_bits());
                put(u64::from(*place));
            }
        }
        changed.iter().for_each(|&node| put(u64::from(node)));
        let check = u64::from(crc32fast::hash(&bytes));
        bytes.extend(check.to_le_bytes());
        write_whole(&self.path, &bytes)
    }

    /// Reads the state of the work on points of this fingerprint, where there is one to go on from.
    ///
    /// # Errors
    /// A damaged file, or one of other points.
    pub(super) fn load(&self, points: u64) -> Result<Option<Saved>> {
        if !self.resume || !self.path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(&self.path).map_err(Error::io(&self.path))?;
        let wrong = |found| self.wrong(found);
        let (body, check) = bytes.split_last_chunk::<8>().ok_or_else(|| wrong("a shorter file"))?;
        if !body.starts_with(MAGIC) || u64::from_le_bytes(*check) != u64::from(crc32fast::hash(body)) {
            return Err(wrong("a damaged or foreign file"));
        }
        let mut numbers = body[MAGIC.len()..].as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let mut next = || numbers.next().ok_or_else(|| wrong("a shorter file"));
        if next()? != points {
            return Err(wrong("one of other points"));
        }
        let (turn, merges, living, changed) = (next()? as usize, next()?, next()?, next()?);
        let mut saved = Saved { turn, found: Vec::new(), known: Vec::new(), changed: Vec::new() };
        for _ in 0..merges {
            let nodes = [next()? as usize, next()? as usize];
            saved.found.push(Found { nodes, height: f64::from_bits(next()?) });
        }
        for _ in 0..living {
            let mut known = Surroundings { list: [Neighbour::NONE; K], bound: f64::from_bits(next()?) };
            for neighbour in &mut known.list {
                *neighbour = Neighbour { squared: f64::from_bits(next()?), place: next()? as u32 };
            }
            saved.known.push(known);
        }
        for _ in 0..changed {
            saved.changed.push(next()? as u32);
        }
        Ok(Some(saved))
    }
}

/// What tells points apart.
pub(super) fn fingerprint(points: &WeightedPoints) -> u64 {
    let mut hash = crc32fast::Hasher::new();
    for place in 0..points.len() {
        hash.update(bytemuck::cast_slice(points.point(place)));
        hash.update(bytemuck::bytes_of(&points.weight(place)));
    }
    (points.len() as u64) << 32 | u64::from(hash.finalize())
}
