//! What an apply records, so that it can be finished, undone and told of.

use super::apply::{Options, real};
use super::release::{Release, Route};
use super::state::{FolderWas, Generation, Installed, Memory, State};
use super::steps::{Op, What, Work};
use crate::bundle::Class;
use crate::disk::{self, Disk};
use crate::report::Result;
use crate::tree::{Digest, TreePath};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The record of an apply.
pub fn generation(
    state: &State,
    release: &Release<'_>,
    route: &Route,
    work: &Work,
    installed: &Installed,
    current: Option<&Generation>,
    options: &Options,
) -> Result<Generation> {
    let memory = memory(release, installed, options);
    let of_class = |wanted: &[Class]| {
        let all = route.after.entries.keys().chain(route.before.entries.keys());
        let paths: BTreeSet<&TreePath> = all.filter(|p| wanted.contains(&route.class(p))).collect();
        paths.into_iter().cloned().collect::<Vec<_>>()
    };
    let mut beside: BTreeMap<TreePath, Digest> = current.map(|g| g.beside.clone()).unwrap_or_default();
    beside.extend(work.beside.iter().map(|(p, d)| (p.clone(), *d)));
    Ok(Generation {
        generation: installed.generation + 1,
        component: release.component.clone(),
        version: release.version.clone(),
        track: route.track.clone(),
        base: route.name.clone(),
        bundle: release.bundle,
        sequence: release.sequence,
        best_before: release.best_before,
        before: route.from,
        after: route.to,
        fixes: route.fixes.clone(),
        config: of_class(&[Class::Config]).into_iter().chain(work.aside.iter().cloned()).collect(),
        ignored: of_class(&[Class::Volatile, Class::Site]),
        beside,
        ops: work.ops.clone(),
        reversed: work.reversed.clone(),
        folders: folders(&state.dir, &work.ops)?,
        owners: Vec::new(),
        memory,
        hooks: Vec::new(),
    })
}

/// Folders whose entries change or that go, as they are now.
fn folders(dir: &Path, ops: &[Op]) -> Result<Vec<FolderWas>> {
    let mut paths: BTreeSet<Option<TreePath>> = ops.iter().map(|op| op.path.parent()).collect();
    paths.insert(None);
    paths.extend(ops.iter().filter(|op| op.what == What::Unfolder).map(|op| Some(op.path.clone())));
    let mut out = Vec::new();
    for path in paths {
        let full = path.as_ref().map_or_else(|| dir.to_path_buf(), |p| p.under(dir));
        // What is not there yet is removed when rolling back.
        let Ok(meta) = fs::symlink_metadata(&full) else { continue };
        if meta.is_dir() {
            let goes = ops.iter().any(|op| op.what == What::Unfolder && path.as_ref() == Some(&op.path));
            // Its list is not kept, and must not come back as more than it allowed.
            let mode = if goes { disk::mode_without_list(&full, meta.mode()) } else { meta.mode() };
            out.push(FolderWas {
                path,
                mode: mode & 0o7777,
                uid: meta.uid(),
                gid: meta.gid(),
                mtime: meta.mtime(),
                nanoseconds: meta.mtime_nsec(),
            });
        }
    }
    Ok(out)
}

/// Remembers whom to trust although nothing is installed; whether it could, because nothing is under way.
///
/// # Errors
/// `locked`, `bad-state`, `io`.
pub fn remember_trust(disk: &Disk, dir: &Path, trust: &str) -> Result<bool> {
    let dir = &real(dir)?;
    let _lock = disk.lock(dir)?;
    let state = State::of(dir)?;
    if state.journal()?.is_some() {
        return Ok(false);
    }
    let mut installed = state.installed()?;
    installed.memory.trust = Some(trust.to_owned());
    state.write_installed(disk, &installed)?;
    Ok(true)
}

/// What the installation remembers once this release is believed.
pub fn memory(release: &Release<'_>, installed: &Installed, options: &Options) -> Memory {
    let mut memory = installed.memory.clone();
    if let Some(sequence) = release.sequence {
        let highest = memory.sequences.entry(release.component.clone()).or_insert(sequence);
        *highest = sequence.max(*highest);
    }
    if options.trust.is_some() {
        memory.trust.clone_from(&options.trust);
    }
    memory
}
