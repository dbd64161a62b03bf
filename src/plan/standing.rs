//! Where a selection leaves out what brings the changes of another fix that is wanted, that one takes their place.

use super::replay::Replay;
use super::twins::brought;
use super::types::{DropCause, Plan, PlanInput, Proof, Refusal};
use super::work::Work;
use crate::fix::FixId;
use crate::report::Finding;
use std::collections::{BTreeMap, BTreeSet};

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

impl Work<'_, '_> {
    /// Whether a fix that takes the place of another does all that it does, as it stands in the order.
    pub(super) fn brings(&self, replay: &Replay<'_>, order: &[usize], by: usize, fix: usize) -> bool {
        let Some(at) = order.iter().position(|i| *i == by) else { return false };
        let before = || order[..=at].iter().copied();
        let done = |g: &usize| replay.walk(*g, 0, before()).is_ok_and(|state| replay.done_already(*g, state, fix));
        replay.of_fix[fix].iter().all(done)
    }

    /// Fixes that say that they require one that is left out, of which the one in its place brings a part only; each
    /// with that.
    pub(super) fn lacking(&self, replay: &Replay<'_>, order: &[usize]) -> BTreeMap<usize, FixId> {
        let mut out = BTreeMap::new();
        for (gone, by, _) in self.yielded.iter().filter(|(gone, by, _)| !self.brings(replay, order, *by, *gone)) {
            let gone = self.fixes[*gone].id;
            let users = order.iter().filter(|i| *i != by && self.fixes[**i].meta.requires.contains(gone));
            out.extend(users.map(|i| (*i, gone.clone())));
        }
        out
    }

    /// That something of what is left out goes out all the same.
    pub(super) fn yield_findings(&self, replay: &Replay<'_>, order: &[usize], kept: &BTreeSet<usize>) -> Vec<Finding> {
        // A selection that names others says nothing against this one.
        let told = self.yielded.iter().filter(|(_, by, cause)| kept.contains(by) && *cause != DropCause::NotSelected);
        told.map(|(gone, by, _)| {
            let part = if self.brings(replay, order, *by, *gone) { "what it does" } else { "a part of what it does" };
            brought(self.fixes[*gone].id, &[self.id(*by)], part)
        })
        .collect()
    }
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
