//! What two fixes do to the same place, hunk beside hunk.

use super::cell::Cell;
use super::needs::Needs;
use super::replay::{Replay, StateId};
use super::types::{Beside, Meeting, OrderPair};
use super::work::Work;
use crate::fix::FixId;
use crate::patch::{Edit, edits, stretch};
use std::collections::BTreeMap;

/// Most stretches shown of one path.
const STRETCHES: usize = 8;
/// Most lines shown of one stretch.
const LINES: usize = 120;
/// Edits with fewer unchanged lines than this between them are in each other's surroundings.
const NEAR: usize = 4;
/// Contents above this many bytes are named, not shown.
const SHOWN: u64 = 4 << 20;

impl Work<'_, '_> {
    /// What the fixes of open pairs do to the paths concerned, on what both need.
    pub(super) fn open_beside(
        &self,
        replay: &Replay<'_>,
        order: &[usize],
        graph: &Needs,
        place: &BTreeMap<usize, usize>,
        open: &[OrderPair],
    ) -> Vec<Beside> {
        let mut out = Vec::new();
        for pair in open {
            let at = |id: &FixId| self.number(id).and_then(|i| place.get(&i)).copied();
            let (Some(a), Some(b)) = (at(&pair.first), at(&pair.then)) else { continue };
            let Some(&g) = replay.of_fix[order[a]].iter().find(|g| replay.groups[**g].paths.contains(&&pair.path))
            else {
                continue;
            };
            let needed = (0..order.len()).filter(|k| graph.all[a].has(*k) || graph.all[b].has(*k)).map(|k| order[k]);
            if let Ok(before) = replay.walk(g, 0, needed) {
                out.extend(beside(replay, g, before, order[a], order[b]).into_iter().filter(|s| s.path == pair.path));
            }
        }
        out
    }
}

/// What two fixes make of a state, each alone, at every path that both change.
pub(super) fn beside(replay: &Replay<'_>, g: usize, before: StateId, first: usize, then: usize) -> Vec<Beside> {
    let (Ok(one), Ok(two)) = (replay.step(g, before, first), replay.step(g, before, then)) else { return Vec::new() };
    let decided: Vec<(usize, FixId, String)> = [first, then]
        .into_iter()
        .flat_map(|fix| replay.decided_at(g, before, fix).into_iter().map(move |(at, by)| (at, fix, by)))
        .map(|(at, fix, by)| (at, replay.ids[fix].clone(), by))
        .collect();
    let [base, one, two] = [before, one, two].map(|s| replay.cells(g, s));
    let mut out = Vec::new();
    for (at, path) in replay.groups[g].paths.iter().enumerate() {
        let (Some(base), Some(one), Some(two)) = (&base[at], &one[at], &two[at]) else { continue };
        if base.digest == one.digest || base.digest == two.digest {
            continue;
        }
        let found = hunks(replay, base, one, two);
        let (hunks, how) = match decided.iter().find(|(there, ..)| *there == at) {
            Some((_, fix, by)) => (Vec::new(), Meeting::Decided { fix: fix.clone(), by: by.clone() }),
            None => found.unwrap_or((Vec::new(), Meeting::NotText)),
        };
        out.push(Beside {
            first: replay.ids[first].clone(),
            then: replay.ids[then].clone(),
            path: (*path).clone(),
            base: base.digest,
            sides: (one.digest, two.digest),
            hunks,
            how,
        });
    }
    out
}

/// A stretch of each of the two.
type Stretches = (Vec<String>, Vec<String>);

/// The stretches in which both change something; where there are none, what each of them changes.
fn hunks(replay: &Replay<'_>, base: &Cell, one: &Cell, two: &Cell) -> Option<(Vec<Stretches>, Meeting)> {
    if [base, one, two].iter().any(|c| c.size > SHOWN) {
        return None;
    }
    let (base, one, two) = (replay.bytes(base)?, replay.bytes(one)?, replay.bytes(two)?);
    if [&base, &one, &two].iter().any(|b| b.contains(&0)) {
        return None;
    }
    let (a, b) = (edits(&base, &one), edits(&base, &two));
    let mut out = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() && out.len() < STRETCHES {
        let (from_a, from_b) = (i, j);
        let mut end = a[i].old.start.min(b[j].old.start);
        loop {
            let near = |e: Option<&Edit>| e.is_some_and(|e| e.old.start <= end + NEAR);
            if near(a.get(i)) {
                end = end.max(a[i].old.end);
                i += 1;
            } else if near(b.get(j)) {
                end = end.max(b[j].old.end);
                j += 1;
            } else {
                break;
            }
        }
        if from_a < i && from_b < j {
            out.push((cut(stretch(&base, &one, &a[from_a..i])), cut(stretch(&base, &two, &b[from_b..j]))));
        }
    }
    if out.is_empty() {
        let of = |edits: &[Edit], text: &[u8], k: usize| {
            edits.get(k..=k).map(|e| cut(stretch(&base, text, e))).unwrap_or_default()
        };
        let all = (0..a.len().max(b.len()).min(STRETCHES)).map(|k| (of(&a, &one, k), of(&b, &two, k)));
        return Some((all.collect(), Meeting::Apart));
    }
    Some((out, Meeting::Lines))
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > LINES {
        lines.truncate(LINES);
        lines.push("…".into());
    }
    lines
}
