//! The single changes of a fix, comparable across fixes: which lines take which lines' place, between which.

use super::content::Content;
use crate::fix::{Change, Payload};
use crate::patch::{BinaryHunk, Body, FilePatch, Hunk, LineKind, Mode};
use crate::tree::TreePath;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};

/// Something before and after.
type Both<T> = (Option<T>, Option<T>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Unit<'a> {
    /// Lines that stand together and change, with the line of the hunk on either side.
    Lines {
        path: &'a TreePath,
        old: Vec<&'a [u8]>,
        new: Vec<&'a [u8]>,
        beside: Both<&'a [u8]>,
    },
    /// What happens to a path beyond its lines.
    Path {
        paths: Both<&'a TreePath>,
        modes: Both<Mode>,
        data: Both<&'a BinaryHunk>,
    },
    Whole(&'a Change),
}

impl<'a> Unit<'a> {
    /// What takes it back; nothing takes back a whole file, whose old content it does not have.
    pub(super) fn back(&self) -> Self {
        fn turned<T: Clone>((a, b): &Both<T>) -> Both<T> {
            (b.clone(), a.clone())
        }
        match self {
            Self::Lines { path, old, new, beside } => {
                Self::Lines { path, old: new.clone(), new: old.clone(), beside: *beside }
            }
            Self::Path { paths, modes, data } => {
                Self::Path { paths: turned(paths), modes: turned(modes), data: turned(data) }
            }
            Self::Whole(change) => Self::Whole(change),
        }
    }

    /// The paths that it is about.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'a TreePath> + use<'a> {
        let (old, new): (Option<&'a TreePath>, Option<&'a TreePath>) = match self {
            Self::Lines { path, .. } => (Some(path), None),
            Self::Path { paths, .. } => *paths,
            Self::Whole(change) => (change.paths().first().copied(), None),
        };
        old.into_iter().chain(new)
    }

    fn of_file(file: &'a FilePatch) -> impl Iterator<Item = Self> {
        let data = match &file.body {
            Body::Binary(b) => (b.backward.as_ref(), Some(&b.forward)),
            Body::Text(_) | Body::Nothing => (None, None),
        };
        let moved = file.old != file.new || file.old_mode != file.new_mode && file.new_mode.is_some();
        let part = (moved || data.1.is_some()).then_some(Self::Path {
            paths: (file.old.as_ref(), file.new.as_ref()),
            modes: (file.old_mode, file.new_mode),
            data,
        });
        let hunks: &[Hunk] = if let Body::Text(hunks) = &file.body { hunks } else { &[] };
        let path = file.new.as_ref().or(file.old.as_ref());
        let lines = path.into_iter().flat_map(move |p| hunks.iter().flat_map(move |h| Self::of_hunk(p, h)));
        part.into_iter().chain(lines)
    }

    fn of_hunk(path: &'a TreePath, hunk: &'a Hunk) -> Vec<Self> {
        let mut out = Vec::new();
        let mut before: Option<&[u8]> = None;
        let context = |l: &crate::patch::Line| l.kind == LineKind::Context;
        for run in hunk.lines.chunk_by(|a, b| context(a) == context(b)) {
            if run.first().is_some_and(context) {
                let edge = |l: Option<&'a crate::patch::Line>| l.map(|l| &*l.bytes);
                if let Some(Self::Lines { beside, .. }) = out.last_mut() {
                    beside.1 = edge(run.first());
                }
                before = edge(run.last());
            } else {
                let of = |kind| run.iter().filter(|l| l.kind == kind).map(|l| &*l.bytes).collect();
                let (old, new) = (of(LineKind::Remove), of(LineKind::Add));
                out.push(Self::Lines { path, old, new, beside: (before, None) });
            }
        }
        out
    }
}

fn each<'a>(payload: &'a Payload, say: impl FnMut(Unit<'a>)) {
    match payload {
        Payload::Patch(files) => files.iter().flat_map(Unit::of_file).for_each(say),
        Payload::Overlay(changes) => changes.iter().map(Unit::Whole).for_each(say),
    }
}

/// How often a fix does what.
pub(super) fn units(payload: &Payload) -> HashMap<Unit<'_>, usize> {
    let mut out = HashMap::new();
    each(payload, |unit| *out.entry(unit).or_default() += 1);
    out
}

/// Numbers that are equal where what they stand for is: then it is worth looking. They are remembered for the same sources
/// only, and those are named with the same hash of the standard library.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Marks {
    /// The content as a whole.
    pub(super) whole: u64,
    /// Each unit of the fix, and each that takes one back; sorted.
    pub(super) here: Vec<u64>,
    pub(super) back: Vec<u64>,
}

impl Marks {
    pub(super) fn new(payload: &Payload) -> Self {
        let (mut here, mut back) = (Vec::new(), Vec::new());
        each(payload, |unit| {
            let (mark, other) = both_marks(&unit);
            here.push(mark);
            back.push(other);
        });
        for list in [&mut here, &mut back] {
            list.sort_unstable();
            list.dedup();
        }
        Self { whole: hash(Content(payload)), here, back }
    }
}

fn hash(what: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(what)
}

/// The number of a unit, and of what takes it back; lines are looked at once for both.
fn both_marks(unit: &Unit<'_>) -> (u64, u64) {
    match unit {
        Unit::Lines { path, old, new, beside } => {
            let (old, new) = (hash(old), hash(new));
            (hash((path, old, new, beside)), hash((path, new, old, beside)))
        }
        Unit::Path { .. } | Unit::Whole(_) => (hash(unit), hash(unit.back())),
    }
}
