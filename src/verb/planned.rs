//! Every track of a release with its fixes chosen and planned: what `plan` prints and `build` builds on.

use super::selection::{Selection, give_way, picked, refuse_idle};
use crate::bundle::Class;
use crate::fix::{Fix, FixId, Payload, alike};
use crate::plan::{Absent, Candidate, DropCause, Plan, PlanInput, Proof, Refusal, Remembered, plan};
use crate::release::{Classes, Hold, NotFor, Past, Release, Track, load_sources, load_sources_again, variant_for};
use crate::report::{Code, Finding, Result};
use crate::route::Memo;
use crate::tree::{Store, TreePath};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// One track, planned or refused.
#[derive(Debug)]
pub struct PlannedTrack<'a> {
    pub track: &'a Track,
    pub candidates: Vec<Candidate<'a>>,
    /// Fix to reason, for those that do not go here on purpose.
    pub not_for: BTreeMap<FixId, String>,
    /// What the selection names, each with the words that named it.
    pub selected: BTreeMap<FixId, Vec<String>>,
    /// Contents of all bases and overlays.
    pub store: Store,
    pub outcome: std::result::Result<Plan, Refusal>,
    pub findings: Vec<Finding>,
}

/// Reads a release's sources; with a memo, what an earlier run read is not read again where nobody touched it.
///
/// # Errors
/// As [`crate::release::load`].
pub fn release_for_plan(path: &Path, memo: Option<&Memo<'_>>) -> Result<Release> {
    let Some(memo) = memo else { return load_sources(path) };
    let key = |name: &str| format!("past {} {name}", env!("CUMULATE_SOURCES"));
    let past = Past {
        recall: &|name| memo.recall(&key(name)).unwrap_or_default(),
        remember: &|name, bytes| memo.remember(&key(name), bytes),
    };
    load_sources_again(path, Some(past))
}

/// Plans every track. With a memo, what an earlier plan found out is not found out again; the plan is the same.
///
/// # Errors
/// `config` where two variants are equally specific; `usage` for a word of the selection that fits no fix.
pub fn planned<'a>(
    release: &'a Release,
    selection: &Selection,
    memo: Option<&Memo<'_>>,
) -> Result<Vec<PlannedTrack<'a>>> {
    let tracks = release.tracks.iter().map(|track| choose(release, track)).collect::<Result<Vec<_>>>()?;
    let candidates: Vec<Vec<Candidate<'_>>> = tracks.iter().map(|t| t.candidates.clone()).collect();
    refuse_idle(selection, &candidates)?;
    let mut planned: Vec<_> = tracks.into_iter().map(|chosen| plan_track(release, chosen, selection, memo)).collect();
    tell_elsewhere(&mut planned);
    Ok(planned)
}

/// What does not apply on one track and does on another is perhaps none for it, or another one there.
fn tell_elsewhere(planned: &mut [PlannedTrack<'_>]) {
    if planned.iter().all(|t| t.outcome.is_ok()) {
        return;
    }
    let applies: Vec<(String, BTreeSet<FixId>)> = planned
        .iter()
        .filter_map(|t| Some((t.track.name.clone(), t.outcome.as_ref().ok()?.order.iter().cloned().collect())))
        .collect();
    for t in planned {
        let PlannedTrack { track, outcome: Err(refusal), .. } = t else { continue };
        for p in &refusal.proofs {
            let Proof::DoesNotApply { fix, .. } = p else { continue };
            if let Some((name, _)) = applies.iter().find(|(_, order)| order.contains(fix)) {
                let about = Absent::Elsewhere {
                    track: track.name.clone(),
                    branch: track.branch.clone(),
                    platform: track.platform.clone(),
                    applies: name.clone(),
                };
                refusal.absent.entry(fix.clone()).or_insert(about);
            }
        }
    }
}

/// What a track has to plan: the variants that are for it, and what is missing.
struct Chosen<'a> {
    track: &'a Track,
    candidates: Vec<Candidate<'a>>,
    not_for: BTreeMap<FixId, String>,
    findings: Vec<Finding>,
}

fn choose<'a>(release: &'a Release, track: &'a Track) -> Result<Chosen<'a>> {
    let mut findings = Vec::new();
    let mut candidates = Vec::new();
    let mut not_for = BTreeMap::new();
    for fix in &release.fixes.fixes {
        if let Some(n) = excused(&release.config.not_for, fix, track) {
            not_for.insert(fix.id.clone(), format!("{} ({}, {})", n.reason, n.status.as_str(), n.owner));
        }
        match variant_for(fix, &track.branch, &track.platform)? {
            Some(v) => candidates.push(Candidate { id: &fix.id, meta: &fix.meta, payload: &v.payload }),
            None if not_for.contains_key(&fix.id) => {}
            None => findings.push(missing(fix, track)),
        }
    }
    Ok(Chosen { track, candidates, not_for, findings })
}

