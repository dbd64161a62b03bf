//! What a selection leaves where not everything has an order: then only what is wanted is judged.

use super::newer::plan_part;
use super::replay::Replay;
use super::resolve::Proving;
use super::search::{Answer, Wishes, satisfiable};
use super::standing::Yields;
use super::types::{Candidate, DropCause, Dropped, Plan, PlanInput, Proof, Refusal};
use super::work::Work;
use crate::fix::FixId;
use std::collections::{BTreeMap, BTreeSet};

/// Tries of a fix that one question whether it needs what is left out may take.
const BUDGET: usize = 10_000;

/// Plans what is wanted, after everything together was refused with `refusal`.
pub(super) fn plan_chosen(input: &PlanInput<'_>, refusal: Refusal) -> Result<Plan, Refusal> {
    let final_one = |p: &Proof| {
        matches!(
            p,
            Proof::TwiceNamed { .. }
                | Proof::UnknownSelected { .. }
                | Proof::SelectionContradicts { .. }
                | Proof::BringersLeftOut { .. }
        )
    };
    if refusal.proofs.iter().any(final_one) {
        return plan_part(input, Proving::Cores);
    }
    let mut choosing = Choosing::new(input);
    choosing.agrees()?;
    let mut refusal = Some(refusal).filter(|_| choosing.gone.is_empty());
    loop {
        let refused = match refusal.take() {
            Some(refused) => refused,
            None => match plan_rest(input, |id| choosing.gone.contains_key(id), Proving::Plain) {
                Ok(plan) => return Ok(choosing.finish(plan)),
                Err(refused) => refused,
            },
        };
        let tried = choosing.gone.clone();
        if !choosing.learn(&refused) {
            if choosing.keep_what_helps()
                && let Ok(plan) = plan_rest(input, |id| choosing.gone.contains_key(id), Proving::Plain)
            {
                return Ok(choosing.finish(plan));
            }
            return plan_rest(input, |id| tried.contains_key(id), Proving::Cores);
        }
        choosing.agrees()?;
    }
}

/// Plans what is not gone.
pub(super) fn plan_rest(
    input: &PlanInput<'_>,
    is_gone: impl Fn(&FixId) -> bool,
    proving: Proving,
) -> Result<Plan, Refusal> {
    let mut rest = input.clone();
    rest.fixes.retain(|c| !is_gone(c.id));
    rest.without.retain(|id| !is_gone(id));
    rest.held.retain(|id, _| !is_gone(id));
    let series: Option<Vec<FixId>> = input.series.map(|s| s.iter().filter(|id| !is_gone(id)).cloned().collect());
    rest.series = series.as_deref();
    plan_part(&rest, proving)
}

struct Choosing<'a, 'i> {
    input: &'i PlanInput<'a>,
    /// Sorted by id; fixes go by their place here where they are searched.
    fixes: Vec<Candidate<'a>>,
    replay: Replay<'a>,
    /// What is not planned: left out, in need of that, or wanted by nobody and in the way.
    gone: BTreeMap<FixId, DropCause>,
    /// Fixes that no obstacle may take away: they are named, or what is named needs them.
    wanted: BTreeSet<FixId>,
}

impl<'a, 'i> Choosing<'a, 'i> {
    fn new(input: &'i PlanInput<'a>) -> Self {
        let mut fixes = input.fixes.clone();
        fixes.sort_by(|a, b| a.id.cmp(b.id));
        let replay = Replay::new(&fixes, input);
        let mut new = Self { input, fixes, replay, gone: BTreeMap::new(), wanted: BTreeSet::new() };
        let out = |id: &FixId| input.without.contains(id) || input.held.contains_key(id);
        let named: Vec<&FixId> = new.fixes.iter().map(|c| c.id).filter(|id| out(id)).collect();
        for id in named {
            // What another fix replaces is no part of the plan, and leaving it out takes nothing along.
            if !new.fixes.iter().any(|c| c.meta.supersedes.contains(id) && !out(c.id)) {
                new.leave_out(id.clone(), vec![id.clone()]);
            }
        }
        if input.only.is_empty() {
            new.wanted.extend(new.fixes.iter().map(|c| c.id.clone()));
        } else {
            input.only.iter().for_each(|id| new.want(id));
        }
        new
    }

    fn number(&self, id: &FixId) -> Option<usize> {
        self.fixes.binary_search_by(|c| c.id.cmp(id)).ok()
    }

    /// A fix goes, and with it all that say that they require it; the chain runs to what is left out by name.
    fn leave_out(&mut self, id: FixId, chain: Vec<FixId>) {
        let mut todo = vec![(id, chain)];
        while let Some((id, chain)) = todo.pop() {
            if matches!(self.gone.get(&id), Some(DropCause::Held { .. } | DropCause::Without { .. })) {
                continue;
            }
            let users = self.fixes.iter().filter(|c| c.meta.requires.contains(&id));
            todo.extend(users.map(|c| (c.id.clone(), [std::slice::from_ref(c.id), &chain].concat())));
            let cause = match chain.last().and_then(|last| self.input.held.get(last)) {
                Some(reason) => DropCause::Held { reason: reason.clone(), chain },
                None => DropCause::Without { chain },
            };
            self.gone.insert(id, cause);
        }
    }

    /// Wants a fix and all that it says it requires.
    fn want(&mut self, id: &FixId) {
        let mut todo = vec![id.clone()];
        while let Some(id) = todo.pop() {
            if let Some(i) = self.number(&id)
                && self.wanted.insert(id.clone())
            {
                todo.extend(self.fixes[i].meta.requires.iter().cloned());
                if self.gone.get(&id) == Some(&DropCause::NotSelected) {
                    self.gone.remove(&id);
                }
            }
        }
    }

