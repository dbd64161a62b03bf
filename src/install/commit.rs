//! Doing and undoing a generation's operations. Both can be stopped anywhere and started again: what
//! is done already shows on the disk itself.

use super::in_place;
use super::kept::keeps_old;
use super::scan::{self, Found};
use super::stage::{parent_of, slot};
use super::state::{FolderWas, Generation, State};
use super::steps::{Op, What, is_reversed};
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Entry, TreePath};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Does every operation that is not done yet, with `replace` those that are done one by one.
pub fn forward(
    disk: &Disk,
    state: &State,
    generation: &Generation,
    replace: &mut dyn FnMut(usize, &Op) -> Result<()>,
) -> Result<()> {
    let stage = state.stage();
    for (n, op) in generation.ops.iter().enumerate() {
        let full = op.path.under(&state.dir);
        match op.what {
            What::Put if is_reversed(&generation.reversed, op) => replace(n, op)?,
            What::Put => {
                let staged = slot(&stage, n);
                if there(&staged)? {
                    disk.rename(&staged, &full)?;
                }
            }
            What::Delete => {
                let kept = scan::stamp(&slot(&state.backup(generation.generation), n))?;
                // Where a folder or another file stands by now, the old one is gone already.
                if let (Some(kept), Some(now)) = (kept, scan::stamp(&full)?)
                    && (kept == now || (kept.mode, kept.size, kept.mtime) == (now.mode, now.size, now.mtime))
                {
                    disk.unlink(&full)?;
                }
            }
            What::Folder => {
                if !there(&full)? {
                    let like = parent_of(&state.dir, &op.path)?;
                    disk.mkdir(&full, like.as_ref().map_or(0o755, |m| m.mode() & 0o2777))?;
                    if let Some(like) = like {
                        disk.keep_owner(&full, &like)?;
                    }
                }
            }
            What::Unfolder => {
                if is_folder(&full)? && empty(&full)? {
                    disk.rmdir(&full)?;
                }
            }
            What::Keep => {}
        }
    }
    sync(disk, state, generation)
}

/// Undoes every operation that is done, last first.
pub fn backward(disk: &Disk, state: &State, generation: &Generation) -> Result<()> {
    let backup = state.backup(generation.generation);
    if !generation.reversed.is_empty() {
        in_place::prepare(disk, state)?;
    }
    for (n, op) in generation.ops.iter().enumerate().rev() {
        let full = op.path.under(&state.dir);
        match op.what {
            What::Put if is_reversed(&generation.reversed, op) => {
                in_place::put_back(disk, state, generation.generation, (n, op))?;
            }
            What::Put | What::Delete if keeps_old(op) => {
                let kept = slot(&backup, n);
                if there(&kept)? {
                    put_back(disk, &kept, &full).or_else(|e| stands(op, &full, e))?;
                }
            }
            What::Put => {
                if there(&full)? && !is_folder(&full)? {
                    disk.unlink(&full)?;
                }
            }
            What::Delete => {}
            // An edit since the apply was set aside before; whatever stands there is as it was.
            What::Keep => {
                let kept = slot(&backup, n);
                if there(&kept)? && !there(&full)? {
                    disk.rename(&kept, &full)?;
                }
            }
            What::Folder => {
                if is_folder(&full)? && empty(&full)? {
                    disk.rmdir(&full)?;
                }
            }
            What::Unfolder => {
                if !there(&full)? {
                    disk.mkdir(&full, 0o700)?;
                }
            }
        }
    }
    for was in &generation.folders {
        restore(disk, state, was)?;
    }
    sync(disk, state, generation)
}

fn put_back(disk: &Disk, kept: &Path, full: &Path) -> Result<()> {
    disk.rename(kept, full)?;
    // Renaming one name of a file over another name of it does nothing.
    if there(kept)? { disk.unlink(kept) } else { Ok(()) }
}

/// A file that was never replaced need not be put back: it may be one that nobody can replace.
fn stands(op: &Op, full: &Path, e: Error) -> Result<()> {
    let fine = e.code != ErrorCode::Interrupted && scan::look(full)?.found.entry() == op.before.as_ref();
    if fine { Ok(()) } else { Err(e) }
}

fn restore(disk: &Disk, state: &State, was: &FolderWas) -> Result<()> {
    let full = was.path.as_ref().map_or_else(|| state.dir.clone(), |p| p.under(&state.dir));
    let now = fs::symlink_metadata(&full).map_err(|e| Error::io(full.display(), &e))?;
    if !now.is_dir() {
        return Ok(());
    }
    if (now.uid(), now.gid()) != (was.uid, was.gid) {
        disk.set_owner(&full, was.uid, was.gid)?;
    }
    if now.mode() & 0o7777 != was.mode {
        disk.chmod(&full, was.mode)?;
    }
    if (now.mtime(), now.mtime_nsec()) != (was.mtime, was.nanoseconds) {
        disk.set_mtime(&full, was.mtime, was.nanoseconds)?;
    }
    Ok(())
}

