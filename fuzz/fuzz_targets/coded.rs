//! Compressed audio. Panics of the decoders are caught where they enter the engine, and must not leave it.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Mutex;

use homonym_fuzz::{decode, file};

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

libfuzzer_sys::fuzz_target!(
    // The fuzzer aborts at every panic, also those that are caught: this names each place once instead. A panic that
    // is not caught still ends the run.
    init: std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        if SEEN.lock().unwrap().insert(place.clone()) {
            eprintln!("PANIC at {place}: {panic}");
        }
    })),
    |data: &[u8]| {
        let _ = decode(&file("x", data));
    }
);
