//! One installer at a time.

use super::{Disk, error};
use crate::report::{Error, ErrorCode, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// An advisory lock (`flock`), held until it is dropped; when the process dies, the kernel drops it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Said, not left to closing: what was started meanwhile may have the file open too, and so the lock.
    fn drop(&mut self) {
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

impl Disk {
    /// Locks a file or a folder that exists, without waiting. A folder can be locked without anything
    /// being written into it, so that even the first run on it is alone. Commands that are started meanwhile inherit it:
    /// where this process is killed, it is held until they have ended.
    ///
    /// # Errors
    /// `locked` if somebody else holds it.
    pub fn lock(&self, path: &Path) -> Result<Lock> {
        let lock = self.flock(path, FlockOperation::NonBlockingLockExclusive)?;
        fcntl_setfd(&lock.file, FdFlags::empty()).map_err(|e| error(path, &e.into()))?;
        Ok(lock)
    }

    /// As [`Disk::lock`], for readers: many at a time, none beside a writer.
    ///
    /// # Errors
    /// `locked` if a writer holds it.
    pub fn lock_shared(&self, path: &Path) -> Result<Lock> {
        self.flock(path, FlockOperation::NonBlockingLockShared)
    }

    /// As [`Disk::lock`], but waits until nobody else has the file of this name, and commands do not inherit it: for what is
    /// replaced by a new file each time. None where the file system has no locks.
    ///
    /// # Errors
    /// As opening the file gives.
    pub fn lock_in_turn(&self, path: &Path) -> Result<Option<Lock>> {
        loop {
            let file = File::open(path).map_err(|e| error(path, &e))?;
            if flock(&file, FlockOperation::LockExclusive).is_err() {
                return Ok(None);
            }
            let lock = Lock { file };
            let held = lock.file.metadata().map_err(|e| error(path, &e))?;
            let now = std::fs::metadata(path).map_err(|e| error(path, &e))?;
            if (held.dev(), held.ino()) == (now.dev(), now.ino()) {
                return Ok(Some(lock));
            }
        }
    }

    fn flock(&self, path: &Path, how: FlockOperation) -> Result<Lock> {
        let file = File::open(path).map_err(|e| error(path, &e))?;
        match flock(&file, how) {
            Ok(()) => Ok(Lock { file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::new(
                ErrorCode::Locked,
                path.display(),
                "another cumulate, or a command of one, is working on it",
            )
            .next("wait until it has finished, then run the command again")),
            Err(e) => Err(error(path, &e.into())),
        }
    }
}
