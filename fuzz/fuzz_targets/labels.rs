//! Labels: read, written, read back.
#![no_main]

use homonym::disambiguate::Labels;
use homonym_fuzz::{file, folder};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(labels) = Labels::read(&file("labels.csv", data)) else { return };
    let copy = folder().join("copy.csv");
    labels.table().write(&copy).unwrap();
    let again = Labels::read(&copy).unwrap();
    assert_eq!(again.rows.len(), labels.rows.len());
    assert!(again.by_track().len() <= labels.rows.len());
});
