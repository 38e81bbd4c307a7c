//! Locks between processes, on files that are never removed: a lock on a file that somebody else has removed
//! and made again keeps nobody out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use super::unable;
use crate::error::Result;

/// Opens the file at `path` for locking; makes it where it is missing. Reading is enough to lock another user's file.
pub(super) fn open(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened
        .or_else(|error| if error.kind() == ErrorKind::PermissionDenied { File::open(path) } else { Err(error) })
        .map_err(unable("open", path))
}

/// Waits until nobody else has the file at `path` locked; it is free again when the returned file is closed.
pub(super) fn wait(path: &Path) -> Result<File> {
    let file = open(path)?;
    file.lock().map_err(unable("lock", path))?;
    Ok(file)
}

/// The locked file, or nothing where somebody else has it.
pub(super) fn attempt(path: &Path) -> Result<Option<File>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unable("lock", path)(error)),
    }
}
