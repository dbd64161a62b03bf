//! Replaying fixes in any order on the few paths concerned, each step done once.
//!
//! Groups of paths ([`super::paths::groups`]) do not touch each other, so a fix applies to a
//! tree if it applies in every group that it names. States of a group are numbered by their
//! content: fixes that commute meet in one state, and what was replayed once is looked up.

use super::brought::Brought;
use super::cell::Cell;
use super::join::Join;
use super::paths;
use super::types::{Candidate, PlanInput};
use crate::fix::{Change, FixId, Payload, Resolution};
use crate::patch::{Applied, FilePatch, FileState, Mode, Reject, RejectReason, apply_all};
use crate::report::Error;
use crate::tree::{Bytes, Digest, Entry, Store, Tree, TreePath};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The cells of a group, as its paths are sorted.
pub type Cells = Vec<Option<Arc<Cell>>>;

/// Number of a state within its group; 0 is the start.
pub type StateId = u32;

pub(super) enum Step<'a> {
    Patch(Vec<FilePatch>),
    Whole(&'a [FilePatch]),
    Overlay(Vec<&'a Change>),
}

#[derive(Default)]
struct Memo {
    states: Vec<Cells>,
    numbers: HashMap<Vec<Option<(Mode, Digest)>>, StateId>,
    steps: HashMap<(StateId, usize), Result<StateId, Arc<Reject>>>,
}

/// Paths that belong together, and the fixes that touch them.
pub struct Group<'a> {
    pub paths: Vec<&'a TreePath>,
    pub(super) steps: BTreeMap<usize, Step<'a>>,
    /// Paths that are folders of the start tree with something in it that no fix touches.
    folders: Vec<bool>,
    /// Pairs of a path and one below it.
    nested: Vec<(usize, usize)>,
    /// What only hunks bring, once that was asked for.
    pub(super) brought: OnceLock<Brought>,
    memo: Mutex<Memo>,
}

impl Group<'_> {
    /// The fixes that touch this group, in the order in which they were given.
    pub fn fixes(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.steps.keys().copied()
    }

    /// Whether something lies below this path.
    fn is_folder(&self, cells: &Cells, path: &TreePath) -> bool {
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
    /// A content that could not be read; then nothing that was answered since counts.
    broken: Mutex<Option<Error>>,
}

impl<'a> Replay<'a> {
    pub fn new(fixes: &[Candidate<'a>], input: &PlanInput<'a>) -> Self {
        let (start, store, resolutions) = (input.start, input.store, input.resolutions);
        let grouped = paths::groups(fixes);
        let mut of_path: HashMap<&TreePath, usize> = HashMap::new();
        let mut groups: Vec<Group<'a>> = Vec::with_capacity(grouped.len());
        for (g, paths) in grouped.into_iter().enumerate() {
            of_path.extend(paths.iter().map(|p| (*p, g)));
            groups.push(group(paths, start));
        }
        let mut of_fix = Vec::with_capacity(fixes.len());
        for (i, fix) in fixes.iter().enumerate() {
            let mut mine: Vec<usize> = paths::of_payload(fix.payload).into_iter().map(|p| of_path[p]).collect();
            mine.sort_unstable();
            mine.dedup();
            match fix.payload {
                Payload::Patch(files) if mine.len() == 1 => {
                    groups[mine[0]].steps.insert(i, Step::Whole(files));
                }
                Payload::Patch(files) => {
                    let mut split: BTreeMap<usize, Vec<FilePatch>> = BTreeMap::new();
                    for fp in files {
                        if let Some(p) = fp.new.as_ref().or(fp.old.as_ref()) {
                            split.entry(of_path[p]).or_default().push(fp.clone());
                        }
                    }
                    for (g, files) in split {
                        groups[g].steps.insert(i, Step::Patch(files));
                    }
                }
                Payload::Overlay(changes) => {
                    let mut split: BTreeMap<usize, Vec<&Change>> = BTreeMap::new();
                    for change in changes {
                        split.entry(of_path[change.paths()[0]]).or_default().push(change);
                    }
                    for (g, changes) in split {
                        groups[g].steps.insert(i, Step::Overlay(changes));
                    }
                }
            }
            of_fix.push(mine);
        }
        let ids = fixes.iter().map(|c| c.id).collect();
        Self { groups, of_fix, ids, start, store, resolutions, broken: Mutex::new(None) }
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
        let mut memo = lock(&group.memo);
        if let Some(known) = memo.steps.get(&(state, fix)) {
            return known.clone();
        }
        let cells = memo.states[state as usize].clone();
        drop(memo);
        let made = self.apply(group, &cells, fix);
        memo = lock(&group.memo);
        let number = made.map_err(Arc::new).map(|cells| number(&mut memo, cells));
        memo.steps.insert((state, fix), number.clone());
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
            if self.groups[g].steps.contains_key(&fix) {
                state = self.step(g, state, fix).map_err(|r| (fix, r))?;
            }
        }
        Ok(state)
    }

