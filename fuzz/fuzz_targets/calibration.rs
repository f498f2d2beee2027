//! Calibrations.
#![no_main]

use homonym::disambiguate::Calibration;
use homonym_fuzz::{file, folder};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(calibration) = Calibration::open(&file("c.json", data)) else { return };
    let _ = calibration.to_string();
    let odds = calibration.membership.odds(1.0, Some(0.5));
    assert!(odds > 0.0 && odds.is_finite(), "odds of {odds}");
    let copy = folder().join("copy.json");
    calibration.write(&copy).unwrap();
    assert_eq!(Calibration::open(&copy).unwrap(), calibration);
});
