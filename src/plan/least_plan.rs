//! A plan with the least change that brings what a selection wants.

use super::along::Along;
use super::bits::Bits;
use super::hints::{hints, left_behind, words_of};
use super::least::{Least, LeastChange, Wanted, lines};
use super::needs::needs;
use super::replay::Replay;
use super::resolve::{Proving, plan_yielding};
use super::select::{Choice, select};
use super::standing::{Yields, stand_in};
use super::types::{CameAlong, Candidate, DropCause, Dropped, Plan, PlanInput, Refusal};
use super::work::Work;
use crate::fix::FixId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The least set is found in the order of everything; then it is planned as if there were nothing else.
pub(super) fn plan_least(input: &PlanInput<'_>, proving: Proving) -> Result<Plan, Refusal> {
    least_yielding(input, proving, &Yields::new())
}

fn least_yielding(input: &PlanInput<'_>, proving: Proving, yields: &Yields) -> Result<Plan, Refusal> {
    let mut work = Work::new(input, true, proving, yields)?;
    let replay = Replay::new(&work.fixes, input);
    let ordered = work.order(&replay)?;
    let order = &ordered.order;
    let named: BTreeSet<usize> = input.only.iter().filter_map(|id| work.number(id)).collect();
    let fell = order.iter().filter(|i| !named.contains(i)).map(|i| (*i, work.left_because(*i))).collect();
    if let Some(lost) = work.lost_with(&replay, order, &named, &fell) {
        return stand_in(input, yields, Refusal::of(vec![lost]), |input, yields| {
            least_yielding(input, proving, yields)
        });
    }
    let along = Along::new(&replay, order);
    let places = |list: &mut dyn Iterator<Item = usize>| list.filter_map(|i| along.place(i)).collect::<Vec<_>>();
    let requires: Vec<Vec<usize>> = order.iter().map(|i| places(&mut work.requires(*i).into_iter())).collect();
    let graph = needs(&along, &requires);
    let number = |id: &FixId| work.number(id);
    let own = |i: &usize| !work.covered.contains_key(i);
    let only = places(&mut input.only.iter().filter_map(number).filter(own).filter_map(|i| work.stands(i)));
    let without = places(&mut work.left_out().filter_map(number));
    let bits = |list: &[usize]| {
        let mut out = Bits::new(order.len());
        list.iter().for_each(|k| out.insert(*k));
        out
    };
    let wanted = Wanted {
        along: &along,
        requires: &requires,
        lines: order.iter().map(|i| lines(work.fixes[*i].payload)).collect(),
        wanted: bits(&only),
        left_out: bits(&without),
    };
    let chosen = select(&graph, &only, &without, true).ok();
    let Some(least) = wanted.least(chosen.as_ref().map(|c| c.keep.clone())) else {
        // Without a set that applies, the plain selection says why.
        return plan_yielding(input, true, proving, yields);
    };
    let left = hints(&work, &words_of(&work.fixes, &replay, order), order, &graph.all)
        .map_err(|error| Refusal::of(vec![super::types::Proof::Unreadable { error }]))?;
    let kept = |id: &FixId| number(id).and_then(|i| along.place(i)).is_some_and(|k| least.keep.has(k));
    let behind = left_behind(&left, |h| (kept(&h.fix), kept(&h.on)));
    let stay = |i: usize| {
        let stands = work.stands(i).and_then(|s| along.place(s)).is_some_and(|k| least.keep.has(k));
        stands || ordered.contained.iter().any(|(c, _)| *c == i) && required(&work, &along, &least, i)
    };
    let groups: BTreeSet<usize> = least.keep.iter().flat_map(|k| &replay.of_fix[order[k]]).copied().collect();
    let beside = |old: &&usize| replay.of_fix[**old].iter().any(|g| groups.contains(g));
    // What others contain would do their work with fewer lines where it has fewer.
    let fewer = |i: &&usize| !named.contains(*i) && lines(work.fixes[**i].payload) < least.lines;
    let contained = work.covered.keys().filter(fewer);
    let not_tried: BTreeSet<usize> = work.superseded.keys().chain(contained).filter(beside).copied().collect();
    let not_tried: Vec<FixId> = not_tried.into_iter().map(|old| work.id(old)).collect();
    let mut rest = PlanInput { only: Vec::new(), without: Vec::new(), held: BTreeMap::new(), ..input.clone() };
    rest.fixes.retain(|c| number(c.id).is_some_and(stay));
    let there: BTreeSet<&FixId> = rest.fixes.iter().map(|c| c.id).collect();
    let series: Option<Vec<FixId>> = input.series.map(|s| s.iter().filter(|id| there.contains(id)).cloned().collect());
    rest.series = series.as_deref();
    let mut plan = plan_yielding(&rest, false, proving, yields)?;
    plan.came_along = came_along(&plan, &input.only);
    work.forget_covered(&least.keep.iter().map(|k| order[k]).collect());
    let out: BTreeMap<FixId, DropCause> = fallen(&work, order, chosen, &least);
    let known: BTreeSet<FixId> = plan.order.iter().chain(plan.dropped.iter().map(|d| &d.fix)).cloned().collect();
    let dropped = work.dropped.into_iter().chain(out.into_iter().map(|(fix, cause)| Dropped { fix, cause }));
    plan.dropped.extend(dropped.filter(|d| !known.contains(&d.fix)));
    plan.dropped.sort_by(|a, b| a.fix.cmp(&b.fix));
    let new: Vec<_> = work.findings.into_iter().chain(behind).filter(|f| !plan.findings.contains(f)).collect();
    plan.findings.extend(new);
    plan.least = Some(LeastChange { lines: least.lines, proved: least.proved, not_tried });
    Ok(plan)
}

