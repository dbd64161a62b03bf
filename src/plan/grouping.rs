//! From fixes to groups of paths that do not touch each other, each with the parts of the fixes that touch it.

use super::cell::Cell;
use super::chains::Marks;
use super::paths;
use super::replay::{Cells, Group, Parts, Replay, Replayed, Step, number};
use super::types::{Candidate, PlanInput};
use crate::fix::{Change, Payload};
use crate::patch::FilePatch;
use crate::tree::{Entry, Tree, TreePath};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

impl<'a> Replay<'a> {
    pub fn new(fixes: &[Candidate<'a>], input: &PlanInput<'a>) -> Self {
        let (start, store, resolutions) = (input.start, input.store, input.resolutions);
        let mut groups: Vec<Group<'a>> =
            paths::groups(fixes).into_par_iter().map(|paths| group(paths, start)).collect();
        let mut of_path: HashMap<&TreePath, usize> = HashMap::new();
        for (g, group) in groups.iter().enumerate() {
            of_path.extend(group.paths.iter().map(|p| (*p, g)));
        }
        let touched = |fix: &Candidate<'a>| {
            let mut mine: Vec<usize> = fix.payload.paths().map(|p| of_path[p]).collect();
            mine.sort_unstable();
            mine.dedup();
            mine
        };
        let of_fix: Vec<Vec<usize>> = fixes.par_iter().map(touched).collect();
        for (i, (fix, mine)) in fixes.iter().zip(&of_fix).enumerate() {
            match fix.payload {
                Payload::Patch(files) if mine.len() == 1 => {
                    groups[mine[0]].steps.insert(i, Step::Patch(Parts::All(files)));
                }
                Payload::Patch(files) => {
                    let mut split: BTreeMap<usize, Vec<&FilePatch>> = BTreeMap::new();
                    for fp in files {
                        if let Some(p) = fp.new.as_ref().or(fp.old.as_ref()) {
                            split.entry(of_path[p]).or_default().push(fp);
                        }
                    }
                    for (g, of) in split {
                        let some = Parts::Some { of, together: OnceLock::new() };
                        groups[g].steps.insert(i, Step::Patch(some));
                    }
                }
                Payload::Overlay(changes) => {
                    let mut split: BTreeMap<usize, Vec<&Change>> = BTreeMap::new();
                    for change in changes {
                        split.entry(of_path[change.paths()[0]]).or_default().push(change);
                    }
                    for (g, changes) in split {
                        groups[g].steps.insert(i, Step::Overlay(changes));
                    }
                }
            }
        }
        let ids = fixes.iter().map(|c| c.id).collect();
        let marks = input.remembered.map(|r| Marks::new(r, fixes, &groups, input));
        Self { groups, of_fix, ids, start, store, resolutions, marks, broken: Mutex::new(None) }
    }
}

fn group<'a>(paths: Vec<&'a TreePath>, start: &Tree) -> Group<'a> {
    let cells: Cells = paths.iter().map(|p| start.get(p).and_then(Cell::of_entry).map(Arc::new)).collect();
    let mut nested = Vec::new();
    for (below, path) in paths.iter().enumerate() {
        for above in path.ancestors() {
            if let Ok(i) = paths.binary_search(&&above) {
                nested.push((i, below));
            }
        }
    }
    let folders = paths
        .iter()
        .zip(&cells)
        .map(|(p, cell)| {
            // Below a file or link there is nothing.
            if cell.is_some() {
                return false;
            }
            let from = format!("{p}/");
            let below =
                start.entries.range::<str, _>((std::ops::Bound::Included(from.as_str()), std::ops::Bound::Unbounded));
            below
                .take_while(|(q, _)| q.as_str().starts_with(&from))
                .any(|(q, e)| !matches!(e, Entry::Folder) && paths.binary_search(&q).is_err())
        })
        .collect();
    let mut replayed = Replayed::default();
    number(&mut replayed, cells);
    Group { paths, steps: BTreeMap::new(), folders, nested, brought: OnceLock::new(), replayed: Mutex::new(replayed) }
}
