//! Reads a folder or an archive into a tree and its contents.

use super::{Digest, Entry, Hasher, Store, Tree, TreePath, archive};
use crate::report::{Error, ErrorCode, Result};
use rayon::prelude::*;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A tree with the contents of its files.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub tree: Tree,
    pub store: Store,
}

/// How a source is read.
#[derive(Debug, Clone, Copy)]
pub struct SourceOptions<'a> {
    /// Leading names to drop from every path of an archive. `None` drops one if the whole
    /// archive stands in a single folder whose name has `version` in it (`redis-7.2.0/`).
    pub strip: Option<u32>,
    pub version: Option<&'a str>,
    /// Most bytes that an archive may unpack to.
    pub max_bytes: u64,
    /// Most entries.
    pub max_entries: u64,
}

impl Default for SourceOptions<'_> {
    fn default() -> Self {
        Self { strip: None, version: None, max_bytes: 16 << 30, max_entries: 4_000_000 }
    }
}

/// Reads a folder, `.tar`, `.tar.gz`, `.tgz`, `.tar.xz`, `.tar.zst` or `.zip`.
///
/// # Errors
/// `bad-path` for a name that is not UTF-8 or not representable, `bad-source` for devices,
/// sockets and damaged archives, `limit` beyond the options' bounds, `source-changed` for a
/// file that changes while it is read, `io` otherwise.
pub fn read_source(path: &Path, options: &SourceOptions<'_>) -> Result<Source> {
    let meta = fs::metadata(path).map_err(|e| Error::io(path.display(), &e))?;
    let source = if meta.is_dir() { read_folder(path)? } else { archive::read(path, options)? };
    if let Some(p) = source.tree.file_and_folder() {
        return Err(Error::new(
            ErrorCode::BadSource,
            path.display(),
            format!("'{p}' lies below a file or link of the same tree"),
        ));
    }
    Ok(source)
}

struct Found {
    path: TreePath,
    full: PathBuf,
    kind: Kind,
}

enum Kind {
    File { exec: bool, size: u64, mtime: (i64, i64) },
    Done(Entry),
}

fn read_folder(root: &Path) -> Result<Source> {
    let mut found = Vec::new();
    walk(root, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let hashed: Vec<(TreePath, PathBuf, Entry)> = found
        .into_par_iter()
        .map(|f| {
            let entry = match f.kind {
                Kind::Done(entry) => entry,
                Kind::File { exec, size, mtime } => {
                    let digest = hash_file(&f.full, size, mtime)?;
                    Entry::File { digest, size, exec }
                }
            };
            Ok((f.path, f.full, entry))
        })
        .collect::<Result<_>>()?;
    let mut source = Source::default();
    for (path, full, entry) in hashed {
        if let Entry::File { digest, size, .. } = entry {
            source.store.put_file(digest, full, size);
        }
        source.tree.entries.insert(path, entry);
    }
    Ok(source)
}

/// Lists a folder without following links; the state folder at the top is not part of a tree.
fn walk(root: &Path, found: &mut Vec<Found>) -> Result<()> {
    let mut todo: Vec<(PathBuf, String)> = vec![(root.to_path_buf(), String::new())];
    while let Some((dir, prefix)) = todo.pop() {
        let mut names = 0usize;
        for item in fs::read_dir(&dir).map_err(|e| Error::io(dir.display(), &e))? {
            let item = item.map_err(|e| Error::io(dir.display(), &e))?;
            names += 1;
            let full = item.path();
            let name = item.file_name();
            let Some(name) = name.to_str() else { return Err(not_utf8(&full)) };
            if prefix.is_empty() && name == super::STATE_DIR {
                continue;
            }
            let text = format!("{prefix}{name}");
            let path = TreePath::parse(&text)
                .map_err(|e| Error::new(ErrorCode::BadPath, full.display(), e).next("rename or leave out the file"))?;
            let meta = fs::symlink_metadata(&full).map_err(|e| Error::io(full.display(), &e))?;
            if meta.is_dir() {
                todo.push((full, format!("{text}/")));
                continue;
            }
            let kind = if meta.is_symlink() {
                let target = fs::read_link(&full).map_err(|e| Error::io(full.display(), &e))?;
                let target = target.to_str().ok_or_else(|| not_utf8(&full))?.to_owned();
                Kind::Done(Entry::Symlink { target })
            } else if meta.is_file() {
                Kind::File { exec: meta.permissions().mode() & 0o100 != 0, size: meta.len(), mtime: mtime(&meta) }
            } else {
                return Err(Error::new(
                    ErrorCode::BadSource,
                    full.display(),
                    "neither a file, a folder nor a symbolic link",
                )
                .next("remove the device, pipe or socket from the source"));
            };
            found.push(Found { path, full, kind });
        }
        if names == 0 && !prefix.is_empty() {
            let path = TreePath::parse(prefix.trim_end_matches('/'))
                .map_err(|e| Error::new(ErrorCode::BadPath, dir.display(), e))?;
            found.push(Found { path, full: dir, kind: Kind::Done(Entry::Folder) });
        }
    }
    Ok(())
}

fn not_utf8(path: &Path) -> Error {
    let shown = OsStr::new(path).as_bytes().escape_ascii().to_string();
    Error::new(ErrorCode::BadPath, shown, "the name is not valid UTF-8")
        .next("rename the file; cumulate never mangles a name")
}

fn mtime(meta: &fs::Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (meta.mtime(), meta.mtime_nsec())
}

/// Hashes a file and notices if it changes meanwhile.
fn hash_file(path: &Path, size: u64, before: (i64, i64)) -> Result<Digest> {
    let io = |e: std::io::Error| Error::io(path.display(), &e);
    let mut file = fs::File::open(path).map_err(io)?;
    let mut hasher = Hasher::new();
    // One more than the file has: a small one is read, and known to be at its end, with one call.
    let mut buffer = vec![0; usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1).min(1 << 16)];
    let mut total = 0u64;
    loop {
        let n = file.read(&mut buffer).map_err(io)?;
        total += n as u64;
        hasher.update(&buffer[..n]);
        if n == 0 || total == size && n < buffer.len() {
            break;
        }
    }
    let after = file.metadata().map_err(io)?;
    if total != size || after.len() != size || mtime(&after) != before {
        return Err(Error::new(ErrorCode::SourceChanged, path.display(), "the file changed while it was read")
            .next("wait until nothing writes to the folder, then run the command again"));
    }
    Ok(hasher.finish())
}
