//! Where points are put at first, so that neighbours are close together: each goes to its nearest neighbour in a sample, and
//! the sample is in the order of its own tree. Blocks of the search then hold points of one region, which most queries need
//! not look at. Nothing but time depends on it.

use homonym_kernels::{Isa, Neighbour, WeightedPoints};
use rayon::prelude::*;

use super::{Scratch, linkage_with};
use crate::monitor::Monitor;
use crate::{Error, Result};

/// One point in so many is in the sample.
const SHARE: usize = 32;
/// Points that one thread puts in their place at a time; chunks between which an interruption is heard.
const CHUNK: usize = 4096;
const CHUNKS: usize = 16;

/// The sample's leaf that each of the `rows` of `coordinates` belongs to.
pub(super) fn leaves(
    isa: Isa,
    dims: usize,
    coordinates: &[f64],
    rows: &[usize],
    monitor: &dyn Monitor,
) -> Result<Vec<u32>> {
    let point = |row: usize| &coordinates[row * dims..(row + 1) * dims];
    let size = (rows.len() / SHARE).max(1).next_multiple_of(WeightedPoints::BLOCK);
    if size > rows.len() / 2 {
        return Ok(vec![0; rows.len()]);
    }
    let sample: Vec<&[f64]> = (0..size).map(|i| point(rows[i * rows.len() / size])).collect();
    let mut scratch = Scratch::default();
    let leaves = linkage_with(&mut scratch, sample.iter().copied(), &Quiet(monitor))?.leaves();
    let nearest = |points: &mut WeightedPoints, rows: &[usize]| {
        let all = leaves.iter().map(|&leaf| sample[leaf]).chain(rows.iter().map(|&row| point(row)));
        points.refill(isa, dims, all.flatten().copied(), std::iter::repeat_n(1.0, size + rows.len()));
        let queries: Vec<u32> = (size..size + rows.len()).map(|place| place as u32).collect();
        let mut found = vec![Neighbour::NONE; rows.len()];
        points.nearest(isa, &queries, 0..size, None, &mut found);
        found.into_iter().map(|neighbour| neighbour.place).collect::<Vec<u32>>()
    };
    let mut found = Vec::with_capacity(rows.len());
    for rows in rows.chunks(CHUNK * CHUNKS) {
        if monitor.interrupted() {
            return Err(Error::Interrupted("stopped before the first merge; nothing was written".to_owned()));
        }
        found.par_extend(rows.par_chunks(CHUNK).map_init(WeightedPoints::default, nearest).flatten_iter());
    }
    Ok(found)
}

/// Hears of an interruption, but does not count the merges of the sample.
struct Quiet<'a>(&'a dyn Monitor);

impl Monitor for Quiet<'_> {
    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}
