//! What the installer needs of a bundle, as plain values, so that it can be tested without one.

use crate::bundle::{Action, Class, FixState, Hook, Limits, Slice, Step};
use crate::delta::{Out, Side, Source};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry, Tree, TreePath};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Reads the delta of a route's slice and decodes it against the old bytes to at most so many new
/// ones, which are handed on whole or piece by piece. The digest of the result is checked by the installer.
pub type Decode<'a> = dyn Fn(usize, Slice, &Source<'_>, u64, &mut Out<'_>) -> Result<()> + Sync + 'a;

/// Reads how many bytes of memory decoding the delta of a route's slice needs beside the delta itself, with an old file of
/// so many bytes.
pub type Needs<'a> = dyn Fn(usize, Slice, u64) -> Result<u64> + Sync + 'a;

/// A release as an installation sees it.
pub struct Release<'a> {
    pub component: String,
    pub version: String,
    /// SHA-256 of the root manifest: the bundle's identity.
    pub bundle: Digest,
    pub sequence: Option<u64>,
    /// Seconds since 1970 that the release states as its time, and as the last at which it is the current one.
    pub created: Option<u64>,
    pub best_before: Option<u64>,
    pub limits: Limits,
    pub routes: Vec<Route>,
    /// Names of bases that the release has but this copy of the bundle does not hold.
    pub absent: Vec<String>,
    pub decode: Box<Decode<'a>>,
    pub needs: Box<Needs<'a>>,
}

impl Release<'_> {
    /// # Errors
    /// `internal` for a number that no route has.
    pub fn route(&self, at: usize) -> Result<&Route> {
        self.routes.get(at).ok_or_else(|| Error::new(ErrorCode::Internal, &self.component, "a route is missing"))
    }

    /// What a delta makes, whole.
    ///
    /// # Errors
    /// As [`Decode`].
    pub fn decoded(&self, route: usize, at: Slice, old: &[u8], size: u64) -> Result<Vec<u8>> {
        let mut new = Vec::new();
        (self.decode)(route, at, &Source::bytes(Side::Old, old), size, &mut |bytes| {
            if new.is_empty() {
                new = bytes.into_owned();
            } else {
                new.extend_from_slice(&bytes);
            }
            Ok(())
        })?;
        Ok(new)
    }
}

/// All steps from one base to its target.
#[derive(Debug, Clone)]
pub struct Route {
    pub name: String,
    pub track: String,
    /// Tree digests of the base and its target, as the bundle states them.
    pub from: Digest,
    pub to: Digest,
    pub before: Tree,
    pub after: Arc<Tree>,
    /// Sorted by path, each path once.
    pub steps: Vec<Step>,
    /// Paths of class `config` that no step touches.
    pub config: BTreeSet<TreePath>,
    pub fixes: Vec<FixState>,
    /// In the order in which they run.
    pub hooks: Vec<Hook>,
}

impl Route {
    /// Builds a route from the target's listing: the base is the target with every step undone.
    ///
    /// # Errors
    /// `bad-bundle` for steps that contradict the listing, each other, or themselves; `limit`.
    pub fn new(
        name: &str,
        track: &str,
        after: Arc<Tree>,
        steps: Vec<Step>,
        config: Vec<TreePath>,
        fixes: Vec<FixState>,
        limits: &Limits,
    ) -> Result<Self> {
        let bad = |what: &dyn std::fmt::Display| {
            Error::new(ErrorCode::BadBundle, name, format!("the steps of this base contradict themselves: {what}"))
                .next("get the bundle again from where it was published")
        };
        let mut before = Tree::clone(&after);
        let mut last: Option<&TreePath> = None;
        for step in &steps {
            if last.is_some_and(|l| *l >= step.path) {
                return Err(bad(&format_args!("'{}' is out of order", step.path)));
            }
            last = Some(&step.path);
            if step.before == step.after || after.get(&step.path) != step.after.as_ref() {
                return Err(bad(&format_args!("'{}' does not lead to the target", step.path)));
            }
            match &step.before {
                Some(entry) => before.entries.insert(step.path.clone(), entry.clone()),
                None => before.entries.remove(&step.path),
            };
        }
        for tree in [&before, &*after] {
            if let Some(p) = tree.file_and_folder() {
                return Err(bad(&format_args!("'{p}' lies below a file")));
            }
            if tree.len() as u64 > limits.paths {
                return Err(Error::new(ErrorCode::Limit, name, "more paths than the bundle's own limit"));
            }
        }
        for step in &steps {
            if !fits(step, &before) {
                return Err(bad(&format_args!("'{}' cannot be done", step.path)));
            }
            if step.after.as_ref().is_some_and(|e| e.size() > limits.file) {
                return Err(Error::new(ErrorCode::Limit, &step.path, "larger than the bundle's own limit for a file"));
            }
        }
        let config = config.into_iter().collect();
        let (from, to) = (before.digest(), after.digest());
        Ok(Self {
            name: name.into(),
            track: track.into(),
            from,
            to,
            before,
            after,
            steps,
            config,
            fixes,
            hooks: Vec::new(),
        })
    }

    /// Whether it starts from nothing, with every file of the target whole. It matches only where nothing is.
    pub fn is_repair(&self) -> bool {
        self.before.is_empty()
    }

    /// The step of a path.
    pub fn step(&self, path: &TreePath) -> Option<&Step> {
        self.steps.binary_search_by(|s| s.path.cmp(path)).ok().and_then(|i| self.steps.get(i))
    }

    pub fn class(&self, path: &TreePath) -> Class {
        match self.step(path) {
            Some(step) => step.class,
            None if self.config.contains(path) => Class::Config,
            None => Class::Code,
        }
    }
}

/// Whether the action makes what the step promises, out of what the base has.
fn fits(step: &Step, before: &Tree) -> bool {
    let Some(after) = &step.after else { return step.action == Action::Delete && step.before.is_some() };
    let same = |from: &TreePath| before.get(from).is_some_and(|old| old.same_content(after));
    match (&step.action, after) {
        (Action::Copy { from }, Entry::File { .. }) => same(from),
        (Action::Delta { from, .. }, Entry::File { .. }) => before.get(from).is_some_and(Entry::is_file),
        (Action::Mode, Entry::File { .. }) => same(&step.path),
        (Action::Full { .. }, Entry::File { .. }) => true,
        (Action::Link, Entry::Symlink { .. }) => true,
        (Action::Folder, Entry::Folder) => true,
        _ => false,
    }
}

/// The file whose content an action needs.
pub fn source_of(step: &Step) -> Option<&TreePath> {
    match &step.action {
        Action::Copy { from } | Action::Delta { from, .. } => Some(from),
        Action::Mode => Some(&step.path),
        _ => None,
    }
}
