//! What a bundle says about its fixes: entries, states, edges, and which path each of them touched.

use super::planned::PlannedTrack;
use super::target::Target;
use crate::bundle::{
    FixEntry, FixState, Graph, GraphEdge, GraphMerge, GraphPair, GraphResolution, Hook, NOT_FOR_TRACK, Provenance,
    ProvenancePath, State, Steps, When,
};
use crate::explain;
use crate::fix::{Fix, FixId, FixWhen};
use crate::plan::{DropCause, Dropped, Plan};
use crate::release::{Release, glob};
use crate::report::Result;
use crate::tree::Digest;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn state_of(fix: &FixEntry, states: &BTreeMap<&str, (State, &str)>, track: &PlannedTrack<'_>) -> FixState {
    let (state, reason) = match states.get(fix.id.as_str()) {
        Some((state, reason)) => (*state, (*reason).to_owned()),
        None => {
            let why = track.not_for.get(&FixId(fix.id.clone()));
            let why = why.map_or_else(|| "this track has it not".into(), |w| format!("{NOT_FOR_TRACK}{w}"));
            (State::Unknown, why)
        }
    };
    FixState { id: fix.id.clone(), state, reason }
}

pub(super) fn provenance(target: &Target, fixes: &[FixEntry]) -> Provenance {
    let known: BTreeSet<&str> = fixes.iter().map(|f| f.id.as_str()).collect();
    let paths = target.provenance.iter().map(|(path, ids)| ProvenancePath {
        path: path.clone(),
        fixes: ids.iter().filter(|i| known.contains(i.0.as_str())).map(|i| i.0.clone()).collect(),
    });
    Provenance { paths: paths.collect() }
}

/// The commands of the fixes that a base gains, in order, where one of their files changes; then the health check.
pub(super) fn hooks(release: &Release, order: &[FixId], states: &[FixState], steps: &Steps) -> Result<Vec<Hook>> {
    let by_id: BTreeMap<&FixId, &Fix> = release.fixes.fixes.iter().map(|f| (&f.id, f)).collect();
    let gained = |id: &FixId| states.iter().any(|s| s.id == id.0 && matches!(s.state, State::Added | State::Partly));
    let mut out = Vec::new();
    for fix in order.iter().filter(|id| gained(id)).filter_map(|id| by_id.get(id)) {
        for (n, hook) in (1..).zip(&fix.meta.hooks) {
            let mut changes = hook.if_changed.is_empty();
            for pattern in &hook.if_changed {
                let glob = glob(pattern)?;
                changes |= steps.steps.iter().any(|s| glob.is_match(s.path.as_str()));
            }
            if changes {
                let when = match hook.when {
                    FixWhen::Before => When::Before,
                    FixWhen::After => When::After,
                };
                let (run, undo) = (hook.run.clone(), hook.undo.clone());
                let id = format!("{}#{n}", fix.id);
                out.push(Hook { id, when, run, undo, timeout: hook.timeout, irreversible: !hook.reversible });
            }
        }
    }
    out.extend(release.config.health.as_ref().map(|h| Hook {
        id: "health".into(),
        when: When::Health,
        run: h.run.clone(),
        undo: Vec::new(),
        timeout: h.timeout.unwrap_or(60),
        irreversible: false,
    }));
    Ok(out)
}

