//! What the fuzz targets share: bytes as files, limits on the work that one input may ask for, and a model.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use homonym::audio::{self, AudioInfo};
use homonym::frontend::Recipe;
use homonym::models::{Arithmetic, FORMAT, Header, Model, NetworkSpec, Standardisation, TrackMap, TrackVector};
use homonym::{Error, Result};

/// A folder of this process, below `TMPDIR`; a memory file system (`/dev/shm`) makes it fast.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("homonym-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder to work in");
        folder
    })
}

/// Writes `bytes` to the file `name`.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, bytes).expect("room for the input");
    path
}

/// The first byte chooses one of `count`; the rest is for it.
pub fn choose(data: &[u8], count: u8) -> Option<(u8, &[u8])> {
    let (&first, rest) = data.split_first()?;
    Some((first % count, rest))
}

/// A sound file damaged as `data` says: two bytes say where bytes are replaced, a third whether the file ends behind them;
/// 255 there: the rest is the file.
pub fn patched(sound: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let ([low, high, rest], patch) = data.split_first_chunk()?;
    let at = usize::from(u16::from_le_bytes([*low, *high])).min(sound.len());
    match rest {
        255 => Some(patch.to_vec()),
        0..128 => Some([&sound[..at], patch, sound.get(at + patch.len()..).unwrap_or(&[])].concat()),
        _ => Some([&sound[..at], patch].concat()),
    }
}

/// Decodes a file up to a million samples and checks what a decoder promises.
pub fn decode(path: &Path) -> Result<AudioInfo> {
    let mut count = 0;
    let outcome = audio::stream(path, 22_050, &mut |samples| {
        assert!(samples.iter().all(|sample| sample.is_finite()), "samples that are not finite");
        count += samples.len();
        if count > 1_000_000 { Err(Error::Failed("enough heard".into())) } else { Ok(()) }
    });
    assert!(outcome.is_err() || count > 0, "a file without samples is refused");
    outcome
}

/// The smallest model there is.
pub fn smallest_model() -> Model {
    let (network, frames, bands) = (NetworkSpec::default(), 18, 18);
    let built = network.build(frames, bands, Standardisation::identity(bands)).unwrap();
    let header = Header {
        format: FORMAT,
        network,
        front_end: Recipe { bands, ..Recipe::default() },
        frames,
        track: TrackVector::default(),
        notions: Vec::new(),
        head: None,
        kinds: None,
        step: 7,
        training: serde_json::Value::Null,
    };
    let (input, params, output) =
        (Standardisation::identity(bands), built.params().initial(1), TrackMap::identity(built.dims()));
    Model { header, input, output, params, head: Vec::new(), arithmetic: Arithmetic::F32 }
}
