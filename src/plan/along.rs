//! An order in which everything applies, and the states along it: sets of its fixes are replayed from where they leave it.

use super::bits::Bits;
use super::replay::{Replay, StateId};
use crate::patch::Reject;
use std::sync::{Arc, OnceLock};

pub(super) struct Along<'a, 'r> {
    pub(super) replay: &'a Replay<'r>,
    pub(super) order: &'a [usize],
    /// By group: the places in the order whose fixes touch it.
    pub(super) touching: Vec<Vec<usize>>,
    /// By fix: its place.
    places: Vec<Option<usize>>,
    /// By group, once it is asked for: the state before each of those, and the last one.
    states: Vec<OnceLock<Vec<StateId>>>,
}

impl<'a, 'r> Along<'a, 'r> {
    pub(super) fn new(replay: &'a Replay<'r>, order: &'a [usize]) -> Self {
        let mut touching: Vec<Vec<usize>> = vec![Vec::new(); replay.groups.len()];
        let mut places = vec![None; replay.of_fix.len()];
        for (place, fix) in order.iter().enumerate() {
            places[*fix] = Some(place);
            for &g in &replay.of_fix[*fix] {
                touching[g].push(place);
            }
        }
        let states = (0..replay.groups.len()).map(|_| OnceLock::new()).collect();
        Self { replay, order, touching, places, states }
    }

    fn states(&self, g: usize) -> &[StateId] {
        self.states[g].get_or_init(|| {
            let mut states = vec![0];
            for place in &self.touching[g] {
                // Where a content cannot be read, the steps end early, and nothing that is answered counts.
                let now = states[states.len() - 1];
                states.push(self.replay.step(g, now, self.order[*place]).unwrap_or(now));
            }
            states
        })
    }

    /// Where a fix stands in the order.
    pub(super) fn place(&self, fix: usize) -> Option<usize> {
        self.places.get(fix).copied().flatten()
    }

    /// The state of a group after those fixes of a set that stand before a place.
    ///
    /// # Errors
    /// The fix that does not apply, and why.
    pub(super) fn walk(&self, g: usize, set: &Bits, end: usize) -> Result<StateId, (usize, Arc<Reject>)> {
        let here = &self.touching[g];
        let here = &here[..here.partition_point(|p| *p < end)];
        let leaves = here.iter().position(|p| !set.has(*p)).unwrap_or(here.len());
        let rest = here[leaves..].iter().filter(|p| set.has(**p)).map(|p| self.order[*p]);
        self.replay.walk(g, self.states(g)[leaves], rest)
    }
}
