//! What hunks stand on: every line of a file with the hunk that brought it, followed through an order.

use super::replay::{Replay, StateId};
use crate::patch::{Body, FilePatch, LineKind, Placed, split_lines};
use crate::tree::TreePath;
use std::collections::BTreeMap;

/// One hunk of one fix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'r> {
    pub(super) fix: usize,
    pub(super) file: &'r FilePatch,
    pub(super) hunk: usize,
}

/// How a hunk stands on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It takes out a line that the other brought.
    TakesOut,
    /// A line that the other brought is in its surroundings.
    Surrounds,
    /// It changes the place where the other took lines out.
    Fills,
    /// Two lines of its surroundings meet where the other took lines out.
    Closes,
}

impl How {
    /// Whether both change the same place, and not only its surroundings.
    pub(super) fn overlaps(self) -> bool {
        matches!(self, Self::TakesOut | Self::Fills)
    }
}

/// The hunk `from` has a line, by its place in the hunk, that is as it is because of the hunk `on`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lean<'r> {
    pub(super) on: Spot<'r>,
    pub(super) from: Spot<'r>,
    pub(super) line: usize,
    pub(super) how: How,
}

/// A line of a file: who brought it, and who took lines out just before it (numbers of spots, from 1).
#[derive(Debug, Clone, Default)]
struct Owned {
    by: u32,
    gone: Vec<u32>,
}

/// Follows the fixes of an order through one group and reports every lean of one fix on another.
pub(super) fn follow<'r>(
    replay: &'r Replay<'_>,
    g: usize,
    order: impl IntoIterator<Item = usize>,
    mut found: impl FnMut(Lean<'r>),
) {
    let mut state = 0;
    let mut work = Followed { replay, g, state, files: BTreeMap::new(), spots: Vec::new() };
    for fix in order.into_iter().filter(|f| replay.of_fix[*f].binary_search(&g).is_ok()) {
        if let Some((files, applied)) = replay.placed(g, state, fix) {
            for (file, placed) in files.iter().zip(&applied.placed) {
                work.file(fix, file, placed, &mut found);
            }
        } else {
            // An overlay puts whole files: no line of them is anybody's.
            work.files.clear();
        }
        let Ok(next) = replay.step(g, state, fix) else { return };
        state = next;
        work.keep_true(state);
    }
}

struct Followed<'r, 'a> {
    replay: &'r Replay<'a>,
    g: usize,
    /// What stood before the fix that is being followed.
    state: StateId,
    /// The last line of each is the end of the file.
    files: BTreeMap<&'r TreePath, Vec<Owned>>,
    spots: Vec<Spot<'r>>,
}

