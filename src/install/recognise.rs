//! Which base is this? By content alone: every path of a base's listing is compared with the disk.

use super::mend::Mended;
use super::release::{Release, Route, source_of};
use super::scan::{Found, Scan, Seen};
use crate::bundle::{Action, Class};
use crate::report::{Error, ErrorCode, PROGRAM, Result};
use crate::tree::{Digest, Entry, Tree, TreePath};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Which differences from every base are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AllowDrift {
    #[default]
    None,
    /// Local changes of files that the bundle does not touch; they stay.
    Untouched,
    /// Files that are each in the state of some base or of the target; they become the target's.
    Composed,
    /// Any; every file becomes the target's.
    Mended,
}

/// The advice for files that no step touches, which may stay as they are.
pub const UNTOUCHED: &str = "accept them with --allow-drift untouched";

/// One path that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub path: TreePath,
    /// What stands there, in words.
    pub found: String,
    /// Whether the bundle has to read or write this path.
    pub touched: bool,
}

/// What the installation turned out to be.
#[derive(Debug)]
pub enum Recognised {
    /// The code of this route's target is there already. Whether its config files were offered too is known only if the
    /// record says so.
    AtTarget { route: usize, recorded: bool },
    Base {
        route: usize,
        /// All bases whose tree it is, in the order of the release.
        names: Vec<String>,
        /// Differences that the caller accepted.
        drift: Vec<Difference>,
    },
    /// No base as a whole; the way from what is there to the target.
    Mended(Box<Mended>),
}

/// Every path that recognising a release has to look at.
pub fn paths<'r>(release: &'r Release<'_>) -> BTreeSet<&'r TreePath> {
    release.routes.iter().flat_map(|r| r.before.entries.keys().chain(r.after.entries.keys())).collect()
}

/// Whether what was found is the entry. A declared empty folder that is missing, or is not empty, is no difference.
pub fn same(entry: &Entry, seen: Option<&Seen>) -> bool {
    match (entry, seen.map(|s| &s.found)) {
        (Entry::Folder, Some(Found::Missing | Found::Entry(Entry::Folder)) | None) => true,
        (entry, Some(Found::Entry(found))) => entry == found,
        _ => false,
    }
}

/// Paths of a tree that differ, without those whose content is the site's.
pub fn differing<'a>(tree: &'a Tree, route: &'a Route, scan: &'a Scan) -> impl Iterator<Item = &'a TreePath> {
    tree.entries
        .iter()
        .filter(|(path, entry)| !same(entry, scan.get(*path)) && route.class(path) == Class::Code)
        .map(|(path, _)| path)
}

/// Whether the target is here, every file of it.
fn at_target(route: &Route, scan: &Scan) -> bool {
    differing(&route.after, route, scan).next().is_none() && route.ends_here()
}

