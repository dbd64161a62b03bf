//! A plan as JSON shows it.

use super::beside::BesideView;
use super::unsat::{CoreView, cores};
use super::words::{class, drop_cause, hint, reason, reason_json, refusal_findings};
use crate::fix::{FixId, Meta, Payload};
use crate::plan::{Classed, Hint, HintKind, Lost, PathMerge, Plan, Proof, Refusal};
use crate::report::{Finding, distinct};
use crate::tree::Digest;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A chain of n fixes has n² / 2 needs: so many are still written out.
const MOST_NEEDS: usize = 1_000_000;

/// All tracks. With one track its parts stand at the top; with several, those of the first do.
#[derive(Debug, Clone, Serialize)]
pub struct PlanView {
    pub component: String,
    pub version: String,
    #[serde(flatten)]
    pub first: TrackView,
    /// The other tracks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<TrackView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matrix: Vec<MatrixRow>,
}

impl PlanView {
    pub fn tracks(&self) -> impl Iterator<Item = &TrackView> {
        [&self.first].into_iter().chain(&self.more)
    }

    pub fn refused(&self) -> bool {
        self.tracks().any(|t| t.refused)
    }

    /// What is the same on several tracks once.
    pub fn all_findings(&self) -> Vec<Finding> {
        distinct(self.tracks().flat_map(|t| t.findings.iter().cloned()).collect())
    }
}