impl<'r> Followed<'r, '_> {
    /// Forgets a file whose lines are not as many as followed: better no reason than a wrong one.
    fn keep_true(&mut self, state: StateId) {
        self.state = state;
        let cells = self.replay.cells(self.g, state);
        let paths = &self.replay.groups[self.g].paths;
        self.files.retain(|path, lines| {
            let cell = paths.binary_search(path).ok().and_then(|i| cells[i].as_ref());
            let count = cell.and_then(|c| c.made()).map(|bytes| split_lines(bytes).len());
            count.is_none_or(|n| n + 1 == lines.len())
        });
    }

    fn file(&mut self, fix: usize, file: &'r FilePatch, placed: &[Placed], found: &mut impl FnMut(Lean<'r>)) {
        let Some(path) = self.enter(file) else { return };
        let Body::Text(hunks) = &file.body else {
            if matches!(file.body, Body::Binary(_)) {
                self.files.remove(path);
            }
            return;
        };
        let Some(mut lines) = self.files.remove(path) else { return };
        for (i, (hunk, at)) in hunks.iter().zip(placed).enumerate() {
            let spot = Spot { fix, file, hunk: i };
            self.spots.push(spot);
            let number = u32::try_from(self.spots.len()).unwrap_or(u32::MAX);
            let pre = hunk.lines.iter().filter(|l| l.kind != LineKind::Add).count();
            if at.line + pre >= lines.len() {
                return;
            }
            self.leans(spot, &lines[at.line..], found);
            let old: Vec<Owned> = lines[at.line..=at.line + pre].to_vec();
            let mut new: Vec<Owned> = Vec::with_capacity(old.len());
            let mut gone: Vec<u32> = Vec::new();
            let mut left = old.into_iter();
            for line in &hunk.lines {
                match line.kind {
                    LineKind::Add => new.push(Owned { by: number, gone: std::mem::take(&mut gone) }),
                    LineKind::Context => {
                        let mut kept = left.next().unwrap_or_default();
                        kept.gone.append(&mut gone);
                        new.push(kept);
                    }
                    LineKind::Remove => {
                        gone.append(&mut left.next().unwrap_or_default().gone);
                        gone.push(number);
                    }
                }
            }
            let mut behind = left.next().unwrap_or_default();
            behind.gone.append(&mut gone);
            behind.gone.dedup();
            new.push(behind);
            lines.splice(at.line..=at.line + pre, new);
        }
        self.files.insert(path, lines);
    }

    /// The path that a part of a patch works on, with its lines followed under that name; `None` where nothing is left.
    fn enter(&mut self, file: &'r FilePatch) -> Option<&'r TreePath> {
        let (old, new) = (file.old.as_ref(), file.new.as_ref());
        let Some(old) = old else {
            self.files.insert(new?, vec![Owned::default()]);
            return new;
        };
        let Some(new) = new else {
            self.load(old);
            return Some(old);
        };
        if file.rename || file.copy {
            self.load(old);
            let lines = if file.rename { self.files.remove(old) } else { self.files.get(old).cloned() };
            self.files.insert(new, lines?);
            return Some(new);
        }
        if old == new {
            self.load(new);
            return Some(new);
        }
        // A plain patch names two paths and works on the one that is there.
        self.load(new);
        if !self.files.contains_key(new) {
            self.load(old);
            return self.files.contains_key(old).then_some(old);
        }
        Some(new)
    }

    /// The lines of a file that nothing is known of: nobody's.
    fn load(&mut self, path: &'r TreePath) {
        if self.files.contains_key(path) {
            return;
        }
        let Ok(i) = self.replay.groups[self.g].paths.binary_search(&path) else { return };
        if let Some(bytes) = self.replay.cells(self.g, self.state)[i].as_ref().and_then(|c| self.replay.bytes(c)) {
            self.files.insert(path, vec![Owned::default(); split_lines(&bytes).len() + 1]);
        }
    }

    /// Reports what the old lines of a hunk, which stand at the beginning of `lines`, owe to others.
    fn leans(&self, from: Spot<'r>, lines: &[Owned], found: &mut impl FnMut(Lean<'r>)) {
        let Body::Text(hunks) = &from.file.body else { return };
        let hunk = &hunks[from.hunk];
        let spot = |n: u32| self.spots.get((n as usize).wrapping_sub(1)).filter(|s| s.fix != from.fix);
        let mut at = 0;
        // The kind of the line before, and whether something was added since an old line.
        let mut before: Option<LineKind> = None;
        let mut added = false;
        for (i, line) in hunk.lines.iter().enumerate() {
            if line.kind == LineKind::Add {
                added = true;
                continue;
            }
            let Some(owned) = lines.get(at) else { return };
            at += 1;
            let removes = line.kind == LineKind::Remove;
            if let Some(on) = spot(owned.by) {
                found(Lean { on: *on, from, line: i, how: if removes { How::TakesOut } else { How::Surrounds } });
            }
            if let Some(before) = before {
                let fills = added || (removes && before == LineKind::Remove);
                for on in owned.gone.iter().filter_map(|n| spot(*n)) {
                    found(Lean { on: *on, from, line: i, how: if fills { How::Fills } else { How::Closes } });
                }
            }
            before = Some(line.kind);
            added = false;
        }
    }
}
