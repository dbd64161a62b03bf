//! From fixes to a plan, or to a refusal with its proofs.

use super::along::Along;
use super::blame::blockers;
use super::hints::{hints, left_behind, words_of};
use super::needs::needs;
use super::order::{Before, Ordered, cycles};
use super::parts::idle_overlays;
use super::replay::Replay;
use super::select::{Choice, select};
use super::standing::{Yields, stand_in};
use super::types::{DropCause, Dropped, OrderPair, Plan, PlanInput, Proof, Refusal, Settled};
use super::work::Work;
use crate::fix::FixId;
use crate::report::{Code, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// How much a refusal says: cores cost a search, and a refusal that is only looked at on the way needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proving {
    Plain,
    /// Cores, where they are found soon.
    Quick,
    Cores,
}

/// `heed`: a superseding fix that is left out leaves the old one in.
pub(super) fn plan_once(input: &PlanInput<'_>, heed: bool, proving: Proving) -> Result<Plan, Refusal> {
    plan_yielding(input, heed, proving, &Yields::new())
}

/// The same where some fixes that are left out have others in their place.
pub(super) fn plan_yielding(
    input: &PlanInput<'_>,
    heed: bool,
    proving: Proving,
    yields: &Yields,
) -> Result<Plan, Refusal> {
    let mut work = Work::new(input, heed, proving, yields)?;
    let replay = Replay::new(&work.fixes, input);
    let ordered = work.order(&replay)?;
    let plan = work.finish(&replay, &ordered).or_else(|refusal| {
        stand_in(input, yields, refusal, |input, yields| plan_yielding(input, heed, proving, yields))
    });
    let broken = replay.broken();
    replay.end();
    match broken {
        Some(error) => Err(Refusal::of(vec![Proof::Unreadable { error }])),
        None => plan,
    }
}

