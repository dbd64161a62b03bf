//! What fixes are to each other by their content: the same, a part, the reverse; and what a newer one leaves out of an older.

use super::replay::{Cells, Replay, Step};
use super::twins::undone_by;
use super::types::{DropCause, Proof};
use super::units::{Unit, units};
use super::work::Work;
use crate::fix::{Change, FixId};
use crate::patch::{Body, FilePatch, LineKind, apply_all};
use crate::report::{Code, Finding};
use crate::tree::TreePath;
use rayon::prelude::*;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What more fixes do is too common to mean anything.
const MOST: usize = 64;
/// Lines and parts of what is lost that are kept.
const SHOWN: usize = 8;

type Counts<'a> = HashMap<Unit<'a>, usize>;

/// What a fix is by its content, where it is something to others or to the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classed {
    pub fix: FixId,
    pub class: Class,
    pub other: Option<FixId>,
    /// Parts of a superseded fix that the newer one does not have; parts of one that is partly contained which the base
    /// has. The first few.
    pub lost: Vec<Lost>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It changes nothing.
    Empty,
    /// It does what the other does.
    Duplicate,
    /// The other does all that it does, and more.
    Subset,
    Superset,
    /// The other says that it replaces it.
    Superseded,
    /// The tree has all of it.
    Contained,
    /// The other brings all that it does, or a part where more do; it is not in the order.
    Covered,
    /// The start tree has a part of it, and it does not apply.
    Partly,
    /// It does what the other did, after a third took that back.
    Reapplied,
    /// The other, later, takes back all that it does.
    Reverted,
    RevertOf,
}

impl Class {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Duplicate => "duplicate",
            Self::Subset => "subset",
            Self::Superset => "superset",
            Self::Superseded => "superseded",
            Self::Contained => "contained",
            Self::Covered => "contained-in",
            Self::Partly => "partly-contained",
            Self::Reapplied => "reapplied",
            Self::Reverted => "reverted",
            Self::RevertOf => "revert-of",
        }
    }
}

/// A part of a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub path: TreePath,
    /// Line in the patch file, from 1; 0 for an overlay.
    pub line: u32,
    /// The first lines that it takes out and puts in, with their signs.
    pub lines: Vec<String>,
}

