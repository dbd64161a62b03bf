//! The state folder and the folders in it are folders: nothing of ours may lead elsewhere. Whoever could write there before
//! may have left a link, and an installer with more rights would follow it.

use super::scan::gone;
use crate::report::{Error, ErrorCode, Result};
use std::fs;
use std::path::Path;

/// Folders that there may be in the state folder, and whether each generation has one of its own in them.
const FOLDERS: [(&str, bool); 4] = [("releases", false), ("backup", true), ("pristine", true), ("stage", false)];

/// # Errors
/// `blocked` for what stands in the place of a folder.
pub(super) fn all_own(root: &Path) -> Result<()> {
    own(root)?;
    for (name, generations) in FOLDERS {
        let folder = root.join(name);
        own(&folder)?;
        let items = if generations { fs::read_dir(&folder).ok() } else { None };
        let mut links: Vec<_> = items.into_iter().flatten().flatten().filter(|i| is_link(&i.path())).collect();
        links.sort_by_key(fs::DirEntry::file_name);
        if let Some(link) = links.first() {
            return Err(foreign(&link.path()));
        }
    }
    Ok(())
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink())
}

fn own(folder: &Path) -> Result<()> {
    match fs::symlink_metadata(folder) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Err(e) if gone(&e) => Ok(()),
        Ok(_) => Err(foreign(folder)),
        Err(e) => Err(Error::io(folder.display(), &e)),
    }
}

fn foreign(path: &Path) -> Error {
    Error::new(ErrorCode::Blocked, path.display(), "this is not a folder of cumulate's making")
        .next("move it away, then run the command again")
}
