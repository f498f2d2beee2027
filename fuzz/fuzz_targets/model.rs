//! Models: a sound one with some bytes replaced or cut off, or any bytes at all.
#![no_main]

use std::sync::OnceLock;

use homonym::models::Model;
use homonym_fuzz::{file, folder, patched, smallest_model};

/// The bytes of the smallest model there is.
fn sound() -> &'static [u8] {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let path = folder().join("sound.safetensors");
        smallest_model().save(&path, &[]).unwrap();
        std::fs::read(path).unwrap()
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(bytes) = patched(sound(), data) else { return };
    let Ok(model) = Model::open(&file("x.safetensors", &bytes)) else { return };
    let network = model.network().unwrap();
    assert_eq!(network.params().len(), model.params.len());
});
