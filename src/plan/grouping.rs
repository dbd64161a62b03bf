//! From fixes to groups of paths that do not touch each other, each with the parts of the fixes that touch it.

use super::chains::Marks;
use super::paths::{self, Grouped};
use super::replay::{Group, Parts, Replay, Step, Steps, Which};
use super::types::{Candidate, PlanInput};
use crate::fix::{Change, Payload};
use crate::tree::{Entry, Tree, TreePath};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

impl<'a> Replay<'a> {
    pub fn new(fixes: &[Candidate<'a>], input: &PlanInput<'a>) -> Self {
        let (start, store, resolutions) = (input.start, input.store, input.resolutions);
        let Grouped { groups, parts } = paths::groups(fixes);
        let mut groups: Vec<Group<'a>> = groups.into_par_iter().map(|paths| group(paths, start)).collect();
        let touched = |parts: &Vec<Option<usize>>| {
            let mut mine: Vec<usize> = parts.iter().flatten().copied().collect();
            mine.sort_unstable();
            mine.dedup();
            mine
        };
        let of_fix: Vec<Vec<usize>> = parts.iter().map(touched).collect();
        for (i, ((fix, mine), parts)) in fixes.iter().zip(&of_fix).zip(&parts).enumerate() {
            match fix.payload {
                Payload::Patch(files) if mine.len() == 1 => {
                    groups[mine[0]].steps.push(i, Step::Patch(Parts::new(files, Which::All)));
                }
                Payload::Patch(files) => {
                    for g in mine {
                        let mut here = (0..parts.len()).filter(|k| parts[*k] == Some(*g));
                        let which = match (here.next(), here.next()) {
                            (Some(one), None) => Which::One(one),
                            (one, two) => Which::Some(one.into_iter().chain(two).chain(here).collect()),
                        };
                        groups[*g].steps.push(i, Step::Patch(Parts::new(files, which)));
                    }
                }
                Payload::Overlay(changes) => {
                    let mut split: BTreeMap<usize, Vec<&Change>> = BTreeMap::new();
                    for (change, g) in changes.iter().zip(parts) {
                        split.entry(g.unwrap_or_default()).or_default().push(change);
                    }
                    for (g, changes) in split {
                        groups[g].steps.push(i, Step::Overlay(changes));
                    }
                }
            }
        }
        let ids = fixes.iter().map(|c| c.id).collect();
        let marks = input.remembered.map(|r| Marks::new(r, fixes, &groups, input));
        Self { groups, of_fix, ids, start, store, resolutions, marks, broken: Mutex::new(None) }
    }
}

fn group<'a>(paths: Vec<&'a TreePath>, start: &'a Tree) -> Group<'a> {
    let there: Vec<Option<&Entry>> = paths.iter().map(|p| start.get(p)).collect();
    let mut nested = Vec::new();
    for (below, path) in paths.iter().enumerate().filter(|_| paths.len() > 1) {
        for above in path.ancestors() {
            if let Ok(i) = paths.binary_search(&&above) {
                nested.push((i, below));
            }
        }
    }
    let folders = paths
        .iter()
        .zip(&there)
        .map(|(p, there)| {
            // Below a file or link there is nothing.
            if matches!(there, Some(Entry::File { .. } | Entry::Symlink { .. })) {
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
    let (brought, lacking, replayed) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
    Group { paths, there, steps: Steps::default(), folders, nested, brought, lacking, replayed }
}
