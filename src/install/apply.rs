//! The story of an apply.

use super::carry_out::carry_out;
use super::contents::Contents;
use super::early::{Early, early};
use super::forgotten::nothing_forgotten;
use super::hooks;
use super::in_place;
use super::known::known;
use super::mend::Sick;
use super::names;
use super::owners;
use super::preflight;
use super::recognise::{AllowDrift, Recognised, paths};
use super::record::{generation, memory};
use super::release::Release;
use super::resume::{self, Resumed};
use super::scan::{Scan, scan};
use super::state::{Generation, Installed, State};
use super::steps::{self, EditedConfig, Here, Op, What, Work};
use super::succession;
use crate::bundle::{Action, FixState, Hook};
use crate::disk::Disk;
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Digest, TreePath};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a caller allows and wants.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Look and plan, but write nothing.
    pub dry_run: bool,
    pub allow_drift: AllowDrift,
    /// Accept a release older than the newest that the installation has seen.
    pub allow_downgrade: bool,
    /// The base that is meant, where several have the same content.
    pub base: Option<String>,
    /// The policy to remember for later applies, as the text of a trust file.
    pub trust: Option<String>,
    /// What is done with config files that were edited locally.
    pub edited: EditedConfig,
    /// A folder whose intact files may serve where the installation's are not.
    pub intact: Option<PathBuf>,
    /// Whether files that are written get the time that the release states, if it does, in the place of now.
    pub release_times: bool,
    /// Ids of hooks that cannot be undone and may run all the same.
    pub accept: Vec<String>,
    /// Run no hook: for trials on copies.
    pub skip_hooks: bool,
    /// Replace files one by one, where there is no room for both versions of all.
    pub in_place: bool,
    /// The bundle's file, for advice.
    pub named: Option<PathBuf>,
    /// What a command line has to have for the bundle to be believed (` --pub KEY`), for advice.
    pub trusting: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Applied,
    /// The installation is at the target already.
    NothingToDo,
    /// The files are at the target already; that they are now this later release is recorded.
    Recorded,
    /// It would be applied.
    DryRun,
}

/// What an apply did, or would do.
#[derive(Debug, Clone, Serialize)]
pub struct Applied {
    /// Always `cumulate.apply/1`.
    pub schema: &'static str,
    pub outcome: Outcome,
    pub component: String,
    pub version: String,
    pub track: String,
    pub bundle: Digest,
    /// All names of the recognised base; none if the target was there already.
    pub bases: Vec<String>,
    /// Tree digest of the target.
    pub target: Digest,
    /// In the order in which they are done.
    pub steps: Vec<StepDone>,
    /// Bytes of disk that the steps need at most beside the old files.
    pub disk: u64,
    pub fixes: Vec<FixState>,
    /// Files that are replaced one by one, and whose old versions are kept as what the new ones lack of them.
    #[serde(skip_serializing_if = "is_zero")]
    pub in_place: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Resumed>,
    /// Commands that ran, or would.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    pub findings: Vec<Finding>,
}

/// One step in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepDone {
    pub path: TreePath,
    /// `copy`, `delta`, `full`, `merge`, `mode`, `link`, `delete`, `folder`, `remove-folder`.
    #[serde(rename = "do")]
    pub what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<TreePath>,
    pub size: u64,
}

/// Brings an installation to the target of the release, or says why not.
///
/// # Errors
/// `locked`; `downgrade`; `no-base`, `drift`, `blocked`, `partial` from recognising; `no-space`, `io`;
/// `bad-delta`. With any of these the installation is as it was, unless the message says
/// that it was interrupted (then run again, or roll back).
pub fn apply(disk: &Disk, dir: &Path, release: &Release<'_>, options: &Options) -> Result<Applied> {
    Disk::check_supported()?;
    let dir = &real(dir)?;
    let _lock = if options.dry_run { disk.lock_shared(dir)? } else { disk.lock(dir)? };
    let state = State::of(dir)?;
    nothing_forgotten(&state)?;
    let resumed = if options.dry_run {
        if state.journal()?.is_some() {
            return Err(Error::new(ErrorCode::Interrupted, dir.display(), "an earlier run was interrupted")
                .next("run 'apply' without --dry-run to finish it, or 'rollback' to undo it"));
        }
        None
    } else {
        match state.journal()? {
            Some(journal) => {
                preflight::writable(disk, dir)?;
                // What is refused anyhow must not run a hook again first.
                let (installed, current) = resume::outlook(&state, journal)?;
                succession::permitted(dir, release, &installed, current.as_ref(), options)?;
                resume::finish(disk, &state, &options.accept)?
            }
            None => None,
        }
    };
    let (resumed, told) = resumed.unzip();
    let told = told.unwrap_or_default();
    apply_on(disk, (dir, &state), release, options, (resumed, &told)).map_err(|e| after_resumed(e, resumed, told))
}

