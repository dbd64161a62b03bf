//! Direct needs as edges, each with its kind and what proves it.

use super::along::Along;
use super::bits::Bits;
use super::footing::follow;
use super::needs::{Needs, refused_without};
use super::types::{Edge, EdgeKind, Reason};
use super::work::Work;
use crate::patch::RejectReason;
use std::collections::{BTreeMap, BTreeSet};

impl Work<'_, '_> {
    /// The edges of the kept fixes, by place.
    pub(super) fn edges(
        &self,
        along: &Along<'_, '_>,
        declared: &[Vec<usize>],
        graph: &Needs,
        keep: &Bits,
    ) -> Vec<Edge> {
        let (replay, order) = (along.replay, along.order);
        let mut out = Vec::new();
        // Edges that a hunk proves: (fix, needed) to their place in `out`.
        let mut by_hunk: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut groups: BTreeSet<usize> = BTreeSet::new();
        for k in keep.iter() {
            let mut to: BTreeSet<usize> = graph.direct[k].iter().copied().collect();
            to.extend(&declared[k]);
            for n in to {
                let (kind, reason) = if declared[k].contains(&n) {
                    (EdgeKind::Declared, Reason::Requires)
                } else {
                    match refused_without(along, graph, k, n) {
                        Some((_, _, refused)) => (kind_of(&refused.reason), Reason::Rejected((*refused).clone())),
                        None => (EdgeKind::Hunk, Reason::Together),
                    }
                };
                if kind == EdgeKind::Hunk {
                    by_hunk.insert((order[k], order[n]), out.len());
                    groups.extend(&replay.of_fix[order[k]]);
                }
                out.push(Edge { fix: self.id(order[k]), needs: self.id(order[n]), kind, reason });
            }
        }
        // Whether one changes what the other brought, or only stands beside it, the lines' owners say.
        let mut beside: BTreeMap<usize, bool> = BTreeMap::new();
        for g in groups {
            let here = along.touching[g].iter().filter(|k| keep.has(**k)).map(|k| order[*k]);
            follow(replay, g, here, |lean| {
                if let Some(edge) = by_hunk.get(&(lean.from.fix, lean.on.fix)) {
                    *beside.entry(*edge).or_insert(true) &= !lean.how.overlaps();
                }
            });
        }
        for (edge, _) in beside.into_iter().filter(|(_, beside)| *beside) {
            out[edge].kind = EdgeKind::Context;
        }
        out
    }
}

fn kind_of(reason: &RejectReason) -> EdgeKind {
    match reason {
        RejectReason::HunkNotFound | RejectReason::OtherLineEnds | RejectReason::OtherLastLine => EdgeKind::Hunk,
        RejectReason::WrongPreImage
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
