//! What a fix does in a group: its parts, where they land, and whether that is done already.

use super::order::Ordered;
use super::replay::{Replay, StateId, Step};
use super::types::Candidate;
use crate::fix::{Change, Payload};
use crate::patch::{Applied, Body, FilePatch, Mode, Placed, apply_all, split_lines};
use crate::tree::{Digest, TreePath};

/// An order without the overlays that change nothing, because the start tree has all of them: like patches whose changes
/// are there, those are contained.
pub(super) fn idle_overlays(fixes: &[Candidate<'_>], replay: &Replay<'_>, mut ordered: Ordered) -> Ordered {
    let there = |i: usize| {
        let here = &replay.of_fix[i];
        matches!(fixes[i].payload, Payload::Overlay(_))
            && !here.is_empty()
            && here.iter().all(|g| replay.done_already(*g, 0, i))
    };
    let candidates: Vec<usize> = ordered.order.iter().copied().filter(|i| there(*i)).collect();
    for i in candidates {
        let Some(at) = ordered.order.iter().position(|o| *o == i) else { continue };
        let idle = replay.of_fix[i].iter().all(|g| {
            let before = replay.walk(*g, 0, ordered.order[..at].iter().copied());
            before.is_ok_and(|state| replay.step(*g, state, i).is_ok_and(|next| next == state))
        });
        if idle {
            ordered.order.remove(at);
            ordered.contained.iter_mut().filter(|(_, placed)| *placed > at).for_each(|(_, placed)| *placed -= 1);
            ordered.contained.push((i, at));
        }
    }
    ordered
}

impl Replay<'_> {
    /// Whether what the fix does here is done already: it goes back, or it changes nothing.
    pub fn done_already(&self, g: usize, state: StateId, fix: usize) -> bool {
        let group = &self.groups[g];
        let cells = self.cells(g, state);
        let cell = |p: &TreePath| group.paths.binary_search(&p).ok().and_then(|i| cells[i].as_ref());
        let files: &[FilePatch] = match group.steps.get(fix) {
            None => return true,
            Some(Step::Patch(parts)) => parts.files(),
            Some(Step::Overlay(changes)) => {
                return changes.iter().all(|c| match c {
                    Change::Put { path, mode, digest, .. } => {
                        cell(path).is_some_and(|c| c.mode == *mode && c.digest == *digest)
                    }
                    Change::Link { path, target } => {
                        cell(path).is_some_and(|c| c.mode == Mode::Symlink && c.digest == Digest::of(target.as_bytes()))
                    }
                    Change::Delete { path } => cell(path).is_none() && !group.is_folder(&cells, path),
                    Change::Rename { from, to } => {
                        cell(from).is_none() && cell(to).is_some() && !group.is_folder(&cells, from)
                    }
                });
            }
        };
        let mut back = files.to_vec();
        back.reverse();
        if !back.iter_mut().all(|f| f.reverse().is_ok()) {
            return false;
        }
        let applied = apply_all(&back, |p| self.read(group, &cells, p));
        applied.is_ok_and(|applied| {
            let elsewhere = |(file, placed): (&FilePatch, &Vec<Placed>)| {
                let path = file.old.as_ref().filter(|old| file.new.as_ref() == Some(*old));
                let text = path.and_then(|path| self.read(group, &cells, path)).map(|state| state.content);
                text.is_some_and(|text| under_another_head(file, placed, &text))
            };
            !back.iter().zip(&applied.placed).any(elsewhere)
        })
    }

    /// Where hunks land: applies one fix to a state again and says so. Overlays have no hunks.
    pub fn placed(&self, g: usize, state: StateId, fix: usize) -> Option<(&[FilePatch], Applied)> {
        let cells = self.cells(g, state);
        if matches!(self.groups[g].steps.get(fix)?, Step::Overlay(_)) {
            return None;
        }
        let files = self.patches(g, fix);
        let applied = apply_all(files, |p| self.read(&self.groups[g], &cells, p)).ok()?;
        Some((files, applied))
    }

    /// The parts of a fix's patch in this group; an overlay has none.
    pub fn patches(&self, g: usize, fix: usize) -> &[FilePatch] {
        match self.groups[g].steps.get(fix) {
            Some(Step::Patch(parts)) => parts.files(),
            Some(Step::Overlay(_)) | None => &[],
        }
    }

    /// Where a fix renames a path of the group to.
    pub fn moved(&self, g: usize, fix: usize, from: &TreePath) -> Option<&TreePath> {
        let files: &[FilePatch] = match self.groups[g].steps.get(fix)? {
            Step::Patch(parts) => parts.files(),
            Step::Overlay(changes) => {
                return changes.iter().find_map(|c| match c {
                    Change::Rename { from: f, to } if f == from => Some(to),
                    _ => None,
                });
            }
        };
        files.iter().find(|f| f.rename && f.old.as_ref() == Some(from))?.new.as_ref()
    }

    /// Whether a fix replaces this path of the group as a whole.
    pub fn puts(&self, g: usize, path: usize, fix: usize) -> bool {
        match self.groups[g].steps.get(fix) {
            Some(Step::Overlay(changes)) => changes.iter().any(|c| match c {
                Change::Put { path: p, .. } | Change::Link { path: p, .. } => p == self.groups[g].paths[path],
                _ => false,
            }),
            _ => false,
        }
    }
}

/// Whether a hunk landed above the line that its patch says it stands under: the same lines of another function.
fn under_another_head(file: &FilePatch, placed: &[Placed], text: &[u8]) -> bool {
    let Body::Text(hunks) = &file.body else { return false };
    hunks.iter().zip(placed).any(|(hunk, placed)| {
        let head = (!hunk.section.is_empty())
            .then(|| split_lines(text).iter().position(|line| line.starts_with(&hunk.section)));
        head.flatten().is_some_and(|head| head >= placed.line + hunk.lines.len())
    })
}