/// A refusal behind an interrupted run that was brought to its end: that happened all the same.
fn after_resumed(mut e: Error, resumed: Option<Resumed>, told: Vec<Finding>) -> Error {
    let Some(resumed) = resumed else { return e };
    e.message = format!("{}; {} first", e.message, resumed.words());
    e.findings.splice(0..0, told);
    e
}

/// The apply itself; nothing is under way any more.
fn apply_on(
    disk: &Disk,
    (dir, state): (&Path, &State),
    release: &Release<'_>,
    options: &Options,
    (resumed, told): (Option<Resumed>, &[Finding]),
) -> Result<Applied> {
    let installed = state.installed()?;
    let current = state.current(&installed)?;
    succession::permitted(dir, release, &installed, current.as_ref(), options)?;
    let (at, is, before) = ((dir, state), (installed, current), (resumed, told));
    match options.dry_run || options.in_place {
        true => apply_to(disk, at, release, options, is, before, None),
        false => early(dir, release, |early| apply_to(disk, at, release, options, is, before, early)),
    }
}

/// The same, of which the largest content may have been begun.
fn apply_to(
    disk: &Disk,
    (dir, state): (&Path, &State),
    release: &Release<'_>,
    options: &Options,
    (installed, current): (Installed, Option<Generation>),
    (resumed, told): (Option<Resumed>, &[Finding]),
    early: Option<&Early>,
) -> Result<Applied> {
    let mending = matches!(options.allow_drift, AllowDrift::Composed | AllowDrift::Mended);
    let seen = look(dir, release, mending)?;
    for route in &release.routes {
        names::distinct(dir, route, &seen)?;
    }
    let release = &release.completed(&seen);
    let listing = current.as_ref().map(|g| state.listing(g.generation)).transpose()?;
    let mut contents = Contents::of(dir, &seen);
    contents.add_backups(state, installed.generation)?;
    let intact = options.intact.as_ref().map(|folder| contents.add_folder(folder, &seen)).transpose()?;
    let sick = Sick { dir, seen: &seen, contents: &contents, listing: listing.as_ref(), intact: intact.as_ref() };
    let what = known(release, sick, current.as_ref(), options)?;
    let beside = current.as_ref().map(|g| &g.beside);
    #[cfg(feature = "build")]
    let again = super::config::merging_again(dir, options);
    let (listing, edited) = (listing.as_ref(), options.edited);
    let here = Here {
        seen: &seen,
        contents: &contents,
        listing,
        beside,
        edited,
        #[cfg(feature = "build")]
        again: &again,
    };
    if let (Recognised::AtTarget { route, recorded: false }, Some(current), Some(listing)) =
        (&what, current.as_ref(), listing.as_ref())
    {
        succession::no_leftovers(dir, release, release.route(*route)?, (current, listing))?;
    }
    let mut mended = None;
    let mut drifted = false;
    let (index, names, mut work) = match what {
        Recognised::AtTarget { route, recorded: true } => (route, None, Work::default()),
        Recognised::AtTarget { route, recorded: false } => (route, None, steps::plan_config(release, route, here)?),
        Recognised::Base { route, names, drift } => {
            drifted = !drift.is_empty();
            (route, Some(names), steps::plan(release, route, &drift, here)?)
        }
        Recognised::Mended(way) => {
            let way = mended.insert(*way);
            (way.at, Some(vec![way.nearest.clone()]), steps::plan_mended(release, way, here)?)
        }
    };
    let at_target = names.is_none();
    let later = at_target && current.as_ref().is_some_and(|g| succession::recorded_anew(release, g, options));
    let route = mended.as_ref().map_or(release.route(index)?, |m| &m.route);
    if !drifted {
        route.must_end_here()?;
    }
    let space = match options.in_place {
        true => in_place::rehearse(dir, release, route, &mut work)?,
        false => preflight::space(preflight::written(&work), route),
    };
    let space = space.saturating_add(preflight::copied(disk, dir, &work)?);
    let mut applied = Applied {
        schema: "cumulate.apply/1",
        outcome: Outcome::NothingToDo,
        component: release.component.clone(),
        version: release.version.clone(),
        track: route.track.clone(),
        bundle: release.bundle,
        bases: names.unwrap_or_default(),
        target: route.to,
        steps: work.ops.iter().enumerate().filter_map(|(n, op)| done(op, work.makings.get(&n))).collect(),
        disk: if work.ops.is_empty() { 0 } else { space },
        fixes: if at_target || current.as_ref().is_some_and(|c| c.after == route.to) {
            succession::there_already(&route.fixes, current.as_ref(), work.ops.is_empty())
        } else {
            route.fixes.clone()
        },
        in_place: work.reversed.len(),
        resumed,
        hooks: Vec::new(),
        findings: told.iter().cloned().chain(work.findings.iter().cloned()).collect(),
    };
    if work.ops.is_empty() && !later {
        // A newer policy is remembered although no file changes: a key that it revokes must not come back.
        let memory = memory(release, &installed, options);
        if !options.dry_run && memory != installed.memory {
            // Also where nothing was installed by us: an older release must not come after this one.
            state.prepare(disk)?;
            state.settle(disk)?;
            state.write_installed(disk, &Installed { memory, ..installed })?;
        }
        return Ok(applied);
    }
    if let Err(e) = preflight::check(disk, dir, &work.ops, space) {
        let other = e.code == ErrorCode::NoSpace && !options.in_place;
        return Err(if other { in_place::instead(e, disk, dir, (release, route), &mut work) } else { e });
    }
    applied.findings.extend(preflight::lost_attributes(dir, &work)?);
    let owners = owners::foreign(dir, &work.ops)?;
    applied.findings.extend(owners::told(&work.ops, &owners));
    let gains = !at_target && !options.skip_hooks;
    let hooks = if gains { hooks::due(state, &route.hooks, installed.generation)? } else { Vec::new() };
    applied.hooks.clone_from(&hooks);
    let barred = hooks::barrier(hooks.iter(), &options.accept, "these hooks cannot be undone");
    if options.dry_run {
        applied.outcome = Outcome::DryRun;
        let denied = |e: Error| Finding::new(Code::Irreversible, e.subject, e.message).next(e.next);
        applied.findings.extend(barred.err().map(denied));
        return Ok(applied);
    }
    barred?;
    let mut generation = generation(state, release, route, &work, &installed, current.as_ref(), options)?;
    if at_target {
        generation.before = current.as_ref().map_or(generation.after, |c| c.after);
        generation.base = current.map_or_else(|| release.version.clone(), |c| c.version);
        generation.fixes.clone_from(&applied.fixes);
    }
    generation.hooks = hooks;
    generation.owners = owners;
    if options.release_times && release.created.is_none() {
        let what = "the release states no time that its files could get (--release-times)";
        return Err(Error::new(ErrorCode::Usage, &release.version, what)
            .next("leave --release-times out; a build with SOURCE_DATE_EPOCH states its time"));
    }
    let mtime = release.created.filter(|_| options.release_times).and_then(|t| i64::try_from(t).ok());
    let lost = carry_out(disk, state, release, route, &work, (&generation, mtime), (&seen, early))?;
    let told: BTreeSet<String> =
        applied.findings.iter().map(|f| format!("{} {}", f.code.as_str(), f.subject)).collect();
    applied.findings.extend(lost.into_iter().filter(|f| !told.contains(&format!("{} {}", f.code.as_str(), f.subject))));
    applied.outcome = if work.ops.is_empty() { Outcome::Recorded } else { Outcome::Applied };
    Ok(applied)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// The folder itself, whatever links lead there.
pub fn real(dir: &Path) -> Result<PathBuf> {
    let real = fs::canonicalize(dir).map_err(|e| Error::io(dir.display(), &e))?;
    if !real.is_dir() {
        return Err(Error::new(ErrorCode::Usage, dir.display(), "an installation is a folder").next("check the path"));
    }
    Ok(real)
}

/// One look at every path that recognising and planning need; `mending` may write any of them, so the folders that
/// they lie in count too.
pub fn look(dir: &Path, release: &Release<'_>, mending: bool) -> Result<Scan> {
    let mut extra = BTreeSet::new();
    for path in paths(release).into_iter().filter(|_| mending) {
        extra.extend(path.ancestors().take_while(|above| !extra.contains(above)).collect::<Vec<_>>());
    }
    for route in &release.routes {
        extra.extend(steps::folders_of(route));
        extra.extend(steps::beside_paths(route)?);
    }
    scan(dir, paths(release).into_iter().chain(extra.iter()))
}

/// A step of the report; what stays is none.
fn done(op: &Op, making: Option<&steps::Making>) -> Option<StepDone> {
    let (what, from) = match (op.what, making.map(|m| &m.action)) {
        (What::Keep, _) => return None,
        (What::Delete, _) => ("delete", None),
        (What::Folder, _) => ("folder", None),
        (What::Unfolder, _) => ("remove-folder", None),
        (What::Put, _) if making.is_some_and(|m| m.made.is_some()) => ("merge", None),
        (What::Put, Some(Action::Copy { from })) => ("copy", Some(from.clone())),
        (What::Put, Some(Action::Delta { from, .. })) => ("delta", Some(from.clone())),
        (What::Put, Some(Action::Mode)) => ("mode", None),
        (What::Put, Some(Action::Link)) => ("link", None),
        (What::Put, _) => ("full", None),
    };
    Some(StepDone { path: op.path.clone(), what, from, size: op.after.as_ref().map_or(0, |e| e.size()) })
}