impl<'a> Work<'a, '_> {
    fn refuse<T>(&mut self, replay: &Replay<'a>, mut proofs: Vec<Proof>) -> Result<T, Refusal> {
        proofs.dedup();
        let mut refusal = Refusal { findings: std::mem::take(&mut self.findings), ..Refusal::of(proofs) };
        if self.proving != Proving::Plain {
            (refusal.cores, refusal.tried.steps) = self.cores(replay, &refusal.proofs);
        }
        if self.proving == Proving::Cores {
            refusal.findings.extend(self.unfit_resolutions(&refusal.proofs));
            refusal.classes = self.classes(replay, None, &refusal.proofs).into();
        }
        Err(refusal)
    }

    /// What the metadata alone rules out.
    fn declared_proofs(&self, before: &Before) -> Vec<Proof> {
        let mut proofs = Vec::new();
        for &i in &self.alive {
            let meta = self.fixes[i].meta;
            for needs in &meta.requires {
                if self.number(needs).and_then(|n| self.stands(n)).is_none() {
                    proofs.push(Proof::Missing { fix: Some(self.id(i)), needs: needs.clone() });
                }
            }
            for other in &meta.conflicts {
                if self.number(other).is_some_and(|o| self.alive.contains(&o)) {
                    let (a, b) = if *self.fixes[i].id < *other {
                        (self.id(i), other.clone())
                    } else {
                        (other.clone(), self.id(i))
                    };
                    proofs.push(Proof::Excluded { fix: a, other: b });
                }
            }
        }
        proofs.extend(cycles(&self.fixes, before));
        proofs
    }

    /// An order in which everything that is alive applies. Superseded fixes come back where nothing applies without.
    pub(super) fn order(&mut self, replay: &Replay<'a>) -> Result<Ordered, Refusal> {
        // Where bringing old fixes back helps nothing, the failure without them is what is told.
        let mut plain: Option<(Vec<Proof>, Vec<Finding>)> = None;
        let first = (self.alive.clone(), self.superseded.clone(), self.stands_for.clone());
        loop {
            let before = self.before();
            let mut proofs = self.declared_proofs(&before);
            if !proofs.is_empty() {
                // Selections are closed later, so both sides of a declared conflict may fall out: not here.
                proofs.sort_by_key(|p| format!("{p:?}"));
                return self.refuse(replay, proofs);
            }
            let ordered = self.beside_marks(replay, || self.ordered(replay, &before));
            let ordered = match ordered {
                Ok(ordered) => ordered,
                Err(proofs) => return self.refuse(replay, proofs),
            };
            let (ordered, before) = self.without_later_twins(replay, ordered, before);
            if ordered.refused.is_empty() {
                let (ordered, before) = self.fold_twins(replay, ordered, before);
                let ordered = idle_overlays(&self.fixes, replay, self.deciding(replay, ordered, &before));
                self.settle_dropped(replay, &ordered);
                return Ok(ordered);
            }
            let groups: BTreeSet<usize> =
                ordered.refused.iter().flat_map(|(i, _)| &replay.of_fix[*i]).copied().collect();
            let back = self
                .superseded
                .keys()
                .rev()
                .copied()
                .find(|old| replay.of_fix[*old].iter().any(|g| groups.contains(g)));
            if plain.is_none() {
                plain = Some((self.stuck(replay, &ordered, &before), self.findings.clone()));
            }
            match back {
                Some(old) => {
                    let new = self.superseded.remove(&old);
                    self.stands_for.remove(&old);
                    self.alive.insert(old);
                    let by = new.map(|n| self.id(n).0).unwrap_or_default();
                    self.findings.push(
                        Finding::new(
                            Code::Superseded,
                            self.fixes[old].id,
                            format!("kept although '{by}' supersedes it: without it, not everything applies"),
                        )
                        .next("rebase the newer fix, or drop `supersedes`"),
                    );
                }
                None => {
                    let (proofs, findings) = plain.unwrap_or_default();
                    (self.alive, self.superseded, self.stands_for) = first;
                    self.findings = findings;
                    return self.refuse(replay, proofs);
                }
            }
        }
    }

    fn finish(mut self, replay: &Replay<'a>, ordered: &Ordered) -> Result<Plan, Refusal> {
        let order = &ordered.order;
        let place: BTreeMap<usize, usize> = order.iter().enumerate().map(|(k, i)| (*i, k)).collect();
        let places = |list: Vec<usize>| list.into_iter().filter_map(|i| place.get(&i).copied()).collect::<Vec<_>>();
        let declared: Vec<Vec<usize>> = order.iter().map(|i| places(self.requires(*i))).collect();
        let along = Along::new(replay, order);
        // A plan that is only made on the way may never get so far as to ask for the words.
        let early = || (self.proving == Proving::Cores).then(|| words_of(&self.fixes, replay, order));
        let (graph, of_fix) = rayon::join(|| needs(&along, &declared), early);
        let order_pairs = self.settled(&along, &place, &graph);
        let numbers = |list: &[FixId]| -> Vec<usize> { list.iter().filter_map(|id| self.number(id)).collect() };
        // What others bring stands for itself: whether they are kept is seen later.
        let own = |i: &usize| !self.covered.contains_key(i);
        let only = numbers(&self.input.only).into_iter().filter(own).filter_map(|i| self.stands(i)).collect();
        let lacking = self.lacking(replay, order);
        let left_out = self.left_out().filter_map(|id| self.number(id)).chain(lacking.keys().copied());
        let without = places(left_out.collect());
        let choice = match select(&graph, &places(only), &without, !self.input.only.is_empty()) {
            Ok(choice) => choice,
            Err(chain) => {
                let end = chain.last().and_then(|k| lacking.get(&order[*k])).cloned();
                let chain = chain.into_iter().map(|k| self.id(order[k])).chain(end).collect();
                return self.refuse(replay, vec![Proof::SelectionContradicts { chain }]);
            }
        };
        let kept: BTreeSet<usize> = choice.keep.iter().map(|k| order[k]).collect();
        let fell = self.fell(order, &choice, &lacking);
        if let Some(lost) = self.lost_with(replay, order, &kept, &fell) {
            return self.refuse(replay, vec![lost]);
        }
        self.forget_covered(&kept);
        self.tell_brought(replay, order, &kept);
        let yielded = self.yield_findings(replay, order, &kept);
        self.findings.extend(yielded);
        self.kept = Some(kept);
        let kept_pair = |p: &OrderPair| {
            [&p.first, &p.then]
                .iter()
                .all(|id| self.number(id).and_then(|i| place.get(&i)).is_some_and(|k| choice.keep.has(*k)))
        };
        let order_pairs: Vec<OrderPair> = order_pairs.into_iter().filter(|p| kept_pair(p)).collect();
        let open: Vec<OrderPair> = order_pairs.iter().filter(|p| p.settled == Settled::Open).cloned().collect();
        if !open.is_empty() {
            let beside = self.open_beside(replay, order, &graph, &place, &open);
            return self.refuse(replay, vec![Proof::OrderOpen { pairs: open, beside }]);
        }
        for p in &order_pairs {
            let message =
                format!("'{}' comes before '{}': {} ({})", p.first, p.then, p.kind.as_str(), p.settled.as_str());
            self.findings.push(Finding::new(Code::OrderSettled, &p.then, message));
        }
        let proofs = self.unfit(replay, order, &choice);
        if !proofs.is_empty() {
            return self.refuse(replay, proofs);
        }
        let words = of_fix.unwrap_or_else(|| words_of(&self.fixes, replay, order));
        let hints = match hints(&self, &words, order, &graph.all) {
            Ok(hints) => hints,
            Err(error) => return self.refuse(replay, vec![Proof::Unreadable { error }]),
        };
        let mut findings = std::mem::take(&mut self.findings);
        let kept = |id: &FixId| self.number(id).and_then(|i| place.get(&i)).is_some_and(|k| choice.keep.has(*k));
        let left = left_behind(&hints, |h| (kept(&h.fix), kept(&h.on)));
        let hints = hints.into_iter().filter(|h| kept(&h.fix) && kept(&h.on)).collect();
        // That a fix is cut off matters to nobody who leaves it out.
        findings.retain(|f| f.code != Code::EmptyFix || kept(&FixId(f.subject.clone())));
        findings.extend(left);
        self.findings = findings;
        let kept_order: Vec<usize> = choice.keep.iter().map(|k| order[k]).collect();
        // What was made by many threads takes long to give back.
        let (merged, ()) = rayon::join(|| replay.path_merges(&kept_order), || drop(words));
        self.findings.extend(self.overwritten(replay, &kept_order));
        let contested = self.every_order(replay, &kept_order, &merged);
        if !contested.is_empty() {
            return self.refuse(replay, contested);
        }
        self.unused_resolutions(&kept_order, &merged);
        let edges = self.edges(&along, &declared, &graph, &choice.keep);
        self.dropped.extend(fell.into_iter().map(|(i, cause)| Dropped { fix: self.fixes[i].id.clone(), cause }));
        let Choice { keep, came_along, .. } = choice;
        let name = |k: usize| self.fixes[order[k]].id.clone();
        let chain = |c: Vec<usize>| c.into_iter().map(name).collect::<Vec<_>>();
        self.dropped.sort_by(|a, b| a.fix.cmp(&b.fix));
        let (classes, ()) = rayon::join(|| self.classes(replay, Some(&kept_order), &[]), || drop(graph));
        self.findings.extend(self.twin_findings(&kept_order, &classes));
        self.findings.extend(self.class_findings(&classes));
        Ok(Plan {
            order: keep.iter().map(name).collect(),
            edges,
            hints,
            order_pairs,
            merged,
            dropped: self.dropped,
            came_along: came_along
                .into_iter()
                .map(|(k, c)| super::types::CameAlong { fix: name(k), chain: chain(c) })
                .collect(),
            classes,
            least: None,
            findings: self.findings,
        })
    }

    /// What a choice drops, and why.
    fn fell(&self, order: &[usize], choice: &Choice, lacking: &BTreeMap<usize, FixId>) -> BTreeMap<usize, DropCause> {
        let cause = |why: &Option<Vec<usize>>| {
            let Some(why) = why else { return DropCause::NotSelected };
            let end = why.last().and_then(|k| lacking.get(&order[*k])).cloned();
            let chain: Vec<FixId> = why.iter().map(|k| self.id(order[*k])).chain(end).collect();
            match chain.last().and_then(|id| self.input.held.get(id)) {
                Some(reason) => DropCause::Held { reason: reason.clone(), chain },
                None => DropCause::Without { chain },
            }
        };
        choice.dropped.iter().map(|(k, why)| (order[*k], cause(why))).collect()
    }

    /// A part of the fixes may not apply although it is closed: a clash needs a third one.
    fn unfit(&self, replay: &Replay<'_>, order: &[usize], choice: &Choice) -> Vec<Proof> {
        if choice.keep.len() == order.len() {
            return Vec::new();
        }
        let mut wrong = BTreeMap::new();
        for g in 0..replay.groups.len() {
            if let Err((fix, refused)) = replay.walk(g, 0, choice.keep.iter().map(|k| order[k])) {
                wrong.entry(fix).or_insert(refused);
            }
        }
        let kept: Vec<usize> = choice.keep.iter().map(|k| order[k]).collect();
        wrong
            .into_iter()
            .map(|(i, r)| {
                let before: Vec<usize> = kept.iter().copied().take_while(|k| *k != i).collect();
                let (blockers, beside) = blockers(self, replay, &before, i);
                let nowhere = replay.nowhere(i);
                Proof::DoesNotApply { fix: self.id(i), refused: (*r).clone(), blockers, beside, nowhere }
            })
            .collect()
    }
}
