//! Whether some of the fixes have a plan at all: every order tried, as far as a budget goes.

use super::order::Before;
use super::replay::{Replay, StateId};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What has to hold, by number of the fix.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    pub(super) wanted: BTreeSet<usize>,
    /// (a, b): a only after b, and only with it.
    pub(super) requires: BTreeSet<(usize, usize)>,
    /// Fixes that require something that is not there.
    pub(super) lacking: BTreeSet<usize>,
    /// (a, b): not a before b.
    pub(super) after: BTreeSet<(usize, usize)>,
    pub(super) excludes: BTreeSet<(usize, usize)>,
    pub(super) left_out: BTreeSet<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// With an order of the wanted fixes and of what helps them.
    Yes(Vec<usize>),
    No,
    /// The budget is used up, or more fixes have to do with it than can be tried.
    Unknown,
}

/// The most fixes that are tried together: one bit for each.
const MOST: usize = 64;
/// Fixes that may be tried for an order of everything.
const BUDGET: usize = 10_000;

/// An order of everything that has to do with the fixes that got stuck, where trying every order finds one.
pub(super) fn order(
    replay: &Replay<'_>,
    all: &BTreeSet<usize>,
    stuck: impl Iterator<Item = usize>,
    before: &Before,
) -> Option<Vec<usize>> {
    let mut wishes = Wishes { wanted: stuck.collect(), ..Wishes::default() };
    let (known, true) = around(replay, all, &wishes) else { return None };
    wishes.after = known.iter().flat_map(|f| before[*f].iter().map(|first| (*f, *first))).collect();
    wishes.wanted = known;
    match satisfiable(replay, all, &wishes, &mut BUDGET.clone()) {
        Answer::Yes(order) => Some(order),
        Answer::No | Answer::Unknown => None,
    }
}

/// Looks for an order of the wanted fixes, and of any of `all` that help, in which each applies.
///
/// `budget` is the number of tries of a fix somewhere on the way, in all calls together.
pub(super) fn satisfiable(replay: &Replay<'_>, all: &BTreeSet<usize>, wishes: &Wishes, budget: &mut usize) -> Answer {
    if said_alone(wishes) || wishes.wanted.iter().any(|f| replay.lacks(*f)) {
        return Answer::No;
    }
    let (known, complete) = around(replay, all, wishes);
    let bit: BTreeMap<usize, u32> = (0..).zip(&known).map(|(k, f)| (*f, k)).collect();
    let mask = |fixes: &mut dyn Iterator<Item = usize>| -> u64 {
        fixes.filter_map(|f| bit.get(&f)).fold(0, |m, k| m | 1 << k)
    };
    let goal = mask(&mut wishes.wanted.iter().copied());
    if goal.count_ones() as usize != wishes.wanted.len() {
        return if complete { Answer::No } else { Answer::Unknown };
    }
    let partners = |f: usize, pairs: &BTreeSet<(usize, usize)>, back: bool| {
        mask(&mut pairs.iter().filter_map(|(a, b)| match back {
            false => (*a == f).then_some(*b),
            true => (*b == f).then_some(*a),
        }))
    };
    let groups: Vec<usize> =
        known.iter().flat_map(|f| &replay.of_fix[*f]).copied().collect::<BTreeSet<_>>().into_iter().collect();
    let moves: Vec<Move> = known
        .iter()
        .map(|&fix| Move {
            fix,
            bit: bit[&fix],
            needs: partners(fix, &wishes.requires, false),
            // What has to come later must not be there yet.
            shuns: partners(fix, &wishes.requires, true)
                | partners(fix, &wishes.after, true)
                | partners(fix, &wishes.excludes, false)
                | partners(fix, &wishes.excludes, true),
        })
        .collect();
    let (wanted, helpers): (Vec<&Move>, Vec<&Move>) = moves.iter().partition(|m| goal >> m.bit & 1 == 1);
    let mut seen: HashSet<(u64, u64, Vec<StateId>)> = HashSet::new();
    let mut todo = vec![(0u64, 0u64, vec![0; groups.len()], Vec::new())];
    while let Some((placed, passed, states, way)) = todo.pop() {
        if placed & goal == goal {
            return Answer::Yes(way);
        }
        if !seen.insert((placed, passed, states.clone())) {
            continue;
        }
        // The last that is pushed is tried first: what is wanted.
        for m in helpers.iter().chain(&wanted) {
            if placed >> m.bit & 1 == 1 || !m.may_follow(placed) {
                continue;
            }
            // A try may patch a whole file anew, so tries are what is counted.
            let Some(left) = budget.checked_sub(1) else { return Answer::Unknown };
            *budget = left;
            let Some((next, there)) = m.after(replay, &groups, &states) else { continue };
            let placed = placed | 1 << m.bit;
            let passed = if there && m.is_in_start(replay) { passed | 1 << m.bit } else { passed };
            // What was passed over because the start has it, and would do something now, would be lost: a revert stands
            // behind what it takes back.
            let lost =
                |p: &&Move| passed >> p.bit & 1 == 1 && p.may_follow(placed) && p.applies(replay, &groups, &next);
            if passed == 0 || there || !moves.iter().any(|p| lost(&p)) {
                let way = way.iter().copied().chain([m.fix]).collect();
                todo.push((placed, passed, next, way));
            }
        }
    }
    if complete { Answer::No } else { Answer::Unknown }
}

