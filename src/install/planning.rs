//! What is done to each path of a route, given what was found there.

use super::recognise::same;
use super::release::{Release, Route, source_of};
use super::scan::Found;
use super::steps::{Here, Making, Op, What, Work, beside};
use crate::bundle::{Action, Step};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Digest, Entry, TreePath};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub(super) struct Planning<'a> {
    release: &'a Release<'a>,
    pub(super) route: &'a Route,
    packs: (usize, &'a BTreeMap<TreePath, usize>),
    here: Here<'a>,
    pub(super) work: Work,
    pub(super) puts: Vec<(Op, Making)>,
    /// Files and links that go.
    pub(super) gone: BTreeSet<TreePath>,
}

impl<'a> Planning<'a> {
    pub(super) fn new(
        release: &'a Release<'a>,
        route: &'a Route,
        packs: (usize, &'a BTreeMap<TreePath, usize>),
        here: Here<'a>,
    ) -> Self {
        let (work, puts, gone) = (Work::default(), Vec::new(), BTreeSet::new());
        Self { release, route, packs, here, work, puts, gone }
    }

    pub(super) fn found(&self, path: &TreePath) -> &Found {
        self.here.seen.get(path).map_or(&Found::Missing, |s| &s.found)
    }

    fn ours(&self, new: &TreePath) -> Option<Digest> {
        self.here.beside.and_then(|b| b.get(new)).copied()
    }

    /// The route whose packs hold the delta of a path.
    fn packs_of(&self, path: &TreePath) -> usize {
        self.packs.1.get(path).copied().unwrap_or(self.packs.0)
    }

    pub(super) fn code(&mut self, step: &Step) -> Result<()> {
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
    pub(super) fn config(&mut self, step: &Step) -> Result<()> {
        let found = self.found(&step.path).clone();
        if found.entry() == step.after.as_ref() {
            return Ok(());
        }
        let as_shipped = match &step.before {
            Some(before) => same(before, self.here.seen.get(&step.path)),
            None => found == Found::Missing,
        };
        if as_shipped {
            return self.code(step);
        }
        let recorded = self.here.listing.and_then(|l| l.get(&step.path));
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
    fn source(&self, step: &Step) -> Result<Option<Option<(PathBuf, Digest)>>> {
        let old = match &step.action {
            Action::Copy { .. } | Action::Mode => step.after.as_ref(),
            Action::Delta { from, .. } => self.release.route(self.packs_of(&step.path))?.before.get(from),
            _ => return Ok(None),
        };
        match old.filter(|e| e.is_file()) {
            Some(old) => Ok(Some(self.here.contents.find(old).map(|(at, digest)| (at.clone(), digest)))),
            None => Err(Error::new(ErrorCode::BadBundle, &step.path, "the step's old file is none")),
        }
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
        let route = self.packs_of(&step.path);
        self.puts.push((
            Op { path, what: What::Put, before, after: Some(after) },
            Making { action: step.action.clone(), route, source, like },
        ));
        Ok(())
    }
}

pub(super) fn blocked(path: &TreePath, what: &str) -> Error {
    Error::new(ErrorCode::Blocked, path, format!("{what} stands where the bundle has to write"))
        .next("move it away, then run the command again")
}
