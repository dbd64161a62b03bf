//! `import dir`: the difference of two trees as one overlay fix.

use super::lay::lay;
use crate::disk::Disk;
use crate::fix::{FixId, ID_RULE, alike};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry, Source, SourceOptions, TreePath, read_source};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// What was written.
#[derive(Debug, Serialize)]
pub struct ImportedTree {
    pub fix: PathBuf,
    pub id: String,
    /// Paths that the fix puts, and how many of them were there before.
    pub put: usize,
    pub replaced: usize,
    pub deleted: usize,
    /// Folders that are empty in the new tree: a fix has no words for them.
    pub empty_folders: Vec<TreePath>,
    /// Whether the folder of fixes has a series, in which the new fix has to be named.
    pub series: bool,
}

/// What an overlay says beside its tree.
#[derive(Serialize)]
struct Said {
    title: String,
    delete: Vec<TreePath>,
    built_on: BTreeMap<TreePath, Digest>,
}

/// Writes what makes `new` of `old` (folders or archives) as the fix `id` into the folder of fixes `out`.
///
/// # Errors
/// `usage` for an id that is none or trees that are the same; `exists`; `bad-source`, `io`.
pub fn import_dir(disk: &Disk, old: &Path, new: &Path, id: &str, out: &Path) -> Result<ImportedTree> {
    let one = matches!(Path::new(id).components().collect::<Vec<_>>().as_slice(), [Component::Normal(n)] if n.to_str() == Some(id));
    if !one || id.len() > 200 || id.starts_with('.') || id.contains('@') || id.chars().any(char::is_control) {
        return Err(Error::new(ErrorCode::Usage, id, "this is no id for a fix").next(ID_RULE));
    }
    let fix = out.join(id);
    let taken = [fix.clone(), out.join(format!("{id}.patch")), out.join(format!("{id}.diff"))];
    if let Some(there) = taken.iter().find(|p| p.symlink_metadata().is_ok()) {
        return Err(Error::new(ErrorCode::Exists, there.display(), "it is there already and is never overwritten")
            .next("choose another id"));
    }
    let known = ids_in(out)?;
    if let Some(there) = alike(&FixId(id.to_owned()), known.iter()) {
        return Err(Error::new(
            ErrorCode::Exists,
            id,
            format!("there is {there}, and no two ids may differ in the case of letters only"),
        )
        .next("choose another id"));
    }
    let (before, mut after) =
        (read_source(old, &SourceOptions::default())?, read_source(new, &SourceOptions::default())?);
    let deleted: Vec<TreePath> = before
        .tree
        .entries
        .iter()
        .filter(|(p, e)| **e != Entry::Folder && !is_leaf(&after, p))
        .map(|(p, _)| p.clone())
        .collect();
    let is_folder = |e: &Entry| *e == Entry::Folder;
    let empty_folders: Vec<TreePath> = after
        .tree
        .entries
        .iter()
        .filter(|(p, e)| is_folder(e) && before.tree.get(p) != Some(e))
        .map(|(p, _)| p.clone())
        .collect();
    after.tree.entries.retain(|p, e| !is_folder(e) && before.tree.get(p) != Some(e));
    let put = after.tree.len();
    if put + deleted.len() == 0 {
        return Err(Error::new(ErrorCode::Usage, new.display(), "it holds the same files as the old tree")
            .next("name the tree before the fix and the one after it"));
    }
    let built_on: BTreeMap<TreePath, Digest> = after
        .tree
        .entries
        .iter()
        .filter(|(_, e)| e.is_file())
        .filter_map(|(p, _)| before.tree.get(p).and_then(Entry::digest).map(|d| (p.clone(), d)))
        .collect();
    let made = ImportedTree {
        fix: fix.clone(),
        id: id.to_owned(),
        put,
        replaced: built_on.len(),
        deleted: deleted.len(),
        empty_folders,
        series: out.join("series").is_file(),
    };
    let said = Said { title: id.to_owned(), delete: deleted, built_on };
    let text = toml::to_string(&said).map_err(|e| Error::new(ErrorCode::Internal, id, e))?;
    disk.mkdir_all(&fix)?;
    if put > 0 {
        lay(disk, &fix.join("tree"), &after)?;
    }
    disk.create_new(&fix.join("fix.toml"), text.as_bytes(), 0o644)?;
    Ok(made)
}

/// The ids that a folder of fixes has, by the names in it.
fn ids_in(out: &Path) -> Result<Vec<FixId>> {
    let mut ids = Vec::new();
    if !out.is_dir() {
        return Ok(ids);
    }
    for item in std::fs::read_dir(out).map_err(|e| Error::io(out.display(), &e))? {
        let item = item.map_err(|e| Error::io(out.display(), &e))?;
        let name = item.file_name().to_string_lossy().into_owned();
        let patch = name.strip_suffix(".patch").or_else(|| name.strip_suffix(".diff"));
        let id = match patch {
            Some(id) => id.split('@').next().unwrap_or(id),
            None if item.path().is_dir() && !name.starts_with('.') && name != "resolutions" => &name,
            None => continue,
        };
        ids.push(FixId(id.to_owned()));
    }
    ids.sort();
    Ok(ids)
}

/// Whether a file or link stands at a path.
fn is_leaf(source: &Source, path: &TreePath) -> bool {
    source.tree.get(path).is_some_and(|e| *e != Entry::Folder)
}