impl<'a> Work<'a, '_> {
    /// All classes, by fix, then by class; `order` where there is a plan.
    pub(super) fn classes(&self, replay: &Replay<'a>, order: Option<&[usize]>, proofs: &[Proof]) -> Vec<Classed> {
        let mut out = self.alike(replay, order);
        self.tell_reapplied(replay, order.unwrap_or_default(), &mut out);
        let of = |fix: &FixId, class, other: Option<&FixId>, lost| Classed {
            fix: fix.clone(),
            class,
            other: other.cloned(),
            lost,
        };
        for d in self.dropped.iter().filter(|_| order.is_some()) {
            match &d.cause {
                DropCause::Superseded { by } => {
                    let lost = self.lost(replay, order.unwrap_or_default(), &d.fix, by);
                    out.push(of(&d.fix, Class::Superseded, Some(by), lost));
                }
                DropCause::Contained => out.push(of(&d.fix, Class::Contained, None, Vec::new())),
                DropCause::Covered { by } => {
                    out.extend(by.iter().map(|by| of(&d.fix, Class::Covered, Some(by), Vec::new())));
                }
                _ => {}
            }
        }
        for p in proofs {
            if let Proof::DoesNotApply { fix, .. } = p {
                // What takes another back brings what the base had.
                let back = out.iter().any(|c| c.class == Class::RevertOf && c.fix == *fix);
                let there = self.number(fix).filter(|_| !back).map(|i| there_already(replay, i)).unwrap_or_default();
                if !there.is_empty() {
                    out.push(of(fix, Class::Partly, None, there));
                }
            }
        }
        out.sort_by(|a, b| (&a.fix, a.class, &a.other).cmp(&(&b.fix, b.class, &b.other)));
        out
    }

    /// Of two that do the same, the later one is no duplicate where something between took back what the first did.
    fn tell_reapplied(&self, replay: &Replay<'a>, order: &[usize], classes: &mut Vec<Classed>) {
        let place = |id: &FixId| self.number(id).and_then(|i| order.iter().position(|o| *o == i));
        classes.retain_mut(|c| {
            let (Class::Duplicate, Some(other)) = (c.class, &c.other) else { return true };
            let (Some(a), Some(b)) = (place(&c.fix), place(other)) else { return true };
            if undone_by(replay, order, a.min(b), a.max(b)).is_some() {
                c.class = Class::Reapplied;
                return a > b;
            }
            true
        });
    }

    /// What people have to know of pairs in the order that have the same content.
    pub(super) fn twin_findings(&self, kept: &[usize], classes: &[Classed]) -> Vec<Finding> {
        let again = |a: &FixId, b: &FixId| {
            classes.iter().any(|c| c.class == Class::Reapplied && c.fix == *b && c.other.as_ref() == Some(a))
        };
        let pairs = self.twins.iter().filter(|(a, b)| kept.contains(a) && kept.contains(b));
        let pairs = pairs.map(|(a, b)| (self.fixes[*a].id, self.fixes[*b].id)).filter(|(a, b)| !again(a, b));
        pairs
            .map(|(a, b)| {
                let message = format!("it has the same content as '{a}', and both apply");
                Finding::new(Code::Duplicate, b, message).next("remove one of the two")
            })
            .collect()
    }

    /// What people have to know of them.
    pub(super) fn class_findings(&self, classes: &[Classed]) -> Vec<Finding> {
        let mut out = Vec::new();
        for c in classes {
            let Some(other) = &c.other else { continue };
            let cves = self.number(&c.fix).map(|i| self.fixes[i].meta.cves.join(", ")).unwrap_or_default();
            let so = if cves.is_empty() { String::new() } else { format!(", so it does not fix {cves}") };
            // What a later one brings back is not lost.
            let reverted = |id: &FixId| classes.iter().any(|c| c.class == Class::Reverted && c.fix == *id);
            let back = |again: &&Classed| {
                again.class == Class::Reapplied
                    && (again.fix == *other || again.other.as_ref() == Some(&c.fix) && !reverted(&again.fix))
            };
            match c.class {
                Class::Reverted if classes.iter().any(|again| back(&again)) => {}
                Class::Reverted => {
                    let what = format!("'{other}' takes back all that it does{so}");
                    let wanted = "where the fix is still wanted, with what was made on top of it";
                    let (more, next) = match self.does_more(&c.fix, other) {
                        None => (String::new(), format!("leave both out; or take '{other}' out {wanted}")),
                        Some(at) => (
                            format!("; '{other}' does more than that{at}"),
                            format!(
                                "leave this one out and cut '{other}' down to what else it does; or take '{other}' out {wanted}"
                            ),
                        ),
                    };
                    out.push(Finding::new(Code::Reverted, &c.fix, what + &more).next(next));
                }
                Class::Superseded => {
                    let Some(first) = c.lost.first() else { continue };
                    let what = format!(
                        "'{other}' supersedes it and does not have what it does at '{}' (line {} of its patch){so}",
                        first.path, first.line
                    );
                    let next = format!("put it into '{other}', or take back that this one is superseded");
                    let parts: Vec<_> = c
                        .lost
                        .iter()
                        .map(|l| serde_json::json!({"path": l.path, "line": l.line, "lines": l.lines}))
                        .collect();
                    out.push(Finding::new(Code::SupersededLoses, &c.fix, what).next(next).details(parts.into()));
                }
                _ => {}
            }
        }
        out
    }

    /// Where a fix does something beside taking back another, in words; none where it does nothing else.
    fn does_more(&self, fix: &FixId, back: &FixId) -> Option<String> {
        let (fix, back) = (self.number(fix)?, self.number(back)?);
        let mut more = units(self.fixes[back].payload);
        for (unit, n) in units(self.fixes[fix].payload) {
            more.entry(unit.back()).and_modify(|m| *m = m.saturating_sub(n));
        }
        more.retain(|_, n| *n > 0);
        let paths: BTreeSet<&TreePath> = more.keys().flat_map(Unit::paths).collect();
        let shown: Vec<String> = paths.iter().take(SHOWN).map(|p| format!("'{p}'")).collect();
        let rest = if paths.len() > SHOWN { format!(" and {} more", paths.len() - SHOWN) } else { String::new() };
        (!more.is_empty()).then(|| format!(", at {}{rest}", shown.join(", ")))
    }

    /// Empty ones, and pairs of which one does what the other does, or its reverse.
    fn alike(&self, replay: &Replay<'a>, order: Option<&[usize]>) -> Vec<Classed> {
        let marks = self.marks(replay);
        let here = marks.iter().enumerate().flat_map(|(i, mine)| mine.here.iter().map(move |mark| (*mark, i)));
        let mut holders: Vec<(u64, usize)> = here.collect();
        holders.par_sort_unstable();
        let counts: Vec<OnceCell<Counts<'_>>> = self.fixes.iter().map(|_| OnceCell::new()).collect();
        let counts = |i: usize| counts[i].get_or_init(|| units(self.fixes[i].payload));
        let place: BTreeMap<usize, usize> = order.into_iter().flatten().enumerate().map(|(k, i)| (*i, k)).collect();
        let mut out = Vec::new();
        let mut say = |fix: usize, class, other: Option<usize>| {
            let other = other.map(|o| self.id(o));
            out.push(Classed { fix: self.id(fix), class, other, lost: Vec::new() });
        };
        let others = |units: &[u64], i: usize| holding(units, &holders).filter(|j| *j != i).collect::<Vec<_>>();
        let found = marks.par_iter().enumerate().map(|(i, m)| (others(&m.here, i), others(&m.back, i)));
        let found: Vec<(Vec<usize>, Vec<usize>)> = found.collect();
        for ((i, marks), (forth, back)) in marks.iter().enumerate().zip(found) {
            if marks.here.is_empty() {
                say(i, Class::Empty, None);
                continue;
            }
            for j in forth {
                let (mine, other) = (counts(i), counts(j));
                let (same, in_it) = (other.len() == mine.len() && within(other, mine), within(mine, other));
                if in_it && same {
                    say(i, Class::Duplicate, Some(j));
                } else if in_it {
                    say(i, Class::Subset, Some(j));
                    say(j, Class::Superset, Some(i));
                }
            }
            for j in back {
                let reverse: Counts<'_> = counts(i).iter().map(|(unit, n)| (unit.back(), *n)).collect();
                if !within(&reverse, counts(j)) {
                    continue;
                }
                match (place.get(&i), place.get(&j)) {
                    (Some(first), Some(then)) if first < then => {
                        say(i, Class::Reverted, Some(j));
                        say(j, Class::RevertOf, Some(i));
                    }
                    // Without an order it is told of what is known to be later.
                    _ if order.is_none() && self.listed_before(i, j) => say(j, Class::RevertOf, Some(i)),
                    _ => {}
                }
            }
        }
        out
    }

    /// Whether the series has one before the other.
    fn listed_before(&self, first: usize, then: usize) -> bool {
        let at = |i: usize| self.input.series.and_then(|s| s.iter().position(|id| *id == *self.fixes[i].id));
        at(first).zip(at(then)).is_some_and(|(a, b)| a < b)
    }

    /// Parts of an older fix that still apply to what the plan makes: nothing of the newer one has them.
    fn lost(&self, replay: &Replay<'a>, order: &[usize], old: &FixId, new: &FixId) -> Vec<Lost> {
        let (Some(old), Some(new)) = (self.number(old), self.number(new)) else { return Vec::new() };
        if !order.contains(&new) {
            return Vec::new();
        }
        let mut out = Vec::new();
        for &g in &replay.of_fix[old] {
            let Ok(state) = replay.walk(g, 0, order.iter().copied()) else { continue };
            out.extend(parts(replay, g, old, &replay.cells(g, state), false));
        }
        out.truncate(SHOWN);
        out
    }
}

