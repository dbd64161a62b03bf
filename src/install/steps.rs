//! From a recognised base to the operations that make it the target: a pure value, printed by `--dry-run`.

use super::contents::Contents;
use super::mend::Mended;
use super::planning::Planning;
use super::recognise::Difference;
use super::release::{Release, Route, source_of};
use super::scan::Scan;
use crate::bundle::{Action, Class, Step};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Digest, Entry, Tree, TreePath};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What is done to one path, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Op {
    pub path: TreePath,
    pub what: What,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A file or link appears, or takes the place of another.
    Put,
    Delete,
    /// A folder is made.
    Folder,
    /// A folder is removed if nothing is left in it.
    Unfolder,
    /// Nothing happens to a config file that the site edited; a copy of it is kept, so that a rollback can put it back.
    Keep,
}

/// How the content of a `Put` comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Making {
    pub action: Action,
    /// The route whose packs hold the delta.
    pub route: usize,
    /// The file with the old content, and its digest.
    pub source: Option<(PathBuf, Digest)>,
    /// The file whose mode and owner the new one takes over.
    pub like: Option<TreePath>,
    /// The content, where planning had to make it: a merge.
    pub made: Option<Vec<u8>>,
}

/// Where a config file's content as it is shipped is when it is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pristine {
    At(PathBuf),
    /// What this `Put` stages, by its place among them.
    Staged(usize),
    #[cfg(feature = "build")]
    Bytes(Vec<u8>),
}

/// What is done with config files that were edited locally and that the release changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EditedConfig {
    /// The edit stays, and the new version is put beside it.
    #[default]
    Keep,
    /// Both are merged by lines; where that is not clean, the edit is kept.
    #[cfg(feature = "build")]
    Merge,
    /// The new version takes its place, and the edit is put beside it.
    Replace,
}

/// Whether an operation is among those that are done one by one; their paths are sorted.
pub fn is_reversed(reversed: &[TreePath], op: &Op) -> bool {
    reversed.binary_search(&op.path).is_ok()
}

/// Everything that applying will do.
#[derive(Debug, Default)]
pub struct Work {
    pub ops: Vec<Op>,
    /// For every `Put`, by index into `ops`.
    pub makings: BTreeMap<usize, Making>,
    /// New versions that are put beside edited config files.
    pub beside: BTreeMap<TreePath, Digest>,
    /// Copies of local edits that are put beside what replaces them.
    pub aside: Vec<TreePath>,
    /// Config files as they are shipped, by content.
    pub pristine: BTreeMap<Digest, Pristine>,
    /// Files that are replaced one by one, and whose old content is kept as what the new one lacks of it.
    pub reversed: Vec<TreePath>,
    pub findings: Vec<Finding>,
}

/// What is known about an installation.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    pub seen: &'a Scan,
    /// Where old contents can be read.
    pub contents: &'a Contents,
    /// The listing of what was installed last: its config files are pristine whatever base is recognised.
    pub listing: Option<&'a Tree>,
    /// The `.new` files that cumulate laid, by digest: those may be replaced.
    pub beside: Option<&'a BTreeMap<TreePath, Digest>>,
    pub edited: EditedConfig,
    #[cfg(feature = "build")]
    /// How to come by a merge that lacked what was shipped before, in words.
    pub again: &'a str,
}

/// A config file's new version beside a local edit.
pub fn beside(path: &TreePath) -> Result<TreePath> {
    TreePath::parse(&format!("{path}.new")).map_err(|e| Error::new(ErrorCode::BadPath, path, e))
}

/// The names under which an edit may be kept beside what replaces it.
pub fn aside(path: &TreePath) -> Result<Vec<TreePath>> {
    let names = ["", ".2", ".3", ".4", ".5"].map(|n| format!("{path}.edited{n}"));
    names.iter().map(|n| TreePath::parse(n).map_err(|e| Error::new(ErrorCode::BadPath, path, e))).collect()
}

/// The paths beside config files that the scan must cover too.
pub fn beside_paths(route: &Route) -> Result<Vec<TreePath>> {
    let mut paths = Vec::new();
    for step in route.steps.iter().filter(|s| s.class == Class::Config) {
        let new = beside(&step.path)?;
        paths.extend(aside(&step.path)?);
        paths.extend(aside(&new)?);
        paths.push(new);
    }
    Ok(paths)
}

