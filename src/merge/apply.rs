//! Applying fixes to a tree, one after the other.

use crate::fix::{self, FixId, Payload};
use crate::patch::{self, FileState, Mode, Reject, RejectReason};
use crate::plan::PathMerge;
use crate::report::Result;
use crate::tree::{Bytes, Digest, Entry, Store, Tree, TreePath};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// The target, and how it came about.
#[derive(Debug, Clone, Default)]
pub struct Merged {
    pub tree: Tree,
    /// Contents that the start tree does not have.
    pub store: Store,
    /// Which fixes touched which path, in order; a renamed path keeps the fixes of its old name. Paths that
    /// fixes deleted are here too.
    pub provenance: BTreeMap<TreePath, Vec<FixId>>,
    /// For every touched path: what stood there before any fix, then after each fix that changed it.
    pub chains: BTreeMap<TreePath, Vec<Change>>,
}

/// One state of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Index into the order; none for the start.
    pub fix: Option<usize>,
    pub entry: Option<Entry>,
}

/// A fix that does not apply where its order puts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub fix: FixId,
    pub reject: Reject,
}

/// Applies the payloads in order; `joined` are the plan's contents that no fix brings alone. The inner error is a fix that does not apply.
///
/// # Errors
/// `source-changed`, `io` if a content cannot be read.
pub fn merge(
    order: &[(&FixId, &Payload)],
    start: &Tree,
    store: &Store,
    joined: &[PathMerge],
) -> Result<std::result::Result<Merged, Refused>> {
    let mut merged = Merged { tree: start.clone(), ..Merged::default() };
    for (index, (id, payload)) in order.iter().enumerate() {
        let here: Vec<&PathMerge> = joined.iter().filter(|m| m.fix == **id).collect();
        let rest = (!here.is_empty()).then(|| payload.without(|p| here.iter().any(|m| m.path == *p)));
        let mut changed = match apply(rest.as_ref().unwrap_or(payload), &merged.tree, &[&merged.store, store])? {
            Ok(changed) => changed,
            Err(reject) => return Ok(Err(Refused { fix: (*id).clone(), reject })),
        };
        for m in here {
            let state = FileState { mode: m.mode, content: m.bytes.clone() };
            changed.insert(m.path.clone(), entry(Some(state)));
        }
        let renames = renames(payload);
        for (path, (entry, content)) in changed {
            let before = merged.tree.get(&path).cloned();
            if before == entry {
                continue;
            }
            let chain = merged.chains.entry(path.clone()).or_insert_with(|| vec![Change { fix: None, entry: before }]);
            chain.push(Change { fix: Some(index), entry: entry.clone() });
            let inherited = renames.get(&path).and_then(|old| merged.provenance.get(old)).cloned().unwrap_or_default();
            let fixes = merged.provenance.entry(path.clone()).or_default();
            for fix in inherited.iter().chain([*id]) {
                if !fixes.contains(fix) {
                    fixes.push(fix.clone());
                }
            }
            match entry {
                Some(entry) => {
                    if let Some(bytes) = content.filter(|_| entry.digest().is_some_and(|d| !store.contains(&d))) {
                        merged.store.put(bytes);
                    }
                    merged.tree.entries.insert(path, entry);
                }
                None => {
                    merged.tree.entries.remove(&path);
                }
            }
        }
        drop_filled_folders(&mut merged.tree);
    }
    Ok(Ok(merged))
}

/// New path to old path, for renames.
fn renames(payload: &Payload) -> BTreeMap<TreePath, TreePath> {
    match payload {
        Payload::Patch(patches) => {
            patches.iter().filter(|p| p.rename).filter_map(|p| Some((p.new.clone()?, p.old.clone()?))).collect()
        }
        Payload::Overlay(changes) => changes
            .iter()
            .filter_map(|c| match c {
                fix::Change::Rename { from, to } => Some((to.clone(), from.clone())),
                _ => None,
            })
            .collect(),
    }
}

/// A folder that was declared empty and now has something in it needs no entry of its own.
fn drop_filled_folders(tree: &mut Tree) {
    let declared: Vec<TreePath> =
        tree.entries.iter().filter(|(_, e)| **e == Entry::Folder).map(|(p, _)| p.clone()).collect();
    if declared.is_empty() {
        return;
    }
    let filled: BTreeSet<TreePath> = tree.entries.keys().flat_map(|p| p.ancestors().collect::<Vec<_>>()).collect();
    for path in declared.iter().filter(|p| filled.contains(*p)) {
        tree.entries.remove(path);
    }
}

