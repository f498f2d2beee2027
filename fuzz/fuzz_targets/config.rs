//! Configurations of training: TOML over a preset.
#![no_main]

use homonym::train::{PRESETS, overlay};
use homonym_fuzz::choose;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((preset, text)) = choose(data, PRESETS.len() as u8) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(file) = toml::from_str::<serde_json::Value>(text) else { return };
    let Ok(config) = overlay(&(PRESETS[usize::from(preset)].config)(), file) else { return };
    let _ = config.validate();
    // What a model file keeps of it is read back.
    let kept = serde_json::to_string(&config).unwrap();
    assert_eq!(overlay(&config, serde_json::from_str(&kept).unwrap()).unwrap(), config);
});
