//! Contents on their way into a bundle, by digest: in memory, or in files.

use super::BlobRef;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Hasher};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Contents by digest. One content is held once, however often it is added.
#[derive(Debug, Clone, Default)]
pub struct Blobs {
    held: BTreeMap<Digest, Held>,
}

#[derive(Debug, Clone)]
enum Held {
    Memory(Arc<[u8]>),
    File(PathBuf, u64),
}

impl Blobs {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add(&mut self, bytes: impl Into<Arc<[u8]>>) -> BlobRef {
        let bytes = bytes.into();
        let blob = BlobRef { digest: Digest::of(&bytes), size: bytes.len() as u64 };
        self.held.entry(blob.digest).or_insert(Held::Memory(bytes));
        blob
    }

    /// Adds a file's content, which must not change until the bundle is written.
    ///
    /// # Errors
    /// `io`.
    pub fn add_file(&mut self, path: &Path) -> Result<BlobRef> {
        let mut hasher = Hasher::new();
        let mut size = 0u64;
        stream(path, |piece| {
            hasher.update(piece);
            size += piece.len() as u64;
            Ok(())
        })?;
        let blob = BlobRef { digest: hasher.finish(), size };
        self.held.entry(blob.digest).or_insert_with(|| Held::File(path.to_path_buf(), size));
        Ok(blob)
    }

    /// The size of a content that is here.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        self.held.get(digest).map(|h| match h {
            Held::Memory(bytes) => bytes.len() as u64,
            Held::File(_, size) => *size,
        })
    }

    /// Hands the content over piece by piece and checks that it is still what was added.
    ///
    /// # Errors
    /// `internal` if nobody added it, `source-changed` or `io` for files; whatever `sink` returns.
    pub(super) fn stream(&self, blob: &BlobRef, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self.held.get(&blob.digest) {
            None => Err(Error::new(ErrorCode::Internal, blob.digest, "a blob that the bundle names was never added")),
            Some(Held::Memory(bytes)) => sink(bytes),
            Some(Held::File(path, _)) => {
                let mut hasher = Hasher::new();
                stream(path, |piece| {
                    hasher.update(piece);
                    sink(piece)
                })?;
                if hasher.finish() == blob.digest {
                    return Ok(());
                }
                Err(Error::new(ErrorCode::SourceChanged, path.display(), "the file changed while it was used")
                    .next("run the same command again"))
            }
        }
    }
}

fn stream(path: &Path, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let io = |e: std::io::Error| Error::io(path.display(), &e);
    let mut file = File::open(path).map_err(io)?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        let n = file.read(&mut buffer).map_err(io)?;
        if n == 0 {
            return Ok(());
        }
        sink(&buffer[..n])?;
    }
}
