//! What stands in an installation at given paths. Links are never followed, not even on the way.

use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry, Hasher, TreePath};
use rayon::prelude::*;
use rustix::fs::{CWD, Mode, OFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Missing,
    Entry(Entry),
    /// A device, pipe or socket, or a link whose target is not UTF-8.
    Other,
    /// A name on the way is no real folder.
    Behind {
        at: TreePath,
        link: bool,
    },
}

impl Found {
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Found::Entry(entry) => Some(entry),
            _ => None,
        }
    }

    /// In a few words, for messages.
    pub fn words(&self) -> String {
        match self {
            Found::Missing => "missing".into(),
            Found::Entry(Entry::File { .. } | Entry::Brief { .. }) => "another content or mode".into(),
            Found::Entry(Entry::Symlink { target }) => format!("a link to '{target}'"),
            Found::Entry(Entry::Folder) => "a folder".into(),
            Found::Other => "a device, pipe or socket".into(),
            Found::Behind { at, link: true } => format!("behind the symbolic link '{at}'"),
            Found::Behind { at, link: false } => format!("below '{at}', which is a file"),
        }
    }
}

/// What identifies one state of one file on disk, so that a change between looking and writing is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub dev: u64,
    pub ino: u64,
    pub size: u64,
    pub mode: u32,
    pub mtime: (i64, i64),
}

impl Stamp {
    pub fn of(meta: &Metadata) -> Self {
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            mode: meta.mode(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
        }
    }
}

/// One look at one path.
#[derive(Debug, Clone)]
pub struct Seen {
    pub found: Found,
    /// Absent where nothing was found.
    pub stamp: Option<Stamp>,
}

/// What was found, by path.
pub type Scan = BTreeMap<TreePath, Seen>;

/// Files that have been read already, each with what it was then.
pub type Read = BTreeMap<TreePath, (Stamp, Entry)>;

/// Looks at all given paths below `dir`, hashing the files in parallel.
///
/// # Errors
/// `io` for what cannot be read, `source-changed` for a file that is being written to.
pub fn scan<'a>(dir: &Path, paths: impl IntoIterator<Item = &'a TreePath>) -> Result<Scan> {
    scan_but(dir, paths, &Read::new())
}

/// The same, where a file that was read before, under whatever name, and is the very same still is not read again.
///
/// # Errors
/// As [`scan`].
pub fn scan_but<'a>(dir: &Path, paths: impl IntoIterator<Item = &'a TreePath>, read: &Read) -> Result<Scan> {
    let paths: BTreeSet<&TreePath> = paths.into_iter().collect();
    let mut folders = Folders::new(dir);
    let mut blocked = BTreeMap::new();
    for path in &paths {
        if let Some(found) = folders.way(path)? {
            blocked.insert(*path, found);
        }
    }
    paths
        .into_par_iter()
        .map(|path| {
            let seen = match blocked.get(path) {
                Some(found) => Seen { found: found.clone(), stamp: None },
                None => look_but(&path.under(dir), read.get(path))?,
            };
            Ok((path.clone(), seen))
        })
        .collect()
}

/// Which folders on the way to paths are real ones; each is looked at once.
pub struct Folders<'a> {
    dir: &'a Path,
    known: BTreeMap<TreePath, Option<Found>>,
}

impl<'a> Folders<'a> {
    pub fn new(dir: &'a Path) -> Self {
        Self { dir, known: BTreeMap::new() }
    }

    /// `None` if every folder above `path` is a real folder, else what a path there amounts to.
    pub fn way(&mut self, path: &TreePath) -> Result<Option<Found>> {
        let above: Vec<TreePath> = path.ancestors().collect();
        for folder in above.into_iter().rev() {
            if !self.known.contains_key(&folder) {
                let full = folder.under(self.dir);
                let found = match fs::symlink_metadata(&full) {
                    Ok(meta) if meta.is_dir() => None,
                    Ok(meta) => Some(Found::Behind { at: folder.clone(), link: meta.is_symlink() }),
                    Err(e) if gone(&e) => Some(Found::Missing),
                    Err(e) => return Err(Error::io(full.display(), &e)),
                };
                self.known.insert(folder.clone(), found);
            }
            if let Some(Some(found)) = self.known.get(&folder) {
                return Ok(Some(found.clone()));
            }
        }
        Ok(None)
    }
}

/// Whether the error says that nothing is there.
pub fn gone(e: &std::io::Error) -> bool {
    matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn look_but(full: &Path, read: Option<&(Stamp, Entry)>) -> Result<Seen> {
    match read {
        Some((was, entry)) if stamp(full)? == Some(*was) => {
            Ok(Seen { found: Found::Entry(entry.clone()), stamp: Some(*was) })
        }
        _ => look(full),
    }
}

/// Looks at one path without following it; the way there must have been checked.
pub fn look(full: &Path) -> Result<Seen> {
    let meta = match fs::symlink_metadata(full) {
        Ok(meta) => meta,
        Err(e) if gone(&e) => return Ok(Seen { found: Found::Missing, stamp: None }),
        Err(e) => return Err(Error::io(full.display(), &e)),
    };
    let found = if meta.is_dir() {
        Found::Entry(Entry::Folder)
    } else if meta.is_symlink() {
        let target = fs::read_link(full).map_err(|e| Error::io(full.display(), &e))?;
        target.to_str().map_or(Found::Other, |t| Found::Entry(Entry::Symlink { target: t.into() }))
    } else if meta.is_file() {
        let (digest, size) = hash(full, &meta)?;
        Found::Entry(Entry::File { digest, size, exec: meta.mode() & 0o100 != 0 })
    } else {
        Found::Other
    };
    Ok(Seen { found, stamp: Some(Stamp::of(&meta)) })
}

/// The present state of a path without reading it; `None` if nothing is there.
pub fn stamp(full: &Path) -> Result<Option<Stamp>> {
    match fs::symlink_metadata(full) {
        Ok(meta) => Ok(Some(Stamp::of(&meta))),
        Err(e) if gone(&e) => Ok(None),
        Err(e) => Err(Error::io(full.display(), &e)),
    }
}

/// Opens a regular file for reading, never through a link.
pub fn open(full: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, full, flags, Mode::empty())
        .map(File::from)
        .map_err(|e| Error::io(full.display(), &std::io::Error::from(e)))
}

fn hash(full: &Path, before: &Metadata) -> Result<(Digest, u64)> {
    let io = |e: std::io::Error| Error::io(full.display(), &e);
    let mut file = open(full)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    let mut total = 0u64;
    loop {
        let n = file.read(&mut buffer).map_err(io)?;
        if n == 0 {
            break;
        }
        total += n as u64;
        hasher.update(&buffer[..n]);
    }
    if total != before.len() || Stamp::of(&file.metadata().map_err(io)?) != Stamp::of(before) {
        return Err(changed(full.to_path_buf()));
    }
    Ok((hasher.finish(), total))
}

/// The error for a file that changed under our hands.
pub fn changed(full: PathBuf) -> Error {
    Error::new(ErrorCode::SourceChanged, full.display(), "the file changed while cumulate was looking at it")
        .next("stop what writes to the installation, then run the command again")
}
