//! The story of a rollback: one generation back, exactly.

use super::apply::real;
use super::commit::{Expect, in_the_way, strangers};
use super::forgotten::nothing_forgotten;
use super::hooks;
use super::in_place;
use super::in_use::Files;
use super::kept::keeps_old;
use super::preflight;
use super::recognise::{Difference, list};
use super::resume::{self, Resumed};
use super::scan::{self, Folders, Found};
use super::stage::slot;
use super::state::{Doing, Generation, Journal, State};
use super::steps::{Op, What, is_reversed};
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Finding, PROGRAM, Result, quoted};
use crate::tree::{Digest, Entry, TreePath};
use serde::Serialize;
use std::path::Path;

/// What a rollback did.
#[derive(Debug, Clone, Serialize)]
pub struct RolledBack {
    /// Always `cumulate.rollback/1`.
    pub schema: &'static str,
    pub outcome: Undone,
    /// What was undone; absent where an interrupted run had changed nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Release>,
    /// What is installed now; absent for the state before the first apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Release>,
    /// Operations undone.
    pub steps: usize,
    /// How many more times one can go back.
    pub left: u64,
    /// Where local edits of config files lie now that the old versions are back in their places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<TreePath>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undone {
    RolledBack,
    /// An interrupted run was undone or finished; nothing else was rolled back.
    Resumed(Resumed),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    pub component: String,
    pub version: String,
    pub bundle: Digest,
    /// The base that it was applied to.
    pub base: String,
}

impl Release {
    pub(super) fn of(g: &Generation) -> Self {
        Self { component: g.component.clone(), version: g.version.clone(), bundle: g.bundle, base: g.base.clone() }
    }
}

/// Goes back to exactly what was there before the last apply: contents, full modes, owners, times,
/// links and folders. Config files that the site edited since, and new versions beside them, are set
/// aside as `PATH.edited`. An interrupted run is undone (or, if it was a rollback, finished) instead.
///
/// # Errors
/// `no-rollback` if there is nothing to go back to; `drift` with the list of files that were changed
/// since; `blocked`; `locked`; `bad-state` if the kept files are not what they were; `io`.
pub fn rollback(disk: &Disk, dir: &Path) -> Result<RolledBack> {
    rollback_with(disk, dir, &RollbackOptions::default())
}

/// What a caller of a rollback allows.
#[derive(Debug, Clone, Default)]
pub struct RollbackOptions {
    /// Files that were changed since are set aside, not config files alone.
    pub set_aside: bool,
    /// Ids of hooks that cannot be undone, behind which one may go all the same.
    pub accept: Vec<String>,
}

