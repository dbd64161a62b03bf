//! What a release is to the one that is installed: of the same component, older, later, with the same files.

use super::apply::Options;
use super::release::{Release, Route};
use super::scan::stamp;
use super::state::{Generation, Installed};
use crate::bundle::{Class, FixState, State};
use crate::report::{Error, ErrorCode, PROGRAM, Result, quoted};
use crate::tree::{Entry, Tree, TreePath};
use std::collections::BTreeMap;
use std::path::Path;

/// Refuses another component, and a release older than the newest that was seen unless that is allowed.
///
/// # Errors
/// `no-base`, `downgrade`.
pub fn permitted(
    dir: &Path,
    release: &Release<'_>,
    installed: &Installed,
    current: Option<&Generation>,
    options: &Options,
) -> Result<()> {
    if let Some(current) = current
        && current.component != release.component
    {
        return Err(Error::new(
            ErrorCode::NoBase,
            &release.component,
            format!("this installation holds another component, {}", current.component),
        )
        .next("check the folder and the bundle"));
    }
    let Some(seen) = installed.memory.sequences.get(&release.component).copied() else { return Ok(()) };
    if options.allow_downgrade || release.sequence.is_some_and(|s| s >= seen) {
        return Ok(());
    }
    let own = release.sequence.map_or_else(|| "states no sequence".into(), |s| format!("has sequence {s}"));
    Err(Error::new(
        ErrorCode::Downgrade,
        &release.version,
        format!("the bundle {own}, but this installation has seen sequence {seen}"),
    )
    .next(match current.filter(|c| c.sequence.is_some_and(|s| release.sequence.is_none_or(|own| own < s))) {
        // An older bundle does not start from what is newer than itself.
        Some(newer) => format!(
            "get a newer bundle; to go back all the same, take {} back with '{PROGRAM} rollback {}' first, then insist \
             with --allow-downgrade",
            newer.version,
            quoted(dir)
        ),
        None => "get a newer bundle, or insist with --allow-downgrade".into(),
    }))
}

/// Refuses to call an installation the target's that still has files which the installed release brought and the target
/// has not: no later release would ever remove them.
///
/// # Errors
/// `no-base`.
pub fn no_leftovers(
    dir: &Path,
    release: &Release<'_>,
    route: &Route,
    (current, listing): (&Generation, &Tree),
) -> Result<()> {
    let sites = |path: &TreePath| {
        current.is_sites(path)
            || current.ignored.contains(path)
            || release.routes.iter().any(|r| r.class(path) != Class::Code)
    };
    let file = |entry: &Entry| *entry != Entry::Folder;
    let more = listing.entries.iter().filter(|(p, e)| file(e) && route.after.get(p).is_none() && !sites(p));
    let mut left = Vec::new();
    for (path, _) in more {
        if stamp(&path.under(dir))?.is_some() {
            left.push(path.as_str());
        }
    }
    let Some(first) = left.first() else { return Ok(()) };
    let n = left.len();
    Err(Error::new(
        ErrorCode::NoBase,
        *first,
        format!(
            "{} is installed, and {n} file(s) of it are here that {} has not; everything else is as {} has it",
            current.version, release.version, release.version
        ),
    )
    .next(format!(
        "take {} back with '{PROGRAM} rollback {}' first, then run the command again",
        current.version,
        quoted(dir)
    )))
}

/// Whether files that are the target's already are to be recorded as this release.
pub fn recorded_anew(release: &Release<'_>, current: &Generation, options: &Options) -> bool {
    let other = (release.sequence, &release.version) != (current.sequence, &current.version);
    succeeds(release, current) || options.allow_downgrade && other
}

/// Whether the release comes after the one that is installed: by sequence, or where neither states one, by being
/// another version.
fn succeeds(release: &Release<'_>, current: &Generation) -> bool {
    match (release.sequence, current.sequence) {
        (Some(new), Some(old)) => new > old,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => release.version != current.version,
    }
}

/// The fixes of a release whose target's code is there already: what the earlier applies added keeps its state, the
/// rest is contained, unless config files are written: which fixes those belong to is not looked up.
pub fn there_already(fixes: &[FixState], current: Option<&Generation>, all: bool) -> Vec<FixState> {
    let recorded = current.map_or(&[][..], |c| &c.fixes);
    let before: BTreeMap<&str, &FixState> = recorded.iter().map(|f| (f.id.as_str(), f)).collect();
    let state = |f: &FixState| match before.get(f.id.as_str()) {
        Some(was) => (*was).clone(),
        None if f.state == State::Unknown => f.clone(),
        None if all || f.state == State::Contained => {
            FixState { state: State::Contained, reason: String::new(), id: f.id.clone() }
        }
        None => FixState {
            state: State::Unknown,
            reason: "its code was there already; config files came with this apply".into(),
            id: f.id.clone(),
        },
    };
    fixes.iter().map(state).collect()
}