    /// Nothing that is named needs what is left out.
    fn agrees(&self) -> Result<(), Refusal> {
        let torn = self.input.only.iter().find_map(|id| match self.gone.get(id) {
            Some(DropCause::Held { chain, .. } | DropCause::Without { chain }) => Some(chain.clone()),
            _ => None,
        });
        let Some(chain) = torn else { return Ok(()) };
        let refusal = Refusal::of(vec![Proof::SelectionContradicts { chain }]);
        let cores = Work::new(self.input, true, Proving::Cores, &Yields::new())
            .map(|work| work.cores(&self.replay, &refusal.proofs).0);
        Err(Refusal { cores: cores.unwrap_or_default(), ..refusal })
    }

    /// Takes away what stands in the way and is not wanted, and what needs what is left out; whether there was any.
    fn learn(&mut self, refusal: &Refusal) -> bool {
        let before = (self.gone.len(), self.wanted.len());
        for proof in &refusal.proofs {
            let named: Vec<&FixId> = match proof {
                Proof::DoesNotApply { fix, .. } | Proof::Missing { fix: Some(fix), .. } => vec![fix],
                Proof::Cycle { fixes } | Proof::LinesCycle { fixes } | Proof::SupersedesCycle { fixes } => {
                    fixes.iter().collect()
                }
                Proof::SeriesContradicts { fix: a, needs: b } | Proof::Excluded { fix: a, other: b } => vec![a, b],
                _ => Vec::new(),
            };
            let mut followed = false;
            for id in named {
                if self.wanted.contains(id) {
                    followed |= self.follow(id);
                } else {
                    self.pass_by(id);
                }
            }
            if let (Proof::DoesNotApply { blockers, .. }, false) = (proof, followed) {
                blockers.iter().for_each(|b| self.pass_by(&b.fix));
            }
        }
        before != (self.gone.len(), self.wanted.len())
    }

    fn pass_by(&mut self, id: &FixId) {
        if !self.wanted.contains(id) {
            self.gone.entry(id.clone()).or_insert(DropCause::NotSelected);
        }
    }

    /// Where a wanted fix applies only with what is gone: it goes too, or what it needs is wanted after all.
    fn follow(&mut self, fix: &FixId) -> bool {
        let Some(needs) = self.needs_gone(fix) else { return false };
        let left_out = needs.iter().find_map(|id| match self.gone.get(id) {
            Some(DropCause::Held { chain, .. } | DropCause::Without { chain }) => Some(chain.clone()),
            _ => None,
        });
        match left_out {
            Some(chain) => self.leave_out(fix.clone(), [std::slice::from_ref(fix), &chain].concat()),
            None => needs.iter().for_each(|id| self.want(id)),
        }
        true
    }

    /// What is gone of an order in which the fix applies, if without anything that is gone there is none.
    fn needs_gone(&self, fix: &FixId) -> Option<Vec<FixId>> {
        // Texts alone: what the others say of themselves is judged when they are wanted.
        let mut wishes = Wishes {
            wanted: self.number(fix).into_iter().collect(),
            left_out: self.gone.keys().filter_map(|id| self.number(id)).collect(),
            ..Wishes::default()
        };
        let all: BTreeSet<usize> = (0..self.fixes.len()).collect();
        let mut budget = BUDGET;
        if satisfiable(&self.replay, &all, &wishes, &mut budget) != Answer::No {
            return None;
        }
        wishes.left_out.clear();
        let Answer::Yes(order) = satisfiable(&self.replay, &all, &wishes, &mut budget) else { return None };
        let needs = order.into_iter().map(|i| self.fixes[i].id).filter(|id| self.gone.contains_key(*id));
        Some(needs.cloned().collect())
    }

    /// Takes away all but what is named and what an order of it was found with: the ways before blamed one fix at a time,
    /// which misses where the order of several matters. Whether there is such an order. A series says the order itself.
    fn keep_what_helps(&mut self) -> bool {
        if self.input.only.is_empty() || self.input.series.is_some() {
            return false;
        }
        let mut wishes = self.said();
        wishes.wanted = self.input.only.iter().filter_map(|id| self.number(id)).collect();
        let all: BTreeSet<usize> = (0..self.fixes.len()).collect();
        let Answer::Yes(order) = satisfiable(&self.replay, &all, &wishes, &mut BUDGET.clone()) else { return false };
        let kept: BTreeSet<&FixId> = order.iter().map(|i| self.fixes[*i].id).collect();
        self.gone.retain(|id, _| !kept.contains(id));
        for id in self.fixes.iter().map(|c| c.id).filter(|id| !kept.contains(id)) {
            self.gone.entry(id.clone()).or_insert(DropCause::NotSelected);
        }
        true
    }

    /// What the fixes say of each other, and what is left out by name.
    fn said(&self) -> Wishes {
        let mut said = Wishes::default();
        for (i, c) in self.fixes.iter().enumerate() {
            for id in &c.meta.requires {
                match self.number(id) {
                    Some(n) => drop(said.requires.insert((i, n))),
                    None => drop(said.lacking.insert(i)),
                }
            }
            said.after.extend(c.meta.after.iter().filter_map(|id| Some((i, self.number(id)?))));
            said.excludes.extend(c.meta.conflicts.iter().filter_map(|id| Some((i, self.number(id)?))));
            let out = self.gone.get(c.id).is_some_and(|cause| *cause != DropCause::NotSelected);
            said.left_out.extend(out.then_some(i));
        }
        said
    }

    fn finish(self, mut plan: Plan) -> Plan {
        plan.dropped.extend(self.gone.into_iter().map(|(fix, cause)| Dropped { fix, cause }));
        plan.dropped.sort_by(|a, b| a.fix.cmp(&b.fix));
        plan
    }
}
