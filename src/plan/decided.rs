//! What decides the pairs of fixes whose order matters.

use super::along::Along;
use super::bits::Bits;
use super::needs::{Needs, needs};
use super::order::{Before, Ordered, from_nothing, reaches};
use super::pairs::{Pair, pairs};
use super::replay::Replay;
use super::search::{Answer, Wishes, around, makes_one, satisfiable};
use super::types::{OrderPair, PairKind, PathMerge, Settled};
use super::work::Work;
use crate::fix::{FixId, Resolution};
use std::collections::{BTreeMap, BTreeSet};

/// Among more fixes it is not searched what the others force: among so few every order is tried, so that the answer does
/// not hang on which is tried first, and with that on ids.
const FEW: usize = 8;
/// Tries of a fix that a search among so few may take: more than it ever does.
const BUDGET: usize = 100_000;

impl Work<'_, '_> {
    /// Order pairs with what decided them, by place.
    pub(super) fn settled(
        &self,
        along: &Along<'_, '_>,
        place: &BTreeMap<usize, usize>,
        graph: &Needs,
    ) -> Vec<OrderPair> {
        let order = along.order;
        let mut found = pairs(along, graph);
        if found.is_empty() && self.input.resolutions.is_empty() {
            return Vec::new();
        }
        let merged = along.replay.path_merges(order);
        found.extend(self.undecided(along, graph, &merged, &found));
        found.sort_by_key(|p| (p.first, p.then));
        let declared = self.before();
        let proved = |p: &super::pairs::Pair| p.kind == PairKind::Conflict && !p.whole;
        let mut proofs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for p in found.iter().filter(|p| proved(p)) {
            proofs.entry(p.then).or_default().push(p.first);
        }
        let proofs = |k: usize| proofs.get(&k).into_iter().flatten().copied();
        let firsts = |i: usize| declared[i].iter().filter_map(|f| place.get(f).copied());
        let said = |k: usize| self.requires(order[k]).into_iter().filter_map(|f| place.get(&f).copied());
        // What comes before each for any reason, and for what the texts alone prove.
        let before = closure(order.len(), |k| {
            firsts(order[k]).chain(proofs(k)).chain(graph.direct[k].iter().copied()).collect()
        });
        let by_texts = closure(order.len(), |k| {
            let said: BTreeSet<usize> = said(k).collect();
            proofs(k).chain(graph.direct[k].iter().copied().filter(|n| !said.contains(n))).collect()
        });
        let decided = |a: &FixId, b: &FixId| {
            let between = |r: &Resolution| r.sides.contains_key(a) && r.sides.contains_key(b);
            merged.iter().any(|m| m.resolution.as_ref().is_some_and(between))
        };
        let listed: BTreeSet<&FixId> = self.input.series.into_iter().flatten().collect();
        found
            .iter()
            .map(|p| {
                let (first, then) = (self.id(order[p.first]), self.id(order[p.then]));
                let settled = if listed.contains(&first) && listed.contains(&then) {
                    Settled::Series
                } else if decided(&first, &then) {
                    Settled::Resolution
                } else if proved(p) {
                    Settled::Proved
                } else if by_texts[p.then].has(p.first) {
                    Settled::Others
                } else if before[p.then].has(p.first) {
                    Settled::Declared
                } else if self.only_this_way(along, &declared, p) {
                    Settled::Others
                } else {
                    Settled::Open
                };
                OrderPair { first, then, kind: p.kind, settled, path: p.path.clone() }
            })
            .collect()
    }

    /// Whether no order of everything that has to do with a pair has its second fix first, or all orders make the same: trying
    /// every order tells.
    fn only_this_way(&self, along: &Along<'_, '_>, declared: &Before, p: &Pair) -> bool {
        let (first, then) = (along.order[p.first], along.order[p.then]);
        let all: BTreeSet<usize> = along.order.iter().copied().collect();
        let mut wishes = Wishes { wanted: BTreeSet::from([first, then]), ..Wishes::default() };
        let (wanted, true) = around(along.replay, &all, &wishes) else { return false };
        if wanted.len() > FEW {
            return false;
        }
        wishes.after = wanted.iter().flat_map(|f| declared[*f].iter().map(|before| (*f, *before))).collect();
        wishes.wanted = wanted;
        let turned = Wishes { after: wishes.after.iter().copied().chain([(first, then)]).collect(), ..wishes.clone() };
        satisfiable(along.replay, &all, &turned, &mut BUDGET.clone()) == Answer::No
            || makes_one(along.replay, &wishes, &mut BUDGET.clone())
    }

