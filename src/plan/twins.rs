//! Fixes with the same content: which of them are in an order, and which goes out although it is left out under another id.

use super::content::Content;
use super::newer::selects;
use super::order::{Before, Ordered, from_nothing, from_series, reaches};
use super::replay::Replay;
use super::types::{DropCause, Plan, PlanInput, Proof};
use super::work::Work;
use crate::fix::{FixId, Payload};
use crate::report::{Code, Finding};
use std::collections::{BTreeSet, HashMap};

/// Pairs in an order with the same content: each with the first that has it. Also what finds more, by mark and content.
pub(super) struct Twins {
    pub(super) pairs: Vec<(usize, usize)>,
    seen: HashMap<u64, Vec<usize>>,
}

impl<'a> Work<'a, '_> {
    pub(super) fn twins_in(&self, replay: &Replay<'a>, order: &[usize]) -> Twins {
        let mut twins = Twins { pairs: Vec::new(), seen: HashMap::with_capacity(order.len()) };
        for &i in order.iter().filter(|i| !replay.of_fix[**i].is_empty()) {
            match self.twin(replay, &twins, i) {
                Some(first) => twins.pairs.push((first, i)),
                None => twins.seen.entry(self.marks(replay)[i].whole).or_default().push(i),
            }
        }
        twins
    }

    /// The first of an order that has the content of a fix.
    pub(super) fn twin(&self, replay: &Replay<'a>, twins: &Twins, i: usize) -> Option<usize> {
        let content = |i: usize| Content(self.fixes[i].payload);
        let with = twins.seen.get(&self.marks(replay)[i].whole)?;
        with.iter().copied().find(|other| content(*other) == content(i))
    }

    /// Other fixes with the content of this one that nobody leaves out.
    pub(super) fn twins_of(&self, i: usize) -> Vec<usize> {
        let content = |i: usize| Content(self.fixes[i].payload);
        let out: BTreeSet<&FixId> = self.left_out().collect();
        let there = |j: &usize| self.alive.contains(j) || self.covered.contains_key(j);
        let others = (0..self.fixes.len()).filter(|j| *j != i && there(j) && !out.contains(self.fixes[*j].id));
        others.filter(|j| content(*j) == content(i)).collect()
    }

    pub(super) fn ordered(&self, replay: &Replay<'a>, before: &Before) -> Result<Ordered, Vec<Proof>> {
        match self.input.series {
            Some(series) => from_series(&self.fixes, &self.alive, series, before, replay),
            None => Ok(from_nothing(&self.alive, before, replay)),
        }
    }

    /// An order in which nothing brings back what a fix took back, only because it is there twice: where nobody says that
    /// the second one comes after, it is a duplicate of the first.
    pub(super) fn fold_twins(
        &mut self,
        replay: &Replay<'a>,
        mut ordered: Ordered,
        mut before: Before,
    ) -> (Ordered, Before) {
        let mut folded: Vec<(usize, usize)> = Vec::new();
        let mut stays: BTreeSet<usize> = BTreeSet::new();
        while let Some((first, back, again)) = self.brought_back(replay, &ordered.order, &before, &stays) {
            self.alive.remove(&again);
            let stood = self.stands_for.insert(again, first);
            let wait = self.before();
            match self.ordered(replay, &wait) {
                // Without what takes it back in the order, nothing would be won.
                Ok(next) if next.refused.is_empty() && [first, back].iter().all(|i| next.order.contains(i)) => {
                    folded.push((again, first));
                    (ordered, before) = (next, wait);
                }
                _ => {
                    self.unfold(again, stood);
                    stays.insert(again);
                    let (first, back) = (self.fixes[first].id, self.fixes[back].id);
                    let what = format!(
                        "it has the same content as '{first}' and brings back what '{back}' takes back: others apply only after it"
                    );
                    let next = format!("leave '{back}' out, or remove this one and what is made on top of it");
                    self.findings.push(Finding::new(Code::Duplicate, self.fixes[again].id, what).next(next));
                }
            }
        }
        (ordered.with_folded(folded), before)
    }

    /// Takes back that another stands for a fix; `stood` did before.
    fn unfold(&mut self, again: usize, stood: Option<usize>) {
        self.alive.insert(again);
        self.stands_for.remove(&again);
        stood.map(|by| self.stands_for.insert(again, by));
    }

    /// An order of a series without what does not apply in it because an earlier fix of the same content does, and others were
    /// made on top of that one: it is a duplicate wherever it stands.
    pub(super) fn without_later_twins(
        &mut self,
        replay: &Replay<'a>,
        mut ordered: Ordered,
        mut before: Before,
    ) -> (Ordered, Before) {
        let Some(series) = self.input.series else { return (ordered, before) };
        let place = |id: &FixId| series.iter().position(|s| s == id);
        let mut folded: Vec<(usize, usize)> = Vec::new();
        let mut stays: BTreeSet<usize> = BTreeSet::new();
        while let Some((again, first)) =
            ordered.refused.iter().filter(|(i, _)| !stays.contains(i)).find_map(|(i, _)| {
                let at = place(self.fixes[*i].id)?;
                let earlier = |j: &usize| ordered.order.contains(j) && place(self.fixes[*j].id).is_some_and(|p| p < at);
                Some((*i, self.twins_of(*i).into_iter().find(earlier)?))
            })
        {
            self.alive.remove(&again);
            let stood = self.stands_for.insert(again, first);
            let wait = self.before();
            let known: BTreeSet<usize> = ordered.refused.iter().map(|(i, _)| *i).collect();
            match self.ordered(replay, &wait) {
                Ok(next) if next.refused.iter().all(|(i, _)| known.contains(i)) => {
                    folded.push((again, first));
                    (ordered, before) = (next, wait);
                }
                _ => {
                    self.unfold(again, stood);
                    stays.insert(again);
                }
            }
        }
        (ordered.with_folded(folded), before)
    }

    /// A patch, what takes it back after it, and one with the same content that comes after both without being told to.
    fn brought_back(
        &self,
        replay: &Replay<'a>,
        order: &[usize],
        before: &Before,
        stays: &BTreeSet<usize>,
    ) -> Option<(usize, usize, usize)> {
        let pairs = self.twins_in(replay, order).pairs;
        let listed = |i: usize| self.input.series.is_some_and(|s| s.contains(self.fixes[i].id));
        let place = |i: usize| order.iter().position(|o| *o == i);
        pairs.into_iter().filter(|(_, again)| !stays.contains(again)).find_map(|(first, again)| {
            if !matches!(self.fixes[again].payload, Payload::Patch(_)) {
                return None;
            }
            let back = order[undone_by(replay, order, place(first)?, place(again)?)?];
            let told = listed(again) && listed(back) || reaches(before, again, back);
            (!told).then_some((first, back, again))
        })
    }

    /// Fixes that are left out by name while what stands for them, and brings what they do, stays.
    pub(super) fn tell_brought(&mut self, replay: &Replay<'_>, order: &[usize], kept: &BTreeSet<usize>) {
        let left_out: BTreeSet<usize> = self.left_out().filter_map(|id| self.number(id)).collect();
        for i in left_out {
            let Some(at) = self.dropped.iter().position(|d| d.fix == *self.fixes[i].id) else { continue };
            let by: Vec<usize> = match (&self.dropped[at].cause, self.covered.get(&i)) {
                (DropCause::Superseded { .. }, _) => {
                    self.stands(i).filter(|by| self.brings(replay, order, *by, i)).into_iter().collect()
                }
                (DropCause::Duplicate { .. } | DropCause::Covered { .. }, Some(covered)) => covered.by.clone(),
                _ => continue,
            };
            if by.is_empty() || by.iter().any(|b| !kept.contains(b)) {
                continue;
            }
            let id = self.id(i);
            if !matches!(self.dropped[at].cause, DropCause::Superseded { .. }) {
                self.dropped[at].cause = self.left_because(i);
                self.findings.retain(|f| f.code != Code::Duplicate || f.subject != id.0);
            }
            let by: Vec<FixId> = by.into_iter().map(|b| self.id(b)).collect();
            self.findings.push(brought(&id, &by, "what it does"));
        }
    }
}

