//! Recipes of front ends: whatever is valid can be built and gives frames.
#![no_main]

use homonym::frontend::Recipe;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(recipe) = serde_json::from_slice::<Recipe>(data) else { return };
    let Ok(mut stream) = recipe.stream() else { return };
    let mut frames = Vec::new();
    stream.push(&[0.5; 4096], &mut frames);
    stream.finish(&mut frames);
    assert_eq!(frames.len(), (1 + 4096 / recipe.hop) * recipe.bands);
});
