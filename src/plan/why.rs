//! Why one fix needs another, or why their order matters: the path of edges with hunks, lines, and the other order.

use super::bits::Bits;
use super::footing::{How, Spot, follow};
use super::replay::{Replay, StateId};
use super::types::{Candidate, DropCause, Edge, OrderPair, Plan, PlanInput, Reason, Refused};
use crate::fix::FixId;
use crate::patch::{Body, FilePatch, LineKind, Mode};
use crate::tree::{Digest, TreePath};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What there is between two fixes of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// `fix` needs the other, directly or through others: from the fix on, each link needs the next.
    Needs(Vec<Link>),
    /// It is the other one that needs this one.
    NeededBy(Vec<Link>),
    /// Neither needs the other, but their order matters.
    Pair { pair: OrderPair, first: Vec<Part>, then: Vec<Part>, other_order: Trial },
    /// A recorded decision says what both make together of a path.
    Decided { path: TreePath, name: String, reviewed_by: String },
    /// Neither needs the other, and both orders give the same; these are the paths that both touch.
    Apart { shared: Vec<TreePath> },
    /// One of the two is not in the order.
    NotInOrder { fix: FixId, cause: Option<DropCause> },
}

/// One edge of the path.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub edge: Edge,
    /// The hunks of the fix, each with the hunks that it stands on.
    pub touches: Vec<Touch>,
    pub other_order: Trial,
}

/// A hunk of the fix and what it needs from a hunk of the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Touch {
    /// The hunk of the fix that needs.
    pub fix: Part,
    /// The hunk of the fix that is needed.
    pub needed: Part,
    /// Lines of the first hunk, by their place in it, and why they need the second.
    pub lines: Stands,
}

/// Lines by their place in a hunk, each with why it matters.
pub type Stands = Vec<(usize, Stand)>;

/// Why a line of a hunk needs another hunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stand {
    /// The hunk takes out a line that the other brought.
    Removes,
    /// The line is in the hunk's surroundings, and the other brought it.
    Surrounds,
    /// The other took out what stood just before this line.
    Gone,
}

/// A part of a patch: one hunk, or what it does to a path as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub path: TreePath,
    /// Line in the patch file.
    pub line: u32,
    /// `@@ -1,2 +1,3 @@`, or `new file` and the like.
    pub what: String,
    pub lines: Vec<(LineKind, String)>,
}

/// What came of trying the order that the plan does not have.
#[derive(Debug, Clone, PartialEq)]
pub enum Trial {
    /// This fix does not apply there.
    Refused { fix: FixId, refused: Refused },
    /// Both apply, and the bytes are others.
    Differs { path: TreePath, mode_only: bool },
    /// Both apply, which they do in the plan's order only with others between them.
    WithoutOthers,
    /// Both apply, and the bytes are the same.
    Same,
}

/// Explains what `fix` has to do with `needed` in a plan of this input.
pub fn why(input: &PlanInput<'_>, plan: &Plan, needed: &FixId, fix: &FixId) -> Why {
    for id in [needed, fix] {
        if !plan.order.contains(id) {
            let cause = plan.dropped.iter().find(|d| d.fix == *id).map(|d| d.cause.clone());
            return Why::NotInOrder { fix: id.clone(), cause };
        }
    }
    let by_id: BTreeMap<&FixId, &Candidate<'_>> = input.fixes.iter().map(|c| (c.id, c)).collect();
    let fixes: Vec<Candidate<'_>> = plan.order.iter().filter_map(|id| by_id.get(id).map(|c| **c)).collect();
    let replay = Replay::new(&fixes, input);
    let work = Explained { plan, replay: &replay, all: plan.closed(usize::MAX).unwrap_or_default() };
    if let Some(path) = work.path(fix, needed) {
        return Why::Needs(work.links(&path));
    }
    if let Some(path) = work.path(needed, fix) {
        return Why::NeededBy(work.links(&path));
    }
    let both = |p: &&OrderPair| [&p.first, &p.then] == [needed, fix] || [&p.first, &p.then] == [fix, needed];
    let (a, b) = (work.place(needed), work.place(fix));
    match plan.order_pairs.iter().find(both) {
        Some(pair) => {
            let (first, then) = (work.place(&pair.first), work.place(&pair.then));
            Why::Pair {
                pair: pair.clone(),
                first: work.parts(first, &pair.path),
                then: work.parts(then, &pair.path),
                other_order: work.trial(first, then),
            }
        }
        None => decided(plan, needed, fix).unwrap_or_else(|| {
            let paths = |k: usize| fixes[k].payload.paths().cloned().collect::<BTreeSet<TreePath>>();
            Why::Apart { shared: paths(a).intersection(&paths(b)).cloned().collect() }
        }),
    }
}

