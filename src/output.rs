//! Output files that appear as a whole or not at all, and the right to write them.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A file written under a temporary name (`.NAME.tmp`) beside its final one. [`commit`](Self::commit) gives it its name;
/// dropped before that, it leaves no trace and an older file of that name stays as it was.
///
/// The temporary file is locked while it is written: a second process that wants to write the same file is refused, and
/// what a killed one left behind is taken over.
#[derive(Debug)]
pub struct Output {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    is_named: bool,
}

impl Output {
    /// Opens the temporary file for `path`. Work that ends in a file begins with this: a folder that cannot be written
    /// and another process at the same work are noticed before hours are spent.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] where another process writes the file.
    pub fn create(path: &Path) -> Result<Self> {
        let temporary = hidden_beside(path, ".tmp")?;
        let file = loop {
            let file = open_locked(&temporary).map_err(|error| busy_or_io(path, "file", error))?;
            // Between opening and locking, another process may have given the file its name or removed it.
            if is_at(&file, &temporary) {
                break file;
            }
        };
        file.set_len(0).map_err(Error::io(path))?;
        Ok(Self { file: BufWriter::new(file), temporary, path: path.to_path_buf(), is_named: false })
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the file to disk and gives it its final name.
    pub fn commit(mut self) -> Result<()> {
        self.sync()?;
        self.name()?;
        sync_folder_of(&self.path)
    }

    /// The file from its beginning, to be read; nothing can be written after that.
    pub(crate) fn read_back(&mut self) -> io::Result<&File> {
        self.file.rewind()?;
        Ok(self.file.get_ref())
    }

    fn sync(&mut self) -> Result<()> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(Error::io(&self.path))
    }

    fn name(&mut self) -> Result<()> {
        fs::rename(&self.temporary, &self.path).map_err(Error::io(&self.path))?;
        self.is_named = true;
        Ok(())
    }
}

/// Brings files that belong together to disk, gives them their names and removes the file at `obsolete`. Where the last of
/// them is, all are: an older one of its name goes first, so that a stop in between leaves no mixture of old and new.
pub fn commit_together(mut outputs: Vec<Output>, obsolete: Option<&Path>) -> Result<()> {
    outputs.iter_mut().try_for_each(Output::sync)?;
    for path in outputs.last().map(Output::path).into_iter().chain(obsolete) {
        remove(path)?;
        sync_folder_of(path)?;
    }
    outputs.iter_mut().try_for_each(Output::name)?;
    outputs.iter().try_for_each(|output| sync_folder_of(&output.path))
}

/// Replaces the file at `path` by `bytes`.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).map_err(Error::io(path))?;
    output.commit()
}

/// Removes the file at `path` if there is one.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Opens the file at `path` for reading and writing, makes it where it is missing, and locks it until the returned file is
/// dropped or the process ends. `subject` is what the lock stands for: a file or folder, and its kind in a word.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] where another process has the lock.
pub fn lock(path: &Path, subject: (&Path, &str)) -> Result<File> {
    open_locked(path).map_err(|error| busy_or_io(subject.0, subject.1, error))
}

fn open_locked(path: &Path) -> Result<File, TryLockError> {
    let options = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path);
    let file = options.map_err(TryLockError::Error)?;
    file.try_lock().map(|()| file)
}

fn busy_or_io(subject: &Path, kind: &str, error: TryLockError) -> Error {
    match error {
        TryLockError::Error(error) => Error::io(subject)(error),
        TryLockError::WouldBlock => Error::file(
            subject,
            format!("a {kind} that nobody writes"),
            "another process at work on it",
            format!("wait until it is done, or name another {kind}"),
        ),
    }
}

/// `prefix` with `ending` appended, whatever dots it holds.
pub(crate) fn beside(prefix: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(ending);
    name.into()
}

/// The place `.NAME` + `suffix` beside `path`.
pub(crate) fn hidden_beside(path: &Path, suffix: &str) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        Error::file(path, "the name of something to write", "none at the end of the path", "add a name")
    })?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(suffix);
    Ok(path.with_file_name(hidden))
}

/// Whether `file` is what `path` names. Elsewhere than on Unix, open files cannot be removed under a lock.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let id = |data: &fs::Metadata| (data.dev(), data.ino());
        matches!((file.metadata(), fs::metadata(path)), (Ok(own), Ok(named)) if id(&own) == id(&named))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// Brings the names in the folder of `path` to disk: a file's own synchronisation does not.
pub(crate) fn sync_folder_of(path: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(()); // other systems do not open folders
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some network file systems keep names safe by themselves and know no such call.
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Err(Error::io(folder)(error))
        }
        _ => Ok(()),
    }
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
        if !self.is_named {
            // What cannot be removed now is taken over by the next attempt.
            let _ = fs::remove_file(&self.temporary);
        }
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
        fs::write(folder.path().join(".labels.csv.tmp"), "what a killed process left").unwrap();
        let mut output = Output::create(&path).unwrap();
        let refused = Output::create(&path).unwrap_err().to_string();
        assert!(refused.contains("labels.csv") && refused.contains("another process"), "{refused}");
        output.write_all(b"new").unwrap();
        output.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_that_belong_together_are_never_mixed() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["rows", "points"].map(|name| folder.path().join(name));
        paths.iter().for_each(|path| fs::write(path, "old").unwrap());
        let outputs = || paths.iter().map(|path| Output::create(path).unwrap()).collect::<Vec<_>>();
        // The second cannot get its name: a folder is in the way.
        fs::remove_file(&paths[1]).unwrap();
        fs::create_dir(&paths[1]).unwrap();
        commit_together(outputs(), None).unwrap_err();
        assert!(!paths[1].is_file(), "no old one beside the new first");
        fs::remove_dir(&paths[1]).unwrap();
        commit_together(outputs(), None).unwrap();
        assert!(paths.iter().all(|path| fs::read(path).unwrap().is_empty()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    /// Many writers of one file at once: each is refused or writes it whole.
    #[test]
    fn writers_of_one_file_never_interleave() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("z");
        let write = |letter: u8| {
            let mut written = 0;
            for _ in 0..50 {
                let outcome = write_whole(&path, &[letter; 100_000]);
                match &outcome {
                    Ok(()) => written += 1,
                    Err(error) => assert!(matches!(error, Error::Input { .. }), "{error}"),
                }
                if let Ok(bytes) = fs::read(&path) {
                    assert!(bytes.len() == 100_000 && bytes.iter().all(|byte| *byte == bytes[0]));
                }
            }
            written
        };
        let written: usize = std::thread::scope(|scope| {
            let threads = [b'a', b'b', b'c'].map(|letter| scope.spawn(move || write(letter)));
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(written > 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
