//! Checkpoints of a linkage, damaged but with a checksum that fits, as no disk damages them: the linkage goes on to an end or
//! says what is wrong.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use homonym::cluster::{Checkpoint, Dendrogram, linkage_resumable};
use homonym::matrix::Matrix;
use homonym::{Error, Monitor, Result};
use homonym_fuzz::{choose, file, folder, patched};

/// As few as have checkpoints; most are equal, so that their merges go without saying.
const POINTS: usize = 1600;
const DISTINCT: usize = 12;
/// Bytes at the beginning that say what the file is and which points it belongs to, and those that count its parts.
const HEADER: usize = 24;
const COUNTS: usize = 32;
/// Bytes of a merge.
const MERGE: usize = 24;

fn points() -> &'static Matrix<f32> {
    static MATRIX: OnceLock<Matrix<f32>> = OnceLock::new();
    MATRIX.get_or_init(|| Matrix::new(POINTS, 1, (0..POINTS).map(|row| ((row % DISTINCT) as f32).powi(2)).collect()))
}

/// Stops after so many questions.
struct Stop(AtomicUsize);

impl Monitor for Stop {
    fn interrupted(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 0
    }
}

fn link(path: PathBuf, resume: bool, stop_after: usize) -> Result<Dendrogram> {
    linkage_resumable(points(), &Checkpoint::new(path, resume), &Stop(AtomicUsize::new(stop_after)))
}

/// The checkpoints of a linkage that is stopped at each of its turns and rounds.
fn sound() -> &'static [Vec<u8>] {
    static SOUND: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let path = folder().join("sound");
        let stopped = |after: &usize| matches!(link(path.clone(), false, *after), Err(Error::Interrupted(_)));
        (0..).take_while(stopped).map(|_| std::fs::read(&path).unwrap()).collect()
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((state, data)) = choose(data, sound().len() as u8) else { return };
    // What is patched are the counts and all behind the merges of equal points.
    let sound = &sound()[usize::from(state)];
    let equal = HEADER + COUNTS..HEADER + COUNTS + MERGE * (POINTS - DISTINCT);
    let open = [&sound[HEADER..equal.start], &sound[equal.end..sound.len() - 8]].concat();
    let Some(mut body) = patched(&open, data) else { return };
    let behind = body.split_off(COUNTS.min(body.len()));
    let mut bytes = [&sound[..HEADER], &body, &sound[equal], &behind].concat();
    bytes.extend(u64::from(crc32fast::hash(&bytes)).to_le_bytes());
    if let Ok(tree) = link(file("x.checkpoint", &bytes), true, usize::MAX) {
        assert_eq!(tree.merges().len(), POINTS - 1);
    }
});
