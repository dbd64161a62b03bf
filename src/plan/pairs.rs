//! Pairs of fixes that do not need each other, but whose order matters.

use super::bits::Bits;
use super::replay::Replay;
use super::types::PairKind;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// What trying both orders gave in one group, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tried {
    Clash,
    Conflict,
    Differs,
}

/// A pair by place in the order, with the first group in which it shows.
pub(super) struct Pair {
    pub(super) first: usize,
    pub(super) then: usize,
    pub(super) kind: PairKind,
    pub(super) group: usize,
    /// Both replace whole files, so that no order is proved by one of them not applying.
    pub(super) whole: bool,
}

/// All order pairs, sorted by the places of both fixes.
pub(super) fn pairs(replay: &Replay<'_>, order: &[usize], all: &[Bits]) -> Vec<Pair> {
    let place: BTreeMap<usize, usize> = order.iter().enumerate().map(|(i, f)| (*f, i)).collect();
    let found: Vec<(usize, usize, Tried, usize, bool)> = (0..replay.groups.len())
        .into_par_iter()
        .flat_map_iter(|g| {
            let mut here: Vec<usize> = replay.groups[g].fixes().filter_map(|f| place.get(&f).copied()).collect();
            here.sort_unstable();
            let mut out = Vec::new();
            for (k, &j) in here.iter().enumerate() {
                for &i in &here[..k] {
                    if !all[j].has(i) {
                        if let Some((tried, whole)) = both_orders(replay, order, all, &here, g, i, j) {
                            out.push((i, j, tried, g, whole));
                        }
                    }
                }
            }
            out
        })
        .collect();
    let mut worst: BTreeMap<(usize, usize), (Tried, usize, bool)> = BTreeMap::new();
    for (i, j, tried, g, whole) in found {
        let slot = worst.entry((i, j)).or_insert((tried, g, whole));
        if (tried, g) < (slot.0, slot.1) {
            (slot.0, slot.1) = (tried, g);
        }
        slot.2 |= whole;
    }
    worst
        .into_iter()
        .map(|((first, then), (tried, group, whole))| {
            let kind = match tried {
                Tried::Clash => PairKind::Clash,
                Tried::Conflict => PairKind::Conflict,
                Tried::Differs if whole => PairKind::Conflict,
                Tried::Differs => PairKind::Ambiguous,
            };
            Pair { first, then, kind, group, whole }
        })
        .collect()
}

/// Replays what both need, then the two in either order.
fn both_orders(
    replay: &Replay<'_>,
    order: &[usize],
    all: &[Bits],
    here: &[usize],
    g: usize,
    i: usize,
    j: usize,
) -> Option<(Tried, bool)> {
    let needed = here.iter().filter(|k| **k != i && **k != j && (all[i].has(**k) || all[j].has(**k)));
    let Ok(before) = replay.walk(g, 0, needed.map(|k| order[*k])) else { return Some((Tried::Clash, false)) };
    let Ok(one) = replay.walk(g, before, [order[i], order[j]]) else { return Some((Tried::Clash, false)) };
    let Ok(two) = replay.walk(g, before, [order[j], order[i]]) else { return Some((Tried::Conflict, false)) };
    if one == two {
        return None;
    }
    let whole = (0..replay.groups[g].paths.len()).any(|p| replay.puts(g, p, order[i]) && replay.puts(g, p, order[j]));
    Some((Tried::Differs, whole))
}
