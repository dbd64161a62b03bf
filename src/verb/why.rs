//! `plan --explain`: what one fix has to do with another, on every track that has a plan.

use super::planned::PlannedTrack;
use crate::explain::{WhyView, refusal_error};
use crate::fix::FixId;
use crate::plan::{PlanInput, why};
use crate::release::Release;
use crate::report::{Error, ErrorCode, Result};
use serde::Serialize;

/// The question, and the answer on every track.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub component: String,
    pub version: String,
    pub needed: String,
    pub fix: String,
    pub tracks: Vec<WhyView>,
}

/// Explains what `fix` has to do with `needed`.
///
/// # Errors
/// `plan-refused` where a track has no plan; `usage` for an id that no fix of the release has.
pub fn explanation(release: &Release, tracks: &[PlannedTrack<'_>], needed: &FixId, fix: &FixId) -> Result<Explanation> {
    for id in [needed, fix] {
        if !release.fixes.fixes.iter().any(|f| f.id == *id) {
            return Err(Error::new(ErrorCode::Usage, id, "no fix of this release has this id")
                .next("'cumulate plan' lists the ids"));
        }
    }
    let mut views = Vec::new();
    for t in tracks {
        let plan = t.outcome.as_ref().map_err(refusal_error)?;
        let mut input = PlanInput::new(t.candidates.clone(), &t.track.bases[t.track.from].source.tree, &t.store);
        input.resolutions = &release.fixes.resolutions;
        views.push(WhyView::new(&t.track.name, plan, &why(&input, plan, needed, fix), needed, fix));
    }
    Ok(Explanation {
        component: release.config.component.name.clone(),
        version: release.config.release.version.clone(),
        needed: needed.0.clone(),
        fix: fix.0.clone(),
        tracks: views,
    })
}
