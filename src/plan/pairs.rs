//! Pairs of fixes that do not need each other, but whose order matters.

use super::along::Along;
use super::bits::Bits;
use super::cell::Cell;
use super::needs::Needs;
use super::replay::Replay;
use super::types::PairKind;
use crate::tree::TreePath;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What trying both orders gave in one group, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Tried {
    Clash,
    Conflict,
    Differs,
}

/// A pair by place in the order, with the first path at which it shows.
pub(super) struct Pair {
    pub(super) first: usize,
    pub(super) then: usize,
    pub(super) kind: PairKind,
    /// Where the orders differ, or where one is refused.
    pub(super) path: TreePath,
    /// Both replace whole files, so that no order is proved by one of them not applying.
    pub(super) whole: bool,
}

/// All order pairs, sorted by the places of both fixes.
pub(super) fn pairs(along: &Along<'_, '_>, needs: &Needs) -> Vec<Pair> {
    let (replay, order, all) = (along.replay, along.order, &needs.all);
    let found: Vec<(usize, usize, Shown)> = (0..replay.groups.len())
        .into_par_iter()
        .flat_map_iter(|g| {
            let here = &along.touching[g];
            let mut out = Vec::new();
            // The first one has none before it.
            for (k, &j) in here.iter().enumerate().skip(1) {
                // With the places of those before it among `here`.
                let tried = || -> Vec<(usize, Shown)> {
                    let others = (0..k).filter(|i| !all[j].has(here[*i]));
                    others.filter_map(|i| Some((i, both_orders(replay, order, all, here, g, (here[i], j))?))).collect()
                };
                let key = needs.chains.as_ref().and_then(|c| c.seen_in("pairs", along, g, j));
                let shown = match (&replay.marks, key) {
                    (Some(marks), Some(key)) => marks.answer(key, tried),
                    _ => tried(),
                };
                out.extend(shown.into_iter().filter_map(|(i, shown)| Some((*here.get(i)?, j, shown))));
            }
            out
        })
        .collect();
    let mut worst: BTreeMap<(usize, usize), Shown> = BTreeMap::new();
    for (i, j, shown) in found {
        let slot = worst.entry((i, j)).or_insert_with(|| shown.clone());
        let whole = slot.whole || shown.whole;
        if (shown.tried, &shown.path) < (slot.tried, &slot.path) {
            *slot = shown;
        }
        slot.whole = whole;
    }
    worst
        .into_iter()
        .map(|((first, then), Shown { tried, path, whole })| {
            let kind = match tried {
                Tried::Clash => PairKind::Clash,
                Tried::Conflict => PairKind::Conflict,
                Tried::Differs if whole => PairKind::Conflict,
                Tried::Differs => PairKind::Ambiguous,
            };
            Pair { first, then, kind, path, whole }
        })
        .collect()
}

/// What one group shows of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shown {
    tried: Tried,
    path: TreePath,
    whole: bool,
}

/// Replays what both need, then the two in either order.
fn both_orders(
    replay: &Replay<'_>,
    order: &[usize],
    all: &[Bits],
    here: &[usize],
    g: usize,
    (i, j): (usize, usize),
) -> Option<Shown> {
    let shown = |tried, path: &TreePath, whole| Some(Shown { tried, path: path.clone(), whole });
    let needed = here.iter().filter(|k| **k != i && **k != j && (all[i].has(**k) || all[j].has(**k)));
    let before = match replay.walk(g, 0, needed.map(|k| order[*k])) {
        Ok(before) => before,
        Err((_, refused)) => return shown(Tried::Clash, &refused.path, false),
    };
    let one = match replay.walk(g, before, [order[i], order[j]]) {
        Ok(one) => one,
        Err((_, refused)) => return shown(Tried::Clash, &refused.path, false),
    };
    let two = match replay.walk(g, before, [order[j], order[i]]) {
        Ok(two) => two,
        Err((_, refused)) => return shown(Tried::Conflict, &refused.path, false),
    };
    if one == two {
        return None;
    }
    let paths = &replay.groups[g].paths;
    let (one, two) = (replay.cells(g, one), replay.cells(g, two));
    let digest = |cell: &Option<Arc<Cell>>| cell.as_ref().map(|c| (c.mode, c.digest));
    let at = (0..paths.len()).find(|p| digest(&one[*p]) != digest(&two[*p])).unwrap_or(0);
    let whole = (0..paths.len()).any(|p| replay.puts(g, p, order[i]) && replay.puts(g, p, order[j]));
    shown(Tried::Differs, paths[at], whole)
}
