//! Models: a sound one with some bytes replaced or cut off, or any bytes at all.
#![no_main]

use std::sync::OnceLock;

use homonym::frontend::Recipe;
use homonym::models::{Arithmetic, FORMAT, Header, Model, NetworkSpec, Standardisation, TrackMap, TrackVector};
use homonym_fuzz::{file, folder, patched};

/// The bytes of the smallest model there is.
fn sound() -> &'static [u8] {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let (network, frames, bands) = (NetworkSpec::default(), 18, 18);
        let input = Standardisation::identity(bands);
        let built = network.build(frames, bands, input.clone()).unwrap();
        let (params, output) = (built.params().initial(1), TrackMap::identity(built.dims()));
        let front_end = Recipe { bands, ..Recipe::default() };
        let (track, training) = (TrackVector::default(), serde_json::Value::Null);
        let header = Header { format: FORMAT, network, front_end, frames, track, step: 7, training };
        let path = folder().join("sound.safetensors");
        Model { header, input, output, params, arithmetic: Arithmetic::F32 }.save(&path, &[]).unwrap();
        std::fs::read(path).unwrap()
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(bytes) = patched(sound(), data) else { return };
    let Ok(model) = Model::open(&file("x.safetensors", &bytes)) else { return };
    let network = model.network().unwrap();
    assert_eq!(network.params().len(), model.params.len());
});