/// Parts of a fix that the start tree has, where it has not all of them.
fn there_already(replay: &Replay<'_>, fix: usize) -> Vec<Lost> {
    let mut out: Vec<Lost> =
        replay.of_fix[fix].iter().flat_map(|g| parts(replay, *g, fix, &replay.cells(*g, 0), true)).collect();
    out.truncate(SHOWN);
    out
}

/// Every part of a fix, hunk by hunk, that applies to a state by itself; or whose reverse does.
fn parts(replay: &Replay<'_>, g: usize, fix: usize, cells: &Cells, back: bool) -> Vec<Lost> {
    let group = &replay.groups[g];
    let mut out = Vec::new();
    let mut test = |part: FilePatch| {
        let mut way = part.clone();
        if back && way.reverse().is_err() {
            return;
        }
        if apply_all(std::slice::from_ref(&way), |p| replay.read(group, cells, p)).is_ok()
            && let Some(path) = part.new.as_ref().or(part.old.as_ref())
        {
            out.push(shown(&part, path));
        }
    };
    for file in replay.patches(g, fix) {
        match &file.body {
            Body::Text(hunks) if file.old == file.new => {
                for hunk in hunks {
                    test(FilePatch { body: Body::Text(vec![hunk.clone()]), mail: 0, ..file.clone() });
                }
            }
            _ => test(FilePatch { mail: 0, ..file.clone() }),
        }
    }
    if let (Some(Step::Overlay(changes)), false) = (group.steps.get(fix), back) {
        let start = replay.cells(g, 0);
        for change in changes {
            let Change::Put { path, digest, .. } = change else { continue };
            let Ok(at) = group.paths.binary_search(&path) else { continue };
            let of = |cells: &Cells| cells[at].as_ref().map(|c| c.digest);
            if of(cells) == of(&start) && of(cells) != Some(*digest) {
                out.push(Lost { path: path.clone(), line: 0, lines: Vec::new() });
            }
        }
    }
    out
}