/// Every fix that some track has, in the order of the plans; what is contained everywhere comes first.
pub(super) fn fix_entries(release: &Release, tracks: &[PlannedTrack<'_>]) -> Result<Vec<FixEntry>> {
    let mut order: Vec<&FixId> = Vec::new();
    let plans: Vec<&Plan> = tracks.iter().filter_map(|t| t.outcome.as_ref().ok()).collect();
    for plan in &plans {
        let contained = plan.dropped.iter().filter(|d| d.cause == DropCause::Contained).map(|d| &d.fix);
        let covered = plan.dropped.iter().filter(|d| matches!(d.cause, DropCause::Covered { .. })).map(|d| &d.fix);
        for id in contained.chain(&plan.order).chain(covered) {
            if !order.contains(&id) {
                order.push(id);
            }
        }
    }
    let by_id: BTreeMap<&FixId, &Fix> = release.fixes.fixes.iter().map(|f| (&f.id, f)).collect();
    let mut entries: Vec<FixEntry> = order.iter().filter_map(|id| by_id.get(id)).map(|f| entry(f)).collect();
    for dropped in plans.iter().flat_map(|p| &p.dropped) {
        let stands = standing(dropped, &plans);
        let Some(entry) = entries.iter_mut().find(|e| Some(e.id.as_str()) == stands.map(|s| s.0.as_str())) else {
            continue;
        };
        if let Some(fix) = by_id.get(&dropped.fix).filter(|f| f.id.0 != entry.id) {
            stand_for(entry, fix);
        }
    }
    Ok(entries)
}

/// The fix of the order that stands for a dropped one, through others that were dropped in turn.
fn standing<'a>(dropped: &'a Dropped, plans: &[&'a Plan]) -> Option<&'a FixId> {
    let mut now = dropped;
    for _ in 0..=plans.iter().map(|p| p.dropped.len()).sum() {
        let (DropCause::Superseded { by: next } | DropCause::Duplicate { of: next }) = &now.cause else { return None };
        match plans.iter().flat_map(|p| &p.dropped).find(|d| d.fix == *next) {
            Some(further) => now = further,
            None => return Some(next),
        }
    }
    None
}

/// What a left-out fix was there for, its successor or twin answers for: nobody looks for a CVE in vain.
fn stand_for(entry: &mut FixEntry, fix: &Fix) {
    let add = |list: &mut Vec<String>, item: &String| {
        if !list.contains(item) {
            list.push(item.clone());
        }
    };
    fix.meta.cves.iter().for_each(|c| add(&mut entry.cves, c));
    fix.meta.links.iter().for_each(|l| add(&mut entry.links, l));
    add(&mut entry.supersedes, &fix.id.0);
}

fn entry(fix: &Fix) -> FixEntry {
    let m = &fix.meta;
    FixEntry {
        id: fix.id.0.clone(),
        title: m.title.clone(),
        author: m.author.clone(),
        date: m.date.clone(),
        cves: m.cves.clone(),
        severity: if m.severity.vector.is_empty() { m.severity.word.clone() } else { m.severity.vector.clone() },
        links: m.links.clone(),
        supersedes: m.supersedes.iter().map(|s| s.0.clone()).collect(),
        realises: m.realises.iter().map(|s| s.0.clone()).collect(),
        restart: m.restart,
    }
}

/// Edges and pairs of all tracks; what two tracks share is there once.
pub(super) fn graph(tracks: &[PlannedTrack<'_>], fixes: &[FixEntry]) -> Graph {
    let known: BTreeSet<&str> = fixes.iter().map(|f| f.id.as_str()).collect();
    let mut graph = Graph::default();
    for plan in tracks.iter().filter_map(|t| t.outcome.as_ref().ok()) {
        for e in &plan.edges {
            let edge = GraphEdge {
                fix: e.fix.0.clone(),
                needs: e.needs.0.clone(),
                kind: e.kind.as_str().into(),
                reason: explain::reason_json(&e.reason),
            };
            if known.contains(edge.fix.as_str()) && known.contains(edge.needs.as_str()) && !graph.edges.contains(&edge)
            {
                graph.edges.push(edge);
            }
        }
        for p in &plan.order_pairs {
            let pair = GraphPair { first: p.first.0.clone(), then: p.then.0.clone(), kind: p.kind.as_str().into() };
            if !graph.order_pairs.contains(&pair) {
                graph.order_pairs.push(pair);
            }
        }
        for m in &plan.merged {
            let merge = GraphMerge {
                path: m.path.clone(),
                fix: m.fix.0.clone(),
                with: m.with.iter().map(|f| f.0.clone()).collect(),
                result: Digest::of(&m.bytes),
                resolution: m.resolution.as_ref().map(|r| GraphResolution {
                    name: r.name.clone(),
                    reviewed_by: r.reviewed_by.clone(),
                    reason: r.reason.clone(),
                }),
            };
            if !graph.merges.contains(&merge) {
                graph.merges.push(merge);
            }
        }
    }
    graph
}
