//! Which paths have to be looked at together: a rename ties two, and so does a file where another path has a folder.

use super::types::Candidate;
use crate::fix::{Change, Payload};
use crate::tree::TreePath;
use std::collections::{BTreeMap, BTreeSet};

/// The paths that a change names, one or two.
pub(super) fn of_change(change: &Change) -> Vec<&TreePath> {
    match change {
        Change::Put { path, .. } | Change::Link { path, .. } | Change::Delete { path } => vec![path],
        Change::Rename { from, to } => vec![from, to],
    }
}

/// Calls `f` with the paths of every single part of a payload.
fn parts<'a>(payload: &'a Payload, mut f: impl FnMut(&[&'a TreePath])) {
    match payload {
        Payload::Patch(files) => {
            for fp in files {
                let both: Vec<_> = fp.old.iter().chain(&fp.new).collect();
                f(&both);
            }
        }
        Payload::Overlay(changes) => changes.iter().for_each(|c| f(&of_change(c))),
    }
}

/// All paths that a payload names.
pub(super) fn of_payload(payload: &Payload) -> BTreeSet<&TreePath> {
    let mut all = BTreeSet::new();
    parts(payload, |paths| all.extend(paths.iter().copied()));
    all
}

/// The paths that any fix names, in groups; each group sorted, groups by their first path.
pub(super) fn groups<'a>(fixes: &[Candidate<'a>]) -> Vec<Vec<&'a TreePath>> {
    let mut all: BTreeMap<&TreePath, usize> = BTreeMap::new();
    for fix in fixes {
        parts(fix.payload, |paths| {
            for p in paths {
                all.entry(p).or_insert(0);
            }
        });
    }
    for (i, slot) in all.values_mut().enumerate() {
        *slot = i;
    }
    let mut up: Vec<usize> = (0..all.len()).collect();
    fn root(up: &mut [usize], mut i: usize) -> usize {
        while up[i] != i {
            up[i] = up[up[i]];
            i = up[i];
        }
        i
    }
    let mut tie = |a: usize, b: usize| {
        let (a, b) = (root(&mut up, a), root(&mut up, b));
        up[a.max(b)] = a.min(b);
    };
    for fix in fixes {
        parts(fix.payload, |paths| {
            if let [a, b] = paths {
                tie(all[a], all[b]);
            }
        });
    }
    for (path, i) in &all {
        for above in path.ancestors() {
            if let Some(j) = all.get(&above) {
                tie(*i, *j);
            }
        }
    }
    let mut out: BTreeMap<usize, Vec<&TreePath>> = BTreeMap::new();
    for (path, i) in &all {
        out.entry(root(&mut up, *i)).or_default().push(path);
    }
    out.into_values().collect()
}
