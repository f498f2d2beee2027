//! Read-only maps of files: the one place where the engine touches mapped memory.

use std::{fs::File, io, ops::Deref, path::Path};

#[cfg(unix)]
use crate::lost_pages::Named;

/// The bytes of a file, mapped read-only; an empty file maps to an empty slice.
///
/// The files behind maps are written once and then only appended to by this engine. Where another process truncates one
/// while it is mapped, or its disk fails, the operating system stops this process (SIGBUS) at the first touch of a lost
/// page: no page is ever read as something that it is not. [`explain_lost_pages`] says why.
#[derive(Debug)]
pub struct Map {
    /// Before the bytes, so that it is dropped while they are still mapped.
    #[cfg(unix)]
    _named: Option<Named>,
    bytes: Option<memmap2::Mmap>,
}

impl Map {
    /// Maps the file at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = match file.metadata()?.len() {
            0 => None,
            // SAFETY: the map is read-only and plain bytes, for which every value is valid; the engine never changes bytes
            // that it has already written, so no write races with a reader of the slice.
            _ => Some(unsafe { memmap2::Mmap::map(&file) }?),
        };
        Ok(Self {
            #[cfg(unix)]
            _named: bytes.as_ref().map(|bytes| Named::new(bytes.as_ptr().addr(), bytes.len(), path)),
            bytes,
        })
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(&[])
    }
}

/// From now on a mapped file that loses pages ends the process with exit code 1 and a message that names the file, instead
/// of a bare SIGBUS. For programs, not for libraries: it takes over the signal. Does nothing where there is no such signal.
pub fn explain_lost_pages() {
    #[cfg(unix)]
    crate::lost_pages::explain();
}
