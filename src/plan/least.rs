//! The least change that still brings what a selection wants: the set of fixes with the fewest changed lines that applies.

use super::along::Along;
use super::bits::Bits;
use crate::fix::{Change, FixId, Payload};
use crate::patch::{BinaryHunk, Body, LineKind};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Sets that are looked at before the search ends with the best that is known.
const BUDGET: usize = 20_000;
/// A whole or binary file counts as a line for every so many bytes.
const LINE: u64 = 64;

/// Changed lines of a fix: lines that it adds or removes, a line for every started 64 bytes of a whole or binary file,
/// and one for anything else that it does to a path. At least 1.
pub(super) fn lines(payload: &Payload) -> u64 {
    let all: u64 = match payload {
        Payload::Patch(files) => files
            .iter()
            .map(|f| match &f.body {
                Body::Nothing => 1,
                Body::Text(hunks) => {
                    hunks.iter().flat_map(|h| &h.lines).filter(|l| l.kind != LineKind::Context).count() as u64
                }
                Body::Binary(binary) => match &binary.forward {
                    BinaryHunk::Literal(bytes) | BinaryHunk::Delta(bytes) => (bytes.len() as u64).div_ceil(LINE),
                },
            })
            .sum(),
        Payload::Overlay(changes) => changes
            .iter()
            .map(|c| match c {
                Change::Put { size, .. } => size.div_ceil(LINE),
                Change::Link { .. } | Change::Delete { .. } | Change::Rename { .. } => 1,
            })
            .sum(),
    };
    all.max(1)
}

/// How much a plan changes that was asked to change the least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeastChange {
    /// Lines that its fixes add or remove; a line for every started 64 bytes of a whole or binary file, and one for
    /// anything else that is done to a path.
    pub lines: u64,
    /// Whether it was proved that no smaller set of the newest fixes applies; else the search was too long.
    pub proved: bool,
    /// Fixes on the same paths that were not tried: superseded ones, and ones with fewer lines whose changes others bring.
    pub not_tried: Vec<FixId>,
}

/// What has to hold, by place in the order.
pub(super) struct Wanted<'a, 'r> {
    pub(super) along: &'a Along<'a, 'r>,
    /// By place: what it says that it requires.
    pub(super) requires: &'a [Vec<usize>],
    pub(super) lines: Vec<u64>,
    pub(super) wanted: Bits,
    pub(super) left_out: Bits,
}

/// Whether nothing smaller does is proved, or the search was too long.
pub(super) struct Least {
    pub(super) keep: Bits,
    pub(super) lines: u64,
    pub(super) proved: bool,
}

/// A set that is closed under what is sure, and what must not be in it on this branch.
type Branch = (u64, Bits, Bits);

impl Wanted<'_, '_> {
    /// The set with the fewest lines in which, in this order, everything applies; `known` is one that does, if any is
    /// known. None where there is no such set, or none was found.
    pub(super) fn least(&self, known: Option<Bits>) -> Option<Least> {
        let known = known.filter(|set| self.refused(set).is_none());
        let most = known.as_ref().map(|set| self.weight(set));
        let mut todo: BinaryHeap<Reverse<Branch>> = BinaryHeap::new();
        let push = |todo: &mut BinaryHeap<_>, set: Bits, out: Bits| {
            let Some(set) = self.closed(set, &out) else { return };
            let lines = self.weight(&set);
            if most.is_none_or(|m| lines < m) {
                todo.push(Reverse((lines, set, out)));
            }
        };
        push(&mut todo, self.wanted.clone(), self.left_out.clone());
        for _ in 0..BUDGET {
            // The lightest comes first, so the first that applies is the least.
            let Some(Reverse((lines, set, out))) = todo.pop() else {
                let keep = known?;
                return Some(Least { lines: most.unwrap_or(0), keep, proved: true });
            };
            let Some(mut any) = self.refused(&set) else { return Some(Least { keep: set, lines, proved: true }) };
            any.retain(|c| !out.has(*c));
            any.sort_by_key(|c| (self.lines[*c], *c));
            let mut without = out;
            for c in any {
                let mut with = set.clone();
                with.insert(c);
                push(&mut todo, with, without.clone());
                without.insert(c);
            }
        }
        known.map(|keep| Least { lines: most.unwrap_or(0), keep, proved: false })
    }

    fn weight(&self, set: &Bits) -> u64 {
        set.iter().map(|k| self.lines[k]).sum()
    }

    /// With everything that the set cannot be without; none where it cannot be at all.
    fn closed(&self, mut set: Bits, out: &Bits) -> Option<Bits> {
        let mut todo: Vec<usize> = set.iter().collect();
        while let Some(k) = todo.pop() {
            let add = |n: usize, set: &mut Bits, todo: &mut Vec<usize>| {
                if !set.has(n) {
                    set.insert(n);
                    todo.push(n);
                }
            };
            self.requires[k].iter().for_each(|n| add(*n, &mut set, &mut todo));
            for one_of in self.one_of(k) {
                if let [only] = one_of.iter().filter(|n| !out.has(**n)).collect::<Vec<_>>().as_slice() {
                    add(**only, &mut set, &mut todo);
                }
            }
        }
        let barred = set.iter().any(|k| out.has(k));
        (!barred).then_some(set)
    }

    /// By place: sets of which it needs one each, all before it.
    fn one_of(&self, k: usize) -> impl Iterator<Item = Vec<usize>> + '_ {
        let replay = self.along.replay;
        let fix = self.along.order[k];
        let sets = replay.of_fix[fix].iter().flat_map(move |g| replay.one_of(*g, fix));
        sets.map(move |set| set.iter().filter_map(|f| self.along.place(*f)).filter(|n| *n < k).collect())
    }

    /// Where not everything of a set applies: fixes of which it lacks one at least.
    fn refused(&self, set: &Bits) -> Option<Vec<usize>> {
        let lacks = set.iter().flat_map(|k| self.one_of(k)).filter(|one_of| one_of.iter().all(|n| !set.has(*n)));
        if let Some(fewest) = lacks.min_by_key(Vec::len) {
            return Some(fewest);
        }
        let groups: BTreeSet<usize> =
            set.iter().flat_map(|k| &self.along.replay.of_fix[self.along.order[k]]).copied().collect();
        for g in groups {
            if let Err((fix, _)) = self.along.walk(g, set, self.along.order.len()) {
                let end = self.along.place(fix).unwrap_or(0);
                let before = self.along.touching[g].iter().copied().take_while(|n| *n < end);
                return Some(before.filter(|n| !set.has(*n)).collect());
            }
        }
        None
    }
}
