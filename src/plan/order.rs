//! Orders: from a series, or from nothing but what applies when.

use super::remembered::Key;
use super::replay::{Replay, StateId};
use super::search;
use super::stretches::{self, Stretches};
use super::types::{Candidate, Proof, Refused};
use crate::fix::FixId;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What must come before what, by number of the fix: requirements and `after`.
pub(super) type Before = Vec<BTreeSet<usize>>;

/// An order of fixes in which every one applies, and those that find their changes there.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    pub(super) order: Vec<usize>,
    /// Fixes whose changes are there already, each with how many were placed before it was seen.
    pub(super) contained: Vec<(usize, usize)>,
    /// What does not apply, with why, where it stood or stuck.
    pub(super) refused: Vec<(usize, Refused)>,
}

/// One shortest circle for every knot of declared relations.
pub(super) fn cycles(fixes: &[Candidate<'_>], before: &Before) -> Vec<Proof> {
    let mut graph = DiGraph::<(), ()>::with_capacity(fixes.len(), 0);
    for _ in fixes {
        graph.add_node(());
    }
    for (then, firsts) in before.iter().enumerate() {
        for first in firsts {
            graph.add_edge(NodeIndex::new(then), NodeIndex::new(*first), ());
        }
    }
    let mut out = Vec::new();
    for knot in kosaraju_scc(&graph) {
        let knot: BTreeSet<usize> = knot.into_iter().map(NodeIndex::index).collect();
        let Some(from) = knot.first().copied() else { continue };
        if knot.len() > 1 || before[from].contains(&from) {
            let circle = circle(from, &knot, before);
            out.push(Proof::Cycle { fixes: circle.into_iter().map(|i| fixes[i].id.clone()).collect() });
        }
    }
    out.sort_by_key(|p| if let Proof::Cycle { fixes } = p { fixes.clone() } else { Vec::new() });
    out
}

/// The shortest way from a fix back to itself.
fn circle(from: usize, knot: &BTreeSet<usize>, before: &Before) -> Vec<usize> {
    let mut came: BTreeMap<usize, usize> = BTreeMap::new();
    let mut todo = VecDeque::from([from]);
    while let Some(i) = todo.pop_front() {
        for next in before[i].iter().copied().filter(|n| knot.contains(n)) {
            if next == from {
                let mut way = vec![i];
                while let Some(p) = way.last().filter(|l| **l != from).and_then(|l| came.get(l)) {
                    way.push(*p);
                }
                way.reverse();
                return way;
            }
            if next != from && !came.contains_key(&next) {
                came.insert(next, i);
                todo.push_back(next);
            }
        }
    }
    vec![from]
}

/// The order of a series; fixes that it does not name follow as if there were none for them.
pub(super) fn from_series(
    fixes: &[Candidate<'_>],
    alive: &BTreeSet<usize>,
    series: &[FixId],
    before: &Before,
    replay: &Replay<'_>,
) -> Result<Ordered, Vec<Proof>> {
    let number = |id: &FixId| fixes.binary_search_by(|c| c.id.cmp(id)).ok();
    let mut place: Vec<Option<usize>> = vec![None; fixes.len()];
    let mut proofs = Vec::new();
    for (k, id) in series.iter().enumerate() {
        match number(id) {
            None => proofs.push(Proof::Missing { fix: None, needs: id.clone() }),
            Some(i) if place[i].replace(k).is_some() => proofs.push(Proof::TwiceNamed { fix: id.clone() }),
            Some(_) => {}
        }
    }
    for (then, firsts) in before.iter().enumerate().filter(|(i, _)| alive.contains(i)) {
        for first in firsts.iter().filter(|f| alive.contains(f)) {
            let wrong = match (place[*first], place[then]) {
                (Some(a), Some(b)) => a > b,
                (None, Some(_)) => true,
                _ => false,
            };
            if wrong {
                proofs.push(Proof::SeriesContradicts { fix: fixes[then].id.clone(), needs: fixes[*first].id.clone() });
            }
        }
    }
    if !proofs.is_empty() {
        return Err(proofs);
    }
    let mut listed: Vec<(usize, usize)> = alive.iter().filter_map(|i| Some((place[*i]?, *i))).collect();
    listed.sort_unstable();
    let mut bag = Bag::new(replay);
    let mut out = Ordered::default();
    let mut spoilt: BTreeSet<usize> = BTreeSet::new();
    let listed: Vec<usize> = listed.into_iter().map(|(_, fix)| fix).collect();
    let mut stretches = Stretches::new("stretch of a series", replay);
    for fixes in listed.chunks(stretches::LENGTH) {
        let whole = stretches.as_mut().filter(|_| fixes.len() == stretches::LENGTH);
        let asked = replay.marks.as_ref().zip(whole.and_then(|s| s.next(replay, fixes, |_| &[])));
        if asked.is_some_and(|(marks, key)| marks.applies(key) == Some(true)) {
            fixes.iter().for_each(|fix| bag.put(*fix));
            continue;
        }
        let before = bag.placed.len();
        in_turn(fixes, &mut bag, &mut spoilt, &mut out);
        if bag.placed.len() < before + fixes.len() {
            // What follows stands on something else than a series in which everything applied.
            stretches = None;
        } else if let Some((marks, key)) = asked {
            marks.note_applies(key, true);
        }
    }
    if out.refused.is_empty() {
        let rest = alive.iter().copied().filter(|i| place[*i].is_none()).collect();
        bag.fill(rest, before, &mut out);
    }
    out.order = bag.placed;
    Ok(out)
}

/// Places fixes of a series one after the other; what does not apply is there already or refused.
fn in_turn(fixes: &[usize], bag: &mut Bag<'_, '_>, spoilt: &mut BTreeSet<usize>, out: &mut Ordered) {
    for &fix in fixes {
        let here = &bag.replay.of_fix[fix];
        if bag.place(fix) {
            continue;
        }
        if here.iter().any(|g| spoilt.contains(g)) {
            // A failure that an earlier one explains is not told again; one on paths that none of those touches is.
            out.refused.extend(bag.refused_beside(fix, spoilt).map(|refused| (fix, refused)));
            spoilt.extend(here);
        } else if bag.done_already(fix) {
            out.contained.push((fix, bag.placed.len()));
        } else {
            spoilt.extend(here);
            out.refused.extend(bag.refused(fix).map(|refused| (fix, refused)));
        }
    }
}

/// An order from nothing: whatever applies now is next, by id; what does not is tried again later.
///
/// A fix that gets stuck although it applied earlier came too late: the fix that shut it out has to wait for it, and
/// placing begins again. Every round learns at least one such pair and none twice, so it ends.
pub(super) fn from_nothing(alive: &BTreeSet<usize>, before: &Before, replay: &Replay<'_>) -> Ordered {
    let mut wait: Before = before.clone();
    let mut first: Option<Ordered> = None;
    loop {
        let mut bag = Bag::new(replay);
        let mut out = Ordered::default();
        let stuck = bag.fill(alive.clone(), &wait, &mut out);
        let learnt = bag.shut_out(&stuck, &wait);
        out.order = bag.placed;
        if out.refused.is_empty() || learnt.is_empty() {
            if out.refused.is_empty() {
                return out;
            }
            let found = search::order(replay, alive, out.refused.iter().map(|(f, _)| *f), before);
            // What was learnt on a wrong way proves nothing: then the plain failure is what is told.
            return found.map_or(first.unwrap_or(out), |order| along(&order, alive, before, replay));
        }
        first.get_or_insert(out);
        for (waits, for_it) in learnt {
            wait[waits].insert(for_it);
        }
    }
}

/// The order in which some fixes were found to apply, and the rest as from nothing.
fn along(order: &[usize], alive: &BTreeSet<usize>, before: &Before, replay: &Replay<'_>) -> Ordered {
    let mut wait: Before = before.clone();
    for pair in order.windows(2) {
        wait[pair[1]].insert(pair[0]);
    }
    let mut bag = Bag::new(replay);
    let mut out = Ordered::default();
    bag.fill(alive.clone(), &wait, &mut out);
    out.order = bag.placed;
    out
}

/// Fixes placed so far, and what they leave in every group.
struct Bag<'a, 'r> {
    replay: &'a Replay<'r>,
    placed: Vec<usize>,
    /// By fix: whether it is placed.
    there: Vec<bool>,
    now: Vec<Now>,
}

/// Where a group stands.
#[derive(Clone)]
struct Now {
    state: StateId,
    /// Placed, known to apply, and not replayed yet.
    behind: Vec<usize>,
    /// What was placed, where that is remembered; without the last of those behind.
    key: Option<Key>,
    /// How many of those behind the key has.
    keyed: usize,
}

impl<'a, 'r> Bag<'a, 'r> {
    fn new(replay: &'a Replay<'r>) -> Self {
        let key = |g| replay.marks.as_ref().and_then(|m| m.start(g));
        let now =
            (0..replay.groups.len()).map(|g| Now { state: 0, behind: Vec::new(), key: key(g), keyed: 0 }).collect();
        Self { replay, placed: Vec::new(), there: vec![false; replay.of_fix.len()], now }
    }

    /// The key of a group with everything that was placed.
    fn key(&mut self, g: usize) -> Option<Key> {
        let now = &mut self.now[g];
        let marks = self.replay.marks.as_ref()?;
        now.key = now.behind[now.keyed..].iter().fold(now.key, |key, fix| Some(marks.step(*fix, &[key?])));
        now.keyed = now.behind.len();
        now.key
    }

    /// The state of a group, replayed as far as it has to be.
    fn state(&mut self, g: usize) -> StateId {
        self.key(g);
        let now = &mut self.now[g];
        let behind = std::mem::take(&mut now.behind);
        now.keyed = 0;
        // Where a content cannot be read, nothing that is answered counts.
        now.state = self.replay.walk(g, now.state, behind).unwrap_or(now.state);
        now.state
    }

    /// Whether a fix applies to what a group has now.
    fn applies(&mut self, g: usize, fix: usize) -> bool {
        let marked = self.replay.marks.as_ref().zip(self.key(g)).map(|(m, key)| (m, m.step(fix, &[key])));
        if let Some(yes) = marked.and_then(|(m, key)| m.applies(key)) {
            return yes;
        }
        let state = self.state(g);
        let yes = self.replay.step(g, state, fix).is_ok();
        if let Some((marks, key)) = marked {
            marks.note_applies(key, yes);
        }
        yes
    }

    /// Places a fix if it applies now; whether it did.
    fn place(&mut self, fix: usize) -> bool {
        let replay = self.replay;
        let here = &replay.of_fix[fix];
        let keys: Option<Vec<Key>> = here.iter().map(|g| self.key(*g)).collect();
        let all = replay.marks.as_ref().zip(keys).map(|(m, keys)| (m, m.step(fix, &keys)));
        let yes = all.and_then(|(m, key)| m.applies(key)).unwrap_or_else(|| {
            let yes = here.iter().all(|g| self.applies(*g, fix));
            if let Some((marks, key)) = all.filter(|_| here.len() > 1) {
                marks.note_applies(key, yes);
            }
            yes
        });
        if yes {
            self.put(fix);
        }
        yes
    }

    /// Places a fix that is known to apply.
    fn put(&mut self, fix: usize) {
        for g in &self.replay.of_fix[fix] {
            self.now[*g].behind.push(fix);
        }
        self.placed.push(fix);
        self.there[fix] = true;
    }

    /// Why a fix does not apply now.
    fn refused(&mut self, fix: usize) -> Option<Refused> {
        self.refused_beside(fix, &BTreeSet::new())
    }

    /// The same in groups other than these.
    fn refused_beside(&mut self, fix: usize, spoilt: &BTreeSet<usize>) -> Option<Refused> {
        let replay = self.replay;
        let failed = |g: &usize| replay.step(*g, self.state(*g), fix).err();
        replay.of_fix[fix].iter().filter(|g| !spoilt.contains(g)).find_map(failed).map(|r| (*r).clone())
    }

    fn done_already(&mut self, fix: usize) -> bool {
        let replay = self.replay;
        let here = &replay.of_fix[fix];
        !here.is_empty() && here.iter().all(|g| replay.done_already(*g, self.state(*g), fix))
    }

    /// Places everything that can be placed; what cannot is contained or refused. Returns the refused ones.
    fn fill(&mut self, mut rest: BTreeSet<usize>, before: &Before, out: &mut Ordered) -> Vec<usize> {
        let mut waiting_in: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.replay.groups.len()];
        // By fix: those that need not be tried before it is placed.
        let mut asleep: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut todo: BTreeSet<usize> =
            rest.iter().copied().filter(|f| self.wakes(*f, &mut asleep, &mut waiting_in)).collect();
        let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for fix in &rest {
            for first in &before[*fix] {
                followers.entry(*first).or_default().push(*fix);
            }
        }
        loop {
            while let Some(fix) = todo.pop_first() {
                if !rest.contains(&fix) || before[fix].iter().any(|f| rest.contains(f)) || !self.place(fix) {
                    continue;
                }
                rest.remove(&fix);
                for g in &self.replay.of_fix[fix] {
                    waiting_in[*g].remove(&fix);
                    todo.extend(&waiting_in[*g]);
                }
                let awake = asleep.remove(&fix).unwrap_or_default();
                todo.extend(awake.into_iter().filter(|f| self.wakes(*f, &mut asleep, &mut waiting_in)));
                todo.extend(followers.get(&fix).into_iter().flatten());
            }
            let free = |fix: &usize| !before[*fix].iter().any(|f| rest.contains(f));
            // What goes back is there already.
            let free: Vec<usize> = rest.iter().copied().filter(free).collect();
            match free.into_iter().find(|f| self.done_already(*f)) {
                Some(fix) => {
                    out.contained.push((fix, self.placed.len()));
                    rest.remove(&fix);
                    todo.extend(&rest);
                }
                None => break,
            }
        }
        let mut stuck = Vec::new();
        for fix in rest {
            // One that applies waits for another that does not: told there.
            out.refused.extend(self.refused(fix).map(|refused| (fix, refused)));
            stuck.push(fix);
        }
        stuck
    }

    /// Whether everything that alone brings a line of a fix is placed; if not, the fix sleeps until the next of it is.
    fn wakes(&self, fix: usize, asleep: &mut BTreeMap<usize, Vec<usize>>, waiting_in: &mut [BTreeSet<usize>]) -> bool {
        let mut needed = self.replay.of_fix[fix].iter().flat_map(|g| self.replay.bringers(*g, fix));
        if let Some(first) = needed.find(|f| !self.there[*f]) {
            asleep.entry(first).or_default().push(fix);
            return false;
        }
        for g in &self.replay.of_fix[fix] {
            waiting_in[*g].insert(fix);
        }
        true
    }

    /// Pairs (b, s): placed fix b is what shuts stuck fix s out of a group, and may wait for s.
    fn shut_out(&self, stuck: &[usize], wait: &Before) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        let mut wait = wait.clone();
        for &fix in stuck {
            for &g in &self.replay.of_fix[fix] {
                let here = self.placed.iter().copied().filter(|p| self.replay.of_fix[*p].binary_search(&g).is_ok());
                let mut states = vec![(None, 0)];
                for p in here {
                    let Ok(next) = self.replay.step(g, states[states.len() - 1].1, p) else { break };
                    states.push((Some(p), next));
                }
                let applies = |state: StateId| self.replay.step(g, state, fix).is_ok();
                let Some(latest) = states.iter().rposition(|(_, state)| applies(*state)) else { continue };
                let Some((Some(blocker), _)) = states.get(latest + 1) else { continue };
                if !reaches(&wait, fix, *blocker) {
                    wait[*blocker].insert(fix);
                    out.push((*blocker, fix));
                }
            }
        }
        out
    }
}

/// Whether `from` has to wait for `to`, directly or not.
pub(super) fn reaches(wait: &Before, from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut todo = vec![from];
    while let Some(i) = todo.pop() {
        if i == to {
            return true;
        }
        todo.extend(wait[i].iter().copied().filter(|n| seen.insert(*n)));
    }
    false
}
