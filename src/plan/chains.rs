//! What an answer about a fix follows from, as a key: the fix, the start, and what comes before it on the same paths.
//!
//! Only groups in which there are patches alone, and nothing that people decided, have keys: what else there is costs
//! little to do again.

use super::along::Along;
use super::join::decided_here;
use super::remembered::{Key, Remembered};
use super::replay::{Group, Replay, Step};
use super::types::{Candidate, PlanInput};
use crate::fix::FixId;
use crate::tree::{Entry, Tree};
use rayon::prelude::*;

/// Among more fixes than this on its paths, nothing is remembered of one: their order is part of the key.
const MOST: usize = 1024;

/// The keys of what is given, and the answers to what was asked about it before.
pub(super) struct Marks<'a> {
    remembered: &'a Remembered,
    /// By fix: what it does.
    fix: Vec<Key>,
    /// By group: its paths and what the start tree has there; none where nothing is remembered of the group.
    start: Vec<Option<Key>>,
}

impl<'a> Marks<'a> {
    pub(super) fn new(
        remembered: &'a Remembered,
        fixes: &[Candidate<'a>],
        groups: &[Group<'a>],
        input: &PlanInput<'a>,
    ) -> Self {
        let fix = fixes.par_iter().map(|c| Key::of("fix", c.payload)).collect();
        let plain = |group: &Group<'_>| {
            group.steps.values().all(|s| !matches!(s, Step::Overlay(_))) && !decided_here(input.resolutions, group)
        };
        let start = groups.par_iter().map(|g| plain(g).then(|| start(g, input.start))).collect();
        Self { remembered, fix, start }
    }

    /// The key of a group before any fix.
    pub(super) fn start(&self, g: usize) -> Option<Key> {
        self.start[g]
    }

    /// The key of a group after one more fix; its answer is whether that applies.
    pub(super) fn step(&self, before: Key, fix: usize) -> Key {
        Key::of("step", (before, self.fix[fix]))
    }

    /// Whether a fix applies there, if that is remembered.
    pub(super) fn applies(&self, step: Key) -> Option<bool> {
        match self.remembered.get(step)?.as_slice() {
            [yes @ (0 | 1)] => Some(*yes == 1),
            _ => None,
        }
    }

    pub(super) fn note_applies(&self, step: Key, yes: bool) {
        self.remembered.put(step, vec![u8::from(yes)]);
    }

    /// The answer to a question, as it is remembered or as it is found now.
    pub(super) fn answer<T>(&self, key: Key, make: impl FnOnce() -> T) -> T
    where
        T: serde::Serialize + serde::de::DeserializeOwned,
    {
        if let Some(known) = self.known(key) {
            return known;
        }
        let made = make();
        self.note(key, &made);
        made
    }

    pub(super) fn known<T: serde::de::DeserializeOwned>(&self, key: Key) -> Option<T> {
        serde_json::from_slice(&self.remembered.get(key)?).ok()
    }

    pub(super) fn note(&self, key: Key, made: &impl serde::Serialize) {
        if let Ok(bytes) = serde_json::to_vec(made) {
            self.remembered.put(key, bytes);
        }
    }

    /// A group with all its fixes, in the order of their numbers.
    pub(super) fn whole(&self, g: usize, group: &Group<'_>) -> Option<Key> {
        let fixes: Vec<Key> = group.fixes().map(|f| self.fix[f]).collect();
        Some(Key::of("group", (self.start[g]?, fixes)))
    }
}

fn start(group: &Group<'_>, tree: &Tree) -> Key {
    // A file or link of the start above a path is in the way, whether a fix touches it or not.
    let above = group.paths.iter().flat_map(|p| p.ancestors());
    let above: Vec<_> =
        above.filter(|p| matches!(tree.get(p), Some(Entry::File { .. } | Entry::Symlink { .. }))).collect();
    let there: Vec<Option<&Entry>> = group.paths.iter().map(|p| tree.get(p)).collect();
    Key::of("start", (&group.paths, there, &group.folders, above))
}

/// Keys along an order, as far as needs are known.
pub(super) struct Chains {
    /// By place: the fix, and what it needs.
    of: Vec<Key>,
    /// By group: the key before each fix that touches it, and the last one.
    groups: Vec<Option<Vec<Key>>>,
}

impl Chains {
    pub(super) fn new(replay: &Replay<'_>) -> Option<Self> {
        let marks = replay.marks.as_ref()?;
        let groups = (0..replay.groups.len()).map(|g| Some(vec![marks.start(g)?])).collect();
        Some(Self { of: Vec::new(), groups })
    }

    /// One more place, with the places that it needs directly.
    pub(super) fn push(&mut self, replay: &Replay<'_>, fix: usize, id: &FixId, direct: &[usize]) {
        let Some(marks) = &replay.marks else { return };
        let needs: Vec<Key> = direct.iter().map(|d| self.of[*d]).collect();
        let key = Key::of("placed", (id, marks.fix[fix], needs));
        self.of.push(key);
        for g in &replay.of_fix[fix] {
            if let Some(chain) = &mut self.groups[*g] {
                let last = chain[chain.len() - 1];
                chain.push(Key::of("then", (last, key)));
            }
        }
    }

    /// The key of a question about the fix at a place of the order, the next one at most: what stands before it on its
    /// paths, in order. `also` are places that the question names.
    pub(super) fn seen(&self, what: &str, along: &Along<'_, '_>, place: usize, also: &[usize]) -> Option<Key> {
        let marks = along.replay.marks.as_ref()?;
        let fix = along.order[place];
        let here = &along.replay.of_fix[fix];
        let chains: Vec<Key> = here.iter().map(|g| self.before(along, *g, place)).collect::<Option<_>>()?;
        let all: Vec<Key> = match here.as_slice() {
            [] | [_] => Vec::new(),
            _ => before_on(along, place)?.into_iter().map(|k| self.of[k]).collect(),
        };
        let also: Vec<Key> = also.iter().map(|k| self.of[*k]).collect();
        Some(Key::of(what, (marks.fix[fix], chains, all, also)))
    }

    /// The key of a question about a pair of a group and a place whose fix touches it.
    pub(super) fn seen_in(&self, what: &str, along: &Along<'_, '_>, g: usize, place: usize) -> Option<Key> {
        Some(Key::of(what, (self.before(along, g, place)?, self.of[place])))
    }

    fn before(&self, along: &Along<'_, '_>, g: usize, place: usize) -> Option<Key> {
        let at = along.touching[g].partition_point(|p| *p < place);
        self.groups[g].as_ref()?.get(at).copied()
    }
}

/// The places before one whose fixes share a path with it; none where they are too many.
pub(super) fn before_on(along: &Along<'_, '_>, place: usize) -> Option<Vec<usize>> {
    let mut out: Vec<usize> = Vec::new();
    for g in &along.replay.of_fix[along.order[place]] {
        let here = &along.touching[*g];
        out.extend(&here[..here.partition_point(|p| *p < place)]);
        if out.len() > MOST {
            out.sort_unstable();
            out.dedup();
            if out.len() > MOST {
                return None;
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    Some(out)
}