fn decided(plan: &Plan, a: &FixId, b: &FixId) -> Option<Why> {
    let merged = plan.merged.iter().filter_map(|m| Some((&m.path, m.resolution.as_ref()?)));
    let mut ours = merged.filter(|(_, r)| r.sides.contains_key(a) && r.sides.contains_key(b));
    let (path, r) = ours.next()?;
    Some(Why::Decided { path: path.clone(), name: r.name.clone(), reviewed_by: r.reviewed_by.clone() })
}

/// A plan whose fixes go by their place in the order.
struct Explained<'r, 'a> {
    plan: &'r Plan,
    replay: &'r Replay<'a>,
    /// By place: everything that it needs.
    all: Vec<Bits>,
}

impl<'r> Explained<'r, '_> {
    fn place(&self, id: &FixId) -> usize {
        self.plan.order.iter().position(|o| o == id).unwrap_or(0)
    }

    /// The shortest chain of edges from one fix to one that it needs.
    fn path(&self, from: &FixId, to: &FixId) -> Option<Vec<&'r Edge>> {
        let mut direct: BTreeMap<&FixId, Vec<&Edge>> = BTreeMap::new();
        for e in &self.plan.edges {
            direct.entry(&e.fix).or_default().push(e);
        }
        let mut came: BTreeMap<&FixId, &Edge> = BTreeMap::new();
        let mut todo = VecDeque::from([from]);
        while let Some(id) = todo.pop_front() {
            for e in direct.get(id).into_iter().flatten() {
                if e.needs != *from && !came.contains_key(&e.needs) {
                    came.insert(&e.needs, e);
                    todo.push_back(&e.needs);
                }
            }
        }
        let mut way = vec![*came.get(to)?];
        while let Some(e) = way.last().filter(|e| e.fix != *from).and_then(|e| came.get(&e.fix)) {
            way.push(e);
        }
        way.reverse();
        Some(way)
    }

    fn links(&self, path: &[&Edge]) -> Vec<Link> {
        path.iter()
            .map(|e| {
                let (fix, needed) = (self.place(&e.fix), self.place(&e.needs));
                Link { edge: (*e).clone(), touches: self.touches(e, fix, needed), other_order: self.trial(needed, fix) }
            })
            .collect()
    }

    /// The hunks of both by the lines that stand on each other; where no line does, what both do to the path.
    fn touches(&self, edge: &Edge, fix: usize, needed: usize) -> Vec<Touch> {
        let mut out: Vec<(Spot<'_>, Spot<'_>, Stands)> = Vec::new();
        let same = |a: &Spot<'_>, b: &Spot<'_>| std::ptr::eq(a.file, b.file) && a.hunk == b.hunk;
        for g in self.shared_groups(fix, needed) {
            follow(self.replay, g, 0..=fix, |lean| {
                if lean.from.fix != fix || lean.on.fix != needed {
                    return;
                }
                let stand = match lean.how {
                    How::TakesOut => Stand::Removes,
                    How::Surrounds => Stand::Surrounds,
                    How::Fills | How::Closes => Stand::Gone,
                };
                match out.iter_mut().find(|(from, on, _)| same(from, &lean.from) && same(on, &lean.on)) {
                    Some((.., lines)) => lines.push((lean.line, stand)),
                    None => out.push((lean.from, lean.on, vec![(lean.line, stand)])),
                }
            });
        }
        if out.is_empty()
            && let Reason::Rejected(refused) = &edge.reason
        {
            let (mine, theirs) = (self.parts(fix, &refused.path), self.parts(needed, &refused.path));
            // No line is the other's: what it does to the path moves the place that the refused hunk is looked for at.
            let refused_one = mine.iter().find(|p| p.line == refused.line).or(mine.first());
            let pairs = refused_one.into_iter().flat_map(|m| theirs.iter().map(move |t| (m.clone(), t.clone())));
            return pairs.map(|(fix, needed)| Touch { fix, needed, lines: Vec::new() }).collect();
        }
        out.into_iter()
            .filter_map(|(from, on, mut lines)| {
                lines.sort_unstable();
                lines.dedup();
                Some(Touch { fix: hunk_part(from.file, from.hunk)?, needed: hunk_part(on.file, on.hunk)?, lines })
            })
            .collect()
    }

    fn shared_groups(&self, a: usize, b: usize) -> Vec<usize> {
        let theirs = &self.replay.of_fix[b];
        self.replay.of_fix[a].iter().copied().filter(|g| theirs.binary_search(g).is_ok()).collect()
    }

    /// What a fix does to a path, part by part.
    fn parts(&self, fix: usize, path: &TreePath) -> Vec<Part> {
        let names = |file: &FilePatch| file.old.as_ref() == Some(path) || file.new.as_ref() == Some(path);
        let mut out = Vec::new();
        for &g in &self.replay.of_fix[fix] {
            for file in self.replay.patches(g, fix).iter().filter(|f| names(f)) {
                match &file.body {
                    Body::Text(hunks) if file.old.is_some() && file.new.is_some() && !hunks.is_empty() => {
                        out.extend((0..hunks.len()).filter_map(|h| hunk_part(file, h)));
                    }
                    _ => out.push(whole_part(file, path)),
                }
            }
        }
        out
    }

    /// Tries the order that the plan does not have, on what both need otherwise.
    fn trial(&self, first: usize, then: usize) -> Trial {
        let needs = |k: usize, of: usize| self.all[k].has(of);
        let wanted = |k: usize| needs(first, k) || needs(then, k);
        let between = |k: usize| wanted(k) && k != first && k != then && (needs(k, first) || needs(k, then));
        let places = 0..self.plan.order.len();
        let before: Vec<usize> = places.clone().filter(|k| wanted(*k) && *k != first && !between(*k)).collect();
        let rest: Vec<usize> = places.filter(|k| between(*k)).collect();
        let (mut differs, mut others) = (None, false);
        for g in (0..self.replay.groups.len()).filter(|g| self.replay.of_fix[then].binary_search(g).is_ok()) {
            let refused = |(fix, r): (usize, std::sync::Arc<Refused>)| Trial::Refused {
                fix: self.plan.order[fix].clone(),
                refused: (*r).clone(),
            };
            // Even what the two need may not apply together without a third.
            let state = match self.replay.walk(g, 0, before.iter().copied()) {
                Ok(state) => state,
                Err(e) => return refused(e),
            };
            let walk = |way: Vec<usize>| self.replay.walk(g, state, way);
            let plain = walk([&[first][..], &rest, &[then]].concat());
            match walk([&[then, first][..], &rest].concat()) {
                Err(e) => return refused(e),
                Ok(other) if plain.as_ref().is_ok_and(|p| *p != other) && differs.is_none() => {
                    differs = plain.ok().map(|p| self.differing(g, p, other));
                }
                Ok(_) => others |= plain.is_err(),
            }
        }
        match differs {
            Some((path, mode_only)) => Trial::Differs { path, mode_only },
            None if others => Trial::WithoutOthers,
            None => Trial::Same,
        }
    }

    /// The first path at which two states of a group differ, and whether only its mode does.
    fn differing(&self, g: usize, one: StateId, two: StateId) -> (TreePath, bool) {
        let digest = |state| {
            let cells = self.replay.cells(g, state);
            cells.iter().map(|c| c.as_ref().map(|c| (c.mode, c.digest))).collect::<Vec<_>>()
        };
        let (one, two) = (digest(one), digest(two));
        let at = (0..one.len()).find(|i| one[*i] != two[*i]).unwrap_or(0);
        let bytes = |cell: &Option<(Mode, Digest)>| cell.map(|(_, digest)| digest);
        (self.replay.groups[g].paths[at].clone(), bytes(&one[at]) == bytes(&two[at]))
    }
}

