//! Contents by digest: in memory, or still in the file they were found in.

use super::{Digest, TreePath};
use crate::report::{Error, ErrorCode, Result};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Shared bytes of one content.
pub type Bytes = Arc<[u8]>;

#[derive(Debug, Clone)]
enum Content {
    Memory(Bytes),
    /// A file of so many bytes at a path below a folder.
    File(Arc<Path>, TreePath, u64),
}

type Contents = HashMap<Digest, Content>;

/// Contents by digest. Reading one from a file checks its digest again, so that a
/// folder that changes while it is used is noticed.
#[derive(Debug, Clone, Default)]
pub struct Store {
    contents: Contents,
    /// What is shared with other stores.
    shared: Vec<Arc<Contents>>,
}

impl Store {
    pub(super) fn with_room_for(contents: usize) -> Self {
        Self { contents: Contents::with_capacity(contents), ..Self::default() }
    }

    pub fn contains(&self, digest: &Digest) -> bool {
        self.find(digest).is_some()
    }

    fn find(&self, digest: &Digest) -> Option<&Content> {
        self.contents.get(digest).or_else(|| self.shared.iter().find_map(|s| s.get(digest)))
    }

    /// Adds bytes and returns their digest.
    pub fn put(&mut self, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.contents.entry(digest).or_insert(Content::Memory(bytes));
        digest
    }

    /// Remembers that `path` below `root` holds the content of this digest and size.
    pub fn put_file(&mut self, digest: Digest, root: &Arc<Path>, path: &TreePath, size: u64) {
        let file = || Content::File(Arc::clone(root), path.clone(), size);
        self.contents.entry(digest).or_insert_with(file);
    }

    /// Makes what is there cheap to clone.
    pub fn settle(&mut self) {
        if !self.contents.is_empty() {
            self.shared.push(Arc::new(std::mem::take(&mut self.contents)));
        }
    }

    /// Takes over everything another store has.
    pub fn absorb(&mut self, other: Store) {
        for (digest, content) in other.contents {
            self.contents.entry(digest).or_insert(content);
        }
        self.shared.extend(other.shared);
    }

    /// The bytes of a content.
    ///
    /// # Errors
    /// `internal` if nobody put it here; `io` or `source-changed` if its file is gone or changed.
    pub fn get(&self, digest: &Digest) -> Result<Bytes> {
        match self.find(digest) {
            None => Err(Error::new(ErrorCode::Internal, digest, "a content is missing from the store")),
            Some(Content::Memory(bytes)) => Ok(bytes.clone()),
            Some(Content::File(root, path, size)) => {
                let path = path.under(root);
                let bytes = super::regular::read_regular(&path)?;
                if bytes.len() as u64 != *size || Digest::of(&bytes) != *digest {
                    return Err(Error::new(
                        ErrorCode::SourceChanged,
                        path.display(),
                        "the file changed while it was read",
                    )
                    .next("wait until nothing writes to the folder, then run the command again"));
                }
                Ok(bytes.into())
            }
        }
    }
}