/// As [`rollback`], with what the options allow.
///
/// # Errors
/// As [`rollback`]; `irreversible` for hooks that have run and that nothing undoes.
pub fn rollback_with(disk: &Disk, dir: &Path, options: &RollbackOptions) -> Result<RolledBack> {
    Disk::check_supported()?;
    let dir = &real(dir)?;
    let _lock = disk.lock(dir)?;
    let state = State::of(dir)?;
    nothing_forgotten(&state)?;
    let journal = state.journal()?;
    let number = match journal {
        Some(journal) => journal.generation,
        None => state.installed()?.generation,
    };
    if number == 0 {
        return Err(Error::new(
            ErrorCode::NoRollback,
            dir.display(),
            "nothing has been applied that could be rolled back",
        )
        .next(format!("see '{PROGRAM} status'")));
    }
    let prepared_only = journal.is_some_and(|j| j.doing == Doing::Staging);
    let generation = if prepared_only { None } else { Some(state.generation(number)?) };
    preflight::reachable(disk, dir, generation.as_ref().map_or(&[], |g| &g.ops))?;
    if let Some(generation) = &generation {
        let begun = if journal.is_some() { Some(hooks::burnt(&state, generation)?) } else { None };
        let ran = generation.hooks.iter().filter(|h| begun.as_ref().is_none_or(|b| b.contains(&h.id)));
        hooks::barrier(ran, &options.accept, "it has run and cannot be undone; the files alone would go back")?;
    }
    if let Some(generation) = &generation {
        in_place::check(disk, &state, generation)?;
    }
    let (mut kept, mut findings) = (Vec::new(), Vec::new());
    let open = match &generation {
        Some(generation) => Files::at(dir, generation.ops.iter().map(|op| &op.path))?.in_use(),
        None => Vec::new(),
    };
    let outcome = match (journal, &generation) {
        (None, Some(generation)) => {
            let edits = check(&state, generation, options.set_aside)?;
            let ours = generation.ops.iter().filter(|op| matches!(op.what, What::Put | What::Folder));
            preflight::replaceable(dir, ours.map(|op| &op.path).chain(&edits))?;
            kept = keep_edits(disk, dir, &edits)?;
            if options.set_aside {
                make_folders(disk, dir, generation)?;
            }
            state.write_journal(disk, &Journal { doing: Doing::Restoring, generation: number })?;
            findings = resume::restore(disk, &state, generation)?;
            Undone::RolledBack
        }
        _ => match resume::undo_aside(disk, &state, |generation, found| {
            kept = make_way(disk, &state, generation, found, options.set_aside)?;
            Ok(())
        })? {
            Some((resumed, told)) => {
                findings = told;
                Undone::Resumed(resumed)
            }
            None => Undone::RolledBack,
        },
    };
    findings.extend(open.iter().map(|o| o.told("keeps what was taken back until then")));
    let installed = state.installed()?;
    Ok(RolledBack {
        schema: "cumulate.rollback/1",
        outcome,
        steps: generation.iter().flat_map(|g| &g.ops).filter(|op| op.what != What::Keep).count(),
        from: generation.as_ref().map(Release::of),
        to: state.current(&installed)?.as_ref().map(Release::of),
        left: installed.generation,
        kept,
        findings,
    })
}

/// Sets aside what was changed since a run was interrupted, where that is allowed. A file that was not replaced yet stays:
/// it is the old one, and what was written into it is in the kept one as well.
fn make_way(
    disk: &Disk,
    state: &State,
    generation: &Generation,
    found: Vec<Difference>,
    set_aside: bool,
) -> Result<Vec<TreePath>> {
    let (mut edits, mut others) = (Vec::new(), Vec::new());
    for difference in found {
        let op = generation.ops.iter().enumerate().find(|(_, op)| op.path == difference.path && keeps_old(op));
        let may = set_aside || generation.is_sites(&difference.path);
        match op {
            Some(op) if may && resume::not_replaced(state, generation, op)? => {}
            _ => match edit(state, generation, &difference.path, set_aside)? {
                Some(Found::Missing) => {}
                Some(_) => edits.push(difference.path),
                _ => others.push(difference),
            },
        }
    }
    resume::refuse(state, &others)?;
    keep_edits(disk, &state.dir, &edits)
}

/// Everything is as the apply left it, but for config files of the site (or `all` changed files), and the old files are
/// all there. Returns the files whose local edits have to be kept.
fn check(state: &State, generation: &Generation, all: bool) -> Result<Vec<TreePath>> {
    let (mut edits, mut changed) = (Vec::new(), Vec::new());
    for difference in strangers(&state.dir, generation, Expect::Left)? {
        match edit(state, generation, &difference.path, all)? {
            Some(Found::Missing) => {}
            Some(_) => edits.push(difference.path),
            None => changed.push(difference),
        }
    }
    if !changed.is_empty() {
        return Err(Error::new(
            ErrorCode::Drift,
            state.dir.display(),
            format!("{} path(s) were changed after the apply: {}", changed.len(), list(&changed)),
        )
        .next(format!(
            "keep your versions of them as FILE.edited with '{PROGRAM} rollback {} --set-aside'",
            quoted(&state.dir)
        )));
    }
    in_the_way(&state.dir, generation)?;
    let folder = state.backup(generation.generation);
    for (n, op) in generation.ops.iter().enumerate().filter(|(_, op)| keeps_old(op)) {
        if is_reversed(&generation.reversed, op) {
            in_place::provable(state, generation.generation, (n, op))?;
            continue;
        }
        let kept = slot(&folder, n);
        if scan::look(&kept)?.found.entry() != op.before.as_ref() {
            return Err(Error::new(
                ErrorCode::BadState,
                kept.display(),
                format!("the kept old version of '{}' is missing or is not what it was", op.path),
            )
            .next("install the version you want from its own package"));
        }
    }
    Ok(edits)
}