impl Ordered {
    /// With fixes that are there already behind the first of their content.
    fn with_folded(mut self, folded: Vec<(usize, usize)>) -> Self {
        for (again, first) in folded {
            let at = self.order.iter().position(|i| *i == first).map_or(self.order.len(), |k| k + 1);
            self.contained.push((again, at));
        }
        self
    }
}

/// The place of the fix before which, between two others, what the first does is there, and after which it is not.
pub(super) fn undone_by(replay: &Replay<'_>, order: &[usize], from: usize, to: usize) -> Option<usize> {
    let by = replay.of_fix[order[from]].iter().filter_map(|g| {
        let mut state = replay.walk(*g, 0, order[..=from].iter().copied()).ok()?;
        (from + 1..to).find(|k| {
            state = replay.walk(*g, state, [order[*k]]).unwrap_or(state);
            !replay.done_already(*g, state, order[from])
        })
    });
    by.min()
}

/// That what is left out goes out all the same.
pub(super) fn brought(gone: &FixId, by: &[FixId], what: &str) -> Finding {
    let names = by.iter().map(|b| format!("'{b}'")).collect::<Vec<_>>().join(", ");
    let brings = if by.len() == 1 { "brings" } else { "together bring" };
    let next = if by.len() == 1 { names.clone() } else { format!("one of {names}") };
    Finding::new(Code::Duplicate, gone, format!("left out, but {names} {brings} {what}"))
        .next(format!("leave {next} out too where that must not go out"))
}

/// A plan of a selection, with what it leaves out by name and has under another id: no way to plan loses sight of that.
pub(super) fn tell_twins(input: &PlanInput<'_>, mut plan: Plan) -> Plan {
    if !selects(input) {
        return plan;
    }
    let payload = |id: &FixId| input.fixes.iter().find(|c| c.id == id).map(|c| c.payload);
    let out: BTreeSet<&FixId> = input.without.iter().chain(input.held.keys()).collect();
    for id in out.into_iter().filter(|id| !plan.order.contains(id)) {
        let told = |f: &Finding| f.code == Code::Duplicate && f.subject == id.0;
        let Some(mine) = payload(id).filter(|p| p.paths().next().is_some()) else { continue };
        let twin = plan.order.iter().find(|o| payload(o).is_some_and(|p| Content(p) == Content(mine)));
        if let Some(twin) = twin.filter(|_| !plan.findings.iter().any(told)) {
            plan.findings.push(brought(id, std::slice::from_ref(twin), "what it does"));
        }
    }
    plan
}
