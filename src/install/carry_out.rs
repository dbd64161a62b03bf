//! From a plan to the installed target, or back to what was there.

use super::early::Early;
use super::in_place;
use super::kept::{back_up, keep_pristine};
use super::names;
use super::preflight;
use super::release::{Release, Route};
use super::resume;
use super::scan::Scan;
use super::stage::{Around, Staged, stage};
use super::state::{Doing, Generation, Journal, State};
use super::steps::{Op, Work};
use crate::disk::Disk;
use crate::report::{Error, Finding, Result};

/// Stages, then commits. An error while staging throws the preparations away; one while committing is
/// undone at once. Where even that fails, the journal stays. Returns what new files could not take over from old ones.
pub fn carry_out(
    disk: &Disk,
    state: &State,
    release: &Release<'_>,
    route: &Route,
    work: &Work,
    (generation, mtime): (&Generation, Option<i64>),
    (seen, early): (&Scan, Option<&Early>),
) -> Result<Vec<Finding>> {
    let number = generation.generation;
    let journal = |doing| state.write_journal(disk, &Journal { doing, generation: number });
    let before = || {
        state.prepare(disk)?;
        journal(Doing::Staging)?;
        state.clean(disk, number)?;
        // A power cut may have kept what the rollback of an earlier generation of this number recorded.
        state.drop_ran(disk)?;
        names::probe(disk, state, route)
    };
    let beside = || {
        back_up(disk, state, generation)?;
        state.write_generation(disk, generation, &route.after)?;
        state.settle(disk)
    };
    let after = || keep_pristine(disk, state, number, work);
    let around = Around { before: &before, beside: &beside, after: &after };
    let staged = stage(disk, state, release, work, mtime, (&around, early));
    let staged = staged.and_then(|staged| {
        preflight::unchanged(&state.dir, &generation.ops, seen)?;
        Ok(staged)
    });
    let Staged { findings: mut lost, read } = match staged {
        Ok(staged) => staged,
        Err(e) => {
            let begun = state.journal()?.is_some();
            let undone = if begun { resume::discard(disk, state, number) } else { state.retire(disk) };
            if let Some(root) = generation.folders.iter().find(|f| f.path.is_none()) {
                // Making and removing our own folder must not show.
                let _ = disk.set_mtime(&state.dir, root.mtime, root.nanoseconds);
            }
            return Err(after_undo(e, undone));
        }
    };
    let mut replace = |n: usize, op: &Op| {
        lost.extend(in_place::replace(disk, state, release, work, (generation, mtime), (n, op))?);
        Ok(())
    };
    let committed =
        journal(Doing::Applying).and_then(|()| resume::complete(disk, state, generation, &read, &mut replace));
    committed.map_err(|e| resume::taken_back(disk, state, generation, &[], e))?;
    Ok(lost)
}

/// The first error counts; if cleaning up failed too, the reader must know that there is something to resume.
fn after_undo(mut e: Error, undone: Result<()>) -> Error {
    if let Err(second) = undone {
        e.message = format!("{}; undoing it failed as well ({second}), so the installation is interrupted", e.message);
        e.next = "when the cause is gone, run 'apply' again to finish, or 'rollback' to undo".into();
    }
    e
}
