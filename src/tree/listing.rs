//! What lies in a folder, to the bottom, without following links and without reading a file.

use super::{Entry, STATE_DIR, Stamp, TreePath};
use crate::report::{Error, ErrorCode, Result};
use rayon::prelude::*;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

pub(super) struct Found {
    pub(super) path: TreePath,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    File { exec: bool, stamp: Stamp },
    Done(Entry),
}

/// What stands in one folder.
enum Item {
    Found(Found),
    Folder(PathBuf, String),
}

/// Everything below a folder, by path; the state folder at the top is not part of a tree.
pub(super) fn list(root: &Path) -> Result<Vec<Found>> {
    let mut out = Vec::new();
    let mut level: Vec<(PathBuf, String)> = vec![(root.to_path_buf(), String::new())];
    while !level.is_empty() {
        let listed: Vec<Result<Vec<Item>>> = level.par_iter().map(|(dir, prefix)| folder(dir, prefix)).collect();
        level.clear();
        out.reserve(listed.iter().flatten().map(Vec::len).sum());
        // One after the other, so that of several faults the same one is told each time.
        for items in listed {
            for item in items? {
                match item {
                    Item::Found(found) => out.push(found),
                    Item::Folder(dir, prefix) => level.push((dir, prefix)),
                }
            }
        }
    }
    out.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

/// Names below which one thread is enough.
const FEW: usize = 256;

fn folder(dir: &Path, prefix: &str) -> Result<Vec<Item>> {
    let io = |e: std::io::Error| Error::io(dir.display(), &e);
    let mut items: Vec<(OsString, DirEntry)> = Vec::new();
    for item in fs::read_dir(dir).map_err(io)? {
        let item = item.map_err(io)?;
        items.push((item.file_name(), item));
    }
    if items.is_empty() && !prefix.is_empty() {
        let path = TreePath::parse(prefix.trim_end_matches('/'))
            .map_err(|e| Error::new(ErrorCode::BadPath, dir.display(), e))?;
        return Ok(vec![Item::Found(Found { path, kind: Kind::Done(Entry::Folder) })]);
    }
    items.retain(|(name, _)| !(prefix.is_empty() && name == STATE_DIR));
    items.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let read: Vec<Result<Item>> =
        items.par_iter().with_min_len(FEW).map(|(name, at)| item(dir, prefix, name, at)).collect();
    read.into_iter().collect()
}

fn item(dir: &Path, prefix: &str, name: &OsStr, at: &DirEntry) -> Result<Item> {
    let full = || dir.join(name);
    let Some(said) = name.to_str() else { return Err(not_utf8(&full())) };
    let text = [prefix, said].concat();
    let path = TreePath::parse(&text)
        .map_err(|e| Error::new(ErrorCode::BadPath, full().display(), e).next("rename or leave out the file"))?;
    let io = |e: std::io::Error| Error::io(full().display(), &e);
    let kind = at.file_type().map_err(io)?;
    if kind.is_dir() {
        return Ok(Item::Folder(full(), text + "/"));
    }
    let kind = if kind.is_symlink() {
        let target = fs::read_link(full()).map_err(io)?;
        let target = target.to_str().ok_or_else(|| not_utf8(&full()))?.to_owned();
        Kind::Done(Entry::Symlink { target })
    } else if kind.is_file() {
        let meta = at.metadata().map_err(io)?;
        Kind::File { exec: meta.permissions().mode() & 0o100 != 0, stamp: Stamp::of(&meta) }
    } else {
        return Err(Error::new(ErrorCode::BadSource, full().display(), "neither a file, a folder nor a symbolic link")
            .next("remove the device, pipe or socket from the source"));
    };
    Ok(Item::Found(Found { path, kind }))
}

fn not_utf8(path: &Path) -> Error {
    let shown = OsStr::new(path).as_bytes().escape_ascii().to_string();
    Error::new(ErrorCode::BadPath, shown, "the name is not valid UTF-8")
        .next("rename the file; cumulate never mangles a name")
}