/// One track's plan.
#[derive(Debug, Clone, Serialize)]
pub struct TrackView {
    pub track: String,
    /// Whether there is no plan; the findings say why.
    pub refused: bool,
    pub order: Vec<String>,
    pub edges: Vec<EdgeView>,
    /// What text suggests and does not prove.
    pub hints: Vec<HintView>,
    /// The fixes in order; where there is no plan, all of the track.
    pub fixes: BTreeMap<String, FixView>,
    pub order_pairs: Vec<PairView>,
    /// Contents that several fixes make together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<MergeView>,
    /// Where there is no plan: fixes that stand in each other's way, side by side.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<BesideView>,
    /// Fix to reason.
    pub dropped: BTreeMap<String, String>,
    /// What the fixes that are not in the order are, by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped_fixes: BTreeMap<String, DroppedView>,
    /// Where a selection was given: fix to the words that named it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub selected: BTreeMap<String, Vec<String>>,
    /// Fix to the chain from a fix that was named.
    pub came_along: BTreeMap<String, Vec<String>>,
    /// What the fixes are to each other, and to the base, by content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassView>,
    /// Where the least change was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<LeastView>,
    pub findings: Vec<Finding>,
    /// Where there is no plan: why, cut down to what it takes, and what mends it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<CoreView>,
    /// Where there is no plan: sets of fixes without each of which there is one; there may be more of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Vec<String>>,
    /// Where there is no plan: fixes that do not apply, and of which it is not known which others it takes, because more
    /// have to do with them than can be tried in every order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncut: Vec<String>,
    /// Fix to the file that it was read from, relative to the release folder.
    #[serde(skip)]
    pub files: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct EdgeView {
    pub fix: String,
    pub needs: String,
    pub kind: &'static str,
    pub reason: Value,
    /// The reason in words.
    pub text: String,
}

/// `fix` perhaps needs `on`, or belongs with it.
#[derive(Debug, Clone, Serialize)]
pub struct HintView {
    pub fix: String,
    pub on: String,
    /// `identifier`, `file-name`, `trailer` or `title`.
    pub kind: &'static str,
    pub words: Vec<String>,
    /// Whether an edge says so too.
    pub proved: bool,
    pub text: String,
}

impl HintView {
    pub fn new(h: &Hint) -> Self {
        let words = match &h.kind {
            HintKind::Uses { word, more, .. } => [word].into_iter().chain(more).cloned().collect(),
            HintKind::Names { .. } | HintKind::Titled { .. } => Vec::new(),
        };
        Self { fix: h.fix.0.clone(), on: h.on.0.clone(), kind: h.kind.as_str(), words, proved: h.proved, text: hint(h) }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct ClassView {
    pub fix: String,
    /// `empty`, `duplicate`, `subset`, `superset`, `superseded`, `contained`, `contained-in`, `partly-contained`,
    /// `reapplied`, `reverted`, `revert-of`.
    pub class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// The first parts of a superseded fix that the newer one lacks, or of one that the base has a part of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ClassPart>,
    pub text: String,
}

/// A part of the fix's patch.
#[derive(Debug, Clone, Serialize)]
pub struct ClassPart {
    pub path: String,
    pub line: u32,
    pub lines: Vec<String>,
}

impl ClassView {
    fn new(c: &Classed) -> Self {
        let part = |l: &Lost| ClassPart { path: l.path.to_string(), line: l.line, lines: l.lines.clone() };
        Self {
            fix: c.fix.0.clone(),
            class: c.class.as_str(),
            other: c.other.as_ref().map(|o| o.0.clone()),
            parts: c.lost.iter().map(part).collect(),
            text: class(c),
        }
    }
}

/// Changed lines of the chosen fixes, and whether no smaller choice applies.
#[derive(Debug, Clone, Serialize)]
pub struct LeastView {
    pub lines: u64,
    pub proved: bool,
    /// Fixes that others replace or contain, and that were not tried in place of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_tried: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FixView {
    pub title: String,
    /// Fixes that its payload brings at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub realises: Vec<String>,
    pub cves: Vec<String>,
    /// As stated, RFC 3339 where it could be read; empty where nothing states it.
    pub date: String,
    /// `critical` to `none`; empty where it is not known.
    pub severity: &'static str,
    /// Every path that it names, sorted.
    pub paths: Vec<String>,
    /// Everything that it needs, directly or not, in order; absent where there is no plan, and where that is more than
    /// a million entries of all fixes together: `edges` has it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires_all: Option<Vec<String>>,
}

impl FixView {
    fn new(known: Option<&(&Meta, &Payload)>, requires_all: Option<Vec<String>>) -> Self {
        Self {
            title: known.map(|m| m.0.title.clone()).unwrap_or_default(),
            realises: known.map(|m| names(&m.0.realises)).unwrap_or_default(),
            cves: known.map(|m| m.0.cves.clone()).unwrap_or_default(),
            date: known.map(|m| m.0.date.clone()).unwrap_or_default(),
            severity: known.and_then(|m| m.0.severity.known()).unwrap_or_default(),
            paths: known.map(|m| paths(m.1)).unwrap_or_default(),
            requires_all,
        }
    }
}

/// A fix that is not in the order.
#[derive(Debug, Clone, Serialize)]
pub struct DroppedView {
    pub title: String,
    pub cves: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct PairView {
    pub first: String,
    pub then: String,
    pub kind: &'static str,
    pub settled: &'static str,
    pub path: String,
}

/// A content that a fix and those before it make together.
#[derive(Debug, Clone, Serialize)]
pub struct MergeView {
    pub fix: String,
    pub with: Vec<String>,
    pub path: String,
    /// The folder of the recorded decision, and who reviewed it; absent where the merge is clean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewed_by: Option<String>,
    pub result: String,
    pub text: String,
}

impl MergeView {
    fn new(m: &PathMerge) -> Self {
        let text = m.resolution.as_ref().map_or_else(
            || "what each changed is merged; every order gives the same".to_owned(),
            |r| {
                let why = if r.reason.is_empty() { String::new() } else { format!(": {}", r.reason) };
                format!("as decided in {}, reviewed by {}{why}", r.name, r.reviewed_by)
            },
        );
        Self {
            fix: m.fix.0.clone(),
            with: m.with.iter().map(|f| f.0.clone()).collect(),
            path: m.path.to_string(),
            resolution: m.resolution.as_ref().map(|r| r.name.clone()),
            reviewed_by: m.resolution.as_ref().map(|r| r.reviewed_by.clone()),
            result: Digest::of(&m.bytes).to_string(),
            text,
        }
    }
}

/// One fix against every track: `own variant`, `default`, `contained`, `contained in others`, `superseded`,
/// `not for`, `missing`, `does not apply`, ….
#[derive(Debug, Clone, Serialize)]
pub struct MatrixRow {
    pub fix: String,
    pub tracks: BTreeMap<String, String>,
}

impl TrackView {
    /// `metas` has the metadata and the payload of every fix of the track.
    pub fn new(
        track: &str,
        outcome: Result<&Plan, &Refusal>,
        metas: &BTreeMap<&FixId, (&Meta, &Payload)>,
        findings: &[Finding],
    ) -> Self {
        let mut view = Self {
            track: track.to_owned(),
            refused: outcome.is_err(),
            order: Vec::new(),
            edges: Vec::new(),
            hints: Vec::new(),
            fixes: BTreeMap::new(),
            order_pairs: Vec::new(),
            merged: Vec::new(),
            beside: Vec::new(),
            dropped: BTreeMap::new(),
            dropped_fixes: BTreeMap::new(),
            selected: BTreeMap::new(),
            came_along: BTreeMap::new(),
            classes: Vec::new(),
            least: None,
            findings: findings.to_vec(),
            cores: Vec::new(),
            ways: Vec::new(),
            uncut: Vec::new(),
            files: BTreeMap::new(),
        };
        let classes = outcome.map_or_else(|r| &*r.classes, |p| &p.classes);
        view.classes = classes.iter().map(ClassView::new).collect();
        match outcome {
            Ok(plan) => view.fill(plan, metas),
            Err(refusal) => {
                view.findings.extend(refusal_findings(refusal));
                view.fixes = metas.iter().map(|(id, m)| (id.0.clone(), FixView::new(Some(m), None))).collect();
                view.cores = cores(refusal, &metas.iter().map(|(id, m)| (*id, m.1)).collect());
                view.ways = refusal.tried.ways.iter().map(|w| names(w)).collect();
                view.uncut = uncut(refusal);
                view.beside = BesideView::all(refusal);
            }
        }
        view
    }

    fn fill(&mut self, plan: &Plan, metas: &BTreeMap<&FixId, (&Meta, &Payload)>) {
        self.order = names(&plan.order);
        self.edges = plan
            .edges
            .par_iter()
            .map(|e| EdgeView {
                fix: e.fix.0.clone(),
                needs: e.needs.0.clone(),
                kind: e.kind.as_str(),
                reason: reason_json(&e.reason),
                text: reason(&e.reason, &e.needs),
            })
            .collect();
        self.hints = plan.hints.iter().map(HintView::new).collect();
        let closure = plan.closure(MOST_NEEDS);
        let fix = |(k, id): (usize, &FixId)| {
            let needs = closure.as_ref().map(|all| all[k].iter().map(|n| plan.order[*n].0.clone()).collect());
            let mut fix = FixView::new(metas.get(id), needs);
            fix.cves = answered_for(plan, id, metas);
            (id.0.clone(), fix)
        };
        let fixes: Vec<(String, FixView)> = plan.order.par_iter().enumerate().map(fix).collect();
        self.fixes = fixes.into_iter().collect();
        self.order_pairs = plan
            .order_pairs
            .iter()
            .map(|p| PairView {
                first: p.first.0.clone(),
                then: p.then.0.clone(),
                kind: p.kind.as_str(),
                settled: p.settled.as_str(),
                path: p.path.to_string(),
            })
            .collect();
        self.merged = plan.merged.iter().map(MergeView::new).collect();
        let with_it = |fix: &FixId| match metas.get(fix).map(|m| names(&m.0.realises)) {
            Some(ids) if !ids.is_empty() => format!("; with it goes what it realises: {}", ids.join(", ")),
            _ => String::new(),
        };
        self.dropped =
            plan.dropped.iter().map(|d| (d.fix.0.clone(), drop_cause(&d.cause) + &with_it(&d.fix))).collect();
        let about = |id: &FixId| {
            let meta = metas.get(id)?.0;
            Some((id.0.clone(), DroppedView { title: meta.title.clone(), cves: meta.cves.clone() }))
        };
        self.dropped_fixes = plan.dropped.iter().filter_map(|d| about(&d.fix)).collect();
        self.came_along = plan.came_along.iter().map(|c| (c.fix.0.clone(), names(&c.chain))).collect();
        self.least =
            plan.least.as_ref().map(|l| LeastView { lines: l.lines, proved: l.proved, not_tried: names(&l.not_tried) });
        self.findings.extend(plan.findings.iter().cloned());
    }
}

/// What does not apply and has no core.
fn uncut(refusal: &Refusal) -> Vec<String> {
    let cut = |k: usize| refusal.cores.iter().any(|c| c.proof == k || c.also.contains(&k));
    let failed = refusal.proofs.iter().enumerate().filter_map(|(k, p)| match p {
        Proof::DoesNotApply { fix, .. } if !cut(k) => Some(fix.0.clone()),
        _ => None,
    });
    failed.collect()
}

fn names(ids: &[FixId]) -> Vec<String> {
    ids.iter().map(|i| i.0.clone()).collect()
}

/// CVEs of a fix of the order, and of those that it stands for.
fn answered_for(plan: &Plan, id: &FixId, metas: &BTreeMap<&FixId, (&Meta, &Payload)>) -> Vec<String> {
    let others = plan.dropped.iter().filter(|d| plan.standing(d) == Some(id)).map(|d| &d.fix);
    let mut out: Vec<String> = Vec::new();
    for cve in [id].into_iter().chain(others).filter_map(|id| metas.get(id)).flat_map(|m| &m.0.cves) {
        if !out.contains(cve) {
            out.push(cve.clone());
        }
    }
    out
}

fn paths(payload: &Payload) -> Vec<String> {
    let mut all: Vec<&str> = payload.paths().map(|p| p.as_str()).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(str::to_owned).collect()
}
