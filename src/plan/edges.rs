//! Direct needs as edges, each with its kind and what proves it.

use super::along::Along;
use super::bits::Bits;
use super::footing::follow;
use super::needs::{Needs, refused_without};
use super::remembered::Key;
use super::types::{Edge, EdgeKind, Reason};
use super::work::Work;
use crate::patch::{Reject, RejectReason};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What an edge that nobody declared rests on.
type Rests = (EdgeKind, Option<Reject>);

impl Work<'_, '_> {
    /// The edges of the kept fixes, by place.
    pub(super) fn edges(
        &self,
        along: &Along<'_, '_>,
        declared: &[Vec<usize>],
        graph: &Needs,
        keep: &Bits,
    ) -> Vec<Edge> {
        // By kept place: the places that it needs and nobody declared, each with what that rests on.
        let mut found: BTreeMap<usize, Vec<(usize, Rests)>> = BTreeMap::new();
        let mut new: Vec<(usize, Option<Key>)> = Vec::new();
        let asked = |k: usize| {
            let to: Vec<usize> = graph.direct[k].iter().copied().filter(|n| !declared[k].contains(n)).collect();
            if to.is_empty() {
                return None;
            }
            // What is kept beside them has a part in the answer, so a selection is not remembered.
            let chains = graph.chains.as_ref().filter(|_| keep.len() == along.order.len());
            let key = chains.and_then(|c| c.seen("edges", along, k, &to));
            let known = key.and_then(|key| along.replay.marks.as_ref()?.known::<Vec<Rests>>(key));
            let known = known.filter(|rests| rests.len() == to.len());
            let new = known.is_none().then_some((k, key));
            let on = known.unwrap_or_else(|| to.iter().map(|n| rests(along, graph, k, *n)).collect());
            Some((k, to.into_iter().zip(on).collect::<Vec<_>>(), new))
        };
        let asked: Vec<_> = keep.iter().collect::<Vec<_>>().into_par_iter().filter_map(asked).collect();
        for (k, on, not_known) in asked {
            found.insert(k, on);
            new.extend(not_known);
        }
        tell_context(along, keep, &mut found, &new);
        for (k, key) in new {
            if let (Some(key), Some(marks)) = (key, &along.replay.marks) {
                marks.note(key, &found[&k].iter().map(|(_, rests)| rests).collect::<Vec<_>>());
            }
        }
        let mut out = Vec::new();
        for k in keep.iter() {
            let mut to: BTreeMap<usize, (EdgeKind, Reason)> =
                declared[k].iter().map(|n| (*n, (EdgeKind::Declared, Reason::Requires))).collect();
            for (n, (kind, refused)) in found.remove(&k).unwrap_or_default() {
                to.insert(n, (kind, refused.map_or(Reason::Together, Reason::Rejected)));
            }
            let id = |k: usize| self.id(along.order[k]);
            out.extend(to.into_iter().map(|(n, (kind, reason))| Edge { fix: id(k), needs: id(n), kind, reason }));
        }
        out
    }
}

fn rests(along: &Along<'_, '_>, graph: &Needs, k: usize, n: usize) -> Rests {
    match refused_without(along, graph, k, n) {
        Some((_, _, refused)) => (kind_of(&refused.reason), Some((*refused).clone())),
        None => (EdgeKind::Hunk, None),
    }
}

/// Whether a hunk changes what the other brought, or only stands beside it, the lines' owners say.
fn tell_context(
    along: &Along<'_, '_>,
    keep: &Bits,
    found: &mut BTreeMap<usize, Vec<(usize, Rests)>>,
    new: &[(usize, Option<Key>)],
) {
    let (replay, order) = (along.replay, along.order);
    // Edges that a hunk proves: (fix, needed) to their places, and whether no lean that overlaps was seen.
    let mut by_hunk: BTreeMap<(usize, usize), (usize, usize, Option<bool>)> = BTreeMap::new();
    let mut groups: BTreeSet<usize> = BTreeSet::new();
    for (k, _) in new {
        for (at, (n, (kind, _))) in found[k].iter().enumerate() {
            if *kind == EdgeKind::Hunk {
                by_hunk.insert((order[*k], order[*n]), (*k, at, None));
                groups.extend(&replay.of_fix[order[*k]]);
            }
        }
    }
    for g in groups {
        let here = along.touching[g].iter().filter(|k| keep.has(**k)).map(|k| order[*k]);
        follow(replay, g, here, |lean| {
            if let Some((_, _, beside)) = by_hunk.get_mut(&(lean.from.fix, lean.on.fix)) {
                *beside = Some(beside.unwrap_or(true) && !lean.how.overlaps());
            }
        });
    }
    for (k, at, beside) in by_hunk.into_values() {
        if let (Some(true), Some(edges)) = (beside, found.get_mut(&k)) {
            edges[at].1.0 = EdgeKind::Context;
        }
    }
}

fn kind_of(reason: &RejectReason) -> EdgeKind {
    match reason {
        RejectReason::HunkNotFound
        | RejectReason::NoContext
        | RejectReason::NotAtEnd
        | RejectReason::OtherLineEnds
        | RejectReason::OtherLastLine => EdgeKind::Hunk,
        RejectReason::WrongPreImage
        | RejectReason::NotBuiltOn(_)
        | RejectReason::BothChanged
        | RejectReason::Uncertain
        | RejectReason::BadBinary
        | RejectReason::NoBinaryData => EdgeKind::Content,
        RejectReason::Missing
        | RejectReason::Exists
        | RejectReason::ParentIsFile(_)
        | RejectReason::IsFolder
        | RejectReason::WrongKind
        | RejectReason::DeleteLeavesContent => EdgeKind::File,
    }
}
