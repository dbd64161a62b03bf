//! Contents that no fix brings alone: whole texts built on the same base are merged, and decisions replayed.

use super::cell::Cell;
use super::replay::{Cells, Group, Replay, StateId, Step};
use super::types::PathMerge;
use crate::fix::{Change, Resolution};
use crate::patch::{FilePatch, FileState, Mode, Reject, RejectReason, Unmerged, apply_all, three_way};
use crate::tree::{Bytes, Digest, Entry, TreePath};
use std::collections::HashMap;
use std::sync::Arc;

/// What a path of a group gets in a step instead of what the fix says of it.
pub(super) struct Join<'a> {
    pub(super) at: usize,
    pub(super) cell: Arc<Cell>,
    pub(super) resolution: Option<&'a Resolution>,
}

impl<'a> Replay<'a> {
    /// The paths of a group at which a fix has to be joined with what stands there.
    ///
    /// # Errors
    /// A text that is built on the start, where others changed the same lines since.
    pub(super) fn joins(&self, group: &Group<'a>, cells: &Cells, fix: usize) -> Result<Vec<Join<'a>>, Reject> {
        let mut out: Vec<Join<'a>> = Vec::new();
        for resolution in self.resolutions.iter().filter(|r| r.sides.contains_key(self.ids[fix])) {
            let Ok(at) = group.paths.binary_search(&&resolution.path) else { continue };
            let Some(now) = cells[at].as_ref().filter(|_| out.iter().all(|j| j.at != at)) else { continue };
            if let Some(bytes) = self.decided(group, now, fix, resolution) {
                let cell = Arc::new(Cell::of_bytes(now.mode, bytes));
                out.push(Join { at, cell, resolution: Some(resolution) });
            }
        }
        let Some(Step::Overlay(changes)) = group.steps.get(fix) else { return Ok(out) };
        for change in changes {
            let Change::Put { path, mode, digest, built_on: Some(built_on), .. } = change else { continue };
            let Ok(at) = group.paths.binary_search(&path) else { continue };
            let Some(now) = cells[at].as_ref().filter(|now| now.digest != *built_on) else { continue };
            if out.iter().any(|j| j.at == at) {
                continue;
            }
            if let Some(cell) = self.merged(path, now, (*mode, *digest), built_on)? {
                out.push(Join { at, cell: Arc::new(cell), resolution: None });
            }
        }
        Ok(out)
    }

    /// The paths of a group, by place, at which a fix makes of a state what a recorded decision says, with its name.
    pub(super) fn decided_at(&self, g: usize, state: StateId, fix: usize) -> Vec<(usize, String)> {
        let joins = self.joins(&self.groups[g], &self.cells(g, state), fix).unwrap_or_default();
        joins.into_iter().filter_map(|j| Some((j.at, j.resolution?.name.clone()))).collect()
    }

    /// Whether anything of a group can be joined: most have patches alone.
    fn may_join(&self, group: &Group<'a>) -> bool {
        group.steps.iter().any(|(_, s)| matches!(s, Step::Overlay(_))) || decided_here(self.resolutions, group)
    }

    /// A whole text that is built on the start's, merged with what others made of that since; none where it is built on
    /// something else, or is no text.
    fn merged(
        &self,
        path: &TreePath,
        now: &Cell,
        (mode, digest): (Mode, Digest),
        built_on: &Digest,
    ) -> Result<Option<Cell>, Reject> {
        let Some(Entry::File { digest: start, exec, .. }) = self.start.get(path) else { return Ok(None) };
        if start != built_on || now.mode == Mode::Symlink {
            return Ok(None);
        }
        let read = |digest| self.bytes(&Cell::stored(Mode::File, digest, 0));
        let (Some(base), Some(ours), Some(theirs)) = (read(*start), self.bytes(now), read(digest)) else {
            return Ok(None);
        };
        let refuse = |reason| Err(Reject { path: path.clone(), hunk: None, line: 0, reason });
        match three_way(&base, &ours, &theirs) {
            Ok(bytes) => {
                // There are two modes: whoever changed it wins, and both can only have changed it alike.
                let base_mode = if *exec { Mode::Exec } else { Mode::File };
                let mode = if mode == base_mode { now.mode } else { mode };
                Ok(Some(Cell::of_bytes(mode, bytes.into())))
            }
            Err(Unmerged::NotText) => Ok(None),
            Err(Unmerged::Contested(_)) => refuse(RejectReason::BothChanged),
            Err(Unmerged::Ambiguous) => refuse(RejectReason::Uncertain),
        }
    }

    /// The result of a decision, if all that it was made on is the same: the base, the other side, and this one.
    fn decided(&self, group: &Group<'a>, now: &Cell, fix: usize, r: &Resolution) -> Option<Bytes> {
        let (other, theirs) = r.sides.iter().find(|(id, _)| *id != self.ids[fix])?;
        let mine = r.sides.get(self.ids[fix])?;
        if now.digest != *theirs {
            return None;
        }
        let made = match group.steps.get(fix)? {
            Step::Overlay(changes) => changes.iter().find_map(|c| match c {
                Change::Put { path, digest, built_on, .. }
                    if *path == r.path && built_on.is_none_or(|d| d == r.base) =>
                {
                    Some(*digest)
                }
                _ => None,
            })?,
            Step::Patch(_) => {
                let base = self.base_of(group, now, other, r)?;
                Digest::of(&applied(&parts(group, fix, &r.path)?, &r.path, base)?)
            }
        };
        if made != *mine {
            return None;
        }
        self.bytes(&Cell::stored(Mode::File, r.result, 0))
    }

    /// The content that both sides of a decision start from: one that is known, or the other side's, undone.
    fn base_of(&self, group: &Group<'a>, now: &Cell, other: &crate::fix::FixId, r: &Resolution) -> Option<Bytes> {
        if self.store.contains(&r.base) {
            return self.bytes(&Cell::stored(Mode::File, r.base, 0));
        }
        let other = self.ids.iter().position(|id| *id == other)?;
        let mut undo = parts(group, other, &r.path)?;
        undo.reverse();
        undo.iter_mut().try_for_each(FilePatch::reverse).ok()?;
        let base = applied(&undo, &r.path, self.bytes(now)?)?;
        (Digest::of(&base) == r.base).then_some(base)
    }

    /// The merges of an order, by fix in order, then by path.
    pub(super) fn path_merges(&self, order: &[usize]) -> Vec<PathMerge> {
        let mut out: Vec<(usize, PathMerge)> = Vec::new();
        let groups: Vec<(usize, &Group<'a>)> =
            self.groups.iter().enumerate().filter(|(_, group)| self.may_join(group)).collect();
        if groups.is_empty() {
            return Vec::new();
        }
        let place: HashMap<usize, usize> = order.iter().enumerate().map(|(k, f)| (*f, k)).collect();
        for (g, group) in groups {
            let mut state: StateId = 0;
            let mut before: Vec<(usize, Cells)> = Vec::new();
            let mut here: Vec<(usize, usize)> = group.fixes().filter_map(|f| place.get(&f).map(|k| (*k, f))).collect();
            here.sort_unstable();
            for (k, fix) in here {
                let cells = self.cells(g, state);
                for join in self.joins(group, &cells, fix).into_iter().flatten() {
                    let Some(bytes) = self.bytes(&join.cell) else { continue };
                    let digest = |cells: &Cells| cells[join.at].as_ref().map(|c| c.digest);
                    let changed = before.windows(2).filter(|w| digest(&w[0].1) != digest(&w[1].1)).map(|w| w[0].0);
                    let last = before.last().filter(|(_, c)| digest(c) != digest(&cells)).map(|(f, _)| *f);
                    let merge = PathMerge {
                        fix: self.ids[fix].clone(),
                        path: group.paths[join.at].clone(),
                        with: changed.chain(last).map(|f| self.ids[f].clone()).collect(),
                        mode: join.cell.mode,
                        bytes,
                        resolution: join.resolution.cloned(),
                    };
                    out.push((k, merge));
                }
                before.push((fix, cells));
                let Ok(next) = self.step(g, state, fix) else { break };
                state = next;
            }
        }
        out.sort_by(|a, b| (a.0, &a.1.path).cmp(&(b.0, &b.1.path)));
        out.into_iter().map(|(_, merge)| merge).collect()
    }
}

/// Whether people decided anything about a path of a group.
pub(super) fn decided_here(resolutions: &[Resolution], group: &Group<'_>) -> bool {
    resolutions.iter().any(|r| group.paths.binary_search(&&r.path).is_ok())
}

/// The parts of a patch that change a path and neither make, move nor remove it.
fn parts(group: &Group<'_>, fix: usize, path: &TreePath) -> Option<Vec<FilePatch>> {
    let files: &[FilePatch] = match group.steps.get(fix)? {
        Step::Patch(parts) => parts.files(),
        Step::Overlay(_) => return None,
    };
    let names = |f: &&FilePatch| [&f.old, &f.new].into_iter().flatten().any(|p| p == path);
    let own: Vec<FilePatch> = files.iter().filter(names).cloned().collect();
    let plain = |f: &FilePatch| f.old.as_ref() == Some(path) && f.new.as_ref() == Some(path);
    (!own.is_empty() && own.iter().all(plain)).then_some(own)
}

/// What parts of a patch make of a content.
fn applied(files: &[FilePatch], path: &TreePath, content: Bytes) -> Option<Bytes> {
    let state = FileState { mode: Mode::File, content };
    let read = |p: &TreePath| (p == path).then(|| state.clone());
    apply_all(files, read).ok()?.changes.remove(path)?.map(|s| s.content)
}