fn plan_track<'a>(
    release: &'a Release,
    chosen: Chosen<'a>,
    selection: &Selection,
    memo: Option<&Memo<'_>>,
) -> PlannedTrack<'a> {
    let Chosen { track, candidates, not_for, mut findings } = chosen;
    let mut store = release.fixes.store.clone();
    for base in &track.bases {
        store.absorb(base.source.store.clone());
        if let Some(shipped) = &base.shipped {
            store.absorb(shipped.store.clone());
        }
    }
    if let Some(target) = &track.target {
        store.absorb(target.store.clone());
    }
    let start = &track.bases[track.from].source.tree;
    let known: HashSet<&FixId> = candidates.iter().map(|c| c.id).collect();
    let series: Option<Vec<FixId>> =
        release.fixes.series.as_ref().map(|s| s.iter().filter(|id| known.contains(id)).cloned().collect());
    let mut only = picked(&selection.only, &candidates, false);
    let mut without: Vec<FixId> = picked(&selection.without, &candidates, true).into_keys().collect();
    give_way(&mut only, &selection.only, &without);
    if only.is_empty() && !selection.only.is_empty() {
        // What is wanted is on other tracks alone: nothing of this one is.
        without = candidates.iter().map(|c| c.id.clone()).collect();
    }
    let selected = only.iter().map(|(id, by)| (id.clone(), by.iter().map(|b| (*b).to_owned()).collect())).collect();
    let holds = release.config.hold.iter().filter(|h| candidates.iter().any(|c| c.id.0 == h.id));
    let holds: Vec<&Hold> = holds.collect();
    // Whoever made another planner finds nothing.
    let key = format!("plan {} {} {}", env!("CUMULATE_SOURCES"), release.config.component.name, track.name);
    let later = format!("{key} since");
    let read = |memo: &Memo<'_>, key: &str| memo.recall(key).unwrap_or_default();
    let remembered = memo.map(|m| Remembered::read_both(read(m, &key), read(m, &later)));
    let outcome = plan(&PlanInput {
        fixes: candidates.clone(),
        start,
        store: &store,
        series: series.as_deref(),
        not_for: not_for.clone(),
        only: only.into_keys().collect(),
        minimal: selection.minimal,
        without,
        held: holds.iter().map(|h| (FixId(h.id.clone()), held_because(h))).collect(),
        resolutions: &release.fixes.resolutions,
        remembered: remembered.as_ref(),
    })
    .map_err(|refusal| Refusal { absent: absent(release, track, &refusal), ..refusal });
    if let (Some(memo), Some(remembered), Ok(_), false) = (memo, &remembered, &outcome, release.fixes.changed()) {
        if let Some(since) = remembered.since() {
            memo.remember(&later, &since);
        } else if let Some(all) = remembered.bytes() {
            memo.remember(&key, &all);
            if remembered.has_since() {
                memo.remember(&later, &[]);
            }
        }
    }
    findings.extend(never_written(release, &candidates, outcome.as_ref().ok()));
    findings.extend(passed(release, selection));
    findings.extend(held(&holds, outcome.as_ref().ok(), selection));
    findings.extend(unrated(&candidates, outcome.as_ref().ok(), selection));
    PlannedTrack { track, candidates, not_for, store, selected, outcome, findings }
}

