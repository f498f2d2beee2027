//! How a configuration is merged: flag over environment over file over preset.

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Error, Result, train};

/// Overlays the TOML file at `path` on `base`; keys that `base` does not know are errors.
pub(super) fn overlay<T: Serialize + DeserializeOwned>(base: &T, path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let wrong = |found: String| {
        let advice = "mend it; --print-config prints every key with its value";
        Error::file(path, "a configuration in TOML", found, advice)
    };
    let file: Value = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
    train::overlay(base, file).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::overlay;
    use crate::models::{MetricCnnSpec, NetworkSpec};
    use crate::optim::{Optimizer, RmsProp, Sgd};
    use crate::train::TrainConfig;

    fn load(text: &str) -> crate::Result<TrainConfig> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        overlay(&TrainConfig::default(), file.path())
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let config = load("steps = 7\n[network]\ndims = 256\n[optimizer]\nlearning_rate = 1e-4\n").unwrap();
        let expected = TrainConfig {
            steps: 7,
            optimizer: Optimizer::RmsProp(RmsProp { learning_rate: 1e-4, ..RmsProp::default() }),
            network: NetworkSpec::MetricCnn(MetricCnnSpec { dims: 256, ..MetricCnnSpec::default() }),
            ..TrainConfig::default()
        };
        assert_eq!(config, expected);
        let other = load("[optimizer]\nkind = \"sgd\"\nmomentum = 0.5\n").unwrap();
        assert_eq!(other.optimizer, Optimizer::Sgd(Sgd { momentum: 0.5, ..Sgd::default() }));
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
