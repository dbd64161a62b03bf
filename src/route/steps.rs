//! Which old file serves which new path.

use super::similar::Similar;
use crate::bundle::Class;
use crate::tree::{Digest, Entry, Store, Tree, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// All steps of one base before their deltas are made; sorted by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub steps: Vec<Way>,
    /// Paths of class `config` that no step touches.
    pub config: Vec<TreePath>,
}

/// What happens at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub path: TreePath,
    pub before: Option<Entry>,
    pub after: Option<Entry>,
    pub class: Class,
    pub how: How,
}

/// How the new content comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    Copy {
        from: TreePath,
    },
    /// `size` is the old content's.
    Delta {
        from: TreePath,
        old: Digest,
        size: u64,
        new: Digest,
    },
    Full {
        new: Digest,
    },
    Delete,
    Link,
    Mode,
    Folder,
}

/// Plans every path that differs between a base and the target.
///
/// The same content elsewhere in the base is copied, preferring a path of the same name, then the first by
/// bytes. A changed file is served by its own path, a new one by the most similar old file ([`Similar`]).
/// Config files serve no other path, for a site may have edited them.
pub fn route(base: &Tree, target: &Tree, store: &Store, class: &dyn Fn(&TreePath) -> Class) -> Route {
    let serves = |p: &TreePath| class(p) != Class::Config;
    let serving = base.entries.iter().filter(|(p, _)| serves(p));
    let mut holders: BTreeMap<Digest, Vec<&TreePath>> = BTreeMap::new();
    for (path, entry) in serving.clone() {
        if let Some(d) = entry.digest() {
            holders.entry(d).or_default().push(path);
        }
    }
    let gone: Vec<(&TreePath, &Entry)> =
        serving.clone().filter(|(p, e)| e.is_file() && target.get(p) != Some(*e)).collect();
    let similar = Similar::new(serving, &gone);
    let paths: BTreeSet<&TreePath> = base.entries.keys().chain(target.entries.keys()).collect();
    let mut steps = Vec::new();
    let mut config = Vec::new();
    for path in paths {
        let (before, after) = (base.get(path), target.get(path));
        let kind = class(path);
        if before == after {
            if kind == Class::Config && after.is_some_and(Entry::is_file) {
                config.push(path.clone());
            }
            continue;
        }
        let how = match (before, after) {
            (_, None) => How::Delete,
            (_, Some(Entry::Symlink { .. })) => How::Link,
            (_, Some(Entry::Folder | Entry::Brief { .. })) => How::Folder,
            (Some(Entry::File { digest: a, .. }), Some(Entry::File { digest: b, .. })) if a == b => How::Mode,
            (before, Some(Entry::File { digest, size, .. })) => {
                let own = before.filter(|e| e.size() > 0).and_then(|e| Some((e.digest()?, e.size())));
                if let Some(from) = holders.get(digest).filter(|_| *size > 0).and_then(|h| same_name_first(h, path)) {
                    How::Copy { from: from.clone() }
                } else if *size == 0 || kind == Class::Config {
                    // An edited config file is no pre-image, and its new version must still be laid beside it.
                    How::Full { new: *digest }
                } else if let Some((old, size)) = own {
                    How::Delta { from: path.clone(), old, size, new: *digest }
                } else if let Some(found) = similar.find(path, digest, *size, store) {
                    How::Delta { from: found.from, old: found.old, size: found.size, new: *digest }
                } else {
                    How::Full { new: *digest }
                }
            }
        };
        steps.push(Way { path: path.clone(), before: before.cloned(), after: after.cloned(), class: kind, how });
    }
    Route { steps, config }
}

fn same_name_first<'a>(holders: &[&'a TreePath], path: &TreePath) -> Option<&'a TreePath> {
    holders.iter().find(|h| h.name() == path.name()).or_else(|| holders.first()).copied()
}
