//! Linear maps: a sound one with some bytes replaced or cut off, or any bytes at all.
#![no_main]

use std::sync::OnceLock;

use homonym::linear::{LinearMap, METHODS, Options, fit};
use homonym::matrix::Matrix;
use homonym_fuzz::{file, folder, patched};

/// The bytes of a map of three values to two.
fn sound() -> &'static [u8] {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let points = Matrix::new(4, 3, vec![0.0, 1.0, 2.0, 3.0, 5.0, 4.0, 7.0, 7.0, 1.0, 2.0, 8.0, 3.0]);
        let options = Options { dims: Some(2), ..Options::default() };
        let path = folder().join("sound.safetensors");
        fit(&METHODS[0], &points, None, &options, &()).unwrap().0.save(&path).unwrap();
        std::fs::read(path).unwrap()
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(bytes) = patched(sound(), data) else { return };
    let path = file("x.safetensors", &bytes);
    let Ok(map) = LinearMap::open(&path) else { return };
    assert!(LinearMap::is_at(&path));
    let (values, dims) = (map.header.values, map.header.dims);
    let mapped = map.apply(&Matrix::new(1, values, vec![0.5; values]), &path).unwrap();
    assert_eq!((mapped.rows, mapped.cols), (1, dims));
    let copy = folder().join("copy.safetensors");
    map.save(&copy).unwrap();
    assert_eq!(LinearMap::open(&copy).unwrap(), map);
});
