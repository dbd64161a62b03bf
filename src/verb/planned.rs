//! Every track of a release with its fixes chosen and planned: what `plan` prints and `build` builds on.

use crate::fix::{Fix, FixId, Payload};
use crate::plan::{Candidate, Plan, PlanInput, Refusal, plan};
use crate::release::{NotFor, Release, Track, variant_for};
use crate::report::{Code, Finding, Result};
use crate::tree::Store;
use std::collections::BTreeMap;

/// What a user wants of all fixes.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Where not empty: only these and what they need.
    pub only: Vec<FixId>,
    /// Without these and what needs them.
    pub without: Vec<FixId>,
}

/// One track, planned or refused.
#[derive(Debug)]
pub struct PlannedTrack<'a> {
    pub track: &'a Track,
    pub candidates: Vec<Candidate<'a>>,
    /// Fix to reason, for those that do not go here on purpose.
    pub not_for: BTreeMap<FixId, String>,
    /// Contents of all bases and overlays.
    pub store: Store,
    pub outcome: std::result::Result<Plan, Refusal>,
    pub findings: Vec<Finding>,
}

/// Plans every track.
///
/// # Errors
/// `config` where two variants are equally specific.
pub fn planned<'a>(release: &'a Release, selection: &Selection) -> Result<Vec<PlannedTrack<'a>>> {
    release.tracks.iter().map(|track| plan_track(release, track, selection)).collect()
}

fn plan_track<'a>(release: &'a Release, track: &'a Track, selection: &Selection) -> Result<PlannedTrack<'a>> {
    let mut findings = Vec::new();
    let mut candidates = Vec::new();
    let mut not_for = BTreeMap::new();
    for fix in &release.fixes.fixes {
        if let Some(n) = excused(&release.config.not_for, fix, track) {
            not_for.insert(fix.id.clone(), format!("{} ({}, {})", n.reason, n.status, n.owner));
        }
        match variant_for(fix, &track.branch, &track.platform)? {
            Some(v) => candidates.push(Candidate { id: &fix.id, meta: &fix.meta, payload: &v.payload }),
            None if not_for.contains_key(&fix.id) => {}
            None => findings.push(missing(fix, track)),
        }
    }
    let mut store = release.fixes.store.clone();
    for base in &track.bases {
        store.absorb(base.source.store.clone());
        store.absorb(base.installed().store.clone());
    }
    if let Some(target) = &track.target {
        store.absorb(target.store.clone());
    }
    let start = &track.bases[track.from].source.tree;
    let known: std::collections::BTreeSet<&FixId> = candidates.iter().map(|c| c.id).collect();
    let series: Option<Vec<FixId>> =
        release.fixes.series.as_ref().map(|s| s.iter().filter(|id| known.contains(id)).cloned().collect());
    let outcome = plan(&PlanInput {
        fixes: candidates.clone(),
        start,
        store: &store,
        series: series.as_deref(),
        not_for: not_for.clone(),
        only: selection.only.clone(),
        without: selection.without.clone(),
    });
    Ok(PlannedTrack { track, candidates, not_for, store, outcome, findings })
}

fn excused<'a>(rules: &'a [NotFor], fix: &Fix, track: &Track) -> Option<&'a NotFor> {
    rules.iter().find(|n| {
        n.fix == fix.id.0
            && (n.branch.is_empty() || n.branch == track.branch)
            && (n.platform.is_empty() || n.platform == track.platform)
    })
}

fn missing(fix: &Fix, track: &Track) -> Finding {
    Finding::new(Code::FixMissingOnTrack, &fix.id, format!("no variant of this fix is for track '{}'", track.name))
        .next(format!("add {}@{}.patch, or say why in a [[not_for]] of cumulate.toml", fix.id, track.branch))
}

impl<'a> PlannedTrack<'a> {
    /// The payloads of an order.
    pub fn payloads(&self, order: &'a [FixId]) -> Vec<(&'a FixId, &'a Payload)> {
        let by_id: BTreeMap<&FixId, &'a Payload> = self.candidates.iter().map(|c| (c.id, c.payload)).collect();
        order.iter().filter_map(|id| by_id.get(id).map(|p| (id, *p))).collect()
    }
}
