//! Which running programs have files of an installation open: they keep the old versions until they are restarted.

use super::kept::keeps_old;
use super::scan::gone;
use super::stage::slot;
use super::state::{Generation, State};
use super::steps::What;
use crate::report::{Code, Error, Finding, Result};
use crate::tree::TreePath;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// One file that a program runs from, has mapped, or has open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct InUse {
    pub path: TreePath,
    pub pid: u32,
    /// The program's name, as the kernel has it.
    pub program: String,
    /// What it has open is not there any more: an older version, which an apply has replaced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replaced: bool,
}

impl InUse {
    /// The finding about a file that is replaced under a running program.
    pub fn told(&self, what: &str) -> Finding {
        let why = format!("{} (process {}) has it open, and {what}", self.program, self.pid);
        Finding::new(Code::InUse, &self.path, why).next("restart it")
    }
}

/// A file's device and inode.
type Node = (u64, u64);

/// The files at some paths as they are now, by device and inode, so that who has them open can be looked for while other
/// files take their places: a file that is kept or open keeps its inode.
pub struct Files<'a>(BTreeMap<Node, Vec<(&'a TreePath, bool)>>);

impl<'a> Files<'a> {
    /// # Errors
    /// `io` for a path that cannot be looked at.
    pub fn at(dir: &Path, paths: impl IntoIterator<Item = &'a TreePath>) -> Result<Self> {
        Self::of(paths.into_iter().map(|path| (path.under(dir), path, false)).collect())
    }

    fn of(files: BTreeSet<(PathBuf, &'a TreePath, bool)>) -> Result<Self> {
        let mut nodes: BTreeMap<Node, Vec<(&TreePath, bool)>> = BTreeMap::new();
        for (full, path, replaced) in files {
            match fs::symlink_metadata(&full) {
                Ok(meta) if meta.is_file() => nodes.entry((meta.dev(), meta.ino())).or_default().push((path, replaced)),
                Ok(_) => {}
                Err(e) if gone(&e) => {}
                Err(e) => return Err(Error::io(full.display(), &e)),
            }
        }
        Ok(Self(nodes))
    }

    /// Looks through `/proc` for programs that use one of them; what this user may not look into is not found. Without
    /// `/proc` nothing is.
    pub fn in_use(&self) -> Vec<InUse> {
        let mut out = Vec::new();
        let Ok(processes) = fs::read_dir("/proc") else { return out };
        for process in processes.flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
            if pid == std::process::id() {
                continue;
            }
            let at = process.path();
            let used: BTreeSet<Node> = nodes_of(&at).into_iter().collect();
            let program = || fs::read_to_string(at.join("comm")).unwrap_or_default().trim_end().to_owned();
            for (path, replaced) in used.iter().filter_map(|n| self.0.get(n)).flatten() {
                out.push(InUse { path: TreePath::clone(path), pid, program: program(), replaced: *replaced });
            }
        }
        out.sort();
        out
    }
}

/// The same, and programs that still have a version open which an apply has replaced and kept.
///
/// # Errors
/// `io`, `bad-state`.
pub fn in_use_or_kept(state: &State, paths: &[&TreePath]) -> Result<Vec<InUse>> {
    let mut files: BTreeSet<_> = BTreeSet::new();
    let generations: Vec<Generation> =
        (1..=state.installed()?.generation).map(|n| state.generation(n)).collect::<Result<_>>()?;
    for generation in &generations {
        let folder = state.backup(generation.generation);
        let kept = generation.ops.iter().enumerate().filter(|(_, op)| keeps_old(op) && op.what != What::Keep);
        files.extend(kept.map(|(n, op)| (slot(&folder, n), &op.path, true)));
    }
    files.extend(paths.iter().map(|path| (path.under(&state.dir), *path, false)));
    Ok(Files::of(files)?.in_use())
}

/// Every file that a process has: its program, what it has mapped, and what it has open.
fn nodes_of(process: &Path) -> Vec<Node> {
    let node = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    // The kernel's own threads, and what has ended, have no program and nothing else either.
    let mut nodes: Vec<Node> = match fs::metadata(process.join("exe")) {
        Err(e) if gone(&e) => return Vec::new(),
        exe => exe.iter().map(|m| (m.dev(), m.ino())).collect(),
    };
    if let Ok(open) = fs::read_dir(process.join("fd")) {
        nodes.extend(open.flatten().filter_map(|item| node(&item.path())));
    }
    // address perms offset dev inode path (proc(5)); the device is major:minor in hex.
    let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
    nodes.extend(maps.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(3);
        let (major, minor) = words.next()?.split_once(':')?;
        let number = |hex| u32::from_str_radix(hex, 16).ok();
        let dev = rustix::fs::makedev(number(major)?, number(minor)?);
        Some((dev, words.next()?.parse().ok()?))
    }));
    nodes
}
