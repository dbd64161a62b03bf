//! What is being planned: the fixes by number, which of them are in the order, and which stand for others.

use super::covered::Covered;
use super::order::Before;
use super::replay::Replay;
use super::resolve::Proving;
use super::shrink::circles_of_supersedes;
use super::standing::Yields;
use super::types::{Candidate, DropCause, Dropped, PlanInput, Proof, Refusal};
use super::units::Marks;
use crate::fix::FixId;
use crate::report::Finding;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

pub(super) struct Work<'a, 'i> {
    pub(super) input: &'i PlanInput<'a>,
    /// Sorted by id; fixes go by their place here.
    pub(super) fixes: Vec<Candidate<'a>>,
    pub(super) alive: BTreeSet<usize>,
    /// Superseded fixes: by which one.
    pub(super) superseded: BTreeMap<usize, usize>,
    /// Fixes that another stands for: superseded, or the same under another id.
    pub(super) stands_for: BTreeMap<usize, usize>,
    /// Fixes whose changes others of the order bring.
    pub(super) covered: BTreeMap<usize, Covered>,
    /// Pairs in the order with the same content, both of which apply.
    pub(super) twins: Vec<(usize, usize)>,
    pub(super) dropped: Vec<Dropped>,
    pub(super) findings: Vec<Finding>,
    /// Fixes that are left out, each with the one that takes its place, and why.
    pub(super) yielded: Vec<(usize, usize, DropCause)>,
    /// What a selection keeps, once that is known.
    pub(super) kept: Option<BTreeSet<usize>>,
    pub(super) proving: Proving,
    marks: OnceLock<Vec<Marks>>,
}

fn find_marks<'a>(fixes: &[Candidate<'a>], replay: &Replay<'a>) -> Vec<Marks> {
    let of = |(i, fix): (usize, &Candidate<'a>)| replay.of_fix_alone("marks", i, || Marks::new(fix.payload));
    fixes.par_iter().enumerate().map(of).collect()
}

impl<'a, 'i> Work<'a, 'i> {
    pub(super) fn new(
        input: &'i PlanInput<'a>,
        heed: bool,
        proving: Proving,
        yields: &Yields,
    ) -> Result<Self, Refusal> {
        let mut fixes = input.fixes.clone();
        fixes.sort_by(|a, b| a.id.cmp(b.id));
        let mut proofs: Vec<Proof> = fixes
            .windows(2)
            .filter(|w| w[0].id == w[1].id)
            .map(|w| Proof::TwiceNamed { fix: w[0].id.clone() })
            .collect();
        proofs.dedup();
        let known = |id: &FixId| fixes.binary_search_by(|c| c.id.cmp(id)).is_ok();
        for id in input.only.iter().chain(&input.without) {
            if !known(id) {
                proofs.push(Proof::UnknownSelected { fix: id.clone() });
            }
        }
        if !proofs.is_empty() {
            return Err(Refusal::of(proofs));
        }
        let mut work = Self {
            input,
            alive: (0..fixes.len()).collect(),
            fixes,
            superseded: BTreeMap::new(),
            stands_for: BTreeMap::new(),
            covered: BTreeMap::new(),
            twins: Vec::new(),
            dropped: Vec::new(),
            findings: Vec::new(),
            yielded: Vec::new(),
            kept: None,
            proving,
            marks: OnceLock::new(),
        };
        let circles = work.supersedes_circles();
        if !circles.is_empty() {
            return Err(Refusal { cores: circles_of_supersedes(&circles), ..Refusal::of(circles) });
        }
        for (id, reason) in &input.not_for {
            if let Some(i) = work.number(id) {
                work.drop_fix(i, DropCause::NotFor { reason: reason.clone() });
            }
        }
        work.supersede(heed);
        for (id, (cause, by)) in yields {
            if let (Some(i), Some(by)) = (work.number(id).filter(|i| work.alive.contains(i)), work.number(by)) {
                work.drop_fix(i, cause.clone());
                work.yielded.push((i, by, cause.clone()));
                work.stands_for.insert(i, by);
            }
        }
        Ok(work)
    }