    /// The cells of a state, by path of the group.
    pub fn cells(&self, g: usize, state: StateId) -> Cells {
        lock(&self.groups[g].memo).states[state as usize].clone()
    }

    /// Whether what the fix does here is done already: it goes back, or it changes nothing.
    pub fn done_already(&self, g: usize, state: StateId, fix: usize) -> bool {
        let group = &self.groups[g];
        let cells = self.cells(g, state);
        let cell = |p: &TreePath| group.paths.binary_search(&p).ok().and_then(|i| cells[i].as_ref());
        let files: &[FilePatch] = match group.steps.get(&fix) {
            None => return true,
            Some(Step::Patch(files)) => files,
            Some(Step::Whole(files)) => files,
            Some(Step::Overlay(changes)) => {
                return changes.iter().all(|c| match c {
                    Change::Put { path, mode, digest, .. } => {
                        cell(path).is_some_and(|c| c.mode == *mode && c.digest == *digest)
                    }
                    Change::Link { path, target } => {
                        cell(path).is_some_and(|c| c.mode == Mode::Symlink && c.digest == Digest::of(target.as_bytes()))
                    }
                    Change::Delete { path } => cell(path).is_none() && !group.is_folder(&cells, path),
                    Change::Rename { from, to } => {
                        cell(from).is_none() && cell(to).is_some() && !group.is_folder(&cells, from)
                    }
                });
            }
        };
        let mut back = files.to_vec();
        back.reverse();
        back.iter_mut().all(|f| f.reverse().is_ok()) && apply_all(&back, |p| self.read(group, &cells, p)).is_ok()
    }

    /// Where hunks land: applies one fix to a state again and says so. Overlays have no hunks.
    pub fn placed(&self, g: usize, state: StateId, fix: usize) -> Option<(&[FilePatch], Applied)> {
        let cells = self.cells(g, state);
        if matches!(self.groups[g].steps.get(&fix)?, Step::Overlay(_)) {
            return None;
        }
        let files = self.patches(g, fix);
        let applied = apply_all(files, |p| self.read(&self.groups[g], &cells, p)).ok()?;
        Some((files, applied))
    }

    /// The parts of a fix's patch in this group; an overlay has none.
    pub fn patches(&self, g: usize, fix: usize) -> &[FilePatch] {
        match self.groups[g].steps.get(&fix) {
            Some(Step::Patch(files)) => files,
            Some(Step::Whole(files)) => files,
            Some(Step::Overlay(_)) | None => &[],
        }
    }

    /// Where a fix renames a path of the group to.
    pub fn moved(&self, g: usize, fix: usize, from: &TreePath) -> Option<&TreePath> {
        let files: &[FilePatch] = match self.groups[g].steps.get(&fix)? {
            Step::Patch(files) => files,
            Step::Whole(files) => files,
            Step::Overlay(changes) => {
                return changes.iter().find_map(|c| match c {
                    Change::Rename { from: f, to } if f == from => Some(to),
                    _ => None,
                });
            }
        };
        files.iter().find(|f| f.rename && f.old.as_ref() == Some(from))?.new.as_ref()
    }