type Changed = BTreeMap<TreePath, (Option<Entry>, Option<Bytes>)>;

/// What a payload makes of a tree. The inner error is a part that does not apply.
pub(super) fn apply(payload: &Payload, tree: &Tree, stores: &[&Store]) -> Result<std::result::Result<Changed, Reject>> {
    match payload {
        Payload::Patch(patches) => {
            let failed = RefCell::new(None);
            let applied = patch::apply_all(patches, |path| match file_state(tree.get(path)?, stores) {
                Ok(state) => state,
                Err(e) => {
                    failed.replace(Some(e));
                    None
                }
            });
            if let Some(e) = failed.into_inner() {
                return Err(e);
            }
            Ok(applied.map(|a| a.changes.into_iter().map(|(path, state)| (path, entry(state))).collect()))
        }
        Payload::Overlay(changes) => Ok(overlay(changes, tree)),
    }
}

fn file_state(entry: &Entry, stores: &[&Store]) -> Result<Option<FileState>> {
    Ok(match entry {
        Entry::File { digest, exec, .. } => {
            let store = stores.iter().find(|s| s.contains(digest)).or(stores.last());
            let Some(store) = store else { return Ok(None) };
            let mode = if *exec { Mode::Exec } else { Mode::File };
            Some(FileState { mode, content: store.get(digest)? })
        }
        Entry::Symlink { target } => Some(FileState { mode: Mode::Symlink, content: target.as_bytes().into() }),
        Entry::Folder | Entry::Brief { .. } => None,
    })
}

fn entry(state: Option<FileState>) -> (Option<Entry>, Option<Bytes>) {
    let Some(state) = state else { return (None, None) };
    match state.mode {
        Mode::Symlink => {
            let target = String::from_utf8_lossy(&state.content).into_owned();
            (Some(Entry::Symlink { target }), None)
        }
        mode => {
            let (digest, size) = (Digest::of(&state.content), state.content.len() as u64);
            (Some(Entry::File { digest, size, exec: mode == Mode::Exec }), Some(state.content))
        }
    }
}

/// Everything leaves before anything arrives, so that two files of one overlay may swap their names; the plan's replay
/// has the same rule on its cells.
fn overlay(changes: &[fix::Change], tree: &Tree) -> std::result::Result<Changed, Reject> {
    let reject = |path: &TreePath, reason| Err(Reject { path: path.clone(), hunk: None, line: 0, reason });
    let mut out = Changed::new();
    for change in changes {
        if let fix::Change::Delete { path } | fix::Change::Rename { from: path, .. } = change
            && (tree.get(path).is_none() || out.insert(path.clone(), (None, None)).is_some())
        {
            return reject(path, RejectReason::Missing);
        }
    }
    let gone: BTreeSet<TreePath> = out.keys().cloned().collect();
    for change in changes {
        let (path, entry) = match change {
            fix::Change::Delete { .. } => continue,
            fix::Change::Put { path, mode, digest, size, built_on } => {
                let here = tree.get(path).and_then(Entry::digest);
                if let Some(built_on) = built_on.filter(|d| here != Some(*d)) {
                    return reject(path, RejectReason::NotBuiltOn(built_on));
                }
                (path, Entry::File { digest: *digest, size: *size, exec: *mode == Mode::Exec })
            }
            fix::Change::Link { path, target } => (path, Entry::Symlink { target: target.clone() }),
            fix::Change::Rename { from, to } => {
                if tree.get(to).is_some() && !gone.contains(to) {
                    return reject(to, RejectReason::Exists);
                }
                let Some(entry) = tree.get(from) else { return reject(from, RejectReason::Missing) };
                (to, entry.clone())
            }
        };
        out.insert(path.clone(), (Some(entry), None));
    }
    let is_file = |path: &TreePath| {
        let now = out.get(path).map_or_else(|| tree.get(path), |(entry, _)| entry.as_ref());
        matches!(now, Some(Entry::File { .. } | Entry::Symlink { .. }))
    };
    for path in out.iter().filter(|(_, (entry, _))| entry.is_some()).map(|(path, _)| path) {
        if let Some(parent) = path.ancestors().find(is_file) {
            return reject(path, RejectReason::ParentIsFile(parent));
        }
    }
    Ok(out)
}
