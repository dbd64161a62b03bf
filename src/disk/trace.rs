//! What was done, in order, so that a test can build the disk that a power cut would have left.

use super::Disk;
use std::path::{Path, PathBuf};

/// One operation that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    Create {
        path: PathBuf,
        mode: u32,
    },
    Write {
        path: PathBuf,
        bytes: Vec<u8>,
    },
    Mode {
        path: PathBuf,
        mode: u32,
    },
    Mtime {
        path: PathBuf,
        seconds: i64,
        nanoseconds: i64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Symlink {
        target: String,
        path: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    Mkdir {
        path: PathBuf,
        mode: u32,
    },
    Rmdir {
        path: PathBuf,
    },
    /// A file's content and metadata became durable.
    SyncFile {
        path: PathBuf,
    },
    /// A folder's names and metadata became durable.
    SyncFolder {
        path: PathBuf,
    },
    /// Everything became durable.
    SyncAll,
}

impl Disk {
    /// As [`Disk::with_faults`], remembering every operation. Owners are not recorded.
    #[must_use]
    pub fn recording(mut self) -> Self {
        self.trace = Some(std::sync::Mutex::default());
        self
    }

    /// What was done so far, if this disk records.
    pub fn trace(&self) -> Vec<Trace> {
        self.trace.as_ref().and_then(|t| t.lock().ok()).map(|t| t.clone()).unwrap_or_default()
    }

    pub(super) fn note(&self, what: impl FnOnce() -> Trace) {
        if let Some(mut trace) = self.trace.as_ref().and_then(|t| t.lock().ok()) {
            trace.push(what());
        }
    }
}

pub(super) fn own(path: &Path) -> PathBuf {
    path.to_path_buf()
}
