//! How a configuration is merged: flag over environment over file over preset.

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Error, Result};

/// Overlays the TOML file at `path` on `base`; keys that `base` does not know are errors.
pub(super) fn overlay<T: Serialize + DeserializeOwned>(base: &T, path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let wrong = |found: String| {
        let advice = "mend it; --print-config prints every key with its value";
        Error::file(path, "a configuration in TOML", found, advice)
    };
    let file: Value = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
    let mut merged = serde_json::to_value(base).expect("a configuration is plain data");
    merge(&mut merged, file);
    serde_json::from_value(merged).map_err(|error| wrong(error.to_string()))
}

/// Tables are merged key by key, everything else is replaced.
fn merge(base: &mut Value, file: Value) {
    match (base, file) {
        (Value::Object(base), Value::Object(file)) => {
            for (key, value) in file {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, file) => *base = file,
    }
}

#[cfg(test)]
mod tests {
    use super::overlay;
    use crate::train::TrainConfig;

    fn load(text: &str) -> crate::Result<TrainConfig> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        overlay(&TrainConfig::default(), file.path())
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let config = load("steps = 7\n[network]\ndims = 256\n[optimizer]\nlearning_rate = 1e-4\n").unwrap();
        let mut expected = TrainConfig { steps: 7, ..TrainConfig::default() };
        expected.optimizer.learning_rate = 1e-4;
        let crate::models::NetworkSpec::MetricCnn(network) = &mut expected.network;
        network.dims = 256;
        assert_eq!(config, expected);
    }

    #[test]
    fn unknown_keys_wrong_types_and_broken_toml_are_errors() {
        for (text, word) in [
            ("stepz = 7", "stepz"),
            ("[network]\ndim = 3", "dim"),
            ("[batch]\nartists = \"many\"", "artists"),
            ("steps = ", "TOML"),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(error.contains(word) || error.contains("many"), "{text}: {error}");
        }
    }
}
