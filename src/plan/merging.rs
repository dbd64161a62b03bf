//! What must hold of merges before a plan stands: every order gives the same, and no decision is left unused.

use super::replay::{Replay, StateId};
use super::types::{Meeting, OrderPair, PairKind, PathMerge, Proof, Settled};
use super::work::Work;
use crate::fix::Resolution;
use crate::report::{Code, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// Up to this many whole texts of one path every order is tried; of more, each one last.
const EVERY_ORDER: usize = 8;

impl Work<'_, '_> {
    /// Three and more texts that are merged at one path give the same in every order, or there is no plan.
    pub(super) fn every_order(&self, replay: &Replay<'_>, order: &[usize], merged: &[PathMerge]) -> Vec<Proof> {
        let crowded = merged.iter().filter(|m| m.resolution.is_none() && m.with.len() > 1).map(|m| &m.path);
        crowded
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter_map(|path| {
                let (g, at) = replay
                    .groups
                    .iter()
                    .enumerate()
                    .find_map(|(g, group)| group.paths.binary_search(&path).ok().map(|at| (g, at)))?;
                let whole: Vec<usize> = order.iter().copied().filter(|f| replay.puts(g, at, *f)).collect();
                let first = order.iter().position(|f| whole.first() == Some(f))?;
                let before = replay.walk(g, 0, order[..first].iter().copied()).ok()?;
                self.differing(replay, g, before, &whole, at)
            })
            .collect()
    }

    fn differing(&self, replay: &Replay<'_>, g: usize, before: StateId, all: &[usize], at: usize) -> Option<Proof> {
        let n = all.len();
        let mut known: BTreeMap<BTreeSet<usize>, (StateId, usize)> =
            BTreeMap::from([(BTreeSet::new(), (before, all[0]))]);
        let sets: Vec<BTreeSet<usize>> = if n <= EVERY_ORDER {
            (0..(1usize << n) - 1).map(|bits| (0..n).filter(|k| bits >> k & 1 == 1).collect()).collect()
        } else {
            // The way there, and everything but one.
            let prefixes = (0..n).map(|k| (0..k).collect());
            prefixes.chain((0..n).map(|k| (0..n).filter(|i| *i != k).collect())).collect()
        };
        for set in sets {
            let state = match known.get(&set) {
                Some((state, _)) => *state,
                None => match replay.walk(g, before, set.iter().map(|k| all[*k])) {
                    Ok(state) => state,
                    Err((fix, refused)) => return Some(self.shut(fix, &refused)),
                },
            };
            for (k, &fix) in all.iter().enumerate().filter(|(k, _)| !set.contains(k)) {
                let next = match replay.step(g, state, fix) {
                    Ok(next) => next,
                    Err(refused) => return Some(self.shut(fix, &refused)),
                };
                let with = set.iter().copied().chain([k]).collect();
                let (known, last) = *known.entry(with).or_insert((next, fix));
                if known != next {
                    let pair = OrderPair {
                        first: self.id(last),
                        then: self.id(fix),
                        kind: PairKind::Ambiguous,
                        settled: Settled::Open,
                        path: replay.groups[g].paths[at].clone(),
                    };
                    return Some(Proof::OrderOpen { pairs: vec![pair], beside: Vec::new() });
                }
            }
        }
        None
    }

    fn shut(&self, fix: usize, refused: &super::types::Refused) -> Proof {
        Proof::DoesNotApply {
            fix: self.id(fix),
            refused: refused.clone(),
            blockers: Vec::new(),
            beside: Vec::new(),
            nowhere: None,
        }
    }

    /// Decisions between fixes that stand in each other's way all the same: in what they were made on something else.
    pub(super) fn unfit_resolutions(&self, proofs: &[Proof]) -> Vec<Finding> {
        let shown = proofs.iter().flat_map(|p| match p {
            Proof::DoesNotApply { beside, .. } | Proof::OrderOpen { beside, .. } => beside.as_slice(),
            _ => &[],
        });
        let mut out: Vec<Finding> = Vec::new();
        for b in shown {
            let between =
                |r: &&Resolution| r.path == b.path && r.sides.contains_key(&b.first) && r.sides.contains_key(&b.then);
            for r in self.input.resolutions.iter().filter(between) {
                let mut other: Vec<String> = Vec::new();
                if r.base != b.base {
                    other.push(format!("before both stands {}, and it names {} as the base", b.base, r.base));
                }
                for (fix, made) in [(&b.first, b.sides.0), (&b.then, b.sides.1)] {
                    if let Some(named) = r.sides.get(fix).filter(|named| **named != made) {
                        other.push(format!("{fix} makes {made} of that, and it names {named}"));
                    }
                }
                let why = match (&b.how, other.is_empty()) {
                    (Meeting::Decided { fix, by }, _) if *by != r.name => {
                        format!("what {fix} makes there is the decision '{by}' already")
                    }
                    (_, true) => "its sides do not come one after the other".to_owned(),
                    (_, false) => other.join("; "),
                };
                let finding = Finding::new(
                    Code::UnusedRule,
                    format!("resolutions/{}", r.name),
                    format!("it is not replayed at '{}': {why}", r.path),
                )
                .next("make it anew for the contents of today, or take it out");
                if !out.contains(&finding) {
                    out.push(finding);
                }
            }
        }
        out
    }

    /// A decision whose fixes are both there and that is replayed nowhere was made on other contents.
    pub(super) fn unused_resolutions(&mut self, order: &[usize], merged: &[PathMerge]) {
        let kept: BTreeSet<&str> = order.iter().map(|i| self.fixes[*i].id.0.as_str()).collect();
        let used = |name: &str| merged.iter().any(|m| m.resolution.as_ref().is_some_and(|r| r.name == name));
        for r in self.input.resolutions.iter().filter(|r| !used(&r.name)) {
            if r.sides.keys().all(|id| kept.contains(id.0.as_str())) {
                let message = format!("it is not replayed: what stands at '{}' is not what it was made on", r.path);
                self.findings.push(
                    Finding::new(Code::UnusedRule, format!("resolutions/{}", r.name), message)
                        .next("make it anew for the contents of today, or take it out"),
                );
            }
        }
    }
}