/// Fixes that a selection by severity leaves out because nobody knows theirs.
fn unrated(candidates: &[Candidate<'_>], plan: Option<&Plan>, selection: &Selection) -> Option<Finding> {
    const SHOWN: usize = 6;
    let words: Vec<&str> = selection.only.iter().filter(|p| p.is_severity()).map(|p| p.text.as_str()).collect();
    let not_chosen: BTreeSet<&FixId> =
        plan?.dropped.iter().filter(|d| d.cause == DropCause::NotSelected).map(|d| &d.fix).collect();
    let unknown = |c: &&Candidate<'_>| not_chosen.contains(c.id) && c.meta.severity.known().is_none();
    let left: Vec<&str> = candidates.iter().filter(unknown).map(|c| c.id.0.as_str()).collect();
    if words.is_empty() || left.is_empty() {
        return None;
    }
    let more = left.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let what = format!(
        "nobody knows the severity of {}{more}, so they are left out",
        left[..left.len().min(SHOWN)].join(", ")
    );
    let next = "state it in their ID.toml, or name the ones that are wanted too: --only takes ids beside it";
    Some(
        Finding::new(Code::SeverityUnknown, words.join(" "), what)
            .next(next)
            .details(serde_json::json!({"fixes": left})),
    )
}

/// Fixes of the plan of which nothing is ever installed.
fn never_written(release: &Release, candidates: &[Candidate<'_>], plan: Option<&Plan>) -> Vec<Finding> {
    if !release.classes.leave_any() {
        return Vec::new();
    }
    let planned: HashSet<&FixId> = plan.iter().flat_map(|p| &p.order).collect();
    let chosen = candidates.iter().filter(|c| planned.contains(c.id));
    let why = chosen.filter_map(|c| Some((c.id, nothing_written(&release.classes, c.payload)?)));
    why.map(|(id, why)| Finding::new(Code::NeverWritten, id, why).next("correct [[paths]], or take the fix out"))
        .collect()
}

/// Why nothing of a fix is ever written, if that is so: all its paths are of a class that is none of ours.
pub fn nothing_written(classes: &Classes, payload: &Payload) -> Option<String> {
    let first = payload.paths().next()?;
    let foreign = |p: &TreePath| matches!(classes.class(p), Class::Volatile | Class::Site);
    let why = || format!("it changes only '{first}' and the like, of a class that nothing ever writes");
    payload.paths().all(foreign).then(why)
}

fn held_because(hold: &Hold) -> String {
    let until = hold.until.as_ref().map_or(String::new(), |d| format!(" until {}", d.0));
    format!("{} ({}{until})", hold.reason, hold.owner)
}

/// A best-before that was over on the day of the plan: nobody will install the release.
fn passed(release: &Release, selection: &Selection) -> Option<Finding> {
    let (day, today) = (release.config.release.best_before.as_ref()?, selection.today.as_ref()?);
    let what = || format!("best-before {} has passed: installations will refuse the release as stale", day.0);
    (day < today).then(|| Finding::new(Code::DatePassed, "best-before", what()).next("set a later day in [release]"))
}

/// What holds leave out, and those whose day has passed.
fn held(holds: &[&Hold], plan: Option<&Plan>, selection: &Selection) -> Vec<Finding> {
    let mut out = Vec::new();
    for hold in holds {
        let with_it: Vec<String> = plan
            .into_iter()
            .flat_map(|p| &p.dropped)
            .filter_map(|d| match &d.cause {
                DropCause::Held { chain, .. } if chain.len() > 1 && chain.last().is_some_and(|c| c.0 == hold.id) => {
                    Some(d.fix.0.clone())
                }
                _ => None,
            })
            .collect();
        let too = match with_it.as_slice() {
            [] => String::new(),
            ids => format!("; left out with it, because they need it: {}", ids.join(", ")),
        };
        out.push(
            Finding::new(Code::Held, &hold.id, format!("held back: {}{too}", held_because(hold)))
                .next("take the hold out of cumulate.toml when the fix may go out")
                .details(serde_json::json!({"reason": hold.reason, "owner": hold.owner, "with_it": with_it})),
        );
        if let (Some(until), Some(today)) = (&hold.until, &selection.today)
            && until < today
        {
            out.push(
                Finding::new(
                    Code::HoldExpired,
                    &hold.id,
                    format!("its hold ended on {}, and it is still held", until.0),
                )
                .next(format!("ask {} whether it may go out; then take the hold out, or set a later day", hold.owner)),
            );
        }
    }
    out
}

/// What is known of the fixes that a refusal misses.
fn absent(release: &Release, track: &Track, refusal: &Refusal) -> BTreeMap<FixId, Absent> {
    let missed = refusal.proofs.iter().filter_map(|p| match p {
        Proof::Missing { needs, .. } => Some(needs),
        _ => None,
    });
    let known = |id: &FixId| {
        let fix = release.fixes.fixes.iter().find(|f| f.id == *id);
        match fix.map(|f| excused(&release.config.not_for, f, track)) {
            Some(Some(n)) => Some(Absent::NotFor {
                track: track.name.clone(),
                branch: track.branch.clone(),
                platform: if n.platform.is_empty() { String::new() } else { track.platform.clone() },
                reason: format!("{} ({}, {})", n.reason, n.status.as_str(), n.owner),
            }),
            Some(None) => None,
            None => alike(id, release.fixes.fixes.iter().map(|f| &f.id)).map(|id| Absent::Alike { id: id.clone() }),
        }
    };
    missed.filter_map(|id| Some((id.clone(), known(id)?))).collect()
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