/// Whether every order in which all wanted fixes apply, one after the other, makes the same; `false` also where that cannot
/// be told, or where there is no such order.
pub(super) fn makes_one(replay: &Replay<'_>, wishes: &Wishes, budget: &mut usize) -> bool {
    let known: Vec<usize> = wishes.wanted.iter().copied().collect();
    if known.len() > MOST {
        return false;
    }
    let groups: BTreeSet<usize> = known.iter().flat_map(|f| &replay.of_fix[*f]).copied().collect();
    let groups: Vec<usize> = groups.into_iter().collect();
    let bit = |f: &usize| known.binary_search(f).map_or(0, |k| 1u64 << k);
    let moves: Vec<Move> = (0..)
        .zip(&known)
        .map(|(k, fix)| {
            let needs = wishes.after.iter().filter(|(then, _)| then == fix).map(|(_, first)| bit(first));
            Move { fix: *fix, bit: k, needs: needs.fold(0, |m, b| m | b), shuns: 0 }
        })
        .collect();
    let mut made: Option<Vec<StateId>> = None;
    let mut seen: HashSet<(u64, Vec<StateId>)> = HashSet::new();
    let mut todo = vec![(0u64, vec![0; groups.len()])];
    while let Some((placed, states)) = todo.pop() {
        if placed.count_ones() as usize == known.len() {
            if made.as_ref().is_some_and(|made| *made != states) {
                return false;
            }
            made = Some(states);
            continue;
        }
        if !seen.insert((placed, states.clone())) {
            continue;
        }
        for m in moves.iter().filter(|m| placed >> m.bit & 1 == 0 && m.may_follow(placed)) {
            let Some(left) = budget.checked_sub(1) else { return false };
            *budget = left;
            if let Some((next, false)) = m.after(replay, &groups, &states) {
                todo.push((placed | 1 << m.bit, next));
            }
        }
    }
    made.is_some()
}

struct Move {
    fix: usize,
    bit: u32,
    needs: u64,
    shuns: u64,
}

impl Move {
    /// Whether nothing that is said keeps it from coming after these.
    fn may_follow(&self, placed: u64) -> bool {
        self.needs & !placed == 0 && self.shuns & placed == 0
    }

    fn is_in_start(&self, replay: &Replay<'_>) -> bool {
        replay.of_fix[self.fix].iter().all(|g| replay.done_already(*g, 0, self.fix))
    }

