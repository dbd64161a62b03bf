//! What an installation is, without changing it and without a bundle.

use super::apply::real;
use super::forgotten::nothing_forgotten;
use super::kept::keeps_old;
use super::recognise::{Difference, same};
use super::rollback::Release;
use super::scan::{gone, scan, stamp};
use super::stage::slot;
use super::state::{Doing, Generation, Memory, State};
use super::steps::{What, is_reversed};
use crate::bundle::FixState;
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry, TreePath};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// cumulate has not installed anything here (any more).
    None,
    Installed,
    /// Another cumulate is working on it right now.
    Busy,
    Interrupted,
}

/// What `status` says.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Always `cumulate.status/1`.
    pub schema: &'static str,
    pub state: Condition,
    /// What was interrupted: `staging`, `applying` or `restoring`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Doing>,
    /// The release on whose way it was interrupted, to it or back from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under_way: Option<Release>,
    /// Hooks of which nobody knows whether they ended, or in a rollback whether they were undone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncertain: Vec<String>,
    /// Hooks of the interrupted run that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<Release>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Seconds since 1970 until which what is installed is the current release, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Tree digest of what is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<Digest>,
    pub fixes: Vec<FixState>,
    /// Paths that are not as they were installed.
    pub drift: Vec<Difference>,
    /// Config files with local edits.
    pub config: Vec<TreePath>,
    /// Config files with local edits that the release removes, and that stayed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<TreePath>,
    /// New versions of config files that wait beside them.
    pub beside: Vec<TreePath>,
    /// What one can roll back to: the releases undone on the way, newest first.
    pub rollback: Vec<Release>,
    /// The kept old version without which one cannot go back any further: it is missing, or not as long as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<TreePath>,
    /// Highest sequence seen, by component.
    pub sequences: BTreeMap<String, u64>,
    /// Whether a policy is remembered that bundles must satisfy.
    pub trusted: bool,
    /// Whether that policy says that what is installed is not to be used any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

impl Status {
    /// The highest sequence that was seen here, where that is of a newer release than what is installed.
    pub fn newer(&self) -> Option<u64> {
        let seen = *self.sequences.get(&self.installed.as_ref()?.component)?;
        (self.sequence? < seen).then_some(seen)
    }

    /// The process exit code: 8 interrupted, 7 in use, 5 drift, else 0.
    pub fn exit(&self) -> u8 {
        match self.state {
            Condition::Interrupted => ErrorCode::Interrupted.exit(),
            Condition::Busy => ErrorCode::Locked.exit(),
            _ if !self.drift.is_empty() => ErrorCode::Drift.exit(),
            _ => 0,
        }
    }
}

/// What an installation must never forget: the policy it trusts and the sequences it has seen.
pub fn memory(dir: &Path) -> Result<Memory> {
    Ok(State::of(&real(dir)?)?.installed()?.memory)
}

/// The release that an interrupted run would bring to its end, if there is one.
///
/// # Errors
/// `bad-state`, `unknown-format`, `io`.
pub fn under_way(dir: &Path) -> Result<Option<Release>> {
    let state = State::of(&real(dir)?)?;
    match state.journal()?.filter(|journal| journal.doing == Doing::Applying) {
        Some(journal) => Ok(Some(Release::of(&state.generation(journal.generation)?))),
        None => Ok(None),
    }
}

