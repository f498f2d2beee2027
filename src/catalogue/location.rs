//! Where a track's file is, as a catalogue says it: a path, or a `file:` URI, whose escapes can name any bytes.

use std::borrow::Cow;
use std::path::PathBuf;

/// The bytes of the path that a cell names. `file:///music/caf%E9.ogg` (RFC 8089) is `/music/caf` and the byte E9, which no
/// UTF-8 text can say; `file:caf%E9.ogg` is the same in the catalogue's folder. Any other cell is a path as it stands.
pub fn bytes(cell: &str) -> Cow<'_, [u8]> {
    let Some(rest) = cell.strip_prefix("file:") else { return cell.as_bytes().into() };
    let rest = ["//localhost/", "///"].iter().find_map(|host| rest.strip_prefix(host).map(|_| &rest[host.len() - 1..]));
    let rest = rest.unwrap_or(&cell["file:".len()..]).as_bytes();
    let mut path = Vec::with_capacity(rest.len());
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        let digit = |at: usize| rest.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        let escaped =
            digit(at + 1).zip(digit(at + 2)).filter(|_| byte == b'%').map(|(high, low)| (16 * high + low) as u8);
        path.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    path.into()
}

/// The path that a cell names.
pub fn path(cell: &str) -> PathBuf {
    let bytes = bytes(cell);
    #[cfg(unix)]
    let name: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(bytes.into_owned());
    #[cfg(not(unix))]
    let name = String::from_utf8_lossy(&bytes).into_owned();
    name.into()
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn uris_name_any_bytes_and_paths_stay() {
        let cases: [(&str, &[u8]); 8] = [
            ("a/b%20c.ogg", b"a/b%20c.ogg"),
            ("file:///music/caf%E9.ogg", b"/music/caf\xE9.ogg"),
            ("file://localhost/a", b"/a"),
            ("file:caf%e9.ogg", b"caf\xE9.ogg"),
            ("file:a%0Ab", b"a\nb"),
            ("file:100%", b"100%"),
            ("file:%+1%zz", b"%+1%zz"),
            ("", b""),
        ];
        for (cell, expected) in cases {
            assert_eq!(&*bytes(cell), expected, "{cell}");
        }
    }
}
