//! Which paths have to be looked at together: a rename ties two, and so does a file where another path has a folder.

use super::types::Candidate;
use crate::fix::Payload;
use crate::tree::TreePath;
use rayon::prelude::*;

/// The paths that any fix names, in groups, and where each fix touches those.
pub(super) struct Grouped<'a> {
    /// Each sorted, by their first path.
    pub(super) groups: Vec<Vec<&'a TreePath>>,
    /// By fix: the group of each of its parts; none for a part without a path.
    pub(super) parts: Vec<Vec<Option<usize>>>,
}

/// A path where a fix names it.
type Named<'a> = (&'a TreePath, usize, usize);

pub(super) fn groups<'a>(fixes: &[Candidate<'a>]) -> Grouped<'a> {
    let mut named: Vec<Named<'a>> = Vec::new();
    let mut parts: Vec<Vec<Option<usize>>> = Vec::with_capacity(fixes.len());
    for (i, fix) in fixes.iter().enumerate() {
        parts.push(vec![None; name(fix.payload, i, &mut named)]);
    }
    named.par_sort_unstable();
    let mut all: Vec<&TreePath> = Vec::with_capacity(named.len());
    let mut tied: Vec<(usize, usize)> = Vec::new();
    // What stands here for now is the number of the path.
    for (path, fix, part) in named {
        if all.last() != Some(&path) {
            all.push(path);
        }
        let number = all.len() - 1;
        match parts[fix][part] {
            None => parts[fix][part] = Some(number),
            Some(other) if other != number => tied.push((other, number)),
            Some(_) => {}
        }
    }
    above(&all, &mut tied);
    let mut up: Vec<usize> = (0..all.len()).collect();
    for (a, b) in tied {
        let (a, b) = (root(&mut up, a), root(&mut up, b));
        up[a.max(b)] = a.min(b);
    }
    let mut groups: Vec<Vec<&TreePath>> = Vec::new();
    let mut of_path: Vec<usize> = Vec::with_capacity(all.len());
    for (i, path) in all.into_iter().enumerate() {
        // The root of a group is its first path.
        let first = root(&mut up, i);
        let group = if first == i { groups.len() } else { of_path[first] };
        if first == i {
            groups.push(vec![path]);
        } else {
            groups[group].push(path);
        }
        of_path.push(group);
    }
    for part in parts.iter_mut().flatten().flatten() {
        *part = of_path[*part];
    }
    Grouped { groups, parts }
}

/// Notes every path of a fix; returns how many parts it has.
fn name<'a>(payload: &'a Payload, fix: usize, named: &mut Vec<Named<'a>>) -> usize {
    let mut count = 0;
    match payload {
        Payload::Patch(files) => {
            for (old, new) in files.names() {
                named.extend(old.filter(|_| old != new).into_iter().chain(new).map(|path| (path, fix, count)));
                count += 1;
            }
        }
        Payload::Overlay(changes) => {
            for change in changes {
                named.extend(change.paths().into_iter().map(|path| (path, fix, count)));
                count += 1;
            }
        }
    }
    count
}

fn root(up: &mut [usize], mut i: usize) -> usize {
    while up[i] != i {
        up[i] = up[up[i]];
        i = up[i];
    }
    i
}

/// Ties every path to those that are folders of it.
fn above(all: &[&TreePath], tied: &mut Vec<(usize, usize)>) {
    // Of paths in one folder, which stand together mostly, the folders are looked for once.
    let mut last: Option<(&str, Vec<usize>)> = None;
    for (i, path) in all.iter().enumerate() {
        let folder = path.place().0;
        if last.as_ref().is_none_or(|(of, _)| *of != folder) {
            let ends = folder.rmatch_indices('/').map(|(end, _)| end).chain([folder.len()]).filter(|end| *end > 0);
            let there = ends.filter_map(|end| all.binary_search_by(|p| p.as_str().cmp(&folder[..end])).ok()).collect();
            last = Some((folder, there));
        }
        tied.extend(last.iter().flat_map(|(_, there)| there).map(|j| (i, *j)));
    }
}
