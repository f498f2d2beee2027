//! Output files that appear as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// A file written under a temporary name beside its final one. [`commit`](Self::commit) gives it its name; dropped
/// before that, it leaves no trace and an older file of that name stays as it was.
#[derive(Debug)]
pub struct Output {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl Output {
    /// Opens the temporary file for `path`.
    pub fn create(path: &Path) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let Some(name) = path.file_name() else {
            return Err(Error::file(path, "the name of a file to write", "a folder", "add a file name"));
        };
        let unique = format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(unique);
        let temporary = path.with_file_name(hidden);
        let file = File::create_new(&temporary).map_err(Error::io(path))?;
        Ok(Self { file: BufWriter::new(file), temporary, path: path.to_path_buf() })
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the file to disk and gives it its final name.
    pub fn commit(mut self) -> Result<()> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(Error::io(&self.path))?;
        fs::rename(&self.temporary, &self.path).map_err(Error::io(&self.path))
    }
}

/// Replaces the file at `path` by `bytes`.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).map_err(Error::io(path))?;
    output.commit()
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Output {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // After a commit the temporary name is gone and there is nothing to remove.
        let _ = fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        fs::write(&path, "old").unwrap();
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"half").unwrap();
        drop(output);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"new").unwrap();
        output.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
