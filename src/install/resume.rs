//! The ends of the story that can be reached from the middle: finishing an apply, finishing a rollback.

use super::commit::{Expect, backward, forward, strangers, strangers_but};
use super::hooks;
use super::kept::keeps_old;
use super::owners;
use super::recognise::{Difference, list};
use super::scan;
use super::stage::slot;
use super::state::{Doing, Generation, Installed, Journal, State};
use super::steps::{Op, What, is_reversed};
use crate::bundle::When;
use crate::disk::Disk;
use crate::report::{Code, Error, ErrorCode, Finding, PROGRAM, Result, quoted};
use serde::Serialize;

/// What was done about an interrupted run before the command's own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resumed {
    /// It had changed nothing yet; its preparations were thrown away.
    Discarded,
    /// An interrupted apply was finished.
    FinishedApply,
    /// An interrupted rollback was finished, or an interrupted apply was undone.
    FinishedRollback,
}

impl Resumed {
    /// For a sentence that goes on.
    pub fn words(self) -> &'static str {
        match self {
            Resumed::Discarded => "the preparations of an interrupted run were thrown away",
            Resumed::FinishedApply => "an interrupted apply was finished",
            Resumed::FinishedRollback => "an interrupted run was undone",
        }
    }
}

/// What will be installed and remembered once [`finish`] has done its work.
///
/// # Errors
/// `bad-state`, `io`.
pub fn outlook(state: &State, journal: Journal) -> Result<(Installed, Option<Generation>)> {
    let mut installed = state.installed()?;
    match journal.doing {
        Doing::Staging => {}
        Doing::Applying => {
            let generation = state.generation(journal.generation)?;
            installed = Installed { generation: generation.generation, memory: generation.memory.clone() };
            return Ok((installed, Some(generation)));
        }
        Doing::Restoring => installed.generation = installed.generation.min(journal.generation.saturating_sub(1)),
    }
    let current = state.current(&installed)?;
    Ok((installed, current))
}

/// Brings an interrupted run to the end that `apply` wants: applies are finished, and so are rollbacks. An irreversible
/// hook that was under way is run again only where `accept` names it.
pub fn finish(disk: &Disk, state: &State, accept: &[String]) -> Result<Option<(Resumed, Vec<Finding>)>> {
    let Some(journal) = state.journal()? else { return Ok(None) };
    if journal.doing != Doing::Applying {
        return undo(disk, state);
    }
    let generation = state.generation(journal.generation)?;
    refuse_strangers(state, &generation, journal.doing)?;
    // What was to be replaced one by one is not staged: unless all of it is done, the way on begins anew.
    if !generation.reversed.is_empty() && !strangers(&state.dir, &generation, Expect::After)?.is_empty() {
        let begun = hooks::burnt(state, &generation)?;
        let burnt = generation.hooks.iter().filter(|h| begun.contains(&h.id));
        hooks::barrier(burnt, accept, "an earlier run was interrupted; the apply begins anew and runs it again")?;
        return undo(disk, state);
    }
    let left = hooks::left(state, &generation, journal.doing)?;
    hooks::barrier(
        left.iter().map(|l| l.hook),
        accept,
        "an earlier run was interrupted while it was under way, or it failed; finishing runs it again, and nothing \
         undoes it",
    )?;
    let completed = complete(disk, state, &generation, &scan::Read::new(), &mut |_, _| Ok(()));
    completed.map_err(|e| taken_back(disk, state, &generation, &left, e))?;
    Ok(Some((Resumed::FinishedApply, hooks::told_again(&left))))
}

