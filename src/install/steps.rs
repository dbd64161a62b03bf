//! From a recognised base to the operations that make it the target: a pure value, printed by `--dry-run`.

use super::recognise::{Difference, same};
use super::release::{Release, Route, source_of};
use super::scan::{Found, Scan};
use crate::bundle::{Action, Class, Step};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Digest, Entry, Tree, TreePath};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
}

/// How the content of a `Put` comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Making {
    pub action: Action,
    /// The route whose packs hold the delta.
    pub route: usize,
    /// The file with the old content, and its digest.
    pub source: Option<(TreePath, Digest)>,
    /// The file whose mode and owner the new one takes over.
    pub like: Option<TreePath>,
}

/// Everything that applying will do.
#[derive(Debug, Default)]
pub struct Work {
    pub ops: Vec<Op>,
    /// For every `Put`, by index into `ops`.
    pub makings: BTreeMap<usize, Making>,
    /// New versions that are put beside edited config files.
    pub beside: BTreeMap<TreePath, Digest>,
    pub findings: Vec<Finding>,
}

/// What earlier applies left in an installation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before<'a> {
    /// The listing of what was installed last: its config files are pristine whatever base is recognised.
    pub listing: Option<&'a Tree>,
    /// The `.new` files that cumulate laid, by digest: those may be replaced.
    pub beside: Option<&'a BTreeMap<TreePath, Digest>>,
}

/// A config file's new version beside a local edit.
pub fn beside(path: &TreePath) -> Result<TreePath> {
    TreePath::parse(&format!("{path}.new")).map_err(|e| Error::new(ErrorCode::BadPath, path, e))
}

/// The paths beside config files that the scan must cover too.
pub fn beside_paths(route: &Route) -> Result<Vec<TreePath>> {
    route.steps.iter().filter(|s| s.class == Class::Config).map(|s| beside(&s.path)).collect()
}

/// Plans the operations of route `at` on what was found.
///
/// # Errors
/// `blocked` for whatever of the site's stands in the way, `drift` where an old content is needed
/// that is nowhere any more.
pub fn plan(release: &Release<'_>, at: usize, scan: &Scan, drift: &[Difference], before: Before<'_>) -> Result<Work> {
    let route = release.route(at)?;
    let packs = BTreeMap::new();
    plan_route(route, (at, &packs), scan, drift, before)
}

/// Plans the config files alone, where the code of route `at`'s target is there already: no base is known, so
/// what the record does not know as pristine counts as edited.
///
/// # Errors
/// As [`plan`].
pub fn plan_config(release: &Release<'_>, at: usize, scan: &Scan, before: Before<'_>) -> Result<Work> {
    let own = release.route(at)?;
    let mut ways: BTreeMap<&TreePath, (usize, &Step)> = BTreeMap::new();
    for (i, route) in release.routes.iter().enumerate().filter(|(_, r)| r.track == own.track) {
        for step in route.steps.iter().filter(|s| s.class == Class::Config) {
            // That a base lacks a file tells more than another content of it: the file is new.
            if step.before.is_none() || !ways.contains_key(&step.path) {
                ways.insert(&step.path, (i, step));
            }
        }
    }
    let mut route = Route { before: Tree::clone(&own.after), steps: Vec::new(), ..own.clone() };
    for (path, (_, step)) in &ways {
        let pristine = match before.listing {
            Some(listing) => listing.get(path).cloned(),
            None if step.before.is_none() => None,
            None => step.after.clone(),
        };
        let known = before.listing.is_some() || step.after.is_some();
        if known && source_of(step).is_none() {
            route.before.entries.remove(*path);
            route.before.entries.extend(pristine.clone().map(|e| ((*path).clone(), e)));
            route.steps.push(Step { before: pristine, ..(*step).clone() });
        }
    }
    let packs = ways.into_iter().map(|(path, (i, _))| (path.clone(), i)).collect();
    plan_route(&route, (at, &packs), scan, &[], before)
}

