//! The tree itself and its digest.

use super::{Beginning, Digest, TreePath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What stands at one path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Entry {
    File {
        digest: Digest,
        size: u64,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        exec: bool,
    },
    Symlink {
        target: String,
    },
    /// A folder that is declared although it is empty.
    Folder,
    /// A file of which a listing holds only the beginning of its digest. What stands on a disk is never brief:
    /// [`Tree::complete`] makes such entries whole.
    Brief {
        begins: Beginning,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        exec: bool,
    },
}

impl Entry {
    pub fn is_file(&self) -> bool {
        matches!(self, Entry::File { .. } | Entry::Brief { .. })
    }

    /// The content digest of a file, where the whole of it is known.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Entry::File { digest, .. } => Some(*digest),
            _ => None,
        }
    }

    /// The size in bytes of a file, where it is known, else 0.
    pub fn size(&self) -> u64 {
        match self {
            Entry::File { size, .. } => *size,
            _ => 0,
        }
    }

    /// Whether both can be the same content, as far as either is known.
    pub fn same_content(&self, other: &Entry) -> bool {
        match (self, other) {
            (Entry::File { digest: a, size: x, .. }, Entry::File { digest: b, size: y, .. }) => (a, x) == (b, y),
            (Entry::Brief { begins, .. }, Entry::File { digest, .. })
            | (Entry::File { digest, .. }, Entry::Brief { begins, .. }) => begins.fits(digest),
            (Entry::Brief { begins: a, .. }, Entry::Brief { begins: b, .. }) => a == b,
            _ => false,
        }
    }

    /// Takes over what was found where this entry is brief and that fits it.
    pub fn complete(&mut self, found: Option<&Entry>) {
        if let (Entry::Brief { begins, exec }, Some(whole @ Entry::File { digest, exec: its, .. })) = (&*self, found)
            && begins.fits(digest)
            && exec == its
        {
            *self = whole.clone();
        }
    }
}

/// Files by path. A released version's identity is its [`Tree::digest`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree {
    pub entries: BTreeMap<TreePath, Entry>,
}

impl Tree {
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.entries.get(path)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Makes brief entries whole that what was found at their paths fits. The tree digest then proves all of them.
    pub fn complete<'e>(&mut self, found: impl Fn(&TreePath) -> Option<&'e Entry>) {
        for (path, entry) in &mut self.entries {
            if matches!(entry, Entry::Brief { .. }) {
                entry.complete(found(path));
            }
        }
    }

    /// Whether the tree digest can be told: no entry is brief.
    pub fn is_whole(&self) -> bool {
        self.entries.values().all(|e| !matches!(e, Entry::Brief { .. }))
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.entries.values().map(Entry::size).sum()
    }

    /// The first path, if any, that stands both as a file (or link) and as a folder of another path.
    pub fn file_and_folder(&self) -> Option<&TreePath> {
        self.entries.keys().find(|p| {
            p.ancestors().any(|a| {
                matches!(self.entries.get(&a), Some(Entry::File { .. } | Entry::Symlink { .. } | Entry::Brief { .. }))
            })
        })
    }

    /// The tree digest: git's tree object, built with SHA-256 over `tree <len>\0` and the
    /// entries `<mode> <name>\0<digest>` in git's order, where a file's or a link's digest is
    /// the plain SHA-256 of its content, so that `sha256sum` can check it. With a brief entry in it, the digest is
    /// no tree's.
    pub fn digest(&self) -> Digest {
        let mut root = Node::default();
        for (path, entry) in &self.entries {
            let mut node = &mut root;
            let mut names = path.names().peekable();
            while let Some(name) = names.next() {
                let last = names.peek().is_none();
                match (last, entry) {
                    (true, Entry::File { digest, exec, .. }) => {
                        let mode = if *exec { "100755" } else { "100644" };
                        node.leaves.insert(name, (mode, *digest));
                    }
                    (true, Entry::Brief { begins, .. }) => {
                        node.leaves.insert(name, ("100644", begins.padded()));
                    }
                    (true, Entry::Symlink { target }) => {
                        node.leaves.insert(name, ("120000", Digest::of(target.as_bytes())));
                    }
                    (true, Entry::Folder) | (false, _) => node = node.folders.entry(name).or_default(),
                }
            }
        }
        root.digest()
    }
}

#[derive(Default)]
struct Node<'a> {
    leaves: BTreeMap<&'a str, (&'static str, Digest)>,
    folders: BTreeMap<&'a str, Node<'a>>,
}

impl Node<'_> {
    /// Recursion is bounded: a path has at most 1,536 names ([`TreePath`]'s length limit).
    fn digest(&self) -> Digest {
        // Git orders a folder as if its name ended in '/'.
        let mut rows: Vec<(String, &str, &str, Digest)> = Vec::new();
        for (name, (mode, digest)) in &self.leaves {
            rows.push(((*name).to_owned(), mode, name, *digest));
        }
        for (name, node) in &self.folders {
            rows.push((format!("{name}/"), "40000", name, node.digest()));
        }
        rows.sort();
        let mut body = Vec::new();
        for (_, mode, name, digest) in rows {
            body.extend_from_slice(mode.as_bytes());
            body.push(b' ');
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            body.extend_from_slice(&digest.0);
        }
        let mut h = super::Hasher::new();
        h.update(format!("tree {}\0", body.len()).as_bytes());
        h.update(&body);
        h.finish()
    }
}
