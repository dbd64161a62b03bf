//! Selections: closed under needs, and every fix that came or went with its chain.

use super::bits::Bits;
use super::needs::Needs;
use std::collections::{BTreeMap, VecDeque};

/// What a selection keeps, by place in the order.
pub(super) struct Choice {
    pub(super) keep: Bits,
    /// Fixes that nobody named, each with the chain from a named fix to it.
    pub(super) came_along: Vec<(usize, Vec<usize>)>,
    /// Fixes that are left out; with the chain to a fix that was left out by name, else not selected.
    pub(super) dropped: Vec<(usize, Option<Vec<usize>>)>,
}

/// Closes a selection: `only` (if `some`) with all that it needs, without `without` and all that needs it.
///
/// # Errors
/// The chain from a fix that is wanted to one that it needs and that is left out.
pub(super) fn select(graph: &Needs, only: &[usize], without: &[usize], some: bool) -> Result<Choice, Vec<usize>> {
    let n = graph.all.len();
    let mut keep = Bits::new(n);
    if some {
        for &o in only {
            keep.insert(o);
            keep.join(&graph.all[o]);
        }
    } else {
        (0..n).for_each(|k| keep.insert(k));
    }
    let mut out = Bits::new(n);
    for k in 0..n {
        if without.iter().any(|w| *w == k || graph.all[k].has(*w)) {
            out.insert(k);
        }
    }
    if let Some(wanted) = only.iter().find(|o| out.has(**o)) {
        return Err(chain(graph, *wanted, |k| without.contains(&k)));
    }
    keep.subtract(&out);
    let mut choice = Choice { keep, came_along: Vec::new(), dropped: Vec::new() };
    for k in 0..n {
        if out.has(k) {
            choice.dropped.push((k, Some(chain(graph, k, |x| without.contains(&x)))));
        } else if !choice.keep.has(k) {
            choice.dropped.push((k, None));
        } else if some && !only.contains(&k) {
            let from = only.iter().find(|o| graph.all[**o].has(k)).copied().unwrap_or(k);
            choice.came_along.push((k, chain(graph, from, |x| x == k)));
        }
    }
    Ok(choice)
}

/// The shortest chain of direct needs from a fix to one that `is_end` accepts, both ends included.
fn chain(graph: &Needs, from: usize, is_end: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut came: BTreeMap<usize, usize> = BTreeMap::new();
    let mut todo = VecDeque::from([from]);
    while let Some(k) = todo.pop_front() {
        if is_end(k) {
            let mut way = vec![k];
            while let Some(p) = way.last().filter(|l| **l != from).and_then(|l| came.get(l)) {
                way.push(*p);
            }
            way.reverse();
            return way;
        }
        for &next in &graph.direct[k] {
            if next != from && !came.contains_key(&next) {
                came.insert(next, k);
                todo.push_back(next);
            }
        }
    }
    vec![from]
}