/// # Errors
/// `bad-state`, `unknown-format`, `io`.
pub fn status(disk: &Disk, dir: &Path) -> Result<Status> {
    let dir = &real(dir)?;
    let state = State::of(dir)?;
    let mut status = Status {
        schema: "cumulate.status/1",
        state: Condition::None,
        interrupted: None,
        under_way: None,
        uncertain: Vec::new(),
        failed: Vec::new(),
        installed: None,
        sequence: None,
        best_before: None,
        track: None,
        tree: None,
        fixes: Vec::new(),
        drift: Vec::new(),
        config: Vec::new(),
        left: Vec::new(),
        beside: Vec::new(),
        rollback: Vec::new(),
        lost: None,
        sequences: BTreeMap::new(),
        trusted: false,
        revoked: false,
    };
    let _lock = match disk.lock_shared(dir) {
        Ok(lock) => Some(lock),
        Err(e) if e.code == ErrorCode::Locked => {
            status.state = Condition::Busy;
            None
        }
        Err(e) => return Err(e),
    };
    if status.state != Condition::Busy {
        nothing_forgotten(&state)?;
    }
    let installed = state.installed()?;
    status.sequences = installed.memory.sequences.clone();
    status.trusted = installed.memory.trust.is_some();
    let under_way = state.journal()?.is_some();
    for n in (1..=installed.generation).rev() {
        let generation = state.generation(n)?;
        // Who is at work right now, or was stopped there, has taken kept versions back, or away.
        if status.state != Condition::Busy && !under_way {
            status.lost = lost(&state, &generation)?;
        }
        if status.lost.is_some() {
            break;
        }
        status.rollback.push(Release::of(&generation));
    }
    if let Some(current) = state.current(&installed)? {
        if status.state == Condition::None {
            status.state = Condition::Installed;
        }
        status.installed = Some(Release::of(&current));
        status.sequence = current.sequence;
        status.best_before = current.best_before;
        status.track = Some(current.track.clone());
        status.tree = Some(current.after);
        status.fixes.clone_from(&current.fixes);
    }
    if status.state == Condition::Busy {
        return Ok(status);
    }
    if let Some(journal) = state.journal()? {
        // In between, files of both versions are right, so nothing can be said about drift.
        status.state = Condition::Interrupted;
        status.interrupted = Some(journal.doing);
        if journal.doing != Doing::Staging {
            let generation = state.generation(journal.generation)?;
            status.under_way = Some(Release::of(&generation));
            for left in super::hooks::left(&state, &generation, journal.doing)? {
                let list = if left.failed { &mut status.failed } else { &mut status.uncertain };
                list.push(left.hook.id.clone());
            }
        }
        return Ok(status);
    }
    if let Some(current) = state.current(&installed)? {
        let mut listing = state.listing(current.generation)?;
        let seen = scan(dir, listing.entries.keys().chain(current.beside.keys()))?;
        // A file that had drifted when it was accepted is listed by the beginning of its digest.
        listing.complete(|path| seen.get(path).and_then(|s| s.found.entry()));
        let config: BTreeSet<&TreePath> = current.config.iter().collect();
        let ignored: BTreeSet<&TreePath> = current.ignored.iter().collect();
        let written: BTreeSet<&TreePath> =
            current.ops.iter().filter(|op| op.what != What::Keep).map(|op| &op.path).collect();
        for (path, entry) in &listing.entries {
            if ignored.contains(path) || same(entry, seen.get(path)) {
                continue;
            }
            if config.contains(path) {
                status.config.push(path.clone());
            } else {
                let found = seen.get(path).map_or_else(|| "missing".into(), |s| s.found.words());
                status.drift.push(Difference { path: path.clone(), found, touched: written.contains(path) });
            }
        }
        for op in current.ops.iter().filter(|op| op.what == What::Keep && !listing.entries.contains_key(&op.path)) {
            if stamp(&op.path.under(dir))?.is_some() {
                status.left.push(op.path.clone());
            }
        }
        status.beside = current
            .beside
            .iter()
            .filter(|(p, d)| seen.get(*p).and_then(|s| s.found.entry()).and_then(|e| e.digest()) == Some(**d))
            .map(|(p, _)| p.clone())
            .collect();
    }
    Ok(status)
}

/// The first file whose kept old version is not there as it was, as far as its length tells.
fn lost(state: &State, generation: &Generation) -> Result<Option<TreePath>> {
    let folder = state.backup(generation.generation);
    for (n, op) in generation.ops.iter().enumerate().filter(|(_, op)| keeps_old(op)) {
        if is_reversed(&generation.reversed, op) {
            continue;
        }
        let kept = slot(&folder, n);
        let there = match fs::symlink_metadata(&kept) {
            Ok(meta) => Some(meta.len()),
            Err(e) if gone(&e) => None,
            // Old versions are for nobody but the owner: whoever may not look there is told the rest.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => return Ok(None),
            Err(e) => return Err(Error::io(kept.display(), &e)),
        };
        let as_it_was = |length: u64| match op.before {
            Some(Entry::File { size, .. }) => length == size,
            _ => true,
        };
        if !there.is_some_and(as_it_was) {
            return Ok(Some(op.path.clone()));
        }
    }
    Ok(None)
}