fn shown(part: &FilePatch, path: &TreePath) -> Lost {
    let hunks: &[crate::patch::Hunk] = if let Body::Text(hunks) = &part.body { hunks } else { &[] };
    let sign = |kind| if kind == LineKind::Add { '+' } else { '-' };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(bytes)).into_owned();
    let changed = hunks.iter().flat_map(|h| &h.lines).filter(|l| l.kind != LineKind::Context);
    let lines = changed.take(SHOWN).map(|l| format!("{}{}", sign(l.kind), text(&l.bytes))).collect();
    Lost { path: path.clone(), line: hunks.first().map_or(part.line, |h| h.line), lines }
}

/// Fixes that may have all of these units: those that have the rarest. `holders` is sorted.
fn holding<'h>(units: &[u64], holders: &'h [(u64, usize)]) -> impl Iterator<Item = usize> + use<'h> {
    let mut rarest: Option<&'h [(u64, usize)]> = None;
    for unit in units {
        let from = &holders[holders.partition_point(|(mark, _)| mark < unit)..];
        let with = &from[..from.partition_point(|(mark, _)| mark == unit)];
        if with.is_empty() {
            return [].iter().map(second);
        }
        let fixes = |with: &[(u64, usize)]| with.iter().map(second).collect::<Vec<_>>();
        if rarest.is_none_or(|r| with.len() < r.len() || with.len() == r.len() && fixes(with) < fixes(r)) {
            rarest = Some(with);
        }
    }
    rarest.filter(|r| r.len() <= MOST).unwrap_or_default().iter().map(second)
}

fn second(pair: &(u64, usize)) -> usize {
    pair.1
}

/// Whether the other does at least so much.
fn within(some: &Counts<'_>, all: &Counts<'_>) -> bool {
    some.iter().all(|(unit, n)| all.get(unit).is_some_and(|m| m >= n))
}