/// What stands at a path of the site's (or at `any`) that was edited or deleted, if it can be set aside: a file, a link, or nothing.
fn edit(state: &State, generation: &Generation, path: &TreePath, any: bool) -> Result<Option<Found>> {
    // Where undoing puts a file in the place of a whole folder, nothing can be set aside in that folder.
    let old = |at: &TreePath| generation.ops.iter().any(|op| keeps_old(op) && op.path == *at);
    let replaced = |at: &TreePath| old(at) || at.ancestors().any(|above| old(&above));
    let folder = |op: &Op| op.what == What::Folder && path.ancestors().any(|a| a == op.path) && replaced(&op.path);
    if !(any || generation.is_sites(path)) || generation.ops.iter().any(folder) {
        return Ok(None);
    }
    match Folders::new(&state.dir).way(path)? {
        None => {}
        // Its folder is gone, and it with it.
        Some(Found::Missing) => return Ok(Some(Found::Missing)),
        Some(_) => return Ok(None),
    }
    let found = scan::look(&path.under(&state.dir))?.found;
    Ok(matches!(found, Found::Missing | Found::Entry(Entry::File { .. } | Entry::Symlink { .. })).then_some(found))
}

/// Moves edited config files aside, durably, before the journal says that their places are being restored.
fn keep_edits(disk: &Disk, dir: &Path, edits: &[TreePath]) -> Result<Vec<TreePath>> {
    let mut kept = Vec::new();
    for path in edits {
        let aside = free_name(dir, path)?;
        disk.rename_new(&path.under(dir), &aside.under(dir))?;
        disk.sync_folder(&path.parent().map_or_else(|| dir.to_path_buf(), |p| p.under(dir)))?;
        kept.push(aside);
    }
    Ok(kept)
}

/// Makes the folders again that stood before the apply, stayed, and are gone; restoring gives them their owners and modes.
fn make_folders(disk: &Disk, dir: &Path, generation: &Generation) -> Result<()> {
    let removed = |path: &TreePath| generation.ops.iter().any(|op| op.what == What::Unfolder && op.path == *path);
    for path in generation.folders.iter().filter_map(|was| was.path.as_ref()).filter(|path| !removed(path)) {
        let full = path.under(dir);
        if scan::stamp(&full)?.is_none() {
            disk.mkdir_all(&full)?;
            disk.sync_folder(full.parent().unwrap_or(dir))?;
        }
    }
    Ok(())
}

/// `PATH.edited`, or the first `PATH.edited.N` that is free.
fn free_name(dir: &Path, path: &TreePath) -> Result<TreePath> {
    let names = (1..100).map(|n| if n == 1 { format!("{path}.edited") } else { format!("{path}.edited.{n}") });
    for name in names {
        let aside = TreePath::parse(&name).map_err(|e| Error::new(ErrorCode::BadPath, path, e))?;
        if scan::stamp(&aside.under(dir))?.is_none() {
            return Ok(aside);
        }
    }
    Err(Error::new(ErrorCode::Drift, path, "a local edit cannot be set aside: every name beside it is taken")
        .next("move the .edited files away, then run the command again"))
}
