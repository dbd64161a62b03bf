//! Which paths have to be looked at together: a rename ties two, and so does a file where another path has a folder.

use super::types::Candidate;
use crate::fix::Payload;
use crate::tree::TreePath;
use std::collections::{BTreeMap, BTreeSet};

/// All paths that a payload names.
pub(super) fn of_payload(payload: &Payload) -> BTreeSet<&TreePath> {
    payload.paths().collect()
}

/// The paths that any fix names, in groups; each group sorted, groups by their first path.
pub(super) fn groups<'a>(fixes: &[Candidate<'a>]) -> Vec<Vec<&'a TreePath>> {
    let mut all: BTreeMap<&TreePath, usize> = BTreeMap::new();
    for fix in fixes {
        for p in fix.payload.paths() {
            all.entry(p).or_insert(0);
        }
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
        for part in fix.payload.parts() {
            if let [a, b] = part.as_slice() {
                tie(all[a], all[b]);
            }
        }
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