    /// By fix: what tells it from others.
    pub(super) fn marks(&self, replay: &Replay<'a>) -> &[Marks] {
        self.marks.get_or_init(|| find_marks(&self.fixes, replay))
    }

    /// An order as something finds it, while the other cores look at the marks; a plan that is only made on the way may
    /// never ask for them.
    pub(super) fn beside_marks<T: Send>(&self, replay: &Replay<'a>, order: impl FnOnce() -> T + Send) -> T {
        if self.proving != Proving::Cores || self.marks.get().is_some() {
            return order();
        }
        let (found, marks) = rayon::join(order, || find_marks(&self.fixes, replay));
        self.marks.get_or_init(|| marks);
        found
    }

    /// Everything that is left out by name.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &FixId> {
        self.input.without.iter().chain(self.input.held.keys())
    }

    pub(super) fn number(&self, id: &FixId) -> Option<usize> {
        self.fixes.binary_search_by(|c| c.id.cmp(id)).ok()
    }

    pub(super) fn id(&self, i: usize) -> FixId {
        self.fixes[i].id.clone()
    }

    pub(super) fn drop_fix(&mut self, i: usize, cause: DropCause) {
        self.alive.remove(&i);
        self.dropped.push(Dropped { fix: self.id(i), cause });
    }

    /// Notes who supersedes whom. A selection that names only the old one gets the old one.
    fn supersede(&mut self, heed: bool) {
        let chosen: BTreeSet<usize> = self.input.only.iter().filter_map(|id| self.number(id)).collect();
        let left_out: BTreeSet<usize> = self.left_out().filter_map(|id| self.number(id)).collect();
        for new in self.alive.clone() {
            for old in &self.fixes[new].meta.supersedes {
                let Some(old) = self.number(old).filter(|o| *o != new && self.alive.contains(o)) else { continue };
                let only_old = chosen.contains(&old) && !chosen.contains(&new);
                if only_old || heed && left_out.contains(&new) {
                    if self.alive.contains(&new) && only_old {
                        self.drop_fix(new, DropCause::NotSelected);
                    }
                } else if self.stands(new) != Some(old) {
                    self.superseded.insert(old, new);
                }
            }
        }
        self.superseded.retain(|_, new| self.alive.contains(new));
        self.stands_for = self.superseded.clone();
        for old in self.superseded.keys() {
            self.alive.remove(old);
        }
    }

    /// The fix that stands for this one, if it is not in the order itself. Bounded: chains are at most all fixes.
    pub(super) fn stands(&self, mut i: usize) -> Option<usize> {
        for _ in 0..=self.fixes.len() {
            if self.alive.contains(&i) {
                return Some(i);
            }
            i = *self.stands_for.get(&i).or_else(|| self.superseded.get(&i))?;
        }
        None
    }

    /// The fixes of the order that bring what this one does.
    pub(super) fn standing(&self, i: usize) -> Vec<usize> {
        match self.covered.get(&i) {
            Some(covered) => covered.by.clone(),
            None => self.stands(i).into_iter().collect(),
        }
    }

    /// Declared requirements of a fix that are in the order, by number.
    pub(super) fn requires(&self, i: usize) -> Vec<usize> {
        let required = self.fixes[i].meta.requires.iter().filter_map(|r| self.number(r));
        // What stands for a fix that it requires itself has no need of it.
        let others = |r: usize| self.standing(r).into_iter().filter(move |s| r == i || *s != i);
        let mut out: Vec<usize> = required.flat_map(others).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    pub(super) fn before(&self) -> Before {
        (0..self.fixes.len())
            .map(|i| {
                if !self.alive.contains(&i) {
                    return BTreeSet::new();
                }
                // What comes after a fix whose place it takes itself has nothing to wait for.
                let after = self.fixes[i].meta.after.iter().filter_map(|a| self.number(a));
                let after = after.filter_map(|a| self.stands(a)).filter(|a| *a != i);
                after.chain(self.requires(i)).collect()
            })
            .collect()
    }
}
