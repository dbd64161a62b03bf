//! Files of other users where the installer is not root: only root may give a file away, so what is written anew, and what
//! had to be copied to be kept, belongs to whoever runs the installer.

use super::kept::keeps_old;
use super::stage::meta;
use super::state::OwnerWas;
use super::steps::{Op, What};
use crate::report::{Code, Finding, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const SPECIAL: u32 = 0o6000;

/// The files of other users that these operations replace or remove; none for root.
///
/// # Errors
/// `io`.
pub fn foreign(dir: &Path, ops: &[Op]) -> Result<Vec<OwnerWas>> {
    let me = rustix::process::geteuid();
    let mut out = Vec::new();
    if me.is_root() {
        return Ok(out);
    }
    let groups = rustix::process::getgroups().unwrap_or_default();
    let mine = |gid| gid == rustix::process::getegid().as_raw() || groups.iter().any(|g| g.as_raw() == gid);
    for op in ops.iter().filter(|op| keeps_old(op) && op.what != What::Keep) {
        if let Some(m) = meta(&op.path.under(dir))?.filter(|m| m.uid() != me.as_raw() || !mine(m.gid())) {
            out.push(OwnerWas { path: op.path.clone(), uid: m.uid(), gid: m.gid(), mode: m.mode() & 0o7777 });
        }
    }
    Ok(out)
}

/// What the new versions will not have of these.
pub fn told(ops: &[Op], owners: &[OwnerWas]) -> Vec<Finding> {
    let replaced = |o: &&OwnerWas| ops.iter().any(|op| op.path == o.path && op.what == What::Put);
    let owners: Vec<&OwnerWas> = owners.iter().filter(replaced).collect();
    let mut out: Vec<Finding> = owners.iter().filter_map(|o| without(o, "the new file cannot have")).collect();
    out.extend(summed(&owners, "the new version belongs to whoever applies it, as only root gives files away"));
    out
}

/// What of these came back under another owner, after a rollback.
///
/// # Errors
/// `io`.
pub fn told_back(dir: &Path, owners: &[OwnerWas]) -> Result<Vec<Finding>> {
    let mut lost = Vec::new();
    for was in owners {
        if meta(&was.path.under(dir))?
            .is_some_and(|m| (m.uid(), m.gid(), m.mode() & 0o7777) != (was.uid, was.gid, was.mode))
        {
            lost.push(was);
        }
    }
    let mut out: Vec<Finding> = lost.iter().filter_map(|o| without(o, "it is back without")).collect();
    out.extend(summed(&lost, "it is back, but belongs to whoever applied the release, as only root gives files away"));
    Ok(out)
}

/// The finding about a file that had special bits.
fn without(was: &OwnerWas, what: &str) -> Option<Finding> {
    let bits = match was.mode & SPECIAL {
        0 => return None,
        0o4000 => "set-user-ID bit",
        0o2000 => "set-group-ID bit",
        _ => "set-user-ID and set-group-ID bits",
    };
    let what = format!("{what} the {bits} that it had (mode {:04o})", was.mode);
    let next =
        format!("run it as root; or afterwards, as root: chown {}:{}, then chmod {:04o}", was.uid, was.gid, was.mode);
    Some(Finding::new(Code::AttributesLost, &was.path, what).next(next))
}

/// One finding for all of them: a whole tree may be another user's.
fn summed(owners: &[&OwnerWas], what: &str) -> Option<Finding> {
    let first = owners.first()?;
    let paths = owners.iter().skip(1).take(3).map(|o| o.path.as_str()).collect::<Vec<_>>().join(", ");
    let more = match owners.len() - 1 {
        0 => String::new(),
        1..=3 => format!(" (so with {paths})"),
        n => format!(" (so with {paths} and {} more)", n - 3),
    };
    let next = format!("run it as root, or give them back to their owners (here chown {}:{})", first.uid, first.gid);
    Some(
        Finding::new(
            Code::AttributesLost,
            &first.path,
            format!("{what}; before, it was user {}'s and group {}'s{more}", first.uid, first.gid),
        )
        .next(next),
    )
}
