//! What `embed` keeps to go on from, damaged but with checksums that fit, as no disk damages it: the points are those of a run
//! that nobody stopped, or values that a block claims.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use homonym::embed::Embedder;
use homonym::models::Model;
use homonym::store::{Encoder, Precision, Spec, Store, Writer};
use homonym_fuzz::{folder, patched, smallest_model};

/// A thread embeds 16 tracks between two entries: there are two entries and a rest.
const TRACKS: usize = 33;
/// Bytes that say what the file is and which points it belongs to.
const HEADER: usize = 24;

struct Work {
    store: Store,
    model: Model,
    prefix: PathBuf,
    /// The checkpoint of a run that was stopped late.
    sound: Vec<u8>,
}

/// Stops after so many questions.
struct Stop(std::sync::atomic::AtomicUsize);

impl homonym::Monitor for Stop {
    fn interrupted(&self) -> bool {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) == 0
    }
}

fn embed(work: &Work, stop_after: usize) -> homonym::Result<usize> {
    let rows: Vec<usize> = (0..TRACKS).collect();
    let embedder = Embedder::Model(&work.model);
    let stop = Stop(stop_after.into());
    Ok(embedder.embed_to(&work.store, &rows, None, &work.prefix, &stop)?.points.rows)
}

fn work() -> &'static Work {
    static WORK: OnceLock<Work> = OnceLock::new();
    WORK.get_or_init(|| {
        rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
        let model = smallest_model();
        let spec = Spec { recipe: model.header.front_end.clone(), precision: Precision::F16 };
        let place = folder().join("store");
        let (mut writer, _) = Writer::open(&place, &spec, Path::new("c.csv"), &["path".to_owned()], &()).unwrap();
        writer.plan(TRACKS).unwrap();
        for track in 0..TRACKS {
            let mut encoder = Encoder::new(&spec, &place);
            encoder.push(&vec![1.0; model.header.front_end.bands]).unwrap();
            writer.push(encoder.finish().unwrap(), &[track.to_string()], 1.0).unwrap();
        }
        writer.finish(&[]).unwrap();
        let store = Store::open(&place).unwrap();
        let mut work = Work { store, model, prefix: folder().join("tracks"), sound: Vec::new() };
        embed(&work, TRACKS - 1).unwrap_err();
        work.sound = std::fs::read(checkpoint(&work)).unwrap();
        work
    })
}

fn checkpoint(work: &Work) -> PathBuf {
    work.prefix.with_extension("checkpoint")
}

/// Puts checksums behind the blocks as `bytes` count them.
fn sealed(header: &[u8], mut bytes: &[u8]) -> Vec<u8> {
    let mut out = header.to_vec();
    while let Some((count, rest)) = bytes.split_first_chunk::<4>() {
        let values = (u32::from_le_bytes(*count) as usize).saturating_mul(4).min(rest.len() / 4 * 4);
        let block = [&((values / 4) as u32).to_le_bytes()[..], &rest[..values]].concat();
        out.extend(&block);
        out.extend(crc32fast::hash(&block).to_le_bytes());
        bytes = rest.get(values + 4..).unwrap_or(&[]);
    }
    out
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let work = work();
    let Some(body) = patched(&work.sound[HEADER..], data) else { return };
    std::fs::write(checkpoint(work), sealed(&work.sound[..HEADER], &body)).unwrap();
    // Values that are no direction are refused.
    if let Ok(rows) = embed(work, usize::MAX) {
        assert_eq!(rows, TRACKS);
    }
});
