//! JSON files that carry their own checksum: the member `crc32`, over the compact text of all others in their order.
//! Layout and spaces may change, values may not; who means to change one removes the member.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Error, Result};

const MEMBER: &str = "crc32";

/// The text of a JSON object with its checksum.
pub(crate) fn to_text(value: &impl Serialize) -> String {
    let Ok(Value::Object(mut members)) = serde_json::to_value(value) else { panic!("sealed files are objects") };
    let sum = checksum(&members);
    members.insert(MEMBER.to_owned(), sum.into());
    serde_json::to_string_pretty(&members).expect("plain data") + "\n"
}

/// Takes the checksum out of an object that was read, to be checked once it is known what the object is.
pub(crate) fn take(value: &mut Value) -> Seal {
    let expected = value.as_object_mut().and_then(|members| members.remove(MEMBER));
    Seal { expected, found: value.as_object().map(checksum).unwrap_or_default() }
}

/// The checksum in a file and that of what it holds.
pub(crate) struct Seal {
    expected: Option<Value>,
    found: String,
}

impl Seal {
    /// Refuses an object that does not fit its checksum. Files of people and of older versions have none.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        match &self.expected {
            Some(expected) if *expected != self.found => Err(Error::file(
                path,
                format!("the checksum {expected} of its `{MEMBER}`"),
                format!("{:?}", self.found),
                format!("restore it from a copy; if the change is meant, remove `{MEMBER}`"),
            )),
            _ => Ok(()),
        }
    }

    /// Refuses an object without a checksum.
    pub(crate) fn require(&self, path: &Path) -> Result<()> {
        if self.expected.is_some() {
            return self.check(path);
        }
        let advice = "make the file again: an older version wrote it, or it is damaged";
        Err(Error::file(path, format!("a checksum `{MEMBER}`"), "none", advice))
    }
}

fn checksum(members: &Map<String, Value>) -> String {
    let text = serde_json::to_string(members).expect("plain data");
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}

/// The CRC-32 of a whole file.
pub(crate) fn checksum_of_file(path: &Path) -> Result<String> {
    File::open(path).and_then(|file| checksum_of(&file)).map_err(Error::io(path))
}

/// The CRC-32 of what is left to read of a file.
pub(crate) fn checksum_of(mut file: &File) -> io::Result<String> {
    let (mut hasher, mut bytes) = (crc32fast::Hasher::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(format!("{:08x}", hasher.finalize())),
            count => hasher.update(&bytes[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<()> {
        let mut value: Value = serde_json::from_str(text).unwrap();
        take(&mut value).check(Path::new("x.json"))
    }

    #[test]
    fn changed_values_are_noticed_and_changed_layout_is_not() {
        let text = to_text(&serde_json::json!({ "a": 0.1, "b": ["x", 1e-300, null] }));
        check(&text).unwrap();
        check(&text.replace(['\n', ' '], "")).unwrap();
        for (from, to) in [("0.1", "0.2"), ("\"x\"", "\"y\""), ("null", "true"), ("\"a\"", "\"c\"")] {
            assert!(check(&text.replace(from, to)).unwrap_err().to_string().contains("x.json: expected the checksum"));
        }
        check("{\"a\": 1}").unwrap();
        let mut bare = serde_json::json!({ "a": 1 });
        assert!(take(&mut bare).require(Path::new("x.json")).is_err());
    }
}
