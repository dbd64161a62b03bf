//! What a patch does, file by file; where an earlier run knew which paths it names, the patch is read only if somebody
//! looks at more than those.

use crate::patch::{FilePatch, ParseOptions, parse};
use crate::tree::{Digest, Hasher, TreePath, read_regular};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher as Hashing};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The parts of a patch in the order in which they stand in the file; one path may come twice.
#[derive(Debug, Clone)]
pub struct Files {
    read: OnceLock<Vec<FilePatch>>,
    /// Stands for everything that the parts were read from.
    mark: Option<Digest>,
    /// Where they lie, as long as nobody had to look.
    unread: Option<Box<Unread>>,
}

/// Patch files as they were when somebody read them, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Unread {
    pub(super) files: Vec<(PathBuf, Digest)>,
    pub(super) options: ParseOptions,
    pub(super) names: Vec<Names>,
    /// Set where a file is not what it was any more: then nothing that was made of these parts counts.
    pub(super) changed: Arc<AtomicBool>,
}

/// The paths that one part names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Names {
    Same(TreePath),
    Both(Option<TreePath>, Option<TreePath>),
}

impl Names {
    pub(super) fn of(part: &FilePatch) -> Self {
        match (&part.old, &part.new) {
            (Some(old), Some(new)) if old == new => Self::Same(new.clone()),
            (old, new) => Self::Both(old.clone(), new.clone()),
        }
    }

    fn both(&self) -> (Option<&TreePath>, Option<&TreePath>) {
        match self {
            Self::Same(path) => (Some(path), Some(path)),
            Self::Both(old, new) => (old.as_ref(), new.as_ref()),
        }
    }
}

impl Files {
    /// Parts that were read, with what stands for all that they were read from.
    pub(super) fn marked(parts: Vec<FilePatch>, mark: Option<Digest>) -> Self {
        Self { read: OnceLock::from(parts), mark, unread: None }
    }

    pub(super) fn unread(unread: Unread) -> Self {
        let digests: Vec<Digest> = unread.files.iter().map(|(_, digest)| *digest).collect();
        let mark = Some(mark(&digests, &unread.options));
        Self { read: OnceLock::new(), mark, unread: Some(Box::new(unread)) }
    }

    /// What stands for everything that the parts were read from, where that is known.
    pub fn mark(&self) -> Option<&Digest> {
        self.mark.as_ref()
    }

    /// The old and the new path of every part.
    pub fn names(&self) -> impl Iterator<Item = (Option<&TreePath>, Option<&TreePath>)> {
        let (unread, read) = match &self.unread {
            Some(unread) => (unread.names.as_slice(), &[] as &[FilePatch]),
            None => (&[] as &[Names], &**self),
        };
        unread.iter().map(Names::both).chain(read.iter().map(|part| (part.old.as_ref(), part.new.as_ref())))
    }

    /// Whether every path is in two parts or more: else nothing that one part changes is changed back by another.
    pub fn come_twice(&self) -> bool {
        let mut times: BTreeMap<&TreePath, usize> = BTreeMap::new();
        for (old, new) in self.names() {
            for path in old.into_iter().chain(new.filter(|new| Some(*new) != old)) {
                *times.entry(path).or_default() += 1;
            }
        }
        !times.is_empty() && times.values().all(|n| *n > 1)
    }
}

/// Stands for patch files that are read one after the other.
pub(super) fn mark(digests: &[Digest], options: &ParseOptions) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&options.strip.to_le_bytes());
    hasher.update(&[u8::from(options.reverse)]);
    digests.iter().for_each(|digest| hasher.update(&digest.0));
    hasher.finish()
}

/// The parts of one more file behind those of others: each file applies after the one before it, as the mails in one
/// file do.
pub(super) fn behind(all: &mut Vec<FilePatch>, mut parts: Vec<FilePatch>) {
    let next = all.iter().map(|part| part.mail + 1).max().unwrap_or(0);
    parts.iter_mut().for_each(|part| part.mail += next);
    all.extend(parts);
}

impl Unread {
    fn read(&self) -> Option<Vec<FilePatch>> {
        let mut all = Vec::new();
        for (file, digest) in &self.files {
            let bytes = read_regular(file).ok().filter(|bytes| Digest::of(bytes) == *digest)?;
            behind(&mut all, parse(&bytes, &self.options).ok()?);
        }
        (all.len() == self.names.len() && all.iter().zip(&self.names).all(|(part, names)| Names::of(part) == *names))
            .then_some(all)
    }
}

impl Deref for Files {
    type Target = [FilePatch];

    fn deref(&self) -> &[FilePatch] {
        self.read.get_or_init(|| {
            let Some(unread) = &self.unread else { return Vec::new() };
            unread.read().unwrap_or_else(|| {
                unread.changed.store(true, Ordering::Relaxed);
                Vec::new()
            })
        })
    }
}

impl From<Vec<FilePatch>> for Files {
    fn from(parts: Vec<FilePatch>) -> Self {
        Self::marked(parts, None)
    }
}

impl PartialEq for Files {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Hash for Files {
    fn hash<H: Hashing>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<'a> IntoIterator for &'a Files {
    type Item = &'a FilePatch;
    type IntoIter = std::slice::Iter<'a, FilePatch>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
