//! The story of a rollback: one generation back, exactly.

use super::apply::real;
use super::commit::{Expect, in_the_way, strangers};
use super::preflight;
use super::recognise::list;
use super::resume::{self, Resumed};
use super::scan;
use super::stage::{keeps_old, slot};
use super::state::{Doing, Generation, Journal, State};
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
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
/// links and folders. An interrupted run is undone (or, if it was a rollback, finished) instead.
///
/// # Errors
/// `no-rollback` if there is nothing to go back to; `drift` with the list of files that were changed
/// since; `blocked`; `locked`; `bad-state` if the kept files are not what they were; `io`.
pub fn rollback(disk: &Disk, dir: &Path) -> Result<RolledBack> {
    Disk::check_supported()?;
    let dir = &real(dir)?;
    let _lock = disk.lock(dir)?;
    let state = State::of(dir)?;
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
        .next("see 'cumulate status'"));
    }
    let prepared_only = journal.is_some_and(|j| j.doing == Doing::Staging);
    let generation = if prepared_only { None } else { Some(state.generation(number)?) };
    preflight::reachable(disk, dir, generation.as_ref().map_or(&[], |g| &g.ops))?;
    let outcome = match (journal, &generation) {
        (None, Some(generation)) => {
            check(&state, generation)?;
            state.write_journal(disk, &Journal { doing: Doing::Restoring, generation: number })?;
            resume::restore(disk, &state, generation)?;
            Undone::RolledBack
        }
        _ => match resume::undo(disk, &state)? {
            Some(resumed) => Undone::Resumed(resumed),
            None => Undone::RolledBack,
        },
    };
    let installed = state.installed()?;
    Ok(RolledBack {
        schema: "cumulate.rollback/1",
        outcome,
        steps: generation.as_ref().map_or(0, |g| g.ops.len()),
        from: generation.as_ref().map(Release::of),
        to: state.current(&installed)?.as_ref().map(Release::of),
        left: installed.generation,
    })
}

/// Everything is as the apply left it, and the old files are all there.
fn check(state: &State, generation: &Generation) -> Result<()> {
    let changed = strangers(&state.dir, generation, Expect::After)?;
    if !changed.is_empty() {
        return Err(Error::new(
            ErrorCode::Drift,
            state.dir.display(),
            format!("{} path(s) were changed after the apply: {}", changed.len(), list(&changed)),
        )
        .next("save your changes elsewhere and put back what was applied, then run the command again"));
    }
    in_the_way(&state.dir, generation)?;
    let folder = state.backup(generation.generation);
    for (n, op) in generation.ops.iter().enumerate().filter(|(_, op)| keeps_old(op)) {
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
    Ok(())
}
