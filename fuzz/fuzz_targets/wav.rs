//! WAV files: whatever comes behind the mark that makes it one.
#![no_main]

use homonym_fuzz::{decode, file};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    if bytes.len() >= 12 {
        bytes[..4].copy_from_slice(b"RIFF");
        bytes[8..12].copy_from_slice(b"WAVE");
    }
    let _ = decode(&file("x.wav", &bytes));
});
