//! Whole files that later fixes put over what earlier ones changed in them.

use super::replay::{Replay, StateId, Step};
use super::work::Work;
use crate::fix::{Change, FixId};
use crate::patch::three_way;
use crate::report::{Code, Finding};
use crate::tree::TreePath;
use std::collections::BTreeMap;

impl Work<'_, '_> {
    /// What fixes of the order changed in files and a later whole file does not have, although it could: nobody said what
    /// that file was built on, and most often it was something older.
    pub(super) fn overwritten(&self, replay: &Replay<'_>, order: &[usize]) -> Vec<Finding> {
        let mut lost: BTreeMap<(&FixId, &FixId), &TreePath> = BTreeMap::new();
        for (g, group) in replay.groups.iter().enumerate() {
            if !group.steps.iter().any(|(_, step)| !whole(step).is_empty()) {
                continue;
            }
            let here: Vec<usize> = order.iter().copied().filter(|f| group.steps.has(*f)).collect();
            let mut states: Vec<StateId> = vec![0];
            for fix in &here {
                let Ok(next) = replay.step(g, states[states.len() - 1], *fix) else { break };
                states.push(next);
            }
            let text = |state: StateId, path: &TreePath| {
                let at = group.paths.binary_search(&path).ok()?;
                replay.bytes(replay.cells(g, state)[at].as_ref()?)
            };
            for (k, then) in here.iter().enumerate().take(states.len() - 1) {
                for path in group.steps.get(*then).map(whole).unwrap_or_default() {
                    let Some(new) = text(states[k + 1], path) else { continue };
                    for (j, first) in here.iter().enumerate().take(k) {
                        let Some((was, is)) = text(states[j], path).zip(text(states[j + 1], path)) else { continue };
                        if was != is && three_way(&was, &is, &new).is_ok_and(|both| *both != *new) {
                            lost.entry((self.fixes[*first].id, self.fixes[*then].id)).or_insert(path);
                        }
                    }
                }
            }
        }
        lost.into_iter().map(|((first, then), path)| self.told_overwritten(first, then, path)).collect()
    }

    fn told_overwritten(&self, first: &FixId, then: &FixId, path: &TreePath) -> Finding {
        let cves = self.number(first).map(|i| self.fixes[i].meta.cves.join(", ")).unwrap_or_default();
        let so = if cves.is_empty() { String::new() } else { format!(", so it does not fix {cves}") };
        let what = format!("'{then}' puts the whole of '{path}' there, without what this one changes in it{so}");
        let next = format!(
            "if '{then}' was made from an older file, state that file as its built_on, or make it anew on top of '{first}'; if \
             '{first}' shall go, leave it out"
        );
        Finding::new(Code::Reverted, first, what).next(next)
    }
}

/// The paths at which a fix puts whole contents, and does not say on which it built them.
fn whole<'a>(step: &Step<'a>) -> Vec<&'a TreePath> {
    let Step::Overlay(changes) = step else { return Vec::new() };
    let put = |change: &&'a Change| match *change {
        Change::Put { path, built_on: None, .. } => Some(path),
        _ => None,
    };
    changes.iter().filter_map(put).collect()
}
