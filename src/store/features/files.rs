//! Files that survive a crash: appended to and synchronised, or replaced whole.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::format::ALL;
use crate::{Error, Result, output};

/// The file that a writer keeps locked.
const LOCK: &str = ".lock";

/// A file that grows at its end.
pub(super) struct Append {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Append {
    /// Opens `path`, creates it where it is missing, and cuts off everything beyond `bytes`.
    pub(super) fn open_at(path: PathBuf, bytes: u64) -> Result<Self> {
        let open = || {
            let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&path)?;
            file.set_len(bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().map_err(Error::io(&path))?;
        Ok(Self { path, out: BufWriter::with_capacity(1 << 20, file) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::io(&self.path))
    }

    /// Appends all that is left to read in `source`.
    pub(super) fn copy(&mut self, source: &mut impl std::io::Read) -> Result<()> {
        std::io::copy(source, &mut self.out).map(|_| ()).map_err(Error::io(&self.path))
    }

    /// Returns when everything written is on the disk.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.out.flush().and_then(|()| self.out.get_ref().sync_data()).map_err(Error::io(&self.path))
    }
}

/// The name of something in `folder` that is no store's, if there is such a thing. Hidden files are the lock and what a
/// crash left of files on their way to be renamed.
pub(super) fn foreign(folder: &Path) -> Result<Option<String>> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let name = entry.map_err(Error::io(folder))?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !ALL.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Takes the right to write into the store `folder` until the returned file is dropped.
pub(super) fn lock(folder: &Path) -> Result<File> {
    output::lock(&folder.join(LOCK), (folder, "store"))
}
