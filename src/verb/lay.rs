//! A tree in memory becomes a folder: all of it, or nothing.

use crate::disk::{Disk, TEMP_PREFIX};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Entry, Source};
use std::path::Path;

/// Writes a tree as a new folder. It gets its name only when it is whole.
///
/// # Errors
/// `exists`, `io`, and what reading the contents gives.
pub fn lay(disk: &Disk, dir: &Path, source: &Source) -> Result<()> {
    if dir.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorCode::Exists, dir.display(), "it is there already")
            .next("move it away, or choose another name"));
    }
    let name = dir.file_name().and_then(|n| n.to_str()).ok_or_else(|| {
        Error::new(ErrorCode::Usage, dir.display(), "this is no name for a new folder").next("choose another name")
    })?;
    let temporary = dir.with_file_name(format!("{TEMP_PREFIX}{name}"));
    let _ = disk.remove_all(&temporary);
    let laid = fill(disk, &temporary, source).and_then(|()| disk.rename(&temporary, dir));
    if laid.is_err() {
        let _ = disk.remove_all(&temporary);
    }
    laid
}

/// The same in place of a folder that may be there already, which stays until the new one is whole.
///
/// # Errors
/// As [`lay`], but for `exists`.
pub fn lay_over(disk: &Disk, dir: &Path, source: &Source) -> Result<()> {
    if dir.symlink_metadata().is_err() {
        return lay(disk, dir, source);
    }
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let new = dir.with_file_name(format!("{TEMP_PREFIX}{name}-new"));
    let _ = disk.remove_all(&new);
    lay(disk, &new, source)?;
    disk.remove_all(dir)?;
    disk.rename(&new, dir)
}

fn fill(disk: &Disk, dir: &Path, source: &Source) -> Result<()> {
    disk.mkdir_all(dir)?;
    for (path, entry) in &source.tree.entries {
        let full = path.under(dir);
        if let Some(parent) = full.parent() {
            disk.mkdir_all(parent)?;
        }
        match entry {
            Entry::File { digest, exec, .. } => {
                let bytes = source.store.get(digest)?;
                disk.create_new(&full, &bytes, if *exec { 0o755 } else { 0o644 })?;
            }
            Entry::Symlink { target } => disk.symlink(target, &full)?,
            Entry::Folder => disk.mkdir_all(&full)?,
            Entry::Brief { .. } => {
                return Err(Error::new(ErrorCode::Internal, path, "only the beginning of its digest is known"));
            }
        }
    }
    Ok(())
}
