//! What is told where fixes do not apply in the order that was found.

use super::blame::blockers;
use super::order::{Before, Ordered, cycles};
use super::replay::{Replay, Step};
use super::types::{Candidate, Proof, Refused};
use super::work::Work;
use crate::fix::{Change, FixId};
use crate::patch::RejectReason;
use crate::tree::TreePath;
use std::collections::{BTreeMap, BTreeSet};

impl Work<'_, '_> {
    /// Fixes that wait for each other in a circle, and every other one that does not apply and waits for none of those.
    pub(super) fn stuck(&self, replay: &Replay<'_>, ordered: &Ordered, before: &Before) -> Vec<Proof> {
        let done: BTreeSet<usize> =
            ordered.order.iter().copied().chain(ordered.contained.iter().map(|(i, _)| *i)).collect();
        let left: BTreeSet<usize> = self.alive.iter().copied().filter(|i| !done.contains(i)).collect();
        // What lacks a file that nobody brings waits for nobody.
        let lost: BTreeSet<usize> =
            ordered.refused.iter().filter(|(_, refused)| self.never_comes(replay, refused)).map(|(i, _)| *i).collect();
        let waits: Before = (0..self.fixes.len())
            .map(|i| {
                if !left.contains(&i) || lost.contains(&i) {
                    return BTreeSet::new();
                }
                let lines = replay.of_fix[i].iter().flat_map(|g| replay.bringers(*g, i));
                lines.chain(before[i].iter().copied()).filter(|f| left.contains(f)).collect()
            })
            .collect();
        // A series that is wrong is told where it is wrong: only a bag waits.
        let circles = if self.input.series.is_none() { cycles(&self.fixes, &waits) } else { Vec::new() };
        let explained = self.behind(&circles, &waits);
        let mut proofs: Vec<Proof> = Vec::new();
        for circle in circles {
            if let Proof::Cycle { fixes } = circle {
                proofs.push(Proof::LinesCycle { fixes });
            }
        }
        if let Some(moved) = self.one_folder_down(replay, ordered) {
            return vec![moved];
        }
        for (i, refused) in ordered.refused.iter().filter(|(i, _)| !explained.contains(i)) {
            let (blockers, beside) = blockers(self, replay, &ordered.order, *i);
            let nowhere = replay.nowhere(*i);
            proofs.push(Proof::DoesNotApply { fix: self.id(*i), refused: refused.clone(), blockers, beside, nowhere });
        }
        proofs
    }

    /// Whether a fix is refused for a file that is not there and that no fix makes.
    fn never_comes(&self, replay: &Replay<'_>, refused: &Refused) -> bool {
        let path = &refused.path;
        let makes = |g: usize, fix: usize| match replay.groups[g].steps.get(fix) {
            Some(Step::Overlay(changes)) => changes.iter().any(|change| match change {
                Change::Put { path: to, .. } | Change::Link { path: to, .. } | Change::Rename { to, .. } => to == path,
                Change::Delete { .. } => false,
            }),
            _ => replay
                .patches(g, fix)
                .iter()
                .any(|p| p.new.as_ref() == Some(path) && (p.old.is_none() || p.rename || p.copy || !p.git)),
        };
        matches!(refused.reason, RejectReason::Missing)
            && !replay.groups.iter().enumerate().any(|(g, group)| {
                group.paths.binary_search(&path).is_ok()
                    && group.fixes().any(|fix| self.alive.contains(&fix) && makes(g, fix))
            })
    }

    /// Whether the start tree has everything in one folder that no fix names, and in it what the fixes do not find.
    fn one_folder_down(&self, replay: &Replay<'_>, ordered: &Ordered) -> Option<Proof> {
        let start = &self.input.start.entries;
        let folder = start.keys().next()?.as_str().split_once('/')?.0;
        let inside = |p: &TreePath| p.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let named = || replay.groups.iter().flat_map(|g| &g.paths);
        if !start.keys().all(inside) || named().any(|p| p.as_str() == folder || inside(p)) {
            return None;
        }
        let below = |refused: &Refused| {
            matches!(refused.reason, RejectReason::Missing)
                && start.contains_key(format!("{folder}/{}", refused.path).as_str())
        };
        let first = ordered.refused.iter().find(|(_, refused)| below(refused))?;
        let fixes = ordered.refused.iter().filter(|(_, refused)| below(refused)).map(|(i, _)| self.id(*i)).collect();
        Some(Proof::OneFolderDown { fixes, folder: folder.to_owned(), path: first.1.path.clone() })
    }

    /// In a circle nobody is the newest.
    pub(super) fn supersedes_circles(&self) -> Vec<Proof> {
        let old = |c: &Candidate<'_>| c.meta.supersedes.iter().filter_map(|o| self.number(o)).collect();
        let circles = cycles(&self.fixes, &self.fixes.iter().map(old).collect());
        let mut out = Vec::new();
        for circle in circles {
            if let Proof::Cycle { fixes } = circle {
                out.push(Proof::SupersedesCycle { fixes });
            }
        }
        out
    }

    /// Everything that waits for one of a circle, directly or not.
    fn behind(&self, circles: &[Proof], waits: &Before) -> BTreeSet<usize> {
        let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (then, firsts) in waits.iter().enumerate() {
            firsts.iter().for_each(|f| followers.entry(*f).or_default().push(then));
        }
        let of = |p: &Proof| if let Proof::Cycle { fixes } = p { fixes.clone() } else { Vec::new() };
        let mut todo: Vec<usize> = circles.iter().flat_map(of).filter_map(|id: FixId| self.number(&id)).collect();
        let mut out: BTreeSet<usize> = todo.iter().copied().collect();
        while let Some(i) = todo.pop() {
            todo.extend(followers.get(&i).into_iter().flatten().copied().filter(|f| out.insert(*f)));
        }
        out
    }
}
