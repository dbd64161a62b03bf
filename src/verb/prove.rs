//! Applying a release to a scratch copy of a base and taking it back: what `verify --bases` and
//! `check` rest on.

use super::Proof;
use crate::disk::Disk;
use crate::install::{self, Options, Outcome, Release};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Entry, Source, SourceOptions, Tree, TreePath, read_source};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Applies the release to a copy of the base named `name` in a folder under TMPDIR, compares the tree
/// with the target, rolls back, and compares every content, mode and time with before.
///
/// # Errors
/// Whatever stops the apply or the rollback (a source that is not this base is `no-base`), `io`.
pub fn prove(release: &Release<'_>, name: &str, base: &Source) -> Result<Proof> {
    let Some(route) = release.routes.iter().find(|r| r.name == name) else {
        return Err(Error::new(ErrorCode::Partial, name, "the bundle does not hold this base"));
    };
    let target = route.to;
    let disk = Disk::scratch();
    let scratch = Scratch::new(&disk)?;
    let dir = scratch.path.join("base");
    lay(&disk, &dir, base)?;
    let before = look(&dir, &base.tree)?;
    let options = Options { base: Some(name.to_owned()), skip_hooks: true, ..Options::default() };
    let applied = install::apply(&disk, &dir, release, &options)?;
    let mut reached = read_source(&dir, &SourceOptions::default())?.tree;
    // What a base's folder has beyond the base (site files, volatile ones) is none of the target's.
    reached.entries.retain(|p, _| route.before.get(p).is_some() || route.after.get(p).is_some());
    let mut findings = Vec::new();
    if reached.digest() != target {
        let mut wanted = Tree::clone(&route.after);
        wanted.complete(|p| reached.get(p));
        let path = first_difference(&reached, &wanted);
        findings.push(
            Finding::new(
                Code::TargetMissed,
                name,
                format!("applying ends in {}, not in the target {target}", reached.digest()),
            )
            .next(format!("the first difference is at '{path}'; build the bundle again")),
        );
    }
    if applied.outcome == Outcome::Applied {
        install::rollback(&disk, &dir)?;
        let after = read_source(&dir, &SourceOptions::default())?.tree;
        if after != base.tree || look(&dir, &base.tree)? != before {
            let path = first_difference(&after, &base.tree);
            findings.push(
                Finding::new(Code::RollbackInexact, name, "rolling back does not restore the base exactly")
                    .next(format!("the first difference is at '{path}'; report this as a defect of cumulate")),
            );
        }
    }
    Ok(Proof { base: name.to_owned(), reached: reached.digest(), target, findings })
}

fn first_difference(a: &Tree, b: &Tree) -> String {
    let all: std::collections::BTreeSet<&TreePath> = a.entries.keys().chain(b.entries.keys()).collect();
    all.into_iter().find(|p| a.get(p) != b.get(p)).map_or_else(|| "(times or modes)".into(), ToString::to_string)
}

/// A folder of our own that goes away with the value.
pub(super) struct Scratch<'a> {
    pub(super) path: PathBuf,
    disk: &'a Disk,
}

impl<'a> Scratch<'a> {
    pub(super) fn new(disk: &'a Disk) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("cumulate-prove-{}-{n}", std::process::id()));
            match disk.mkdir(&path, 0o700) {
                Ok(()) => return Ok(Self { path, disk }),
                Err(e) if e.code == ErrorCode::Exists => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let _ = self.disk.remove_all(&self.path); // A leftover in TMPDIR is all that can happen.
    }
}

pub(super) fn lay(disk: &Disk, dir: &Path, base: &Source) -> Result<()> {
    disk.mkdir(dir, 0o755)?;
    for (path, entry) in &base.tree.entries {
        let full = path.under(dir);
        disk.mkdir_all(full.parent().unwrap_or(dir))?;
        match entry {
            Entry::File { digest, exec, .. } => {
                disk.create(&full, if *exec { 0o755 } else { 0o644 })?.put(&base.store.get(digest)?)?;
                // An old time, so that a file which is written anew cannot go unnoticed.
                disk.set_mtime(&full, 1, 0)?;
            }
            Entry::Symlink { target } => disk.symlink(target, &full)?,
            Entry::Folder => disk.mkdir_all(&full)?,
            // A base that was read has none.
            Entry::Brief { .. } => {}
        }
    }
    Ok(())
}

/// Mode and modification time of everything that the base has.
fn look(dir: &Path, base: &Tree) -> Result<BTreeMap<TreePath, (u32, i64, i64)>> {
    base.entries
        .keys()
        .flat_map(|p| p.ancestors().chain([p.clone()]))
        .map(|path| {
            let full = path.under(dir);
            let meta = fs::symlink_metadata(&full).map_err(|e| Error::io(full.display(), &e))?;
            Ok((path, (meta.mode(), meta.mtime(), meta.mtime_nsec())))
        })
        .collect()
}
