//! Calibrations.
#![no_main]

use homonym::disambiguate::Calibration;
use homonym_fuzz::{file, folder};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(calibration) = Calibration::open(&file("c.json", data)) else { return };
    let _ = calibration.to_string();
    if let Some(level) = calibration.gate.at(0.05, true) {
        assert_eq!(level.error, 0.05);
    }
    let copy = folder().join("copy.json");
    calibration.write(&copy).unwrap();
    assert_eq!(Calibration::open(&copy).unwrap(), calibration);
});
