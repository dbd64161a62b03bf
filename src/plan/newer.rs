//! The door to planning, and what comes back where a newer fix is left out.

use super::behind::tell_behind;
use super::chosen::{plan_chosen, plan_rest};
use super::least_plan::plan_least;
use super::remembered::Remembered;
use super::resolve::{Proving, plan_once};
use super::twins::tell_twins;
use super::types::{DropCause, Dropped, Plan, PlanInput, Refusal};
use crate::fix::FixId;
use crate::report::Code;
use std::collections::BTreeSet;

/// Puts fixes in order and says why, for one track.
///
/// # Errors
/// Every proof that there is no plan: it is never guessed.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, Refusal> {
    if input.remembered.is_none() && selects(input) {
        // More than one plan may be made on the way: what one finds out, the next need not.
        let remembered = Remembered::of_one_run();
        return plan(&PlanInput { remembered: Some(&remembered), ..input.clone() });
    }
    plan_it(input).map(|plan| tell_twins(input, plan)).map_err(|refusal| tell_behind(input, refusal))
}

fn plan_it(input: &PlanInput<'_>) -> Result<Plan, Refusal> {
    match without_newer(input) {
        Some(plan) => plan,
        // A selection may leave out what stands in the way, and then nobody reads the whole proof.
        None if selects(input) => plan_part(input, Proving::Plain).or_else(|refusal| plan_chosen(input, refusal)),
        None => plan_part(input, Proving::Cores),
    }
}

/// Whether anything of the fixes is left out by whoever asks.
pub(super) fn selects(input: &PlanInput<'_>) -> bool {
    !(input.only.is_empty() && input.without.is_empty() && input.held.is_empty())
}

/// Plans all fixes, and chooses.
pub(super) fn plan_part(input: &PlanInput<'_>, proving: Proving) -> Result<Plan, Refusal> {
    if input.minimal && !input.only.is_empty() { plan_least(input, proving) } else { plan_once(input, true, proving) }
}

/// Where a fix that is left out supersedes others: those come back in its place. What falls out with it is found first,
/// with it in the order, since it and what it replaces seldom apply together.
fn without_newer(input: &PlanInput<'_>) -> Option<Result<Plan, Refusal>> {
    let out = |id: &FixId| input.without.contains(id) || input.held.contains_key(id);
    let there = |id: &FixId| input.fixes.iter().any(|c| c.id == id) && !out(id);
    input.fixes.iter().find(|c| out(c.id) && c.meta.supersedes.iter().any(there))?;
    let first = plan_once(input, false, Proving::Plain).ok()?;
    let fell = |c: &DropCause| matches!(c, DropCause::Without { .. } | DropCause::Held { .. });
    let gone: Vec<Dropped> = first.dropped.into_iter().filter(|d| fell(&d.cause)).collect();
    // What fell only because it requires an older one, which comes back, has what it requires.
    let again = |d: &&Dropped| match &d.cause {
        DropCause::Without { chain } | DropCause::Held { chain, .. } if chain.len() > 1 => {
            chain.windows(2).all(|w| says(input, &w[0], &w[1], out(&w[1])))
        }
        _ => false,
    };
    let stays: BTreeSet<&FixId> = gone.iter().filter(again).map(|d| &d.fix).collect();
    let fewer: Vec<Dropped> = gone.iter().filter(|d| !stays.contains(&d.fix)).cloned().collect();
    let comes_back = !stays.is_empty();
    let first_try =
        (!stays.is_empty()).then(|| plan_rest(input, |id| fewer.iter().any(|d| d.fix == *id), Proving::Plain).ok());
    let (plan, gone) = match first_try.flatten() {
        Some(plan) => (Ok(plan), fewer),
        None => {
            let plan = plan_rest(input, |id| gone.iter().any(|d| d.fix == *id), Proving::Cores);
            match plan {
                // That it falls leaves others without what they require: what keeps it from coming back is the reason.
                Err(_) if comes_back => {
                    (plan_rest(input, |id| fewer.iter().any(|d| d.fix == *id), Proving::Cores), fewer)
                }
                plan => (plan, gone),
            }
        }
    };
    Some(plan.map(|mut plan| {
        plan.dropped.extend(gone);
        plan.dropped.sort_by(|a, b| a.fix.cmp(&b.fix));
        plan.findings.extend(first.findings.into_iter().filter(|f| f.code == Code::HintLeftBehind));
        plan
    }))
}

/// Whether a fix says that it requires another; where that is left out, only by an older one in whose place it stood.
fn says(input: &PlanInput<'_>, fix: &FixId, needs: &FixId, left_out: bool) -> bool {
    let find = |id: &FixId| input.fixes.iter().find(|c| c.id == id);
    let Some(fix) = find(fix) else { return false };
    if !left_out && fix.meta.requires.contains(needs) {
        return true;
    }
    let mut older: BTreeSet<&FixId> = BTreeSet::new();
    let mut todo: Vec<&FixId> = vec![needs];
    while let Some(id) = todo.pop() {
        let replaced = find(id).into_iter().flat_map(|c| &c.meta.supersedes);
        todo.extend(replaced.filter(|old| *old != needs && older.insert(old)));
    }
    fix.meta.requires.iter().any(|r| older.contains(r))
}
