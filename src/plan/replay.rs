//! Replaying fixes in any order on the few paths concerned, each step done once.
//!
//! Groups of paths ([`super::paths::groups`]) do not touch each other, so a fix applies to a
//! tree if it applies in every group that it names. States of a group are numbered by their
//! content: fixes that commute meet in one state, and what was replayed once is looked up.

use super::brought::Brought;
use super::cell::Cell;
use super::chains::Marks;
use super::nowhere::Lacking;
use crate::fix::{Change, Files, FixId, Resolution};
use crate::patch::{FilePatch, FileState, Mode, Reject};
use crate::report::Error;
use crate::tree::{Bytes, Digest, Entry, Store, Tree, TreePath};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The cells of a group, as its paths are sorted.
pub type Cells = Vec<Option<Arc<Cell>>>;

/// Number of a state within its group; 0 is the start.
pub type StateId = u32;

pub(super) enum Step<'a> {
    Patch(Parts<'a>),
    Overlay(Vec<&'a Change>),
}

/// The parts of a patch in one group, side by side once they are replayed: what is remembered is not.
pub(super) struct Parts<'a> {
    pub(super) of: &'a Files,
    pub(super) which: Which,
    together: OnceLock<Vec<FilePatch>>,
}

/// Which parts of a patch are meant; most often one file is a group.
pub(super) enum Which {
    All,
    One(usize),
    Some(Vec<usize>),
}

impl<'a> Parts<'a> {
    pub(super) fn new(of: &'a Files, which: Which) -> Self {
        Self { of, which, together: OnceLock::new() }
    }

    pub(super) fn files(&self) -> &[FilePatch] {
        let which = match &self.which {
            Which::All => return self.of,
            Which::One(k) => return self.of.get(*k).map_or(&[], std::slice::from_ref),
            Which::Some(which) => which,
        };
        self.together.get_or_init(|| which.iter().filter_map(|k| self.of.get(*k)).cloned().collect())
    }
}

/// What fixes do in a group, ascending by fix.
#[derive(Default)]
pub(super) struct Steps<'a>(Vec<(usize, Step<'a>)>);

impl<'a> Steps<'a> {
    /// Adds one more fix, behind all that are there.
    pub(super) fn push(&mut self, fix: usize, step: Step<'a>) {
        debug_assert!(self.0.last().is_none_or(|(last, _)| *last < fix), "steps are added in the order of the fixes");
        self.0.push((fix, step));
    }

    pub(super) fn get(&self, fix: usize) -> Option<&Step<'a>> {
        self.0.binary_search_by_key(&fix, |(f, _)| *f).ok().map(|at| &self.0[at].1)
    }

    pub(super) fn has(&self, fix: usize) -> bool {
        self.get(fix).is_some()
    }

    pub(super) fn fixes(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.0.iter().map(|(fix, _)| *fix)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &Step<'a>)> {
        self.0.iter().map(|(fix, step)| (*fix, step))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[derive(Default)]
pub(super) struct Replayed {
    states: Vec<Cells>,
    numbers: HashMap<Vec<Option<(Mode, Digest)>>, StateId>,
    steps: HashMap<(StateId, usize), Result<StateId, Arc<Reject>>>,
}

/// Paths that belong together, and the fixes that touch them.
pub struct Group<'a> {
    pub paths: Vec<&'a TreePath>,
    /// What the start tree has at each.
    pub(super) there: Vec<Option<&'a Entry>>,
    pub(super) steps: Steps<'a>,
    /// Paths that are folders of the start tree with something in it that no fix touches.
    pub(super) folders: Vec<bool>,
    /// Pairs of a path and one below it.
    pub(super) nested: Vec<(usize, usize)>,
    /// What only hunks bring, once that was asked for.
    pub(super) brought: OnceLock<Brought>,
    /// What hunks have from nowhere, once that was asked for.
    pub(super) lacking: OnceLock<Lacking>,
    pub(super) replayed: OnceLock<Mutex<Replayed>>,
}

impl Group<'_> {
    /// What was replayed; most groups are never asked.
    fn replayed(&self) -> std::sync::MutexGuard<'_, Replayed> {
        lock(self.replayed.get_or_init(|| {
            let mut replayed = Replayed::default();
            number(&mut replayed, self.there.iter().map(|e| e.and_then(Cell::of_entry).map(Arc::new)).collect());
            Mutex::new(replayed)
        }))
    }

    /// The fixes that touch this group, in the order in which they were given.
    pub fn fixes(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.steps.fixes()
    }

    /// Whether something lies below this path.
    pub(super) fn is_folder(&self, cells: &Cells, path: &TreePath) -> bool {
        let below = |i: usize| self.nested.iter().any(|(above, below)| *above == i && cells[*below].is_some());
        self.paths.binary_search(&path).is_ok_and(|i| self.folders[i] || below(i))
    }
}