/// Plans the operations of route `at` on what was found.
///
/// # Errors
/// `blocked` for whatever of the site's stands in the way, `drift` where an old content is needed
/// that is nowhere any more.
pub fn plan(release: &Release<'_>, at: usize, drift: &[Difference], here: Here<'_>) -> Result<Work> {
    let route = release.route(at)?;
    let mut work = plan_route(release, route, (at, &BTreeMap::new()), here)?;
    let left = drift.iter().map(|d| {
        let what = format!("differs from base {}: {}; left as it is", route.name, d.found);
        Finding::new(Code::Drifted, &d.path, what).next("restore it when you can")
    });
    work.findings.splice(..0, left.collect::<Vec<_>>());
    Ok(work)
}

/// Plans the way of an installation that no base matches.
///
/// # Errors
/// As [`plan`].
pub fn plan_mended(release: &Release<'_>, way: &Mended, here: Here<'_>) -> Result<Work> {
    let mut work = plan_route(release, &way.route, (way.at, &way.packs), here)?;
    let changed = way.ailments.iter().map(|a| {
        let state = match a.known.as_slice() {
            [] => a.found.clone(),
            known => format!("as in {}", known.join(", ")),
        };
        Finding::new(Code::Drifted, &a.path, format!("differed from {}: {state}; as in the target now", way.nearest))
    });
    let told: Vec<Finding> = changed.chain(way.left_out.iter().cloned()).collect();
    work.findings.splice(..0, told);
    Ok(work)
}

/// Plans the config files alone, where the code of route `at`'s target is there already: no base is known, so
/// what the record does not know as pristine counts as edited.
///
/// # Errors
/// As [`plan`].
pub fn plan_config(release: &Release<'_>, at: usize, here: Here<'_>) -> Result<Work> {
    let own = release.route(at)?;
    let mut ways: BTreeMap<&TreePath, (usize, &Step, bool)> = BTreeMap::new();
    for (i, route) in release.routes.iter().enumerate().filter(|(_, r)| r.track == own.track) {
        for step in route.steps.iter().filter(|s| s.class == Class::Config) {
            // That a base lacks a file tells more than another content of it: the file is new. What fills an empty
            // folder lacks every file, which tells nothing.
            let new = step.before.is_none() && !route.is_repair();
            if new || !ways.contains_key(&step.path) {
                ways.insert(&step.path, (i, step, new));
            }
        }
    }
    let mut route = Route { before: Tree::clone(&own.after), steps: Vec::new(), ..own.clone() };
    for (path, (_, step, new)) in &ways {
        let pristine = match here.listing {
            Some(listing) => listing.get(path).cloned(),
            None if *new => None,
            None => step.after.clone(),
        };
        let known = here.listing.is_some() || step.after.is_some();
        if known && source_of(step).is_none() {
            route.before.entries.remove(*path);
            route.before.entries.extend(pristine.clone().map(|e| ((*path).clone(), e)));
            route.steps.push(Step { before: pristine, ..(*step).clone() });
        }
    }
    let packs = ways.into_iter().map(|(path, (i, ..))| (path.clone(), i)).collect();
    plan_route(release, &route, (at, &packs), here)
}

/// `packs` names the route whose packs hold the delta of a path, where that is another one than the route's own.
pub(super) fn plan_route(
    release: &Release<'_>,
    route: &Route,
    packs: (usize, &BTreeMap<TreePath, usize>),
    here: Here<'_>,
) -> Result<Work> {
    let mut planning = Planning::new(release, route, packs, here);
    for step in &route.steps {
        match step.class {
            Class::Code => planning.code(step)?,
            Class::Config => planning.config(step)?,
            Class::Volatile | Class::Site => {}
        }
    }
    planning.keep_pristine();
    planning.finish()
}

/// The folders that planning has to know about beyond the listed paths.
pub fn folders_of(route: &Route) -> BTreeSet<TreePath> {
    route.steps.iter().flat_map(|s| s.path.ancestors().chain([s.path.clone()])).collect()
}
