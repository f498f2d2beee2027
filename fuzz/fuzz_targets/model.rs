//! Models: a sound one with some bytes replaced or cut off, or any bytes at all.
#![no_main]

use std::sync::OnceLock;

use homonym::frontend::Recipe;
use homonym::models::{Arithmetic, FORMAT, Header, Model, NetworkSpec, Standardisation, TrackVector};
use homonym_fuzz::{file, folder};

/// The bytes of the smallest model there is.
fn sound() -> &'static [u8] {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let (network, frames, bands) = (NetworkSpec::default(), 18, 18);
        let input = Standardisation::identity(bands);
        let built = network.build(frames, bands, input.clone()).unwrap();
        let (params, output) = (built.params().initial(1), Standardisation::identity(built.dims()));
        let front_end = Recipe { bands, ..Recipe::default() };
        let (track, training) = (TrackVector::default(), serde_json::Value::Null);
        let header = Header { format: FORMAT, network, front_end, frames, track, step: 7, training };
        let path = folder().join("sound.safetensors");
        Model { header, input, output, params, arithmetic: Arithmetic::F32 }.save(&path, &[]).unwrap();
        std::fs::read(path).unwrap()
    })
}

/// Two bytes say where bytes are replaced, a third whether the file ends behind them; 255 there: the rest is the file.
fn bytes(data: &[u8]) -> Option<Vec<u8>> {
    let ([low, high, rest], patch) = data.split_first_chunk()?;
    let at = usize::from(u16::from_le_bytes([*low, *high])).min(sound().len());
    match rest {
        255 => Some(patch.to_vec()),
        0..128 => Some([&sound()[..at], patch, sound().get(at + patch.len()..).unwrap_or(&[])].concat()),
        _ => Some([&sound()[..at], patch].concat()),
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(bytes) = bytes(data) else { return };
    let Ok(model) = Model::open(&file("x.safetensors", &bytes)) else { return };
    let network = model.network().unwrap();
    assert_eq!(network.params().len(), model.params.len());
});
