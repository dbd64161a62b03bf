//! What decides the pairs of fixes whose order matters.

use super::along::Along;
use super::bits::Bits;
use super::needs::Needs;
use super::pairs::pairs;
use super::types::{OrderPair, PairKind, Settled};
use super::work::Work;
use crate::fix::{FixId, Resolution};
use std::collections::{BTreeMap, BTreeSet};

impl Work<'_, '_> {
    /// Order pairs with what decided them, by place.
    pub(super) fn settled(
        &self,
        along: &Along<'_, '_>,
        place: &BTreeMap<usize, usize>,
        graph: &Needs,
    ) -> Vec<OrderPair> {
        let order = along.order;
        let found = pairs(along, graph);
        if found.is_empty() {
            return Vec::new();
        }
        let declared = self.before();
        let proved = |p: &super::pairs::Pair| p.kind == PairKind::Conflict && !p.whole;
        let mut proofs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for p in found.iter().filter(|p| proved(p)) {
            proofs.entry(p.then).or_default().push(p.first);
        }
        let mut before: Vec<Bits> = Vec::with_capacity(order.len());
        for (k, i) in order.iter().enumerate() {
            let mut mine = graph.all[k].clone();
            let firsts = declared[*i].iter().filter_map(|f| place.get(f).copied());
            let proofs = proofs.get(&k).into_iter().flatten().copied();
            for first in firsts.chain(proofs).chain(graph.direct[k].iter().copied()) {
                mine.insert(first);
                if let Some(theirs) = before.get(first) {
                    mine.join(theirs);
                }
            }
            before.push(mine);
        }
        let merged = along.replay.path_merges(order);
        let decided = |a: &FixId, b: &FixId| {
            let between = |r: &Resolution| r.sides.contains_key(a) && r.sides.contains_key(b);
            merged.iter().any(|m| m.resolution.as_ref().is_some_and(between))
        };
        let listed: BTreeSet<&FixId> = self.input.series.into_iter().flatten().collect();
        found
            .iter()
            .map(|p| {
                let (first, then) = (self.id(order[p.first]), self.id(order[p.then]));
                let settled = if listed.contains(&first) && listed.contains(&then) {
                    Settled::Series
                } else if decided(&first, &then) {
                    Settled::Resolution
                } else if proved(p) {
                    Settled::Proved
                } else if before[p.then].has(p.first) {
                    Settled::Declared
                } else {
                    Settled::Open
                };
                OrderPair { first, then, kind: p.kind, settled, path: p.path.clone() }
            })
            .collect()
    }
}
