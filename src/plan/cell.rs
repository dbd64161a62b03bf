//! One path in one state: kind, mode and content.

use crate::patch::Mode;
use crate::tree::{Bytes, Digest, Entry};
use std::sync::OnceLock;

/// What stands at a path. The bytes of large files are read only if a patch wants them.
#[derive(Debug, Clone)]
pub struct Cell {
    pub mode: Mode,
    pub digest: Digest,
    pub size: u64,
    bytes: OnceLock<Bytes>,
}

impl Cell {
    pub fn of_bytes(mode: Mode, bytes: Bytes) -> Self {
        Self { mode, digest: Digest::of(&bytes), size: bytes.len() as u64, bytes: OnceLock::from(bytes) }
    }

    pub fn stored(mode: Mode, digest: Digest, size: u64) -> Self {
        Self { mode, digest, size, bytes: OnceLock::new() }
    }

    /// What a tree has at a path; folders are no cells.
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        match entry {
            Entry::File { digest, size, exec } => {
                Some(Self::stored(if *exec { Mode::Exec } else { Mode::File }, *digest, *size))
            }
            Entry::Symlink { target } => Some(Self::of_bytes(Mode::Symlink, target.as_bytes().into())),
            Entry::Folder | Entry::Brief { .. } => None,
        }
    }

    /// The bytes, if they were made by a patch or read for one.
    pub fn made(&self) -> Option<&Bytes> {
        self.bytes.get()
    }

    /// Keeps bytes that were read, for the next time; returns those that are kept.
    pub fn keep(&self, bytes: Bytes) -> Bytes {
        self.bytes.get_or_init(|| bytes).clone()
    }
}
