//! Where a selection leaves out what brings the changes of another fix that is wanted, that one takes their place.

use super::types::{DropCause, Plan, PlanInput, Proof, Refusal};
use crate::fix::FixId;
use std::collections::BTreeMap;

/// Fixes that are left out, why, and the fix that takes the place of each.
pub(super) type Yields = BTreeMap<FixId, (DropCause, FixId)>;

/// Plans anew without the bringers that are left out; `given` are those of plans before this one.
///
/// # Errors
/// The given refusal, where the fix cannot take their place.
pub(super) fn stand_in(
    input: &PlanInput<'_>,
    given: &Yields,
    refusal: Refusal,
    again: impl Fn(&PlanInput<'_>, &Yields) -> Result<Plan, Refusal>,
) -> Result<Plan, Refusal> {
    let Some((fix, by, out)) = refusal.proofs.iter().find_map(|p| match p {
        Proof::BringersLeftOut { fix, by, out } => Some((fix, by, out)),
        _ => None,
    }) else {
        return Err(refusal);
    };
    let mut yields = given.clone();
    yields.extend(out.iter().map(|d| (d.fix.clone(), (d.cause.clone(), fix.clone()))));
    let Some(series) = input.series else { return again(input, &yields).map_err(|_| refusal) };
    let out: Vec<&FixId> = out.iter().map(|d| &d.fix).collect();
    // Where it stands, or in the place of the first that it stands for.
    let ways =
        [Some(series.to_vec()), moved(series, fix, |id| out.contains(&id)), moved(series, fix, |id| by.contains(id))];
    let plan = ways.into_iter().flatten().find_map(|series| {
        let input = PlanInput { series: Some(&series), ..input.clone() };
        again(&input, &yields).ok()
    });
    plan.ok_or(refusal)
}

/// The series with a fix before the first of some others; none where it does not name it.
fn moved(series: &[FixId], fix: &FixId, others: impl Fn(&FixId) -> bool) -> Option<Vec<FixId>> {
    let from = series.iter().position(|id| id == fix)?;
    let to = series.iter().position(others)?;
    let mut out = series.to_vec();
    let fix = out.remove(from);
    out.insert(to.min(from), fix);
    Some(out)
}
