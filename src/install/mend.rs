//! A way to the target for an installation that no base matches as a whole: path by path, from whatever is there.

use super::contents::Contents;
use super::recognise::{differing, same};
use super::release::{Release, Route};
use super::scan::{Found, Scan};
use crate::bundle::{Action, Class, Step};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Entry, Tree, TreePath};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// What the target is called among the states that a file can be in.
pub const TARGET: &str = "target";

/// Where the target's content of a path can come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Mending {
    /// Nothing has to be read: the path is right, or goes, or becomes a link or folder.
    Nothing,
    /// The same content stands elsewhere: in the installation, among the old files that it keeps, or in the folder
    /// that was named.
    Copy { from: String },
    /// The bundle carries the whole content, for this base.
    Full { base: String },
    /// The bundle carries a delta from this base's content, which is at hand.
    Delta { base: String },
    /// It is nowhere.
    Elsewhere,
    /// Something stands there, or on the way there, that no installer takes away: a folder, a pipe, a device.
    Blocked,
}

/// One path that is not as the nearest state has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ailment {
    pub path: TreePath,
    /// What stands there, in words.
    pub found: String,
    /// Bases that have it just so; `target` for the target.
    pub known: Vec<String>,
    pub mending: Mending,
    /// Bytes of the bundle that mending reads, or of the whole file where it is nowhere and its size is known.
    pub bytes: u64,
}

/// The way.
#[derive(Debug)]
pub struct Mended {
    /// The route of the nearest base, or of the track whose target is nearer than any base.
    pub at: usize,
    /// Its name, or `target`.
    pub nearest: String,
    /// From what is there to the target.
    pub route: Route,
    /// The route whose packs hold the delta of a path.
    pub packs: BTreeMap<TreePath, usize>,
    pub ailments: Vec<Ailment>,
    /// What is said of config files of the target that are not here and that no step brings.
    pub left_out: Vec<Finding>,
}

/// What mending rests on.
#[derive(Debug, Clone, Copy)]
pub struct Sick<'a> {
    pub dir: &'a Path,
    pub seen: &'a Scan,
    pub contents: &'a Contents,
    /// The listing of what was installed last.
    pub listing: Option<&'a Tree>,
    /// What stands in a folder with intact files.
    pub intact: Option<&'a Tree>,
}

impl Mended {
    /// Whether every file is as some base or the target has it.
    pub fn is_composed(&self) -> bool {
        self.ailments.iter().all(|a| !a.known.is_empty())
    }

    /// Paths whose content is nowhere.
    pub fn lacking(&self) -> Vec<&TreePath> {
        self.ailments.iter().filter(|a| a.mending == Mending::Elsewhere).map(|a| &a.path).collect()
    }

    /// States that the files are in.
    pub fn states(&self) -> BTreeSet<String> {
        self.ailments.iter().filter_map(|a| a.known.first()).chain([&self.nearest]).cloned().collect()
    }

    /// Plans nothing where a content is nowhere, or where the target cannot be proved.
    ///
    /// # Errors
    /// `drift`.
    pub fn must_hold(&self, version: &str) -> Result<()> {
        let lacking: Vec<String> = self.lacking().into_iter().map(ToString::to_string).collect();
        let (subject, what) = match lacking.first() {
            Some(first) => (first.clone(), format!("{} content(s) are nowhere: {}", lacking.len(), lacking.join(", "))),
            None if self.route.ends_here() => return Ok(()),
            None => (self.route.name.clone(), "the files that no step touches are not those of the target".into()),
        };
        Err(Error::new(ErrorCode::Drift, subject, what).next(format!(
            "name a folder with intact files of {version} with --from, or get a bundle built --with-repair"
        )))
    }
}