    /// Whether a fix replaces this path of the group as a whole.
    pub fn puts(&self, g: usize, path: usize, fix: usize) -> bool {
        match self.groups[g].steps.get(&fix) {
            Some(Step::Overlay(changes)) => changes.iter().any(|c| match c {
                Change::Put { path: p, .. } | Change::Link { path: p, .. } => p == self.groups[g].paths[path],
                _ => false,
            }),
            _ => false,
        }
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

    fn apply(&self, group: &Group<'_>, cells: &Cells, fix: usize) -> Result<Cells, Reject> {
        let joins = self.joins(group, cells, fix)?;
        let mut next = cells.clone();
        let mut set = |path: &TreePath, cell: Option<Arc<Cell>>| {
            if let Ok(i) = group.paths.binary_search(&path) {
                next[i] = cell;
            }
        };
        let mut line = 0;
        match &group.steps[&fix] {
            step @ (Step::Patch(_) | Step::Whole(_)) => {
                let files: &[FilePatch] = match step {
                    Step::Patch(files) => files,
                    Step::Whole(files) => files,
                    Step::Overlay(_) => &[],
                };
                line = files.first().map_or(0, |f| f.line);
                let rest: Vec<FilePatch>;
                let files = if joins.is_empty() {
                    files
                } else {
                    let joined = |p: &Option<TreePath>| joins.iter().any(|j| p.as_ref() == Some(group.paths[j.at]));
                    rest = files.iter().filter(|f| !joined(&f.new)).cloned().collect();
                    &rest
                };
                for (path, state) in apply_all(files, |p| self.read(group, cells, p))?.changes {
                    set(&path, state.map(|s| Arc::new(Cell::of_bytes(s.mode, s.content))));
                }
            }
            Step::Overlay(changes) => self.overlay(group, cells, changes, &joins, &mut set)?,
        }
        for join in joins {
            next[join.at] = Some(join.cell);
        }
        for (above, below) in &group.nested {
            if next[*above].is_some() && next[*below].is_some() {
                let reason = RejectReason::ParentIsFile(group.paths[*above].clone());
                return Err(Reject { path: group.paths[*below].clone(), hunk: None, line, reason });
            }
        }
        for (i, folder) in group.folders.iter().enumerate() {
            if *folder && next[i].is_some() {
                let path = group.paths[i].clone();
                return Err(Reject { path, hunk: None, line, reason: RejectReason::WrongKind });
            }
        }
        Ok(next)
    }

    /// Everything leaves before anything arrives, so that two files of one overlay may swap their names.
    fn overlay(
        &self,
        group: &Group<'_>,
        cells: &Cells,
        changes: &[&Change],
        joins: &[Join<'_>],
        set: &mut impl FnMut(&TreePath, Option<Arc<Cell>>),
    ) -> Result<(), Reject> {
        let refuse = |path: &TreePath, reason| Err(Reject { path: path.clone(), hunk: None, line: 0, reason });
        let cell = |p: &TreePath| group.paths.binary_search(&p).ok().and_then(|i| cells[i].clone());
        let mut gone = std::collections::BTreeSet::new();
        for change in changes {
            if let Change::Delete { path } | Change::Rename { from: path, .. } = change {
                if cell(path).is_none() || !gone.insert(path) {
                    let folder = group.is_folder(cells, path);
                    return refuse(path, if folder { RejectReason::IsFolder } else { RejectReason::Missing });
                }
                set(path, None);
            }
        }
        for change in changes {
            let (path, new) = match change {
                Change::Delete { .. } => continue,
                Change::Rename { from, to } => {
                    if cell(to).is_some() && !gone.contains(to) {
                        return refuse(to, RejectReason::Exists);
                    }
                    (to, cell(from))
                }
                Change::Put { path, .. } if joins.iter().any(|j| group.paths[j.at] == path) => continue,
                Change::Put { path, mode, digest, size, built_on } => {
                    match (built_on, cell(path)) {
                        (Some(_), None) => return refuse(path, RejectReason::Missing),
                        (Some(built_on), Some(now)) if now.digest != *built_on => {
                            return refuse(path, RejectReason::WrongPreImage);
                        }
                        _ => {}
                    }
                    (path, Some(Arc::new(Cell::stored(*mode, *digest, *size))))
                }
                Change::Link { path, target } => {
                    (path, Some(Arc::new(Cell::of_bytes(Mode::Symlink, target.as_bytes().into()))))
                }
            };
            for above in path.ancestors() {
                if group.paths.binary_search(&&above).is_err()
                    && matches!(self.start.get(&above), Some(Entry::File { .. } | Entry::Symlink { .. }))
                {
                    return refuse(path, RejectReason::ParentIsFile(above));
                }
            }
            set(path, new);
        }
        Ok(())
    }
}

fn group<'a>(paths: Vec<&'a TreePath>, start: &Tree) -> Group<'a> {
    let cells: Cells = paths.iter().map(|p| start.get(p).and_then(Cell::of_entry).map(Arc::new)).collect();
    let mut nested = Vec::new();
    for (below, path) in paths.iter().enumerate() {
        for above in path.ancestors() {
            if let Ok(i) = paths.binary_search(&&above) {
                nested.push((i, below));
            }
        }
    }
    let folders = paths
        .iter()
        .map(|p| {
            let from = format!("{p}/");
            let below =
                start.entries.range::<str, _>((std::ops::Bound::Included(from.as_str()), std::ops::Bound::Unbounded));
            below
                .take_while(|(q, _)| q.as_str().starts_with(&from))
                .any(|(q, e)| !matches!(e, Entry::Folder) && paths.binary_search(&q).is_err())
        })
        .collect();
    let mut memo = Memo::default();
    number(&mut memo, cells);
    Group { paths, steps: BTreeMap::new(), folders, nested, brought: OnceLock::new(), memo: Mutex::new(memo) }
}

fn number(memo: &mut Memo, cells: Cells) -> StateId {
    let key: Vec<_> = cells.iter().map(|c| c.as_ref().map(|c| (c.mode, c.digest))).collect();
    let next = StateId::try_from(memo.states.len()).unwrap_or(StateId::MAX);
    let Memo { states, numbers, .. } = memo;
    *numbers.entry(key).or_insert_with(|| {
        states.push(cells);
        next
    })
}

/// A poisoned lock only means that another thread panicked; what it guards is a cache or a first error.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
