//! File systems that take two names for one: a target with both cannot be installed there.

use super::release::Route;
use super::scan::Scan;
use super::stage::meta;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::TreePath;
use std::collections::BTreeMap;
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
            let what = format!("this file system takes it and '{other}' for one name, and the release has both");
            return Err(Error::new(ErrorCode::Unsupported, path, what)
                .next("install on a file system that tells upper from lower case and takes names as they are"));
        }
    }
    Ok(())
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
