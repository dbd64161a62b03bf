//! Whatever can be known to fail is found before the first byte is written.

use super::kept::keeps_old;
use super::release::Route;
use super::scan::{self, Scan, gone};
use super::stage::meta;
use super::steps::{Op, What, Work, is_reversed};
use crate::bundle::Class;
use crate::disk::{self, Disk};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Entry, STATE_DIR, TreePath};
use rustix::fs::Access;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Room for folders, records and the file system's own blocks beside the new files' bytes.
const OVERHEAD: u64 = 1 << 20;

/// Bytes on disk that an apply of the whole route takes at most while both versions are there.
pub fn space_of(route: &Route) -> u64 {
    let ours = route.steps.iter().filter(|s| matches!(s.class, Class::Code | Class::Config));
    space(ours.filter_map(|s| s.after.as_ref()).filter(|e| **e != Entry::Folder), route)
}

/// The same for these new or copied files, with the target's listing and its config files as they are shipped.
pub fn space<'a>(files: impl Iterator<Item = &'a Entry>, route: &Route) -> u64 {
    let config = route.after.entries.iter().filter(|(p, _)| route.class(p) == Class::Config);
    let fixed = OVERHEAD.saturating_add(route.after.len() as u64 * 256);
    let fixed = config.fold(fixed, |sum, (_, e)| sum.saturating_add(e.size()));
    files.fold(fixed, |sum, e| sum.saturating_add(room(e.size())))
}

/// Bytes that a file takes, with its name.
pub fn room(size: u64) -> u64 {
    size.div_ceil(4096).saturating_mul(4096).saturating_add(4096)
}

/// The new or copied files that lie on the disk all at once.
pub fn written(work: &Work) -> impl Iterator<Item = &Entry> {
    let at_once = |op: &&Op| matches!(op.what, What::Put | What::Keep) && !is_reversed(&work.reversed, op);
    work.ops.iter().filter(at_once).filter_map(|op| op.after.as_ref())
}

/// Bytes of the old files that have to be copied to be kept, because this file system has no hard links or the kernel
/// may not let this user make one of another user's file.
///
/// # Errors
/// `io`.
pub fn copied(disk: &Disk, dir: &Path, work: &Work) -> Result<u64> {
    let (all, me) = (disk.may_lack_links(dir)?, rustix::process::geteuid());
    let linked = |op: &&Op| keeps_old(op) && op.what != What::Keep && !is_reversed(&work.reversed, op);
    let mut sum = 0u64;
    for op in work.ops.iter().filter(linked) {
        if all || !me.is_root() && meta(&op.path.under(dir))?.is_some_and(|m| m.uid() != me.as_raw()) {
            sum = sum.saturating_add(room(op.before.as_ref().map_or(0, Entry::size)));
        }
    }
    Ok(sum)
}

/// Checks that the operations can be done at all.
///
/// # Errors
/// `no-space`, `io` (read-only or forbidden), `blocked` (another file system, a folder that is not empty, immutable files).
pub fn check(disk: &Disk, dir: &Path, ops: &[Op], space: u64) -> Result<()> {
    reachable(disk, dir, ops)?;
    replaceable(dir, ops.iter().filter(|op| op.what != What::Keep && op.before.is_some()).map(|op| &op.path))?;
    emptiable(dir, ops)?;
    let free = disk.free_space(dir)?;
    if free < space {
        return Err(Error::new(
            ErrorCode::NoSpace,
            dir.display(),
            format!("{space} bytes are needed beside the old files, {free} are free"),
        )
        .next("free some space and run the same command again"));
    }
    Ok(())
}

/// Attributes of old files that only root may give to the new ones, where this user is not root.
pub fn lost_attributes(dir: &Path, work: &Work) -> Result<Vec<Finding>> {
    let mut out = Vec::new();
    for op in work.ops.iter().filter(|op| op.what == What::Unfolder) {
        let full = op.path.under(dir);
        let names = if full.is_dir() { disk::attributes(&full)? } else { Vec::new() };
        if !names.is_empty() {
            let what = format!("the folder goes, and a rollback does not bring back its {}", names.join(", "));
            let next = "keep them with 'getfacl -R' or 'getfattr -Rd -m -' where they are needed after a rollback";
            out.push(Finding::new(Code::AttributesLost, &op.path, what).next(next));
        }
    }
    if rustix::process::geteuid().is_root() {
        return Ok(out);
    }
    for (n, making) in &work.makings {
        let like = making.like.as_ref().map(|path| path.under(dir)).filter(|full| full.is_file());
        let names = like.map_or(Ok(Vec::new()), |full| disk::attributes(&full))?;
        out.extend(lost(&work.ops[*n].path, names.into_iter().filter(|name| disk::is_roots(name)).collect()));
    }
    Ok(out)
}

