//! What every fix needs: the smallest closed set of earlier fixes with which it still applies.

use super::along::Along;
use super::bits::Bits;
use super::chains::{Chains, before_on};
use super::replay::StateId;
use super::stretches::{self, Stretches};
use crate::patch::Reject;
use rayon::prelude::*;
use std::sync::Arc;

/// Needs of fixes that are ordered by their number.
pub(super) struct Needs {
    /// By fix: everything that it needs, directly or not.
    pub(super) all: Vec<Bits>,
    /// By fix: the needs that no other need brings along, ascending.
    pub(super) direct: Vec<Vec<usize>>,
    /// None where nothing is remembered.
    pub(super) chains: Option<Chains>,
}

/// Finds all needs. `declared` has for every place in it the places of the fixes that it requires, all before it.
///
/// Sets are tried by replaying on the paths concerned: first what is declared and what alone brings a line, then
/// everything before, dropping one fix (and what needs it) at a time.
pub(super) fn needs(along: &Along<'_, '_>, declared: &[Vec<usize>]) -> Needs {
    let (replay, order) = (along.replay, along.order);
    let n = order.len();
    let mut out = Needs { all: Vec::with_capacity(n), direct: Vec::with_capacity(n), chains: Chains::new(replay) };
    let must = |(j, me): (usize, &usize)| {
        let alone = replay.of_fix[*me].iter().flat_map(|g| replay.bringers(*g, *me));
        let alone = alone.filter_map(|f| along.place(f)).filter(|i| *i < j);
        let mut must: Vec<usize> = declared.get(j).into_iter().flatten().copied().chain(alone).collect();
        must.sort_unstable();
        must.dedup();
        must
    };
    let must: Vec<Vec<usize>> = order.par_iter().enumerate().map(must).collect();
    let mut stretches = Stretches::new("stretch of needs", replay);
    for (from, fixes) in (0..n).step_by(stretches::LENGTH).zip(order.chunks(stretches::LENGTH)) {
        let must = &must[from..from + fixes.len()];
        let whole = stretches.as_mut().filter(|_| fixes.len() == stretches::LENGTH);
        let key = whole.and_then(|s| s.next(replay, fixes, |k| &must[k]));
        let asked = replay.marks.as_ref().zip(key);
        let known = asked.and_then(|(m, key)| stretches::read(&m.bytes(key)?, from, fixes.len()));
        let new = known.is_none();
        let mut known = known.into_iter().flatten();
        for (j, must) in (from..).zip(must) {
            let direct = known.next().unwrap_or_else(|| out.next(along, j, must));
            out.push(along, direct);
        }
        if let Some((marks, key)) = asked.filter(|_| new)
            && let Some(bytes) = stretches::written(&out.direct[from..])
        {
            marks.put(key, bytes);
        }
    }
    if let Some(chains) = &mut out.chains {
        chains.reach_all(along);
    }
    out
}

impl Needs {
    /// What the next place needs directly.
    fn next(&mut self, along: &Along<'_, '_>, j: usize, must: &[usize]) -> Vec<usize> {
        if let Some(chains) = &mut self.chains {
            chains.reach(along, j);
        }
        self.remembered(along, j, must).unwrap_or_else(|| {
            let n = along.order.len();
            let found = Search { along, all: &self.all, must: self.closed(must, n), j, n }.run();
            direct(&found, &self.all, n)
        })
    }

    fn push(&mut self, along: &Along<'_, '_>, direct: Vec<usize>) {
        let fix = along.order[self.direct.len()];
        self.all.push(self.closed(&direct, along.order.len()));
        if let Some(chains) = &mut self.chains {
            chains.push(along.replay, fix, along.replay.ids[fix], &direct);
        }
        self.direct.push(direct);
    }

    /// Some places, and everything that they need.
    fn closed(&self, places: &[usize], n: usize) -> Bits {
        let mut out = Bits::new(n);
        for &i in places {
            out.insert(i);
            out.join(&self.all[i]);
        }
        out
    }