/// Whether a kept fix says that it requires this one, which is in the tree already.
fn required(work: &Work<'_, '_>, along: &Along<'_, '_>, least: &Least, fix: usize) -> bool {
    let kept = least.keep.iter().map(|k| &work.fixes[along.order[k]]);
    let says = |c: &Candidate<'_>| c.meta.requires.contains(work.fixes[fix].id);
    kept.into_iter().any(says)
}

/// What is not kept, with what it fell out with; where nothing else is to blame, it is not needed.
fn fallen(work: &Work<'_, '_>, order: &[usize], chosen: Option<Choice>, least: &Least) -> BTreeMap<FixId, DropCause> {
    let id = |k: usize| work.id(order[k]);
    let mut out: BTreeMap<FixId, DropCause> =
        (0..order.len()).filter(|k| !least.keep.has(*k)).map(|k| (id(k), DropCause::NotSelected)).collect();
    for (k, why) in chosen.into_iter().flat_map(|c| c.dropped) {
        let chain: Vec<FixId> = why.into_iter().flatten().map(id).collect();
        if let (Some(cause), Some(last)) = (out.get_mut(&id(k)), chain.last().cloned()) {
            *cause = match work.input.held.get(&last) {
                Some(reason) => DropCause::Held { reason: reason.clone(), chain },
                None => DropCause::Without { chain },
            };
        }
    }
    out
}

/// Every fix that nobody named, with the shortest chain of edges from one that was; alone where only all together need it.
fn came_along(plan: &Plan, only: &[FixId]) -> Vec<CameAlong> {
    let mut direct: BTreeMap<&FixId, Vec<&FixId>> = BTreeMap::new();
    for e in &plan.edges {
        direct.entry(&e.fix).or_default().push(&e.needs);
    }
    let mut came: BTreeMap<&FixId, Option<&FixId>> = BTreeMap::new();
    let mut todo: VecDeque<&FixId> = plan.order.iter().filter(|id| only.contains(id)).collect();
    came.extend(todo.iter().map(|id| (*id, None)));
    while let Some(id) = todo.pop_front() {
        for needs in direct.get(id).into_iter().flatten() {
            if !came.contains_key(needs) {
                came.insert(needs, Some(id));
                todo.push_back(needs);
            }
        }
    }
    let chain = |id: &FixId| {
        let mut way = vec![id.clone()];
        let mut at = id;
        while let Some(Some(from)) = came.get(at) {
            way.push((*from).clone());
            at = from;
        }
        way.reverse();
        way
    };
    let others = plan.order.iter().filter(|id| !only.contains(id));
    others.map(|id| CameAlong { fix: id.clone(), chain: chain(id) }).collect()
}
