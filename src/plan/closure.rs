//! What follows from a plan: all needs of a fix, and the fix that stands for one that is not in the order.

use super::bits::Bits;
use super::types::{DropCause, Dropped, Plan};
use crate::fix::FixId;
use std::collections::{BTreeMap, BTreeSet};

impl Plan {
    /// The closure of all needs, by fix. A chain of n fixes makes n² / 2 entries: see [`Plan::closure`].
    pub fn requires_all(&self) -> BTreeMap<FixId, BTreeSet<FixId>> {
        let all = self.closure(usize::MAX).unwrap_or_default();
        let names = |places: Vec<usize>| places.into_iter().map(|k| self.order[k].clone()).collect();
        self.order.iter().cloned().zip(all.into_iter().map(names)).collect()
    }

    /// By place in the order: the places of everything that the fix needs, directly or not, ascending. None where all
    /// together are more than `most`.
    pub fn closure(&self, most: usize) -> Option<Vec<Vec<usize>>> {
        Some(self.closed(most)?.iter().map(|bits| bits.iter().collect()).collect())
    }

    /// The fix of the order that stands for a dropped one, through others that were dropped in turn.
    pub fn standing<'a>(&'a self, dropped: &'a Dropped) -> Option<&'a FixId> {
        let mut now = dropped;
        for _ in 0..=self.dropped.len() {
            let (DropCause::Superseded { by: next } | DropCause::Duplicate { of: next }) = &now.cause else {
                return None;
            };
            match self.dropped.iter().find(|d| d.fix == *next) {
                Some(further) => now = further,
                None => return Some(next),
            }
        }
        None
    }

    pub(super) fn closed(&self, most: usize) -> Option<Vec<Bits>> {
        let place: BTreeMap<&FixId, usize> = self.order.iter().enumerate().map(|(k, id)| (id, k)).collect();
        let mut all = vec![Bits::new(self.order.len()); self.order.len()];
        let mut direct: Vec<Vec<usize>> = vec![Vec::new(); self.order.len()];
        for e in &self.edges {
            if let (Some(fix), Some(needs)) = (place.get(&e.fix), place.get(&e.needs)) {
                direct[*fix].push(*needs);
            }
        }
        let mut left = most;
        // Every need stands before the fix in the order, so its closure is there already.
        for k in 0..all.len() {
            let mut mine = std::mem::take(&mut all[k]);
            for needs in &direct[k] {
                mine.insert(*needs);
                mine.join(&all[*needs]);
            }
            left = left.checked_sub(mine.len())?;
            all[k] = mine;
        }
        Some(all)
    }
}