/// The finding about a file that cannot have all attributes of the one that it replaces.
pub fn lost(path: &TreePath, names: Vec<String>) -> Option<Finding> {
    let next = match names.iter().any(|n| n == "security.capability") {
        true => "apply as root, or give the file its capabilities again with setcap",
        false => "apply as root, or set them again with setfattr",
    };
    let what = || format!("the new file cannot have these attributes of the old one: {}", names.join(", "));
    (!names.is_empty()).then(|| Finding::new(Code::AttributesLost, path, what()).next(next))
}

/// Checks that every folder in which names change may be written and is on the installation's own file system.
pub fn reachable(disk: &Disk, dir: &Path, ops: &[Op]) -> Result<()> {
    writable(disk, dir)?;
    let root = fs::metadata(dir).map_err(|e| Error::io(dir.display(), &e))?;
    let mut folders: BTreeSet<TreePath> = BTreeSet::new();
    for op in ops {
        folders.extend(op.path.parent());
    }
    for folder in &folders {
        let full = folder.under(dir);
        let meta = match fs::symlink_metadata(&full) {
            Ok(meta) if meta.is_dir() => meta,
            Ok(_) => continue, // It goes before anything is put below it.
            Err(e) if gone(&e) => continue,
            Err(e) => return Err(Error::io(full.display(), &e)),
        };
        if meta.dev() != root.dev() {
            return Err(Error::new(
                ErrorCode::Blocked,
                folder,
                "this folder is on another file system than the installation",
            )
            .next("unmount it, or install below one file system"));
        }
        access(&full)?;
    }
    if ops.iter().any(|op| op.path.parent().is_none()) {
        access(dir)?;
    }
    Ok(())
}

/// Checks that the installation's folder and cumulate's own folder in it can be written.
pub fn writable(disk: &Disk, dir: &Path) -> Result<()> {
    if disk.is_read_only(dir)? {
        let e = std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem);
        return Err(Error::io(dir.display(), &e));
    }
    let state = dir.join(STATE_DIR);
    match fs::symlink_metadata(&state) {
        Ok(_) => access(&state),
        Err(_) => access(dir),
    }
}

/// Checks that nobody has made what stands at these paths immutable or append-only.
///
/// # Errors
/// `blocked`.
pub fn replaceable<'p>(dir: &Path, mut paths: impl Iterator<Item = &'p TreePath>) -> Result<()> {
    paths.find_map(|path| disk::held(&path.under(dir))).map_or(Ok(()), Err)
}

fn access(folder: &Path) -> Result<()> {
    if let Some(held) = disk::held(folder) {
        return Err(held);
    }
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|e| Error::io(folder.display(), &std::io::Error::from(e)))
}

/// A folder in whose place a file comes must hold nothing but what goes.
fn emptiable(dir: &Path, ops: &[Op]) -> Result<()> {
    let goes: BTreeSet<&TreePath> =
        ops.iter().filter(|o| matches!(o.what, What::Delete | What::Unfolder)).map(|o| &o.path).collect();
    let puts: BTreeSet<&TreePath> = ops.iter().filter(|o| o.what == What::Put).map(|o| &o.path).collect();
    for op in ops.iter().filter(|o| o.what == What::Unfolder) {
        if !puts.contains(&op.path) && !op.path.ancestors().any(|a| puts.contains(&a)) {
            continue;
        }
        let full = op.path.under(dir);
        for item in fs::read_dir(&full).map_err(|e| Error::io(full.display(), &e))? {
            let item = item.map_err(|e| Error::io(full.display(), &e))?;
            let name = item.file_name();
            let child = name.to_str().and_then(|n| TreePath::parse(&format!("{}/{n}", op.path)).ok());
            if !child.is_some_and(|c| goes.contains(&c)) {
                return Err(Error::new(
                    ErrorCode::Blocked,
                    item.path().display(),
                    format!("it lies in '{}', in whose place the bundle puts a file", op.path),
                )
                .next("move it away, then run the command again"));
            }
        }
    }
    Ok(())
}

/// Checks that nothing touched has changed since it was looked at.
///
/// # Errors
/// `source-changed`, `blocked` for a link that has come on the way.
pub fn unchanged(dir: &Path, ops: &[Op], seen: &Scan) -> Result<()> {
    let mut folders = scan::Folders::new(dir);
    for op in ops {
        let before = seen.get(&op.path).and_then(|s| s.stamp);
        let way = folders.way(&op.path)?;
        let now = if way.is_some() { None } else { scan::stamp(&op.path.under(dir))? };
        let same = match (before, now) {
            // Entries of a folder may come and go.
            (Some(a), Some(b)) if op.what == What::Unfolder => (a.dev, a.ino, a.mode) == (b.dev, b.ino, b.mode),
            (a, b) => a == b,
        };
        if !same {
            return Err(scan::changed(op.path.under(dir)));
        }
    }
    Ok(())
}
