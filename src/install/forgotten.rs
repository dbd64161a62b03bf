//! An installation whose record of what is installed is gone, although the rest says that something is.

use super::scan::scan;
use super::state::State;
use super::steps::What;
use crate::report::{Error, ErrorCode, Result};
use std::fs;

/// Refuses to take an installation for one that nothing was ever installed in, where only the record of it is missing:
/// trust, sequences and the way back would be forgotten, and the old files that are kept be overwritten.
///
/// Preparations that were thrown away may leave records behind, but no new file in its place.
///
/// # Errors
/// `bad-state`, `io`.
pub fn nothing_forgotten(state: &State) -> Result<()> {
    let missing = state.installed_file();
    if fs::symlink_metadata(&missing).is_ok() || state.journal()?.is_some() {
        return Ok(());
    }
    let Some(newest) = state.newest_record()? else { return Ok(()) };
    let generation = state.generation(newest)?;
    let new = generation.ops.iter().filter(|op| op.what == What::Put && op.after.is_some() && op.after != op.before);
    let seen = scan(&state.dir, new.clone().map(|op| &op.path))?;
    let there = new.clone().any(|op| seen.get(&op.path).and_then(|s| s.found.entry()) == op.after.as_ref());
    if !there {
        return Ok(());
    }
    let what = format!(
        "this record is missing, and files of {} {} are installed here",
        generation.component, generation.version
    );
    Err(Error::new(ErrorCode::BadState, missing.display(), what)
        .next("restore the file from a backup; without it nobody knows whom to trust here, and there is no way back; where nothing was installed, remove the folder"))
}