/// `packs` names the route whose packs hold the delta of a path, where that is another one than the route's own.
fn plan_route(
    route: &Route,
    packs: (usize, &BTreeMap<TreePath, usize>),
    scan: &Scan,
    drift: &[Difference],
    before: Before<'_>,
) -> Result<Work> {
    let (work, puts, gone) = (Work::default(), Vec::new(), BTreeSet::new());
    let mut planning = Planning { route, packs, scan, before, work, puts, gone };
    for d in drift {
        planning.work.findings.push(
            Finding::new(
                Code::Drifted,
                &d.path,
                format!("differs from base {}: {}; left as it is", route.name, d.found),
            )
            .next("restore it when you can"),
        );
    }
    for step in &route.steps {
        match step.class {
            Class::Code => planning.code(step)?,
            Class::Config => planning.config(step)?,
            Class::Volatile | Class::Site => {}
        }
    }
    planning.finish()
}

struct Planning<'a> {
    route: &'a Route,
    packs: (usize, &'a BTreeMap<TreePath, usize>),
    scan: &'a Scan,
    before: Before<'a>,
    work: Work,
    puts: Vec<(Op, Making)>,
    /// Files and links that go.
    gone: BTreeSet<TreePath>,
}

impl Planning<'_> {
    fn found(&self, path: &TreePath) -> &Found {
        self.scan.get(path).map_or(&Found::Missing, |s| &s.found)
    }

    fn ours(&self, new: &TreePath) -> Option<Digest> {
        self.before.beside.and_then(|b| b.get(new)).copied()
    }

    fn code(&mut self, step: &Step) -> Result<()> {
        match (&step.before, &step.after) {
            (_, Some(Entry::Folder)) => {}
            (before, Some(after)) => {
                if before.as_ref().is_none_or(|b| *b == Entry::Folder) {
                    match self.found(&step.path) {
                        Found::Missing => {}
                        Found::Entry(found) if found == after => return Ok(()),
                        // Folders and what lies below files are judged at the end, when it is known what goes.
                        Found::Entry(Entry::Folder) | Found::Behind { .. } => {}
                        other => return Err(blocked(&step.path, &other.words())),
                    }
                }
                self.put(step, step.path.clone(), before.clone().filter(|b| *b != Entry::Folder), after.clone())?;
            }
            (Some(Entry::Folder), None) => {}
            (Some(_), None) => {
                self.gone.insert(step.path.clone());
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Local edits of config files win; the new version is put beside them.
    fn config(&mut self, step: &Step) -> Result<()> {
        let found = self.found(&step.path).clone();
        if found.entry() == step.after.as_ref() {
            return Ok(());
        }
        let as_shipped = match &step.before {
            Some(before) => same(before, self.scan.get(&step.path)),
            None => found == Found::Missing,
        };
        if as_shipped {
            return self.code(step);
        }
        let recorded = self.before.listing.and_then(|l| l.get(&step.path));
        if recorded.is_some() && recorded == found.entry() {
            return self.code(&Step { before: recorded.cloned(), ..step.clone() });
        }
        if let Found::Behind { at, .. } = &found {
            return Err(blocked(at, &found.words()));
        }
        let kept = |what: &str| Finding::new(Code::ConfigKept, &step.path, what);
        let Some(after @ Entry::File { digest, .. }) = &step.after else {
            self.work.findings.push(kept("locally edited, so it stays although the release removes it"));
            return Ok(());
        };
        if found == Found::Missing {
            self.work.findings.push(kept("locally removed, so it stays away; the release has a new version of it"));
            return Ok(());
        }
        let new = beside(&step.path)?;
        match self.found(&new) {
            Found::Entry(there) if there.digest() == Some(*digest) => {}
            there => {
                let before = match there {
                    Found::Missing => None,
                    Found::Entry(e) if e.digest().is_some() && self.ours(&new) == e.digest() => Some(e.clone()),
                    other => return Err(blocked(&new, &other.words())),
                };
                if self.source(step)?.is_some_and(|s| s.is_none()) {
                    let finding = kept("locally edited and kept; the new version cannot be made without the old one");
                    self.work.findings.push(finding);
                    return Ok(());
                }
                self.put(step, new.clone(), before, after.clone())?;
                self.work.beside.insert(new.clone(), *digest);
            }
        }
        let finding =
            kept("locally edited and kept").next(format!("compare it with {new} and take over what you need"));
        self.work.findings.push(finding);
        Ok(())
    }

    /// Where the old content of a step is: `None` if it needs none, `Some(None)` if it is nowhere.
    fn source(&self, step: &Step) -> Result<Option<Option<(TreePath, Digest)>>> {
        let Some(from) = source_of(step) else { return Ok(None) };
        let digest = match self.route.before.get(from) {
            Some(Entry::File { digest, .. }) => *digest,
            Some(Entry::Brief { .. }) => return Ok(Some(None)),
            _ => return Err(Error::new(ErrorCode::BadBundle, &step.path, "the step's old file is none")),
        };
        let is = |f: &Found| f.entry().and_then(Entry::digest) == Some(digest);
        let at = if is(self.found(from)) {
            Some(from.clone())
        } else {
            self.scan.iter().find(|(_, s)| is(&s.found)).map(|(p, _)| p.clone())
        };
        Ok(Some(at.map(|p| (p, digest))))
    }

    fn put(&mut self, step: &Step, path: TreePath, before: Option<Entry>, after: Entry) -> Result<()> {
        let source = match self.source(step)? {
            Some(None) => {
                return Err(Error::new(
                    ErrorCode::Drift,
                    source_of(step).unwrap_or(&step.path),
                    format!("its shipped content is needed to make '{path}' and is nowhere any more"),
                )
                .next(format!("restore it from {}, then run the command again", self.route.name)));
            }
            Some(source) => source,
            None => None,
        };
        // A new file beside or in place of an old one is like it; a moved one is like where it came from.
        let moved = match &step.action {
            Action::Copy { from } if self.route.after.get(from).is_none() => Some(from.clone()),
            _ => None,
        };
        let like = match &before {
            Some(Entry::File { .. }) => Some(path.clone()),
            _ if path != step.path => Some(step.path.clone()),
            _ => moved,
        };
        let route = self.packs.1.get(&step.path).copied().unwrap_or(self.packs.0);
        self.puts.push((
            Op { path, what: What::Put, before, after: Some(after) },
            Making { action: step.action.clone(), route, source, like },
        ));
        Ok(())
    }

    /// Orders everything: what is in the way goes first, then folders, then puts, then the other
    /// deletions, so that a file that moves is never nowhere.
    fn finish(mut self) -> Result<Work> {
        let after = &self.route.after;
        let puts: BTreeSet<&TreePath> = self.puts.iter().map(|(op, _)| &op.path).collect();
        let folders: BTreeSet<TreePath> = self
            .route
            .steps
            .iter()
            .filter(|s| s.class == Class::Code && s.after == Some(Entry::Folder))
            .map(|s| s.path.clone())
            .collect();
        let wanted: BTreeSet<TreePath> = puts
            .iter()
            .flat_map(|p| p.ancestors())
            .chain(folders.iter().flat_map(|f| f.ancestors()))
            .chain(folders.iter().cloned())
            .collect();

        // Folders that only held what goes, deepest first.
        let mut emptied: BTreeSet<TreePath> =
            self.gone.iter().flat_map(|p| p.ancestors().collect::<Vec<_>>()).collect();
        emptied.extend(
            self.route
                .steps
                .iter()
                .filter(|s| s.class == Class::Code && s.before == Some(Entry::Folder) && s.after != Some(Entry::Folder))
                .map(|s| s.path.clone()),
        );
        emptied
            .retain(|f| !wanted.contains(f) && !keeps(after, f) && *self.found_dir(f) == Found::Entry(Entry::Folder));

        let in_the_way = |path: &TreePath| wanted.contains(path) || path.ancestors().any(|a| puts.contains(&a));
        let (first, later): (Vec<TreePath>, Vec<TreePath>) = self.gone.iter().cloned().partition(|p| in_the_way(p));
        let (folders_first, folders_later): (Vec<TreePath>, Vec<TreePath>) =
            emptied.iter().rev().cloned().partition(|f| puts.contains(f) || f.ancestors().any(|a| puts.contains(&a)));

        self.check_ways(&wanted, &puts, &emptied)?;
        let before = |p: &TreePath| self.scan.get(p).and_then(|s| s.found.entry().cloned());
        let delete = |p: TreePath| Op { before: before(&p), path: p, what: What::Delete, after: None };
        let unfolder = |p: TreePath| Op { path: p, what: What::Unfolder, before: Some(Entry::Folder), after: None };
        let make: Vec<TreePath> =
            wanted.iter().filter(|f| *self.found_dir(f) != Found::Entry(Entry::Folder)).cloned().collect();

        let mut ops: Vec<Op> = Vec::new();
        ops.extend(first.into_iter().map(delete));
        ops.extend(folders_first.into_iter().map(unfolder));
        ops.extend(make.into_iter().map(|p| Op {
            path: p,
            what: What::Folder,
            before: None,
            after: Some(Entry::Folder),
        }));
        let rest: Vec<Op> = later.into_iter().map(delete).chain(folders_later.into_iter().map(unfolder)).collect();
        let mut work = std::mem::take(&mut self.work);
        work.ops = ops;
        for (op, making) in self.puts {
            work.makings.insert(work.ops.len(), making);
            work.ops.push(op);
        }
        work.ops.extend(rest);
        Ok(work)
    }

    /// A folder's state: the scan covers it only if it is itself a path of a listing.
    fn found_dir(&self, folder: &TreePath) -> &Found {
        match self.scan.get(folder) {
            Some(seen) => &seen.found,
            None => &Found::Missing,
        }
    }

    /// Refuses whatever of the site's stands where a folder or file has to be.
    fn check_ways(
        &self,
        wanted: &BTreeSet<TreePath>,
        puts: &BTreeSet<&TreePath>,
        emptied: &BTreeSet<TreePath>,
    ) -> Result<()> {
        for folder in wanted {
            match self.found_dir(folder) {
                Found::Missing | Found::Entry(Entry::Folder) => {}
                _ if self.gone.contains(folder) => {}
                Found::Behind { at, .. } if self.gone.contains(at) => {}
                other => return Err(blocked(folder, &other.words())),
            }
        }
        for path in puts {
            match self.found(path) {
                Found::Entry(Entry::Folder) if !emptied.contains(*path) => return Err(blocked(path, "a folder")),
                Found::Behind { at, .. } if !self.gone.contains(at) => {
                    return Err(blocked(at, &self.found(path).words()));
                }
                _ => {}
            }
        }
        // Everything that is removed or replaced must be reachable without a link.
        for path in &self.gone {
            if let found @ Found::Behind { at, .. } = self.found(path) {
                return Err(blocked(at, &found.words()));
            }
        }
        Ok(())
    }
}

/// Whether the target has something below the folder, or the folder itself.
fn keeps(tree: &Tree, folder: &TreePath) -> bool {
    let below = format!("{folder}/");
    tree.get(folder) == Some(&Entry::Folder)
        || tree
            .entries
            .range::<str, _>((std::ops::Bound::Included(below.as_str()), std::ops::Bound::Unbounded))
            .next()
            .is_some_and(|(p, _)| p.as_str().starts_with(&below))
}

/// The folders that planning has to know about beyond the listed paths.
pub fn folders_of(route: &Route) -> BTreeSet<TreePath> {
    route.steps.iter().flat_map(|s| s.path.ancestors().chain([s.path.clone()])).collect()
}

fn blocked(path: &TreePath, what: &str) -> Error {
    Error::new(ErrorCode::Blocked, path, format!("{what} stands where the bundle has to write"))
        .next("move it away, then run the command again")
}
