//! Recipes of front ends: whatever is valid can be built and gives frames.
#![no_main]

use homonym::frontend::Recipe;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(recipe) = serde_json::from_slice::<Recipe>(data) else { return };
    let Ok(mut stream) = recipe.stream() else { return };
    // A frame for each sample, of the longest window, is a minute of work.
    let samples = recipe.hop.saturating_mul(64).min(4096);
    let mut frames = Vec::new();
    stream.push(&vec![0.5; samples], &mut frames);
    stream.finish(&mut frames);
    assert_eq!(frames.len(), (1 + samples / recipe.hop) * recipe.bands);
});
