//! What is done to each path of a route, given what was found there.

use super::release::{Release, Route, source_of};
use super::scan::Found;
use super::steps::{Here, Making, Op, What, Work};
use crate::bundle::{Action, Step};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry, TreePath};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub(super) struct Planning<'a> {
    pub(super) release: &'a Release<'a>,
    pub(super) route: &'a Route,
    pub(super) packs: (usize, &'a BTreeMap<TreePath, usize>),
    pub(super) here: Here<'a>,
    pub(super) work: Work,
    pub(super) puts: Vec<(Op, Making)>,
    /// Config files that the site edited, which stay.
    pub(super) kept: Vec<Op>,
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
        Self { release, route, packs, here, work, puts, kept: Vec::new(), gone }
    }

    pub(super) fn found(&self, path: &TreePath) -> &Found {
        self.here.seen.get(path).map_or(&Found::Missing, |s| &s.found)
    }

    pub(super) fn ours(&self, new: &TreePath) -> Option<Digest> {
        self.here.beside.and_then(|b| b.get(new)).copied()
    }

    /// The route whose packs hold the delta of a path.
    pub(super) fn packs_of(&self, path: &TreePath) -> usize {
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

    /// Where the old content of a step is: `None` if it needs none, `Some(None)` if it is nowhere.
    pub(super) fn source(&self, step: &Step) -> Result<Option<Option<(PathBuf, Digest)>>> {
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

    pub(super) fn put(&mut self, step: &Step, path: TreePath, before: Option<Entry>, after: Entry) -> Result<()> {
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
            Making { action: step.action.clone(), route, source, like, made: None },
        ));
        Ok(())
    }
}

pub(super) fn blocked(path: &TreePath, what: &str) -> Error {
    Error::new(ErrorCode::Blocked, path, format!("{what} stands where the bundle has to write"))
        .next("move it away, then run the command again")
}
