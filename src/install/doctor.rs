//! What ails an installation that no base matches: the nearest base, what differs from it, and what mending that costs.

use super::apply::{look, real};
use super::contents::Contents;
use super::in_use::in_use_or_kept;
use super::mend::{Ailment, Mending, Sick, TARGET, mend};
use super::release::Release;
use super::rollback::Release as Installed;
use super::scan::Found;
use super::state::{Doing, State};
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, PROGRAM, Result};
use crate::tree::Entry;
use serde::Serialize;
use std::path::Path;

/// What the installation is, as far as the bundle can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Every file is as the target has it.
    AtTarget,
    /// Every file is as the nearest base has it.
    Base,
    /// No base matches as a whole, but every file is as some base or the target has it: a base with a hotfix.
    Composed,
    /// Some file is as no base and no target has it.
    Drifted,
}

/// What `doctor` says.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// Always `cumulate.doctor/1`.
    pub schema: &'static str,
    pub component: String,
    pub version: String,
    pub health: Health,
    /// The base with the fewest differences, or `target`; those in files that steps touch count double.
    pub nearest: String,
    /// Bases, and `target`, whose states the files are in, where the installation is composed.
    pub composed: Vec<String>,
    pub ailments: Vec<Ailment>,
    /// Bytes of this bundle that mending everything reads.
    pub bytes: u64,
    /// Bytes of whole files that this bundle cannot mend.
    pub elsewhere: u64,
    pub in_use: Vec<super::InUse>,
    /// What is recorded as installed, where that is another release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<Installed>,
}

impl Diagnosis {
    /// The process exit code: 5 unless a base or the target matches.
    pub fn exit(&self) -> u8 {
        if matches!(self.health, Health::AtTarget | Health::Base) { 0 } else { ErrorCode::Drift.exit() }
    }
}

/// Compares an installation with every base of a release and with its target. Writes nothing.
///
/// # Errors
/// `interrupted`, `locked` while an installer is at work, `no-base` for a bundle without bases, `io`.
pub fn doctor(disk: &Disk, dir: &Path, release: &Release<'_>, intact: Option<&Path>) -> Result<Diagnosis> {
    let dir = &real(dir)?;
    let _lock = disk.lock_shared(dir)?;
    let state = State::of(dir)?;
    // In between, files of both versions are right.
    if state.journal()?.is_some_and(|journal| journal.doing != Doing::Staging) {
        return Err(Error::new(ErrorCode::Interrupted, dir.display(), "an earlier run was interrupted")
            .next(format!("finish it with '{PROGRAM} apply', or undo it with '{PROGRAM} rollback'")));
    }
    let installed = state.installed()?;
    let seen = look(dir, release, false)?;
    let release = &release.completed(&seen);
    let current = state.current(&installed)?;
    let listing = current.as_ref().map(|g| state.listing(g.generation)).transpose()?;
    let mut contents = Contents::of(dir, &seen);
    contents.add_backups(&state, installed.generation)?;
    let intact = intact.map(|folder| contents.add_folder(folder, &seen)).transpose()?;
    let sick = Sick { dir, seen: &seen, contents: &contents, listing: listing.as_ref(), intact: intact.as_ref() };
    let mended = mend(release, sick, None)?;
    let route = release.route(mended.at)?;
    let mut ailments = mended.ailments.clone();
    for ailment in &mut ailments {
        let wanted = route.after.get(&ailment.path).is_some_and(|e| *e != Entry::Folder);
        let found = seen.get(&ailment.path).map(|s| &s.found);
        if wanted && matches!(found, Some(Found::Other | Found::Behind { .. } | Found::Entry(Entry::Folder))) {
            (ailment.mending, ailment.bytes) = (Mending::Blocked, 0);
        }
    }
    let health = match mended.ailments.as_slice() {
        [] if mended.nearest == TARGET && route.ends_here() => Health::AtTarget,
        [] if mended.nearest != TARGET && route.starts_here() => Health::Base,
        [_, ..] if mended.is_composed() => Health::Composed,
        _ => Health::Drifted,
    };
    let sum = |elsewhere: bool| {
        let counted = ailments.iter().filter(|a| (a.mending == Mending::Elsewhere) == elsewhere);
        counted.fold(0u64, |sum, a| sum.saturating_add(a.bytes))
    };
    Ok(Diagnosis {
        schema: "cumulate.doctor/1",
        component: release.component.clone(),
        version: release.version.clone(),
        health,
        composed: if health == Health::Composed { mended.states().into_iter().collect() } else { Vec::new() },
        bytes: sum(false),
        elsewhere: sum(true),
        in_use: in_use_or_kept(&state, &route.steps.iter().map(|s| &s.path).collect::<Vec<_>>())?,
        installed: current
            .filter(|g| (&g.component, &g.version) != (&release.component, &release.version))
            .map(|g| Installed::of(&g)),
        nearest: mended.nearest,
        ailments,
    })
}
