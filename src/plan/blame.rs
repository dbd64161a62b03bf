//! Which fix stands in the way of one that does not apply.

use super::beside::beside;
use super::replay::{Replay, StateId};
use super::types::{Beside, Blocker};
use super::work::Work;

/// For every group in which a stuck fix applied earlier in this order: the fix that shut it out there, and whether it
/// would stand for the other order, and what both do there. Empty where the fix never applied: then something that it needs is not there.
pub(super) fn blockers(
    work: &Work<'_, '_>,
    replay: &Replay<'_>,
    order: &[usize],
    stuck: usize,
) -> (Vec<Blocker>, Vec<Beside>) {
    let mut shown = Vec::new();
    let mut out: Vec<Blocker> = Vec::new();
    for &g in &replay.of_fix[stuck] {
        let Some((before, blocker)) = shut_out(replay, g, order, stuck) else { continue };
        shown.extend(beside(replay, g, before, blocker, stuck));
        let other_way = replay.walk(g, before, [stuck, blocker]).is_ok();
        let fix = work.id(blocker);
        match out.iter_mut().find(|b| b.fix == fix) {
            Some(known) => known.other_way &= other_way,
            None => {
                let listed = work.input.series.is_some_and(|s| s.contains(&fix));
                out.push(Blocker { fix, other_way, listed });
            }
        }
    }
    out.sort_by(|a, b| a.fix.cmp(&b.fix));
    (out, shown)
}

/// The latest state of a group on the way of `order` in which the fix applies, and the fix that ended it.
fn shut_out(replay: &Replay<'_>, g: usize, order: &[usize], stuck: usize) -> Option<(StateId, usize)> {
    let mut state = 0;
    let mut found = None;
    for &placed in order.iter().filter(|p| **p != stuck && replay.of_fix[**p].binary_search(&g).is_ok()) {
        let applied = replay.step(g, state, stuck).is_ok();
        let next = replay.step(g, state, placed).ok()?;
        if applied && replay.step(g, next, stuck).is_err() {
            found = Some((state, placed));
        }
        state = next;
    }
    found.filter(|_| replay.step(g, state, stuck).is_err())
}
