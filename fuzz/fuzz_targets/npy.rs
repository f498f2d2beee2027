//! NumPy arrays; what is read is written and read back.
#![no_main]

use homonym::store::npy;
use homonym_fuzz::{file, folder};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let path = file("x.npy", data);
    let _ = npy::read_finite::<f32>(&path);
    let Ok(matrix) = npy::read::<f64>(&path) else { return };
    assert_eq!(matrix.data.len(), matrix.rows * matrix.cols);
    if matrix.cols == 0 {
        return;
    }
    let copy = folder().join("copy.npy");
    npy::write(&copy, &matrix).unwrap();
    let again = npy::read::<f64>(&copy).unwrap();
    assert_eq!((again.rows, again.cols), (matrix.rows, matrix.cols));
    assert!(again.data.iter().zip(&matrix.data).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()));
});
