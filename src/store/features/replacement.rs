//! Building a store anew beside the old one, which stays whole until the new one is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::files;
use crate::output::{hidden_beside, sync_folder_of};
use crate::{Error, Result};

/// Hidden names beside a store (`.NAME.new`): where its successor is built, and where it goes to make room for it.
const NEW: &str = ".new";
const OLD: &str = ".old";

/// The place of a new store until it takes that of the old one; dropped before, it removes what it holds.
pub struct Replacement {
    old: PathBuf,
    new: PathBuf,
    _lock: File,
}

impl Replacement {
    /// Prepares to replace the store in the folder `old`; `None` when there is nothing to replace.
    ///
    /// # Errors
    /// [`Error::Input`] when the folder holds anything that is not a store's, or another process writes the store.
    pub fn begin(old: &Path) -> Result<Option<Self>> {
        if !old.exists() {
            return Ok(None);
        }
        if let Some(name) = files::foreign(old)? {
            let found = format!("{name:?} in it");
            return Err(Error::file(
                old,
                "a folder with nothing but a store",
                found,
                "move it away or name another folder",
            ));
        }
        let lock = files::lock(old)?;
        let old = fs::canonicalize(old).map_err(Error::io(old))?;
        let new = hidden_beside(&old, NEW)?;
        remove(&new)?;
        Ok(Some(Self { old, new, _lock: lock }))
    }

    /// Ends a replacement that was stopped on its last steps: the new store was complete then.
    pub fn recover(folder: &Path) -> Result<()> {
        let folder = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder)).map_err(Error::io(folder))?;
        let (new, retired) = (hidden_beside(&folder, NEW)?, hidden_beside(&folder, OLD)?);
        if !retired.exists() {
            return Ok(());
        }
        if !folder.exists() {
            fs::rename(&new, &folder).map_err(Error::io(&new))?;
            sync_folder_of(&folder)?;
        }
        remove(&retired)
    }

    /// Where to build the new store.
    pub fn folder(&self) -> &Path {
        &self.new
    }

    /// Puts the new store in the place of the old one.
    pub fn finish(self) -> Result<()> {
        let retired = hidden_beside(&self.old, OLD)?;
        remove(&retired)?;
        fs::rename(&self.old, &retired).map_err(Error::io(&self.old))?;
        fs::rename(&self.new, &self.old).map_err(Error::io(&self.new))?;
        sync_folder_of(&self.old)?;
        remove(&retired)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // After `finish` there is nothing left; a leftover that cannot be removed now is removed by the next attempt.
        let _ = remove(&self.new);
    }
}

/// Removes a store's folder if it is there.
fn remove(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    if let Some(name) = files::foreign(folder)? {
        let found = format!("{name:?} in it");
        return Err(Error::file(folder, "a folder left over from a store", found, "move it away"));
    }
    fs::remove_dir_all(folder).map_err(Error::io(folder))
}
