//! Human decisions, applied to labels and made into constraints.
#![no_main]

use homonym::disambiguate::{Constraints, Label, Labels, apply, read_decisions};
use homonym_fuzz::file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(entries) = read_decisions(&file("d.jsonl", data)) else { return };
    let label = |track: &&str| Label {
        track: (*track).into(),
        name: "n".into(),
        cluster: 1,
        confidence: 0.5,
        standing: None,
        stability: None,
    };
    let keys = ["a", "b", "c"];
    let mut labels = Labels { rows: keys.iter().map(label).collect() };
    let _ = apply(&mut labels, &entries);
    Constraints::default().add(&entries, &keys);
});