    /// Pairs in whose way, and only there, a decision is that the order does not replay: it decides nothing then.
    fn undecided(&self, along: &Along<'_, '_>, graph: &Needs, merged: &[PathMerge], found: &[Pair]) -> Vec<Pair> {
        let (replay, order) = (along.replay, along.order);
        let judge = |r: &Resolution| {
            let (a, b) = self.sides(along, r).filter(|_| !replayed(merged, r))?;
            let g = replay.groups.iter().position(|g| g.paths.binary_search(&&r.path).is_ok())?;
            let known = found.iter().any(|p| (p.first, p.then) == (a, b));
            if known || graph.all[b].has(a) {
                return None;
            }
            let before = replay.walk(g, 0, order[..b].iter().copied().filter(|f| *f != order[a])).ok()?;
            let one = replay.walk(g, before, [order[a], order[b]]);
            let two = replay.walk(g, before, [order[b], order[a]]);
            let kind = match (one, two) {
                (Ok(one), Ok(two)) if one == two => return None,
                (Ok(_), Ok(_)) => PairKind::Ambiguous,
                (Ok(_), Err(_)) => PairKind::Conflict,
                (Err(_), _) => PairKind::Clash,
            };
            Some(Pair { first: a, then: b, kind, path: r.path.clone(), whole: false })
        };
        self.input.resolutions.iter().filter_map(judge).collect()
    }

    /// The places of both sides of a decision in an order, the earlier one first.
    fn sides(&self, along: &Along<'_, '_>, r: &Resolution) -> Option<(usize, usize)> {
        let mut sides = r.sides.keys().map(|id| along.place(self.number(id)?));
        match (sides.next()??, sides.next()??) {
            (a, b) if a < b => Some((a, b)),
            (a, b) => Some((b, a)),
        }
    }

    /// An order in which decisions are replayed: they name the contents that both sides start from, so what else changes
    /// the path, and neither needs, has to come later. The given one where there is no such order.
    pub(super) fn deciding(&self, replay: &Replay<'_>, mut ordered: Ordered, before: &Before) -> Ordered {
        // A series says what comes first.
        if self.input.series.is_some() {
            return ordered;
        }
        let mut wait = before.clone();
        for r in self.input.resolutions {
            let along = Along::new(replay, &ordered.order);
            let order = along.order;
            let Some((a, b)) = self.sides(&along, r) else { continue };
            let Some(g) = replay.groups.iter().position(|g| g.paths.binary_search(&&r.path).is_ok()) else { continue };
            if replayed(&replay.path_merges(order), r) {
                continue;
            }
            let place: BTreeMap<usize, usize> = order.iter().enumerate().map(|(k, i)| (*i, k)).collect();
            let declared: Vec<Vec<usize>> = order
                .iter()
                .map(|i| self.requires(*i).into_iter().filter_map(|f| place.get(&f).copied()).collect())
                .collect();
            let graph = needs(&along, &declared);
            let sides = [order[a], order[b]];
            let mut later = wait.clone();
            for k in along.touching[g].iter().copied().filter(|k| *k < b && *k != a) {
                let waits_for = sides.iter().any(|side| reaches(&wait, *side, order[k]));
                if !graph.all[a].has(k) && !graph.all[b].has(k) && !waits_for {
                    later[order[k]].extend(sides);
                }
            }
            let next = from_nothing(&self.alive, &later, replay);
            if next.refused.is_empty() && replayed(&replay.path_merges(&next.order), r) {
                (ordered, wait) = (next, later);
            }
        }
        ordered
    }
}

fn replayed(merged: &[PathMerge], r: &Resolution) -> bool {
    merged.iter().any(|m| m.resolution.as_ref().is_some_and(|used| used.name == r.name))
}

/// By place: all earlier places that direct ones lead to.
fn closure(n: usize, direct: impl Fn(usize) -> Vec<usize>) -> Vec<Bits> {
    let mut out: Vec<Bits> = Vec::with_capacity(n);
    for k in 0..n {
        let mut mine = Bits::new(n);
        for first in direct(k) {
            mine.insert(first);
            if let Some(theirs) = out.get(first) {
                mine.join(theirs);
            }
        }
        out.push(mine);
    }
    out
}
