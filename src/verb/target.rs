//! One track's target, what each of its bases gains, and what must not pass unnoticed on the way.

use super::derived::derived;
use super::planned::{PlannedTrack, nothing_written};
use crate::bundle::{CONTAINED_IN, Class, State};
use crate::explain;
use crate::fix::{FixId, Payload};
use crate::merge::{self, Merged};
use crate::plan::{DropCause, Dropped, Plan};
use crate::release::{Base, Release};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Entry, Store, Tree, TreePath};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::{BTreeMap, BTreeSet};

/// What installations of this track end in.
#[derive(Debug)]
pub struct Target {
    pub tree: Tree,
    pub store: Store,
    pub provenance: BTreeMap<TreePath, Vec<FixId>>,
    pub bases: Vec<TargetBase>,
}

/// One base as deltas see it.
#[derive(Debug)]
pub struct TargetBase {
    pub name: String,
    pub tree: Tree,
    /// Every fix of the plan, and those that the start contains.
    pub states: Vec<(FixId, State, String)>,
}

/// Merges a planned track; findings are added for what the target would quietly change or drop.
///
/// # Errors
/// `plan-refused` for a fix that does not apply after all, `io`, `source-changed`.
pub fn target_of(
    release: &Release,
    track: &PlannedTrack<'_>,
    plan: &Plan,
    findings: &mut Vec<Finding>,
) -> Result<Target> {
    let order = track.payloads(&plan.order);
    let start = &track.track.bases[track.track.from].source.tree;
    let merged = merge::merge(&order, start, &track.store, &plan.merged)?.map_err(|r| {
        Error::new(ErrorCode::PlanRefused, &r.fix, explain::reject(&r.reject)).next("look at 'cumulate plan'")
    })?;
    let mut store = track.store.clone();
    store.absorb(merged.store.clone());
    let contained: Vec<FixId> =
        plan.dropped.iter().filter(|d| d.cause == DropCause::Contained).map(|d| d.fix.clone()).collect();
    let mut bases = Vec::new();
    let mixes = derived(release, track)?;
    let mut mixed = Store::default();
    mixes.iter().for_each(|(_, source)| mixed.absorb(source.store.clone()));
    let stores = [&merged.store, &track.store, &mixed];
    let declared = mixes.iter().map(|(name, source)| (name, &source.tree, &source.tree));
    let own = track.track.bases.iter().map(|b| (&b.name, &b.source.tree, &b.installed().tree));
    for (name, source, installed) in own.chain(declared) {
        let planned = merge::states(&order, &merged, source, &stores)?;
        let mut states: Vec<(FixId, State, String)> = Vec::new();
        for (id, payload) in track.payloads(&contained) {
            let (state, why) = merge::start_has(payload, start, source, &stores)?;
            states.push((id.clone(), state, why));
        }
        states.extend(order.iter().zip(planned).map(|((id, _), (s, why))| ((*id).clone(), s, why)));
        states.extend(covered(plan, &states));
        bases.push(TargetBase { name: name.clone(), tree: ours(release, installed), states });
    }
    store.absorb(mixed);
    never_written(release, &order, &mut bases);
    let (tree, provenance) = match &track.track.target {
        None => (merged.tree.clone(), merged.provenance.clone()),
        Some(shipped) => {
            let claims = claims(track, plan)?;
            let provenance = claimed(release, &track.track.bases, &shipped.tree, &claims, findings);
            (shipped.tree.clone(), provenance)
        }
    };
    let target = Target { tree: ours(release, &tree), store, provenance, bases };
    if track.track.target.is_none() {
        deletions(release, &target, &merged, findings);
    }
    Ok(target)
}

/// Fixes that are not in the order because others bring what they do: a base has of them what it has of those.
fn covered(plan: &Plan, states: &[(FixId, State, String)]) -> Vec<(FixId, State, String)> {
    let of = |d: &Dropped| {
        let DropCause::Covered { by } = &d.cause else { return None };
        let ids: Vec<&str> = by.iter().map(|b| b.0.as_str()).collect();
        let here: Vec<State> = states.iter().filter(|(id, ..)| by.contains(id)).map(|(_, s, _)| *s).collect();
        let all = |state| here.iter().all(|s| *s == state);
        let state = if here.is_empty() || here.contains(&State::Unknown) {
            State::Unknown
        } else if all(State::Contained) {
            State::Contained
        } else if all(State::Added) {
            State::Added
        } else {
            State::Partly
        };
        Some((d.fix.clone(), state, format!("{CONTAINED_IN}{}", ids.join(", "))))
    };
    plan.dropped.iter().filter_map(of).collect()
}

