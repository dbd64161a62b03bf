//! What an answer about a fix follows from, as a key: the fix, the start, and what comes before it on the same paths.
//!
//! Only groups in which there are patches alone, and nothing that people decided, have keys: what else there is costs
//! little to do again.

use super::along::Along;
use super::join::decided_here;
use super::remembered::{Key, Remembered};
use super::replay::{Group, Replay, Step};
use super::types::{Candidate, PlanInput};
use crate::fix::{FixId, Payload};
use crate::tree::{Entry, Tree};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashSet;

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
        let fix = fixes.par_iter().map(|c| does(c.payload)).collect();
        let plain = |group: &Group<'_>| {
            group.steps.iter().all(|(_, s)| !matches!(s, Step::Overlay(_))) && !decided_here(input.resolutions, group)
        };
        let blocked = blocked(groups, input.start);
        let start = groups.par_iter().map(|g| plain(g).then(|| start(g, input.start, &blocked))).collect();
        Self { remembered, fix, start }
    }

    /// The key of what a fix does.
    pub(super) fn does(&self, fix: usize) -> Key {
        self.fix[fix]
    }

    /// An answer as it was put.
    pub(super) fn bytes(&self, key: Key) -> Option<Cow<'_, [u8]>> {
        self.remembered.get(key)
    }

    pub(super) fn put(&self, key: Key, answer: Vec<u8>) {
        self.remembered.put(key, answer);
    }

    /// The key of a group before any fix.
    pub(super) fn start(&self, g: usize) -> Option<Key> {
        self.start[g]
    }

    /// The key of groups after one more fix; its answer is whether that applies in all of them.
    pub(super) fn step(&self, fix: usize, before: &[Key]) -> Key {
        Key::of("step", (before, self.fix[fix]))
    }

    /// Whether a later run may ask.
    pub(super) fn last(&self) -> bool {
        self.remembered.lasts()
    }

    /// The key of a question about a fix by itself.
    pub(super) fn alone(&self, what: &str, fix: usize) -> Key {
        Key::of(what, self.fix[fix])
    }

    /// Whether a fix applies there, if that is remembered.
    pub(super) fn applies(&self, step: Key) -> Option<bool> {
        match self.remembered.get(step)?.as_ref() {
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

/// The key of what a fix does: of what it was read from, where that is known.
pub(super) fn does(payload: &Payload) -> Key {
    match payload {
        Payload::Patch(files) => files.mark().map_or_else(|| Key::of("fix", payload), Key::of_digest),
        Payload::Overlay(_) => Key::of("fix", payload),
    }
}

/// Folders of paths that a file or link of the start stands in the way of; most have none.
fn blocked<'g>(groups: &[Group<'g>], tree: &Tree) -> HashSet<&'g str> {
    let mut folders: Vec<&'g str> = groups.iter().flat_map(|g| &g.paths).map(|p| p.place().0).collect();
    folders.dedup();
    let folders: HashSet<&str> = folders.into_iter().collect();
    let file = |at: &str| matches!(tree.entries.get(at), Some(Entry::File { .. } | Entry::Symlink { .. }));
    let ends = |folder: &str| folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]).collect::<Vec<_>>();
    folders.into_iter().filter(|folder| ends(folder).into_iter().any(|end| file(&folder[..end]))).collect()
}

fn start(group: &Group<'_>, tree: &Tree, blocked: &HashSet<&str>) -> Key {
    // A file or link of the start above a path is in the way, whether a fix touches it or not.
    let above = group.paths.iter().filter(|p| blocked.contains(p.place().0)).flat_map(|p| p.ancestors());
    let above: Vec<_> =
        above.filter(|p| matches!(tree.get(p), Some(Entry::File { .. } | Entry::Symlink { .. }))).collect();
    Key::of("start", (&group.paths, &group.there, &group.folders, above))
}

/// Keys along an order, as far as needs are known.
pub(super) struct Chains {
    /// By place: the fix, and what it needs.
    of: Vec<Key>,
    /// By group: the key before each fix that touches it, as far as somebody asked.
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
        self.of.push(Key::of("placed", (id, marks.fix[fix], needs)));
    }

    /// Makes what is asked about a place ready: all before it are pushed.
    pub(super) fn reach(&mut self, along: &Along<'_, '_>, place: usize) {
        for g in &along.replay.of_fix[along.order[place]] {
            follow(&mut self.groups[*g], &self.of, &along.touching[*g], place);
        }
    }

    /// The same for all places.
    pub(super) fn reach_all(&mut self, along: &Along<'_, '_>) {
        let of = &self.of;
        let groups = self.groups.par_iter_mut().zip(&along.touching).with_min_len(LEAST);
        groups.for_each(|(chain, here)| follow(chain, of, here, here.last().copied().unwrap_or_default()));
    }

    /// The key of a question about the fix at a place of the order, the next one at most: what stands before it on its
    /// paths, in order. `also` are places that the question names.
    pub(super) fn seen(&self, what: &str, along: &Along<'_, '_>, place: usize, also: &[usize]) -> Option<Key> {
        let several = along.replay.of_fix[along.order[place]].len() > 1;
        let among = if several { before_on(along, place)? } else { Vec::new() };
        self.seen_among(what, along, place, &among, also)
    }

    /// The same where it is known what stands before it on its paths.
    pub(super) fn seen_among(
        &self,
        what: &str,
        along: &Along<'_, '_>,
        place: usize,
        among: &[usize],
        also: &[usize],
    ) -> Option<Key> {
        let marks = along.replay.marks.as_ref()?;
        let fix = along.order[place];
        let here = &along.replay.of_fix[fix];
        let chains: Vec<Key> = here.iter().map(|g| self.before(along, *g, place)).collect::<Option<_>>()?;
        // On the paths of one group, its chain says all.
        let among = if here.len() > 1 { among } else { &[] };
        let all: Vec<Key> = among.iter().map(|k| self.of[*k]).collect();
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

/// Groups below which one thread is enough.
const LEAST: usize = 256;

/// Lengthens the chain of a group by those of its places that stand before one.
fn follow(chain: &mut Option<Vec<Key>>, of: &[Key], here: &[usize], place: usize) {
    let Some(chain) = chain else { return };
    while let (Some(last), Some(next)) = (chain.last(), here.get(chain.len() - 1).filter(|next| **next < place)) {
        chain.push(Key::of("then", (last, of[*next])));
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
