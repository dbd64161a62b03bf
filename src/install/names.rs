//! File systems that take two names for one: a target with both cannot be installed there.

use super::release::Route;
use super::scan::Scan;
use super::stage::meta;
use super::state::State;
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Tree, TreePath};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Refuses a base and target of which two paths are one file here. Whatever stands there already is asked for under both
/// names; where neither is there, the folder is asked whether it takes upper case for lower case. Writes nothing.
///
/// # Errors
/// `unsupported`, `io`.
pub fn distinct(dir: &Path, route: &Route, seen: &Scan) -> Result<()> {
    let (mut nodes, mut folded) = (BTreeMap::new(), BTreeMap::new());
    let stands = |path: &TreePath| seen.get(path).and_then(|s| s.stamp);
    for path in route.before.entries.keys().chain(route.after.entries.keys()) {
        let other = match stands(path) {
            Some(stamp) => nodes.insert((stamp.dev, stamp.ino), path),
            // Tables of all scripts would take more room than the small installer has.
            None => folded.insert(path.as_str().to_ascii_lowercase(), path),
        };
        let Some(other) = other.filter(|other| *other != path) else { continue };
        let one = match stands(path) {
            // A file with two names of its own is counted as such.
            Some(_) => meta(&path.under(dir))?.is_some_and(|m| m.nlink() == 1 || m.is_dir()),
            None => folds(dir, path)?,
        };
        if one {
            return Err(one_name(path, other));
        }
    }
    Ok(())
}

/// The same for names that are new here, where only the file system knows which it takes for one (letters beyond a-z, ways to
/// write an accent): they are tried in the staging folder, which goes again, and nothing of the installation is written.
///
/// # Errors
/// `unsupported`, `io` also for a name that the file system does not take.
pub fn probe(disk: &Disk, state: &State, route: &Route) -> Result<()> {
    let (old, stage) = (names(&route.before), state.stage());
    for (folder, names) in names(&route.after) {
        let lower: BTreeSet<String> = names.iter().map(|n| n.to_ascii_lowercase()).collect();
        if names.len() < 2 || names.iter().all(|n| n.is_ascii()) && lower.len() == names.len() {
            continue;
        }
        let known = old.get(folder);
        let mut fresh = false;
        for name in &names {
            fresh |= !known.is_some_and(|k| k.contains(name)) || meta(&state.dir.join(folder).join(name))?.is_none();
        }
        if !fresh {
            continue;
        }
        disk.mkdir(&stage, 0o700)?;
        for name in &names {
            let at = stage.join(name);
            match disk.create(&at, 0o600) {
                Ok(_) => {}
                Err(e) if e.code == ErrorCode::Exists => {
                    // The one that goes with it is the other.
                    disk.unlink(&at)?;
                    let mut others = names.iter().filter(|n| *n != name);
                    let gone = |n: &&&str| matches!(meta(&stage.join(n)), Ok(None)) && **n < *name;
                    return Err(one_name(Path::new(folder).join(name).display(), others.find(gone).unwrap_or(name)));
                }
                Err(e) => return Err(e),
            }
        }
        state.drop_stage(disk)?;
    }
    Ok(())
}

/// The names in every folder of a tree.
fn names(tree: &Tree) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for text in tree.entries.keys().map(TreePath::as_str) {
        let mut at = 0;
        for name in text.split('/') {
            folders.entry(&text[..at.max(1) - 1]).or_default().insert(name);
            at += name.len() + 1;
        }
    }
    folders
}

fn one_name(path: impl Display, other: impl Display) -> Error {
    let what = format!("this file system takes it and '{other}' for one name, and the release has both");
    Error::new(ErrorCode::Unsupported, path, what)
        .next("install on a file system that tells upper from lower case and takes names as they are")
}

/// Whether upper and lower case are the same in the nearest folder that is there, as far as a name in it or its own tells.
fn folds(dir: &Path, path: &TreePath) -> Result<bool> {
    let folders = path.ancestors().map(|f| f.under(dir)).chain([dir.to_path_buf()]);
    for folder in folders {
        let items = fs::read_dir(&folder).into_iter().flatten().flatten().map(|item| item.path());
        for name in items.chain([folder.clone()]) {
            let Some(text) = name.file_name().and_then(|n| n.to_str()) else { continue };
            let upper = text.to_ascii_uppercase();
            let swapped = if upper == text { text.to_ascii_lowercase() } else { upper };
            if swapped != text {
                let node = |m: Option<Metadata>| m.map(|m| (m.dev(), m.ino()));
                return Ok(node(meta(&name)?) == node(meta(&name.with_file_name(swapped))?));
            }
        }
    }
    Ok(false)
}