/// A tree without what is none of ours.
fn ours(release: &Release, tree: &Tree) -> Tree {
    let mine = tree.entries.iter().filter(|(p, _)| is_ours(release, p));
    Tree { entries: mine.map(|(p, e)| (p.clone(), e.clone())).collect() }
}

fn is_ours(release: &Release, path: &TreePath) -> bool {
    matches!(release.classes.class(path), Class::Code | Class::Config)
}

/// A fix of volatile and site paths alone is never installed, and must not be reported as if it were.
fn never_written(release: &Release, order: &[(&FixId, &Payload)], bases: &mut [TargetBase]) {
    for (id, payload) in order {
        if let Some(why) = nothing_written(&release.classes, payload) {
            for (_, state, reason) in bases.iter_mut().flat_map(|b| &mut b.states).filter(|(f, ..)| f == *id) {
                (*state, *reason) = (State::Unknown, why.clone());
            }
        }
    }
}

/// Paths that a base has, that the target lacks, and that no fix deletes.
fn deletions(release: &Release, target: &Target, merged: &Merged, findings: &mut Vec<Finding>) {
    let mut lost: BTreeMap<&TreePath, Vec<&str>> = BTreeMap::new();
    for base in &target.bases {
        for (path, entry) in &base.tree.entries {
            let explained =
                merged.provenance.contains_key(path) || release.classes.retired(path) || *entry == Entry::Folder;
            if target.tree.get(path).is_none() && !explained {
                lost.entry(path).or_default().push(&base.name);
            }
        }
    }
    for (path, bases) in lost {
        findings.push(
            Finding::new(
                Code::DeletedWithoutFix,
                path,
                format!("base {} has it, the target has not, and no fix deletes it", bases.join(", ")),
            )
            .next("add a fix that deletes it, or a [[retire]] with the reason")
            .details(serde_json::json!({"bases": bases})),
        );
    }
}

type Claims = Vec<(FixId, GlobSet)>;

/// What each fix says it changes in the shipped tree.
fn claims(track: &PlannedTrack<'_>, plan: &Plan) -> Result<Claims> {
    let chosen: BTreeSet<&FixId> = plan.order.iter().collect();
    let mut out = Vec::new();
    for c in track.candidates.iter().filter(|c| chosen.contains(c.id)) {
        let bad = |e: globset::Error| {
            Error::new(ErrorCode::Config, c.id, format!("affects: {e}")).next("correct the pattern in fix.toml")
        };
        let mut set = GlobSetBuilder::new();
        for pattern in &c.meta.affects {
            set.add(GlobBuilder::new(pattern).literal_separator(true).build().map_err(bad)?);
        }
        out.push((c.id.clone(), set.build().map_err(bad)?));
    }
    Ok(out)
}

/// Which fixes claim which shipped path; a change that none claims is a finding, unless nothing ever writes there
/// or the configuration lets the path go.
fn claimed(
    release: &Release,
    bases: &[Base],
    shipped: &Tree,
    claims: &Claims,
    findings: &mut Vec<Finding>,
) -> BTreeMap<TreePath, Vec<FixId>> {
    let mut provenance = BTreeMap::new();
    let mut unclaimed: BTreeMap<&TreePath, Vec<&str>> = BTreeMap::new();
    for base in bases {
        let old = &base.installed().tree;
        let paths: BTreeSet<&TreePath> = old.entries.keys().chain(shipped.entries.keys()).collect();
        let differs = |p: &&TreePath| old.get(p) != shipped.get(p) && is_ours(release, p);
        for path in paths.into_iter().filter(differs) {
            let by: Vec<FixId> =
                claims.iter().filter(|(_, set)| set.is_match(path.as_str())).map(|(id, _)| id.clone()).collect();
            let retired = shipped.get(path).is_none() && release.classes.retired(path);
            if by.is_empty() && !retired {
                unclaimed.entry(path).or_default().push(&base.name);
            } else if !by.is_empty() {
                provenance.insert(path.clone(), by);
            }
        }
    }
    for (path, bases) in unclaimed {
        let gone = shipped.get(path).is_none();
        let code = if gone { Code::DeletedWithoutFix } else { Code::UnclaimedChange };
        let what = if gone { "is gone from" } else { "changed in" };
        findings.push(
            Finding::new(
                code,
                path,
                format!("it {what} the shipped tree against base {}, and no fix claims it", bases.join(", ")),
            )
            .next("add it to 'affects' of the fix that changes it")
            .details(serde_json::json!({"bases": bases})),
        );
    }
    provenance
}