/// What an apply that could not be completed does: everything is undone, unless a hook has run that nothing undoes.
/// `earlier` are the hooks that an earlier run left under way: how this run's own hooks ended is known.
pub fn taken_back(
    disk: &Disk,
    state: &State,
    generation: &Generation,
    earlier: &[hooks::Left<'_>],
    mut e: Error,
) -> Error {
    let burnt = hooks::burnt(state, generation).unwrap_or_default();
    if !burnt.is_empty() {
        e.message = format!(
            "{}; {} has run and cannot be undone, so the installation is interrupted",
            e.message,
            burnt.join(", ")
        );
        let accept: Vec<String> = burnt.iter().map(|id| format!("--accept {id}")).collect();
        return e.next(format!(
            "mend the cause and run 'apply' again to finish, or go back all the same with '{PROGRAM} rollback {} {}'",
            quoted(&state.dir),
            accept.join(" ")
        ));
    }
    let refuse = |_: &Generation, found: Vec<Difference>| refuse(state, &found);
    match undo_with(disk, state, refuse, |_, _| Ok(hooks::told_back(earlier))) {
        Ok(undone) => {
            e.findings.extend(undone.into_iter().flat_map(|(_, findings)| findings));
            if e.code == ErrorCode::HookFailed {
                let all = e.findings.iter().all(|f| f.code != Code::HookNotUndone);
                e.message += if all { "; everything was rolled back" } else { "; the files were rolled back" };
            }
        }
        Err(second) => {
            e.message =
                format!("{}; undoing it failed as well ({second}), so the installation is interrupted", e.message);
            e.next = "when the cause is gone, run 'apply' again to finish, or 'rollback' to undo".into();
        }
    }
    e
}

/// Brings an interrupted run to the end that `rollback` wants: the state before it.
pub fn undo(disk: &Disk, state: &State) -> Result<Option<(Resumed, Vec<Finding>)>> {
    undo_aside(disk, state, |_, found| refuse(state, &found))
}

/// The same, where `aside` is told what changed since, and makes way for the old files or refuses.
pub fn undo_aside(
    disk: &Disk,
    state: &State,
    aside: impl FnOnce(&Generation, Vec<Difference>) -> Result<()>,
) -> Result<Option<(Resumed, Vec<Finding>)>> {
    undo_with(disk, state, aside, |generation, doing| Ok(hooks::told_back(&hooks::left(state, generation, doing)?)))
}

fn undo_with(
    disk: &Disk,
    state: &State,
    aside: impl FnOnce(&Generation, Vec<Difference>) -> Result<()>,
    told: impl FnOnce(&Generation, Doing) -> Result<Vec<Finding>>,
) -> Result<Option<(Resumed, Vec<Finding>)>> {
    let Some(journal) = state.journal()? else { return Ok(None) };
    if journal.doing == Doing::Staging {
        return discard(disk, state, journal.generation).map(|()| Some((Resumed::Discarded, Vec::new())));
    }
    let generation = state.generation(journal.generation)?;
    aside(&generation, strangers_of(state, &generation, journal.doing)?)?;
    intact(state, &generation, journal.doing)?;
    let mut findings = told(&generation, journal.doing)?;
    if journal.doing == Doing::Applying {
        state.write_journal(disk, &Journal { doing: Doing::Restoring, generation: journal.generation })?;
    }
    findings.extend(restore(disk, state, &generation)?);
    Ok(Some((Resumed::FinishedRollback, findings)))
}

/// The old files that are put back are what they were: one that was not replaced yet may have been written to in place.
fn intact(state: &State, generation: &Generation, doing: Doing) -> Result<()> {
    if doing != Doing::Applying {
        return Ok(());
    }
    let folder = state.backup(generation.generation);
    for (n, op) in generation.ops.iter().enumerate().filter(|(_, op)| op.what == What::Put && keeps_old(op)) {
        if is_reversed(&generation.reversed, op) || not_replaced(state, generation, (n, op))? {
            continue;
        }
        if scan::look(&slot(&folder, n))?.found.entry() != op.before.as_ref() {
            let what = format!("the kept old version of '{}' is missing or is not what it was", op.path);
            return Err(Error::new(ErrorCode::BadState, slot(&folder, n).display(), what).next(
                "finish the interrupted run with 'apply', or install the version you want from its own package",
            ));
        }
    }
    Ok(())
}

/// Whether a file is still the very one that was there before, whatever was written into it since, and not the new one.
pub fn not_replaced(state: &State, generation: &Generation, (n, op): (usize, &Op)) -> Result<bool> {
    let now = scan::stamp(&op.path.under(&state.dir))?;
    let kept = scan::stamp(&slot(&state.backup(generation.generation), n))?;
    let same = now.zip(kept).is_some_and(|(now, kept)| (now.dev, now.ino) == (kept.dev, kept.ino));
    Ok(same && scan::look(&op.path.under(&state.dir))?.found.entry() != op.after.as_ref())
}

fn refuse_strangers(state: &State, generation: &Generation, doing: Doing) -> Result<()> {
    refuse(state, &strangers_of(state, generation, doing)?)
}

/// What is neither as it was before nor as it is after an interrupted run.
fn strangers_of(state: &State, generation: &Generation, doing: Doing) -> Result<Vec<Difference>> {
    let mut found = strangers(&state.dir, generation, Expect::BeforeOrAfter)?;
    // A rollback sets edited files aside before it puts the old ones in their places.
    if doing == Doing::Restoring {
        let mut others = Vec::new();
        for difference in found {
            if scan::stamp(&difference.path.under(&state.dir))?.is_some() {
                others.push(difference);
            }
        }
        found = others;
    }
    Ok(found)
}

pub fn refuse(state: &State, found: &[Difference]) -> Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Drift,
        state.dir.display(),
        format!("an earlier run was interrupted, and since then these changed: {}", list(found)),
    )
    .next(format!(
        "keep your versions of them and go back: '{PROGRAM} rollback {} --set-aside'; or put back what they were from the \
         old version's package, each as a new file, then run again",
        quoted(&state.dir)
    )))
}