/// Recognises the installation, for a release that was completed by the same scan.
///
/// # Errors
/// `no-base` or `drift` with what differs from the nearest base, `blocked` for a symbolic link on the
/// way, `partial` if the bundle lacks bases and none of those it holds matches.
pub fn recognise(
    release: &Release<'_>,
    scan: &Scan,
    base: Option<&str>,
    drift: AllowDrift,
    installed: Option<Digest>,
) -> Result<Recognised> {
    let chosen = |r: &Route| base.is_none_or(|b| b == r.name);
    if let Some(name) = base
        && !release.routes.iter().any(chosen)
    {
        return Err(Error::new(ErrorCode::Usage, name, "the bundle holds no base of this name").next(known(release)));
    }
    // What the record says decides where content alone could not tell (edited config, left-over files).
    if let Some(tree) = installed {
        let here = |r: &Route| r.to == tree && at_target(r, scan);
        if let Some(route) = release.routes.iter().position(here) {
            return Ok(Recognised::AtTarget { route, recorded: true });
        }
    }
    let mut nearest: Option<(Vec<Difference>, usize)> = None;
    let mut best: Option<(usize, usize)> = None;
    let mut unproved = None;
    let nothing = scan.values().all(|s| matches!(s.found, Found::Missing | Found::Entry(Entry::Folder)));
    let possible = |r: &Route| chosen(r) && (nothing || !r.is_repair());
    for (i, route) in release.routes.iter().enumerate().filter(|(_, r)| possible(r)) {
        let mut differences = differences(route, scan);
        // What a step of any base changes may be a fix that is missing here, so it is never a change of the site's own.
        for d in &mut differences {
            d.touched |= release.routes.iter().filter(|r| chosen(r)).any(|r| r.step(&d.path).is_some());
        }
        if differences.is_empty() && !route.starts_here() {
            unproved = unproved.or(Some(route));
            continue;
        }
        if differences.is_empty() {
            // A base may be part of another: the one of which most is here is meant.
            let exact = route.before.entries.iter().filter(|(p, e)| exactly(e, scan.get(*p))).count();
            if best.is_none_or(|(_, n)| exact > n) {
                best = Some((i, exact));
            }
        }
        if nearest.as_ref().is_none_or(|(d, _)| rank(&differences) < rank(d)) {
            nearest = Some((differences, i));
        }
    }
    if let Some((i, _)) = best {
        return matched(release, i, base.is_some(), Vec::new());
    }
    if let Some(route) = release.routes.iter().position(|r| at_target(r, scan)) {
        return Ok(Recognised::AtTarget { route, recorded: false });
    }
    if let Some(route) = unproved {
        return Err(Error::new(
            ErrorCode::NoBase,
            &route.name,
            "every file here begins with the digest that the bundle lists for this base, but as a whole they are not \
             that release: at least one was changed",
        )
        .next(format!(
            "restore the files from {}, or install a supported base; {}",
            route.name,
            known(release)
        )));
    }
    let Some((differences, i)) = nearest else {
        return Err(Error::new(ErrorCode::NoBase, &release.component, "the bundle holds no base at all"));
    };
    let Some(route) = release.routes.get(i) else {
        return Err(Error::new(ErrorCode::Internal, &release.component, "a route is missing"));
    };
    let mostly = differences.len() * 2 <= route.before.len();
    let touched = differences.iter().any(|d| d.touched);
    // Another release than this bundle knows is no drifted base.
    let strange = installed.is_some_and(|tree| release.routes.iter().all(|r| ![r.from, r.to].contains(&tree)));
    let untouched = mostly && !touched && !strange;
    if untouched && drift == AllowDrift::Untouched {
        return matched(release, i, base.is_some(), differences);
    }
    if let Some(tree) = installed
        && let Some(route) = release.routes.iter().find(|r| chosen(r) && r.to == tree)
    {
        return Err(drifted_target(release, route, scan));
    }
    Err(refusal(release, route, scan, &differences, (untouched, strange)))
}

/// How a base is recognised although some paths differ: those that are touched weigh most.
fn rank(differences: &[Difference]) -> (usize, usize) {
    (differences.len(), differences.iter().filter(|d| d.touched).count())
}

fn exactly(entry: &Entry, seen: Option<&Seen>) -> bool {
    seen.is_some_and(|s| s.found.entry() == Some(entry))
}

fn matched(release: &Release<'_>, i: usize, named: bool, drift: Vec<Difference>) -> Result<Recognised> {
    let digests: Vec<(Digest, Digest)> = release.routes.iter().map(|r| (r.from, r.to)).collect();
    let Some(own) = digests.get(i) else {
        return Err(Error::new(ErrorCode::Internal, &release.component, "a route is missing"));
    };
    let twins = || release.routes.iter().zip(&digests).filter(|(_, d)| d.0 == own.0);
    if !named && twins().any(|(_, d)| d.1 != own.1) {
        let names: Vec<&str> = twins().map(|(r, _)| r.name.as_str()).collect();
        return Err(Error::new(
            ErrorCode::NoBase,
            names.join(", "),
            "these bases have the same content but lead to different targets",
        )
        .next("name the one that is meant with --base"));
    }
    let names = twins().map(|(r, _)| r.name.clone()).collect();
    Ok(Recognised::Base { route: i, names, drift })
}

