//! Read-only maps of files: the one place where the engine touches mapped memory.

use std::{fs::File, io, ops::Deref, path::Path};

/// The bytes of a file, mapped read-only; an empty file maps to an empty slice.
///
/// The files behind maps are written once and then only appended to by this engine. A file that another process
/// truncates while it is mapped makes the operating system stop this one (SIGBUS) at the first touch of a lost page.
#[derive(Debug)]
pub struct Map(Option<memmap2::Mmap>);

impl Map {
    /// Maps the file at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the map is read-only and plain bytes, for which every value is valid; the engine never changes bytes
        // that it has already written, so no write races with a reader of the slice.
        let map = unsafe { memmap2::Mmap::map(&file) }?;
        Ok(Self(Some(map)))
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}
