//! `plan`: every track's plan, or its refusal, as one view.

use super::derived::derived;
use super::planned::PlannedTrack;
use crate::explain::{MatrixRow, PlanView, TrackView};
use crate::fix::{Fix, FixId, Meta, Payload};
use crate::plan::{DropCause, Proof};
use crate::release::{Release, variant_for};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// What `plan` shows; levels of findings are the configuration's.
///
/// # Errors
/// `config` where two variants are equally specific.
pub fn plan_view(release: &Release, tracks: &[PlannedTrack<'_>], with_matrix: bool) -> Result<PlanView> {
    let mut views: Vec<TrackView> = Vec::new();
    for (i, t) in tracks.iter().enumerate() {
        let metas: BTreeMap<&FixId, (&Meta, &Payload)> =
            t.candidates.iter().map(|c| (c.id, (c.meta, c.payload))).collect();
        let mut findings = t.findings.clone();
        findings.extend(derived(release, t).err().map(|e| {
            let what = format!("it cannot be made: {}", e.message);
            Finding::new(Code::DoesNotApply, format!("[[derived]] {}", e.subject), what).next(e.next)
        }));
        if i == 0 {
            findings.extend(release.findings.iter().cloned());
        }
        let new = || TrackView::new(&t.track.name, t.outcome.as_ref(), &metas, &findings);
        let (mut view, files) = rayon::join(new, || files(release, t));
        view.files = files?;
        view.selected = t.selected.iter().map(|(id, by)| (id.0.clone(), by.clone())).collect();
        for f in &mut view.findings {
            f.level = release.config.level(f.code);
        }
        views.push(view);
    }
    let matrix = if with_matrix { matrix(release, tracks)? } else { Vec::new() };
    let mut views = views.into_iter();
    let first = views.next().ok_or_else(|| Error::new(ErrorCode::Config, "release", "there is no track"))?;
    Ok(PlanView {
        component: release.config.component.name.clone(),
        version: release.config.release.version.clone(),
        first,
        more: views.collect(),
        matrix,
    })
}

/// The file that each fix of the track was read from.
fn files(release: &Release, t: &PlannedTrack<'_>) -> Result<BTreeMap<String, String>> {
    let file = |fix: &Fix| -> Result<Option<(String, String)>> {
        let Some(variant) = variant_for(fix, &t.track.branch, &t.track.platform)? else { return Ok(None) };
        let file = variant.file.strip_prefix(&release.dir).unwrap_or(&variant.file);
        Ok(Some((fix.id.0.clone(), file.to_string_lossy().into_owned())))
    };
    let files: Vec<Result<Option<(String, String)>>> = release.fixes.fixes.par_iter().map(file).collect();
    files.into_iter().filter_map(Result::transpose).collect()
}

fn matrix(release: &Release, tracks: &[PlannedTrack<'_>]) -> Result<Vec<MatrixRow>> {
    let row = |fix: &Fix| -> Result<MatrixRow> {
        let cells = tracks.iter().map(|t| Ok((t.track.name.clone(), cell(fix, t)?))).collect::<Result<_>>()?;
        Ok(MatrixRow { fix: fix.id.0.clone(), tracks: cells })
    };
    release.fixes.fixes.iter().map(row).collect()
}

fn cell(fix: &Fix, track: &PlannedTrack<'_>) -> Result<String> {
    if track.not_for.contains_key(&fix.id) {
        return Ok("not for".into());
    }
    let Some(variant) = variant_for(fix, &track.track.branch, &track.track.platform)? else {
        return Ok("missing".into());
    };
    let fails = |p: &Proof| matches!(p, Proof::DoesNotApply { fix: f, .. } if *f == fix.id);
    if track.outcome.as_ref().is_err_and(|refusal| refusal.proofs.iter().any(fails)) {
        return Ok("does not apply".into());
    }
    let own = variant.branch.is_some() || variant.platform.is_some();
    let dropped = track.outcome.as_ref().ok().and_then(|p| p.dropped.iter().find(|d| d.fix == fix.id));
    Ok(match dropped.map(|d| &d.cause) {
        Some(DropCause::Contained) => "contained",
        Some(DropCause::Covered { .. }) => "contained in others",
        Some(DropCause::Superseded { .. }) => "superseded",
        Some(DropCause::Duplicate { .. }) => "duplicate",
        Some(DropCause::Held { .. }) => "held",
        Some(DropCause::NotSelected | DropCause::Without { .. }) => "left out",
        Some(_) => "not for",
        None if own => "own variant",
        None => "default",
    }
    .into())
}