fn hunk_part(file: &FilePatch, hunk: usize) -> Option<Part> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(bytes)).into_owned();
    let Body::Text(hunks) = &file.body else { return None };
    let h = hunks.get(hunk)?;
    Some(Part {
        path: file.new.as_ref().or(file.old.as_ref())?.clone(),
        line: h.line,
        what: format!("@@ -{},{} +{},{} @@", h.old_start, h.old_len, h.new_start, h.new_len),
        lines: h.lines.iter().map(|l| (l.kind, text(&l.bytes))).collect(),
    })
}

/// What a part of a patch does to a path as a whole.
fn whole_part(file: &FilePatch, path: &TreePath) -> Part {
    let what = match (&file.old, &file.new) {
        (None, _) => "new file".to_owned(),
        (_, None) => "deletes the file".to_owned(),
        (Some(old), Some(new)) if file.rename => format!("renames {old} to {new}"),
        (Some(old), Some(new)) if file.copy => format!("copies {old} to {new}"),
        // Where the mode stays, only the line with the digests has it.
        _ if file.new_mode.is_none() || file.new_mode == file.old_mode => "binary change".to_owned(),
        _ if matches!(file.body, Body::Binary(_)) => "binary change, and changes the mode".to_owned(),
        _ => "changes the mode".to_owned(),
    };
    Part { path: path.clone(), line: file.line, what, lines: Vec::new() }
}
