//! The door to planning, and what comes back where a newer fix is left out.

use super::chosen::{plan_chosen, plan_rest};
use super::least_plan::plan_least;
use super::remembered::Remembered;
use super::resolve::{Proving, plan_once};
use super::types::{DropCause, Dropped, Plan, PlanInput, Refusal};
use crate::fix::FixId;
use crate::report::Code;

/// Puts fixes in order and says why, for one track.
///
/// # Errors
/// Every proof that there is no plan: it is never guessed.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, Refusal> {
    if input.remembered.is_none() && selects(input) {
        // More than one plan may be made on the way: what one finds out, the next need not.
        let remembered = Remembered::of_one_run();
        return plan_it(&PlanInput { remembered: Some(&remembered), ..input.clone() });
    }
    plan_it(input)
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
    let is_gone = |id: &FixId| gone.iter().any(|d| d.fix == *id);
    Some(plan_rest(input, is_gone, Proving::Cores).map(|mut plan| {
        plan.dropped.extend(gone);
        plan.dropped.sort_by(|a, b| a.fix.cmp(&b.fix));
        plan.findings.extend(first.findings.into_iter().filter(|f| f.code == Code::HintLeftBehind));
        plan
    }))
}
