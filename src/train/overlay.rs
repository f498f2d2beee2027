//! How settings of a file are laid over a configuration.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// `base` with the settings that `changes` names; what is wrong with them where a key is unknown or a value of the wrong
/// type.
///
/// Tables are merged key by key, everything else is replaced, as are tables of another `kind`.
pub fn overlay<T: Serialize + DeserializeOwned>(base: &T, changes: Value) -> Result<T, String> {
    let mut merged = serde_json::to_value(base).expect("a configuration is plain data");
    merge(&mut merged, changes);
    serde_json::from_value(merged).map_err(|error| error.to_string())
}

fn merge(base: &mut Value, changes: Value) {
    let other_kind = changes.get("kind").is_some_and(|kind| Some(kind) != base.get("kind"));
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) if !other_kind => {
            for (key, value) in changes {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, changes) => *base = changes,
    }
}