/// All groups of a set of fixes over a start tree. Fixes go by their place in `fixes`.
pub struct Replay<'a> {
    pub groups: Vec<Group<'a>>,
    /// By fix: the groups that it touches, ascending.
    pub of_fix: Vec<Vec<usize>>,
    pub(super) ids: Vec<&'a FixId>,
    pub(super) start: &'a Tree,
    pub(super) store: &'a Store,
    pub(super) resolutions: &'a [Resolution],
    /// None where nothing is remembered.
    pub(super) marks: Option<Marks<'a>>,
    /// A content that could not be read; then nothing that was answered since counts.
    pub(super) broken: Mutex<Option<Error>>,
}

impl Replay<'_> {
    /// What is found out about a fix by itself, as it is remembered or as it is found now.
    pub(super) fn of_fix_alone<T>(&self, what: &str, fix: usize, make: impl FnOnce() -> T) -> T
    where
        T: serde::Serialize + serde::de::DeserializeOwned,
    {
        match self.marks.as_ref().filter(|m| m.last()) {
            Some(marks) => marks.answer(marks.alone(what, fix), make),
            None => make(),
        }
    }

    /// Gives back the memory of thousands of groups, on all cores.
    pub(super) fn end(self) {
        self.groups.into_par_iter().for_each(drop);
    }

    /// A content that could not be read on the way, if any.
    pub fn broken(&self) -> Option<Error> {
        lock(&self.broken).clone()
    }

    /// The state after a fix, or why it does not apply.
    ///
    /// # Errors
    /// What is refused first.
    pub fn step(&self, g: usize, state: StateId, fix: usize) -> Result<StateId, Arc<Reject>> {
        let group = &self.groups[g];
        let mut replayed = group.replayed();
        if let Some(known) = replayed.steps.get(&(state, fix)) {
            return known.clone();
        }
        let cells = replayed.states[state as usize].clone();
        drop(replayed);
        let made = self.apply(group, &cells, fix);
        replayed = group.replayed();
        let number = made.map_err(Arc::new).map(|cells| number(&mut replayed, cells));
        replayed.steps.insert((state, fix), number.clone());
        number
    }

    /// Replays fixes in the given order; those that do not touch the group are passed over.
    ///
    /// # Errors
    /// The fix that does not apply, and why.
    pub fn walk(
        &self,
        g: usize,
        from: StateId,
        fixes: impl IntoIterator<Item = usize>,
    ) -> Result<StateId, (usize, Arc<Reject>)> {
        let mut state = from;
        for fix in fixes {
            if self.groups[g].steps.has(fix) {
                state = self.step(g, state, fix).map_err(|r| (fix, r))?;
            }
        }
        Ok(state)
    }

    /// The cells of a state, by path of the group.
    pub fn cells(&self, g: usize, state: StateId) -> Cells {
        self.groups[g].replayed().states[state as usize].clone()
    }

    /// The bytes of a cell.
    pub fn bytes(&self, cell: &Cell) -> Option<Bytes> {
        if let Some(bytes) = cell.made() {
            return Some(bytes.clone());
        }
        match self.store.get(&cell.digest) {
            Ok(bytes) => Some(cell.keep(bytes)),
            Err(error) => {
                lock(&self.broken).get_or_insert(error);
                None
            }
        }
    }

    pub(super) fn read(&self, group: &Group<'_>, cells: &Cells, path: &TreePath) -> Option<FileState> {
        match group.paths.binary_search(&path) {
            Ok(i) => {
                let cell = cells[i].as_ref()?;
                Some(FileState { mode: cell.mode, content: self.bytes(cell)? })
            }
            // Only asked about folders above: a file there that no fix touches.
            Err(_) => match self.start.get(path) {
                Some(Entry::File { .. } | Entry::Symlink { .. }) => {
                    Some(FileState { mode: Mode::File, content: Arc::from([]) })
                }
                _ => None,
            },
        }
    }
}

fn number(replayed: &mut Replayed, cells: Cells) -> StateId {
    let key: Vec<_> = cells.iter().map(|c| c.as_ref().map(|c| (c.mode, c.digest))).collect();
    let next = StateId::try_from(replayed.states.len()).unwrap_or(StateId::MAX);
    let Replayed { states, numbers, .. } = replayed;
    *numbers.entry(key).or_insert_with(|| {
        states.push(cells);
        next
    })
}

/// A poisoned lock only means that another thread panicked; what it guards is a cache or a first error.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