/// Finds the way, for a release that was completed by the same look.
///
/// # Errors
/// `no-base` for a bundle without the base that is meant.
pub fn mend(release: &Release<'_>, sick: Sick<'_>, base: Option<&str>) -> Result<Mended> {
    let seen = sick.seen;
    let routes = || release.routes.iter().enumerate().filter(|(_, r)| base.is_none_or(|b| b == r.name));
    let bases = routes().filter(|(_, r)| !r.is_repair()).map(|(i, r)| (i, r.name.as_str(), &r.before));
    let targets = routes().map(|(i, r)| (i, TARGET, &*r.after));
    let states = targets.chain(bases).map(|(i, name, tree)| (i, name, tree, sick.strangers(release, i, tree)));
    let rank = |i: usize, differ: &BTreeSet<&TreePath>| {
        let touched = differ.iter().filter(|p| release.routes.get(i).is_some_and(|r| r.step(p).is_some())).count();
        differ.len() + touched
    };
    // Of states that are equally near, the one of which most is here: a base may be part of another.
    let here = |tree: &Tree| tree.entries.iter().filter(|(p, e)| same(e, seen.get(*p))).count();
    let nearest = states.min_by_key(|(i, _, tree, differ)| (rank(*i, differ), std::cmp::Reverse(here(tree))));
    let (Some((at, name, tree, differ)), true) = (nearest, !release.routes.is_empty()) else {
        return Err(Error::new(ErrorCode::NoBase, &release.component, "the bundle holds no base at all"));
    };
    let near = release.route(at)?;
    let mut after = Tree::clone(&near.after);
    for known in [sick.listing, sick.intact].into_iter().flatten() {
        after.complete(|p| known.get(p));
    }
    let after = Arc::new(after);
    let mut route = Route { after: after.clone(), before: sick.found(), steps: Vec::new(), ..near.clone() };
    let (mut packs, mut ailments, mut left_out) = (BTreeMap::new(), Vec::new(), Vec::new());
    // Where nothing at all is installed nobody has removed a config file.
    let nothing = seen.values().all(|s| matches!(s.found, Found::Missing | Found::Entry(Entry::Folder)));
    for path in seen.keys() {
        let known = sick.known(release, near, path);
        let class = class(release, path);
        let (mending, bytes) = if class == Class::Code {
            let ours = tree.get(path).is_some() || !known.is_empty();
            let (step, pack, mending, bytes) = sick.step(release, path, after.get(path), (class, ours));
            packs.extend(pack.map(|i| (path.clone(), i)));
            route.steps.extend(step);
            (mending, bytes)
        } else {
            let step = match near.step(path) {
                _ if class == Class::Config && nothing => {
                    let (step, pack, ..) = sick.step(release, path, after.get(path), (class, false));
                    packs.extend(pack.map(|i| (path.clone(), i)));
                    step
                }
                // No base tells here what was edited, so config files stay as they are, and stay the site's.
                Some(step) if step.class == Class::Config && name == TARGET => None,
                // Local edits of config files are judged by the steps of the base that is nearest.
                step => step.cloned(),
            };
            if class == Class::Config && step.is_none() {
                route.config.insert(path.clone());
                left_out.extend(sick.left_out(path, after.get(path), nothing));
            }
            route.steps.extend(step);
            (Mending::Nothing, 0)
        };
        if differ.contains(path) {
            let found = seen.get(path).map_or_else(|| "missing".into(), |s| s.found.words());
            ailments.push(Ailment { path: path.clone(), found, known, mending, bytes });
        }
    }
    route.from = route.before.digest();
    Ok(Mended { at, nearest: name.to_owned(), route, packs, ailments, left_out })
}

fn class(release: &Release<'_>, path: &TreePath) -> Class {
    release.routes.iter().map(|r| r.class(path)).find(|c| *c != Class::Code).unwrap_or_default()
}