/// Makes the names in all touched folders durable; none waits for another.
fn sync(disk: &Disk, state: &State, generation: &Generation) -> Result<()> {
    let folders: BTreeSet<Option<TreePath>> = generation.ops.iter().map(|op| op.path.parent()).collect();
    let synced = folders.into_par_iter().map(|folder| {
        let full = folder.map_or_else(|| state.dir.clone(), |f| f.under(&state.dir));
        if is_folder(&full)? { disk.sync_folder(&full) } else { Ok(()) }
    });
    // All of them, and the first error in their order: the same error whichever thread is the faster.
    let synced: Vec<Result<()>> = synced.collect();
    synced.into_iter().collect()
}

fn there(full: &Path) -> Result<bool> {
    Ok(scan::stamp(full)?.is_some())
}

fn is_folder(full: &Path) -> Result<bool> {
    match fs::symlink_metadata(full) {
        Ok(meta) => Ok(meta.is_dir()),
        Err(e) if scan::gone(&e) => Ok(false),
        Err(e) => Err(Error::io(full.display(), &e)),
    }
}

fn empty(full: &Path) -> Result<bool> {
    let mut items = fs::read_dir(full).map_err(|e| Error::io(full.display(), &e))?;
    Ok(items.next().is_none())
}

/// In which states a path of a generation may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    After,
    /// The same, and config files that stayed have not been edited again.
    Left,
    /// In the middle of things either is right.
    BeforeOrAfter,
}

/// Paths of a generation that are in none of the expected states: somebody else changed them.
pub fn strangers(dir: &Path, generation: &Generation, expect: Expect) -> Result<Vec<super::Difference>> {
    strangers_but(dir, generation, expect, &scan::Read::new())
}

/// The same, where new files that were read back in the staging folder and are the very same still are not read again.
pub fn strangers_but(
    dir: &Path,
    generation: &Generation,
    expect: Expect,
    read: &scan::Read,
) -> Result<Vec<super::Difference>> {
    let mut by_path: BTreeMap<&TreePath, Vec<&Op>> = BTreeMap::new();
    for op in generation.ops.iter().filter(|op| op.what != What::Keep || expect == Expect::Left) {
        by_path.entry(&op.path).or_default().push(op);
    }
    let seen = scan::scan_but(dir, by_path.keys().copied(), read)?;
    let mut out = Vec::new();
    for (path, seen) in seen {
        let found = seen.found;
        if by_path.get(&path).is_some_and(|ops| !expected(ops, &found, expect)) {
            out.push(super::Difference { path, found: found.words(), touched: true });
        }
    }
    Ok(out)
}

/// Whether what was found at a path is what its operations may have left.
fn expected(ops: &[&Op], found: &Found, expect: Expect) -> bool {
    let before = ops.first().and_then(|op| op.before.as_ref());
    let after = ops.last().and_then(|op| op.after.as_ref());
    let is = |entry: Option<&Entry>| match (entry, found) {
        (None, Found::Missing | Found::Behind { link: false, .. }) => true,
        (entry, Found::Entry(found)) => entry == Some(found),
        _ => false,
    };
    // A folder that stays because the site has files in it is no surprise, neither is a missing one.
    let folder = after.or(before) == Some(&Entry::Folder);
    let fine = match expect {
        Expect::After | Expect::Left => is(after),
        // A folder in whose place a file comes, or the other way round, goes before the other comes.
        Expect::BeforeOrAfter => is(after) || is(before) || (ops.len() > 1 && is(None)),
    };
    let nothing = matches!(found, Found::Missing | Found::Entry(Entry::Folder) | Found::Behind { link: false, .. });
    fine || folder && nothing
}

/// A file of the site in a folder in whose place undoing puts a file.
pub fn in_the_way(dir: &Path, generation: &Generation) -> Result<()> {
    let ours: BTreeSet<&TreePath> = generation.ops.iter().map(|op| &op.path).collect();
    let old: BTreeSet<&TreePath> = generation.ops.iter().filter(|op| keeps_old(op)).map(|op| &op.path).collect();
    for op in generation.ops.iter().filter(|op| op.what == What::Folder) {
        if !old.contains(&op.path) && !op.path.ancestors().any(|a| old.contains(&a)) {
            continue;
        }
        let full = op.path.under(dir);
        if !is_folder(&full)? {
            continue;
        }
        for item in fs::read_dir(&full).map_err(|e| Error::io(full.display(), &e))? {
            let item = item.map_err(|e| Error::io(full.display(), &e))?;
            let name = item.file_name();
            let child = name.to_str().and_then(|n| TreePath::parse(&format!("{}/{n}", op.path)).ok());
            if !child.is_some_and(|c| ours.contains(&c)) {
                return Err(Error::new(
                    ErrorCode::Blocked,
                    item.path().display(),
                    format!("it lies in '{}', in whose place rolling back puts a file", op.path),
                )
                .next("move it away, then run the command again"));
            }
        }
    }
    Ok(())
}
