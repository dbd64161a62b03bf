//! Fixes whose changes others of the order bring: which those are, and whether a selection keeps them.

use super::replay::{Replay, StateId};
use super::types::{DropCause, Dropped, Proof};
use super::work::Work;
use crate::fix::FixId;
use crate::report::Code;
use std::collections::{BTreeMap, BTreeSet};

/// Of so many fixes at most, every set is tried for what a covered fix stands on.
const EVERY_SET: usize = 10;

/// A fix that is not in the order because others bring what it does.
#[derive(Debug, Clone)]
pub(super) struct Covered {
    /// Fixes of the order, ascending: without any one of them something of it is not there.
    pub(super) by: Vec<usize>,
    /// How many fixes of the order stand before it.
    at: usize,
}

impl Covered {
    /// None where the start tree itself has all of it; `twin` of the order, which does something then, has the same content.
    pub(super) fn find(
        replay: &Replay<'_>,
        order: &[usize],
        fix: usize,
        at: usize,
        twin: Option<usize>,
    ) -> Option<Self> {
        let here = &replay.of_fix[fix];
        if let Some(twin) = twin {
            return Some(Self { by: vec![twin], at });
        }
        if here.iter().all(|g| replay.done_already(*g, 0, fix)) {
            return None;
        }
        let mut by: Vec<usize> = here.iter().flat_map(|g| bringers(replay, *g, &order[..at], fix)).collect();
        by.sort_unstable();
        by.dedup();
        Some(Self { by, at })
    }
}

/// The fixes of an order that bring, in one group, what another does; without those that only make way for it.
fn bringers(replay: &Replay<'_>, g: usize, order: &[usize], fix: usize) -> Vec<usize> {
    let here: Vec<usize> = order.iter().copied().filter(|f| replay.of_fix[*f].binary_search(&g).is_ok()).collect();
    let mut states: Vec<StateId> = vec![0];
    for f in &here {
        let Ok(next) = replay.step(g, states[states.len() - 1], *f) else { return here };
        states.push(next);
    }
    // From the last on: whatever of the later ones is left needs nothing that is taken away.
    let mut with: Vec<usize> = Vec::new();
    for k in (0..here.len()).rev() {
        let without = replay.walk(g, states[k], with.iter().rev().copied());
        if !without.is_ok_and(|state| replay.done_already(g, state, fix)) {
            with.push(here[k]);
        }
    }
    with.reverse();
    if with.len() > EVERY_SET {
        return with;
    }
    // The most that it applies on top of is what it needs as they do.
    let sets = 0u32..1 << with.len();
    let of = |set: u32| with.iter().copied().enumerate().filter(move |(k, _)| set >> k & 1 == 1).map(|(_, f)| f);
    let applies = |set: &u32| replay.walk(g, 0, of(*set)).is_ok_and(|state| replay.step(g, state, fix).is_ok());
    match sets.filter(applies).max_by_key(|set| (set.count_ones(), std::cmp::Reverse(*set))) {
        Some(below) => of(!below & ((1 << with.len()) - 1)).collect(),
        None => with,
    }
}

impl Work<'_, '_> {
    /// Why a selection that names others leaves a fix out.
    pub(super) fn left_because(&self, i: usize) -> DropCause {
        let chain = vec![self.id(i)];
        match self.input.held.get(&chain[0]) {
            Some(reason) => DropCause::Held { reason: reason.clone(), chain },
            None if self.input.without.contains(&chain[0]) => DropCause::Without { chain },
            None => DropCause::NotSelected,
        }
    }

    /// What others of the order bring only together with some that the selection does not keep is left out for the same
    /// reason as anything else.
    pub(super) fn forget_covered(&mut self, kept: &BTreeSet<usize>) {
        let left_out: BTreeSet<usize> = self.left_out().filter_map(|id| self.number(id)).collect();
        let named: BTreeSet<usize> = self.input.only.iter().filter_map(|id| self.number(id)).collect();
        let wanted = |c: &usize| !left_out.contains(c) && (named.is_empty() || named.contains(c));
        let apart = |c: &Covered| c.by.iter().any(|b| !kept.contains(b));
        let gone = self.covered.iter().filter(|(i, c)| !wanted(i) && apart(c)).map(|(i, _)| *i);
        let causes: BTreeMap<FixId, DropCause> = gone.map(|i| (self.id(i), self.left_because(i))).collect();
        let mut told: BTreeSet<FixId> = BTreeSet::new();
        for d in self
            .dropped
            .iter_mut()
            .filter(|d| matches!(d.cause, DropCause::Covered { .. } | DropCause::Duplicate { .. }))
        {
            if let Some(cause) = causes.get(&d.fix) {
                d.cause = cause.clone();
                told.insert(d.fix.clone());
            }
        }
        self.findings.retain(|f| f.code != Code::Duplicate || !told.contains(&FixId(f.subject.clone())));
    }

    /// What is wanted and not in the order, and whose bringers the selection leaves out so that it is lost; `kept` is what
    /// the selection keeps of the order, and `fell` what it drops, with why.
    pub(super) fn lost_with(
        &self,
        replay: &Replay<'_>,
        order: &[usize],
        kept: &BTreeSet<usize>,
        fell: &BTreeMap<usize, DropCause>,
    ) -> Option<Proof> {
        let left_out: BTreeSet<usize> = self.left_out().filter_map(|id| self.number(id)).collect();
        let named: BTreeSet<usize> = self.input.only.iter().filter_map(|id| self.number(id)).collect();
        let wanted = |c: &usize| !left_out.contains(c) && (named.is_empty() || named.contains(c));
        self.covered.iter().filter(|(c, _)| wanted(c)).find_map(|(c, covered)| {
            let out: Vec<Dropped> = covered
                .by
                .iter()
                .filter_map(|b| Some(Dropped { fix: self.id(*b), cause: fell.get(b)?.clone() }))
                .collect();
            let before = || order[..covered.at].iter().copied().filter(|f| kept.contains(f));
            let there = |g: &usize| replay.walk(*g, 0, before()).is_ok_and(|state| replay.done_already(*g, state, *c));
            let lost = !out.is_empty() && !replay.of_fix[*c].iter().all(there);
            let ids = |list: &[usize]| list.iter().map(|b| self.id(*b)).collect();
            lost.then(|| Proof::BringersLeftOut { fix: self.id(*c), by: ids(&covered.by), out })
        })
    }
}
