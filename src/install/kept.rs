//! What an apply keeps so that it can be undone: the old files, and config files as they are shipped.

use super::config::read;
use super::stage::slot;
use super::state::{Generation, State};
use super::steps::{Op, Pristine, What, Work, is_reversed};
use crate::disk::Disk;
use crate::report::{ErrorCode, Result};
use std::path::Path;

/// Keeps config files as they are shipped: the files themselves will be edited in place.
pub fn keep_pristine(disk: &Disk, state: &State, generation: u64, work: &Work) -> Result<()> {
    if work.pristine.is_empty() {
        return Ok(());
    }
    let folder = state.pristine(generation);
    disk.mkdir(&folder, 0o700)?;
    let puts: Vec<usize> = work.makings.keys().copied().collect();
    for (digest, from) in &work.pristine {
        let bytes = match from {
            Pristine::At(full) => read(full, *digest)?,
            Pristine::Staged(n) => read(&slot(&state.stage(), puts.get(*n).copied().unwrap_or(*n)), *digest)?,
            #[cfg(feature = "build")]
            Pristine::Bytes(bytes) => bytes.clone(),
        };
        let mut new = disk.create(&folder.join(digest.hex()), 0o600)?;
        new.put(&bytes)?;
        new.sync()?;
    }
    durable(disk, &folder)
}

/// Gives every file and link that goes or is replaced a second name, or a copy where the file system
/// has no hard links. A config file that stays is always copied: its one content may be edited in place.
/// Of files that are replaced one by one, nothing is kept yet.
pub fn back_up(disk: &Disk, state: &State, generation: &Generation) -> Result<()> {
    let folder = state.backup(generation.generation);
    disk.mkdir(&folder, 0o700)?;
    let now = |op: &Op| keeps_old(op) && !is_reversed(&generation.reversed, op);
    for (n, op) in generation.ops.iter().enumerate().filter(|(_, op)| now(op)) {
        let (from, to) = (op.path.under(&state.dir), slot(&folder, n));
        if op.what == What::Keep {
            disk.copy(&from, &to)?;
            continue;
        }
        match disk.hard_link(&from, &to) {
            Ok(()) => {}
            Err(e) if matches!(e.code, ErrorCode::Interrupted | ErrorCode::NoSpace) => return Err(e),
            Err(_) => disk.copy(&from, &to)?,
        }
    }
    durable(disk, &folder)
}

/// Makes the names in a folder durable, and its own.
fn durable(disk: &Disk, folder: &Path) -> Result<()> {
    disk.sync_folder(folder)?;
    folder.parent().map_or(Ok(()), |above| disk.sync_folder(above))
}

/// Whether the file or link that was at an operation's path is kept.
pub fn keeps_old(op: &Op) -> bool {
    matches!(op.what, What::Put | What::Delete | What::Keep) && op.before.is_some()
}
