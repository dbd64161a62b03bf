//! Which paths have to be looked at together: a rename ties two, and so does a file where another path has a folder.

use super::types::Candidate;
use crate::tree::TreePath;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The paths that any fix names, in groups; each group sorted, groups by their first path.
pub(super) fn groups<'a>(fixes: &[Candidate<'a>]) -> Vec<Vec<&'a TreePath>> {
    let mut all: Vec<&TreePath> = fixes.iter().flat_map(|fix| fix.payload.paths()).collect();
    all.par_sort_unstable();
    all.dedup();
    let number = |path: &str| all.binary_search_by(|p| p.as_str().cmp(path)).ok();
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
            if let [a, b] = part.as_slice()
                && a != b
                && let (Some(a), Some(b)) = (number(a.as_str()), number(b.as_str()))
            {
                tie(a, b);
            }
        }
    }
    for (i, path) in all.iter().enumerate() {
        for (end, _) in path.as_str().rmatch_indices('/') {
            if let Some(j) = number(&path.as_str()[..end]) {
                tie(i, j);
            }
        }
    }
    let mut out: BTreeMap<usize, Vec<&TreePath>> = BTreeMap::new();
    for (i, path) in all.iter().enumerate() {
        out.entry(root(&mut up, i)).or_default().push(path);
    }
    out.into_values().collect()
}