    /// What the next place needs directly, where that is remembered or can be: the answer names places among those that
    /// share a path with it or that it must have.
    fn remembered(&self, along: &Along<'_, '_>, j: usize, must: &[usize]) -> Option<Vec<usize>> {
        let n = along.order.len();
        let chains = self.chains.as_ref()?;
        let marks = along.replay.marks.as_ref()?;
        let among = before_on(along, j)?;
        if among.is_empty() {
            // Nobody before it shares a path with it: it needs what it must.
            return Some(direct(&self.closed(must, n), &self.all, n));
        }
        let key = chains.seen_among("needs", along, j, &among, must)?;
        // One after the other, as the key has them: how both interleave is no part of it.
        let mut among = among;
        among.extend(must);
        let known: Option<Vec<usize>> = marks.known(key);
        if let Some(mut direct) =
            known.and_then(|d| d.into_iter().map(|k| among.get(k).copied()).collect::<Option<Vec<_>>>())
        {
            direct.sort_unstable();
            return Some(direct);
        }
        let found = Search { along, all: &self.all, must: self.closed(must, n), j, n }.run();
        let direct = direct(&found, &self.all, n);
        let short: Vec<usize> = direct.iter().filter_map(|d| among.iter().position(|a| a == d)).collect();
        if short.len() == direct.len() {
            marks.note(key, &short);
        }
        Some(direct)
    }
}

fn direct(set: &Bits, all: &[Bits], n: usize) -> Vec<usize> {
    if set.is_empty() {
        return Vec::new();
    }
    let mut covered = Bits::new(n);
    let mut out = Vec::new();
    for i in set.iter().rev() {
        if !covered.has(i) {
            out.push(i);
            covered.join(&all[i]);
        }
    }
    out.reverse();
    out
}

/// How a fix is refused when one that it needs is left out, and everything that needs that one with it.
pub(super) fn refused_without(
    along: &Along<'_, '_>,
    needs: &Needs,
    fix: usize,
    without: usize,
) -> Option<(usize, StateId, Arc<Reject>)> {
    let mut rest = needs.all[fix].clone();
    for x in needs.all[fix].iter() {
        if x == without || needs.all[x].has(without) {
            rest.remove(x);
        }
    }
    let me = along.order[fix];
    along.replay.of_fix[me].iter().find_map(|g| {
        let before = along.walk(*g, &rest, fix).ok()?;
        along.replay.step(*g, before, me).err().map(|r| (*g, before, r))
    })
}

struct Search<'a, 'r> {
    along: &'a Along<'a, 'r>,
    all: &'a [Bits],
    must: Bits,
    j: usize,
    n: usize,
}

impl Search<'_, '_> {
    fn groups(&self) -> &[usize] {
        &self.along.replay.of_fix[self.along.order[self.j]]
    }

    fn applies_in(&self, g: usize, set: &Bits) -> bool {
        let before = self.along.walk(g, set, self.j);
        before.is_ok_and(|before| self.along.replay.step(g, before, self.along.order[self.j]).is_ok())
    }

    fn applies(&self, set: &Bits) -> bool {
        self.groups().iter().all(|g| self.applies_in(*g, set))
    }

    /// Whether it still applies after `gone` left `set`; only groups that `gone` touches can tell.
    fn still(&self, set: &Bits, gone: &Bits) -> bool {
        self.groups().iter().all(|g| !self.touches(*g, gone) || self.applies_in(*g, set))
    }

    fn touches(&self, g: usize, set: &Bits) -> bool {
        self.along.touching[g].iter().any(|i| set.has(*i))
    }

    fn run(&self) -> Bits {
        if self.applies(&self.must) {
            return self.must.clone();
        }
        let mut candidates = Bits::new(self.n);
        for g in self.groups() {
            self.along.touching[*g].iter().take_while(|i| **i < self.j).for_each(|i| candidates.insert(*i));
        }
        let mut full = self.must.clone();
        for i in candidates.iter() {
            full.insert(i);
            full.join(&self.all[i]);
        }
        let newest = self.shrink(&full, candidates.iter().rev());
        let oldest = self.shrink(&full, candidates.iter());
        let (newest, oldest) = (self.reach(&newest), self.reach(&oldest));
        if newest.len() <= oldest.len() { newest } else { oldest }
    }

    /// Drops what is not needed, in the given order, each with what needs it.
    fn shrink(&self, full: &Bits, candidates: impl Iterator<Item = usize>) -> Bits {
        let mut set = full.clone();
        for a in candidates {
            if !set.has(a) || self.must.has(a) {
                continue;
            }
            let mut gone = Bits::new(self.n);
            for x in set.iter() {
                if x == a || self.all[x].has(a) {
                    gone.insert(x);
                }
            }
            let mut rest = set.clone();
            rest.subtract(&gone);
            if self.still(&rest, &gone) {
                set = rest;
            }
        }
        set
    }

    /// What is left that shares a path with the fix, closed.
    fn reach(&self, set: &Bits) -> Bits {
        let mut out = self.must.clone();
        for g in self.groups() {
            for i in self.along.touching[*g].iter().filter(|i| set.has(**i)) {
                out.insert(*i);
                out.join(&self.all[*i]);
            }
        }
        out
    }
}