/// What differs between a base and the disk.
pub fn differences(route: &Route, scan: &Scan) -> Vec<Difference> {
    let mut out = Vec::new();
    let mut needed: BTreeMap<&TreePath, bool> = BTreeMap::new();
    for path in differing(&route.before, route, scan) {
        needed.insert(path, route.step(path).is_some());
    }
    if needed.is_empty() {
        return out;
    }
    let here: BTreeSet<Digest> = scan.values().filter_map(|s| s.found.entry()?.digest()).collect();
    for step in &route.steps {
        if let Some(from) = source_of(step)
            && let Some(touched) = needed.get_mut(from)
            && route.before.get(from).and_then(Entry::digest).is_none_or(|d| !here.contains(&d))
        {
            *touched = true;
        }
        // Something on the way of a path that has to be written.
        if step.action != Action::Delete {
            for above in step.path.ancestors() {
                if let Some(touched) = needed.get_mut(&above) {
                    *touched = true;
                }
            }
        }
    }
    for (path, touched) in needed {
        let found = scan.get(path).map_or_else(|| "missing".into(), |s| s.found.words());
        out.push(Difference { path: path.clone(), found, touched });
    }
    out
}

fn known(release: &Release<'_>) -> String {
    let names: Vec<&str> = release.routes.iter().map(|r| r.name.as_str()).collect();
    format!("it holds {}", names.join(", "))
}

/// The first differences in words.
pub fn list(differences: &[Difference]) -> String {
    const SHOWN: usize = 10;
    let mut lines: Vec<String> = differences.iter().take(SHOWN).map(|d| format!("{} ({})", d.path, d.found)).collect();
    if differences.len() > SHOWN {
        lines.push(format!("and {} more", differences.len() - SHOWN));
    }
    lines.join(", ")
}

/// The record says that the target is installed, and the disk says otherwise in some places.
fn drifted_target(release: &Release<'_>, route: &Route, scan: &Scan) -> Error {
    let differences: Vec<Difference> = differing(&route.after, route, scan)
        .map(|path| {
            let found = scan.get(path).map_or_else(|| "missing".into(), |s| s.found.words());
            Difference { path: path.clone(), found, touched: false }
        })
        .collect();
    let what = list(&differences);
    Error::new(
        ErrorCode::Drift,
        &release.component,
        format!("{} is installed already, but {} path(s) changed since: {what}", release.version, differences.len()),
    )
    .next(format!("put these files back as {} has them; '{PROGRAM} status' lists them", release.version))
}

fn refusal(
    release: &Release<'_>,
    route: &Route,
    scan: &Scan,
    differences: &[Difference],
    (untouched, strange): (bool, bool),
) -> Error {
    let what = list(differences);
    let n = differences.len();
    for d in differences.iter().filter(|d| d.touched) {
        if let Some(Found::Behind { at, link: true }) = scan.get(&d.path).map(|s| &s.found) {
            return Error::new(
                ErrorCode::Blocked,
                at,
                format!("a symbolic link stands where base {} has a folder that the bundle writes to", route.name),
            )
            .next("replace the link by the folder itself, then run the command again");
        }
    }
    if untouched {
        return Error::new(
            ErrorCode::Drift,
            &route.name,
            format!("{n} path(s) differ from this base; the bundle does not touch them: {what}"),
        )
        .next(format!("restore them, or {UNTOUCHED}"));
    }
    if !release.absent.is_empty() {
        return Error::new(
            ErrorCode::Partial,
            release.absent.join(", "),
            format!("no base that this copy of the bundle holds matches ({n} path(s) differ from {}: {what}), and it lacks these", route.name),
        )
        .next("get the whole bundle, or the one base that is installed");
    }
    let refused = Error::new(
        ErrorCode::NoBase,
        &route.name,
        format!("no base matches; {n} path(s) differ from the nearest one, {}: {what}", route.name),
    );
    if strange {
        return refused.next(format!(
            "this bundle does not know the release that is installed here ('{PROGRAM} status'): get one that does, or go back with \
             '{PROGRAM} rollback' first; {}",
            known(release)
        ));
    }
    refused.next(format!("restore these files from {}, or install a supported base; {}", route.name, known(release)))
}