    /// Whether it does something there.
    fn applies(&self, replay: &Replay<'_>, groups: &[usize], states: &[StateId]) -> bool {
        self.after(replay, groups, states).is_some_and(|(_, there)| !there)
    }

    /// The states after this fix, and whether they had its changes already and are the same; `None` where it does not apply.
    fn after(&self, replay: &Replay<'_>, groups: &[usize], states: &[StateId]) -> Option<(Vec<StateId>, bool)> {
        let mut next = states.to_vec();
        let mine = &replay.of_fix[self.fix];
        let place = |g: &usize| groups.binary_search(g).ok();
        for g in mine {
            let k = place(g)?;
            match replay.step(*g, states[k], self.fix) {
                Ok(state) => next[k] = state,
                Err(_) => {
                    let there = |g: &usize| place(g).is_some_and(|k| replay.done_already(*g, states[k], self.fix));
                    return mine.iter().all(there).then(|| (states.to_vec(), true));
                }
            }
        }
        Some((next, false))
    }
}

/// Whether what is said rules it out, whatever the texts are.
fn said_alone(wishes: &Wishes) -> bool {
    let pairs = |set: &BTreeSet<(usize, usize)>, of: usize| -> Vec<usize> {
        set.range((of, 0)..=(of, usize::MAX)).map(|(_, b)| *b).collect()
    };
    let mut there = wishes.wanted.clone();
    let mut todo: Vec<usize> = there.iter().copied().collect();
    while let Some(f) = todo.pop() {
        todo.extend(pairs(&wishes.requires, f).into_iter().filter(|n| there.insert(*n)));
    }
    if there.iter().any(|f| wishes.lacking.contains(f) || wishes.left_out.contains(f))
        || wishes.excludes.iter().any(|(a, b)| there.contains(a) && there.contains(b))
    {
        return true;
    }
    // A circle is what is left when everything that waits for nothing is taken away, again and again.
    let before = |f: usize| -> BTreeSet<usize> {
        let all = pairs(&wishes.requires, f).into_iter().chain(pairs(&wishes.after, f));
        all.filter(|n| there.contains(n)).collect()
    };
    let mut waits: BTreeMap<usize, BTreeSet<usize>> = there.iter().map(|f| (*f, before(*f))).collect();
    let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (f, firsts) in &waits {
        firsts.iter().for_each(|n| followers.entry(*n).or_default().push(*f));
    }
    let mut free: Vec<usize> = waits.iter().filter(|(_, w)| w.is_empty()).map(|(f, _)| *f).collect();
    while let Some(f) = free.pop() {
        waits.remove(&f);
        for then in followers.remove(&f).into_iter().flatten() {
            if let Some(left) = waits.get_mut(&then) {
                left.remove(&f);
                if left.is_empty() {
                    free.push(then);
                }
            }
        }
    }
    !waits.is_empty()
}

/// The fixes that can have a say: wanted, required, or on the paths of one that has. Whether those are all.
pub(super) fn around(replay: &Replay<'_>, all: &BTreeSet<usize>, wishes: &Wishes) -> (BTreeSet<usize>, bool) {
    let may =
        |f: &usize| all.contains(f) && !wishes.left_out.contains(f) && !wishes.lacking.contains(f) && !replay.lacks(*f);
    let mut out: BTreeSet<usize> = BTreeSet::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut todo: std::collections::VecDeque<usize> = wishes.wanted.iter().copied().collect();
    while let Some(f) = todo.pop_front() {
        if !may(&f) || !out.insert(f) {
            continue;
        }
        if out.len() > MOST {
            out.remove(&f);
            return (out, false);
        }
        todo.extend(wishes.requires.iter().filter(|(a, _)| *a == f).map(|(_, b)| *b));
        for g in replay.of_fix[f].iter().filter(|g| seen.insert(**g)) {
            todo.extend(replay.groups[*g].fixes());
        }
    }
    (out, true)
}
