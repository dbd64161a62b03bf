//! `plan --explain`: what one fix has to do with another, on every track that has a plan.

use super::planned::PlannedTrack;
use crate::explain::{WhyView, refusal_error};
use crate::fix::FixId;
use crate::plan::{Plan, PlanInput, Refusal, plan, why};
use crate::release::Release;
use crate::report::{Error, ErrorCode, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// The question, and the answer on every track.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub component: String,
    pub version: String,
    pub needed: String,
    pub fix: String,
    /// Of an id that a payload realises: that payload, which is what is explained.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub realised_by: BTreeMap<String, String>,
    pub tracks: Vec<WhyView>,
}

/// The plan of two fixes and of what they need, where all together have none.
fn both(release: &Release, input: PlanInput<'_>, ids: [&FixId; 2]) -> std::result::Result<Plan, Refusal> {
    let known = |id: &&FixId| input.fixes.iter().any(|c| c.id == *id);
    let series: Option<Vec<FixId>> = release.fixes.series.as_ref().map(|s| s.iter().filter(known).cloned().collect());
    plan(&PlanInput { series: series.as_deref(), only: ids.into_iter().cloned().collect(), ..input.clone() })
}

/// Explains what `fix` has to do with `needed`; where all together have no plan, in a plan of these two.
///
/// # Errors
/// `plan-refused` where these two have no plan on a track; `usage` for an id that no fix of the release has.
pub fn explanation<'a>(
    release: &'a Release,
    tracks: &[PlannedTrack<'_>],
    needed: &'a FixId,
    fix: &'a FixId,
) -> Result<Explanation> {
    let mut realised_by = BTreeMap::new();
    let mut carrier = |id| match release.fixes.realised.get(id) {
        Some(carrier) => {
            realised_by.insert(id.0.clone(), carrier.0.clone());
            carrier
        }
        None => id,
    };
    let (needed, fix) = (carrier(needed), carrier(fix));
    for id in [needed, fix] {
        if !release.fixes.fixes.iter().any(|f| f.id == *id) {
            return Err(Error::new(ErrorCode::Usage, id, "no fix of this release has this id")
                .next("'cumulate plan' lists the ids"));
        }
    }
    let mut views = Vec::new();
    for t in tracks {
        let mut input = PlanInput::new(t.candidates.clone(), &t.track.bases[t.track.from].source.tree, &t.store);
        input.resolutions = &release.fixes.resolutions;
        let of_both;
        let (plan, in_part) = match &t.outcome {
            Ok(plan) => (plan, false),
            Err(_) => {
                of_both = both(release, input.clone(), [needed, fix]).map_err(|refusal| {
                    let error = refusal_error(&refusal);
                    let show = format!("to see both side by side: cumulate plan --only {needed} {fix}");
                    let next = if error.next.is_empty() { show } else { format!("{}; {show}", error.next) };
                    error.next(next)
                })?;
                (&of_both, true)
            }
        };
        let view = WhyView::new(&t.track.name, plan, &why(&input, plan, needed, fix), needed, fix);
        views.push(WhyView { in_part, ..view });
    }
    Ok(Explanation {
        component: release.config.component.name.clone(),
        version: release.config.release.version.clone(),
        needed: needed.0.clone(),
        fix: fix.0.clone(),
        realised_by,
        tracks: views,
    })
}
