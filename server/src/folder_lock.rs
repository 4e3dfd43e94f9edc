//! A folder that one training alone works in.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

const LOCK: &str = ".lock";

/// Held for as long as this lives; a process that is killed lets go of it too.
#[derive(Debug)]
pub struct FolderLock {
    folder: PathBuf,
    _lock: File,
}

impl FolderLock {
    /// Locks the folder, which is made if missing; None where another training holds it.
    ///
    /// # Errors
    /// If the folder cannot be made or written to.
    pub fn try_take(folder: &Path) -> io::Result<Option<FolderLock>> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(FolderLock {
                folder: folder.to_owned(),
                _lock: lock,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for FolderLock {
    /// What was refused leaves no folder.
    fn drop(&mut self) {
        let is_bare = fs::read_dir(&self.folder)
            .is_ok_and(|mut files| files.all(|file| file.is_ok_and(|file| file.file_name() == LOCK)));
        if is_bare {
            drop(fs::remove_file(self.folder.join(LOCK)));
            drop(fs::remove_dir(&self.folder));
        }
    }
}