impl Sick<'_> {
    /// Code paths that differ from a tree, also those that only other bases or the target have.
    fn strangers<'a>(&'a self, release: &'a Release<'_>, at: usize, tree: &'a Tree) -> BTreeSet<&'a TreePath> {
        let Some(route) = release.routes.get(at) else { return BTreeSet::new() };
        let file = |found: &Found| matches!(found, Found::Entry(Entry::File { .. } | Entry::Symlink { .. }));
        let more = self.seen.iter().filter(|(p, s)| tree.get(p).is_none() && file(&s.found));
        // A file of the site's where only another base has one is none of ours.
        let more = more.filter(|(p, _)| route.after.get(p).is_some() || !self.known(release, route, p).is_empty());
        let code = |p: &&TreePath| class(release, p) == Class::Code;
        differing(tree, route, self.seen).chain(more.map(|(p, _)| p)).filter(code).collect()
    }

    /// Which states have what stands at a path just so.
    fn known(&self, release: &Release<'_>, near: &Route, path: &TreePath) -> Vec<String> {
        let here = self.seen.get(path);
        let stands = |entry: Option<&Entry>| match entry {
            Some(entry) => same(entry, here),
            None => here.is_none_or(|s| s.found == Found::Missing),
        };
        let bases = release.routes.iter().filter(|r| !r.is_repair() && stands(r.before.get(path)));
        let bases = bases.map(|r| r.name.clone());
        stands(near.after.get(path)).then(|| TARGET.to_owned()).into_iter().chain(bases).collect()
    }

    /// Everything that was found, as a tree.
    fn found(&self) -> Tree {
        let entries = self.seen.iter().filter_map(|(p, s)| Some((p.clone(), s.found.entry()?.clone())));
        Tree { entries: entries.collect() }
    }

    /// What takes one path to the target: its step, the route whose packs serve it, and what that costs.
    fn step(
        &self,
        release: &Release<'_>,
        path: &TreePath,
        want: Option<&Entry>,
        (class, ours): (Class, bool),
    ) -> (Option<Step>, Option<usize>, Mending, u64) {
        let here = self.seen.get(path);
        let found = here.and_then(|s| s.found.entry()).cloned();
        let right = match (want, &found) {
            (Some(want), _) => same(want, here),
            (None, found) => found.is_none() || !ours,
        };
        if right {
            return (None, None, Mending::Nothing, 0);
        }
        let (action, pack, mending, bytes) = match want {
            None => (Action::Delete, None, Mending::Nothing, 0),
            Some(Entry::Symlink { .. }) => (Action::Link, None, Mending::Nothing, 0),
            Some(Entry::Folder) => (Action::Folder, None, Mending::Nothing, 0),
            Some(Entry::Brief { .. }) => return (None, None, Mending::Elsewhere, 0),
            Some(entry @ Entry::File { size, .. }) => match self.making(release, path, entry) {
                Some((action, pack, mending, bytes)) => (action, pack, mending, bytes),
                None => return (None, None, Mending::Elsewhere, *size),
            },
        };
        let step = Step { path: path.clone(), before: found, after: want.cloned(), action, class };
        (Some(step), pack, mending, bytes)
    }

    /// What is said of a config file that no step brings, if the target has one and it is not here.
    fn left_out(&self, path: &TreePath, want: Option<&Entry>, nothing: bool) -> Option<Finding> {
        let missing = self.seen.get(path).is_none_or(|s| s.found == Found::Missing);
        let what = match nothing {
            true => "left out: neither the bundle nor any folder that was named has its content",
            false => "it is not here, and stays away as if it had been removed on purpose; the release has it",
        };
        let next = "if it is wanted, put it there from a package of the release";
        let told = || Finding::new(Code::ConfigKept, path, what).next(next);
        want.filter(|e| missing && **e != Entry::Folder).map(|_| told())
    }

    /// The cheapest way to the target's content of one path.
    fn making(
        &self,
        release: &Release<'_>,
        path: &TreePath,
        want: &Entry,
    ) -> Option<(Action, Option<usize>, Mending, u64)> {
        if let Some((from, _)) = self.contents.find(want) {
            let from = from.strip_prefix(self.dir).unwrap_or(from).display().to_string();
            return Some((Action::Copy { from: path.clone() }, None, Mending::Copy { from }, 0));
        }
        let ways = release.routes.iter().enumerate().filter_map(|(i, route)| {
            let step = route.step(path).filter(|s| s.after.as_ref() == Some(want))?;
            let base = route.name.clone();
            let (length, mending) = match &step.action {
                Action::Full { at } => (at.length, Mending::Full { base }),
                // A delta serves where the old content that it starts from is still at hand.
                Action::Delta { at, from, .. } if self.contents.find(route.before.get(from)?).is_some() => {
                    (at.length, Mending::Delta { base })
                }
                _ => return None,
            };
            Some((step.action.clone(), Some(i), mending, length))
        });
        ways.min_by_key(|(.., bytes)| *bytes)
    }
}
