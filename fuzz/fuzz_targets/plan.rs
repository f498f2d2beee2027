//! Plans of experiments.
#![no_main]

use homonym::experiment::Plan;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(plan) = toml::from_str::<Plan>(text) else { return };
    if let Ok(cells) = plan.cells() {
        cells.iter().for_each(|cell| assert!(!cell.id().is_empty()));
    }
});