/// Throws away what was prepared; the installation itself has not been touched.
pub fn discard(disk: &Disk, state: &State, generation: u64) -> Result<()> {
    state.drop_journal(disk)?;
    tidy(disk, state, generation);
    Ok(())
}

/// What is left lying does no harm, and the next apply takes it away.
fn tidy(disk: &Disk, state: &State, beyond: u64) {
    let _ = state.clean(disk, beyond).and_then(|()| state.retire(disk));
}

/// From the journal's `applying` to the end; `read` are the new files that were read back as they were staged.
pub fn complete(
    disk: &Disk,
    state: &State,
    generation: &Generation,
    read: &scan::Read,
    replace: &mut dyn FnMut(usize, &Op) -> Result<()>,
) -> Result<()> {
    hooks::run(disk, state, generation, When::Before)?;
    forward(disk, state, generation, replace)?;
    let wrong = strangers_but(&state.dir, generation, Expect::After, read)?;
    if !wrong.is_empty() {
        return Err(Error::new(
            ErrorCode::Io,
            state.dir.display(),
            format!("after writing, these paths do not hold what was written: {}", list(&wrong)),
        )
        .next("look at the disk, then run the same command again"));
    }
    hooks::run(disk, state, generation, When::After)?;
    hooks::run(disk, state, generation, When::Health)?;
    let installed = Installed { generation: generation.generation, memory: generation.memory.clone() };
    state.write_installed(disk, &installed)?;
    state.drop_journal(disk)?;
    // Empty or without meaning by now, and the next apply takes them away.
    let _ = state.drop_stage(disk).and_then(|()| state.drop_ran(disk));
    Ok(())
}

/// From the journal's `restoring` to the end. What must never be forgotten stays remembered. Returns hooks that could
/// not be undone.
pub fn restore(disk: &Disk, state: &State, generation: &Generation) -> Result<Vec<Finding>> {
    let mut findings = hooks::undo(disk, state, generation, When::After)?;
    backward(disk, state, generation)?;
    findings.extend(hooks::undo(disk, state, generation, When::Before)?);
    findings.extend(owners::told_back(&state.dir, &generation.owners)?);
    let mut installed = state.installed()?;
    if installed.generation >= generation.generation {
        installed.generation = generation.generation.saturating_sub(1);
        state.write_installed(disk, &installed)?;
    }
    state.drop_ran(disk)?;
    state.drop_journal(disk)?;
    tidy(disk, state, generation.generation);
    Ok(findings)
}
