//! A fix as the rest of the house sees it.

use super::files::Files;
use crate::patch::Mode;
use crate::tree::{Digest, TreePath};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// The name people use for a fix: the patch's file name without `.patch` or `.diff`, folders
/// joined by `__`, or the overlay's folder name. 1 to 200 bytes, no control characters or `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FixId(pub String);

impl fmt::Display for FixId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known about a fix, merged from mail headers, git trailers, DEP-3 and `fix.toml`
/// (the latter wins). Empty strings and lists mean "not stated".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    pub title: String,
    pub description: String,
    pub author: String,
    /// As stated, RFC 3339 where it could be read.
    pub date: String,
    /// Sorted, upper case, without repetition.
    pub cves: Vec<String>,
    pub severity: Severity,
    /// Bugs, commits, forwarded URLs.
    pub links: Vec<String>,
    pub requires: Vec<FixId>,
    pub supersedes: Vec<FixId>,
    pub conflicts: Vec<FixId>,
    /// Order without need.
    pub after: Vec<FixId>,
    /// Fixes that this payload brings at once, and that cannot be chosen apart.
    pub realises: Vec<FixId>,
    /// Commits that this fix names in `Fixes:` or `Stable-dep-of:` trailers.
    pub fixes_commits: Vec<String>,
    /// The upstream commit that this fix is, where a header says so.
    pub commit: String,
    pub restart: bool,
    /// Globs of shipped files that this fix changes, where a build lies between.
    pub affects: Vec<String>,
    /// Commands that installations run once when they gain the fix.
    pub hooks: Vec<FixHook>,
}

/// A command of a fix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixHook {
    #[serde(default)]
    pub when: FixWhen,
    /// Globs of shipped files; it runs only where one of them changes. None: always.
    #[serde(default)]
    pub if_changed: Vec<String>,
    pub run: Vec<String>,
    #[serde(default)]
    pub undo: Vec<String>,
    /// Seconds, a minute by default.
    #[serde(default = "minute")]
    pub timeout: u32,
    /// Whether going back is possible: by `undo`, or because nothing has to be undone.
    #[serde(default = "yes")]
    pub reversible: bool,
}

fn minute() -> u32 {
    60
}

fn yes() -> bool {
    true
}

/// Whether a hook runs before the first file changes or after the last one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FixWhen {
    Before,
    #[default]
    After,
}

/// A CVSS vector and what people call it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Severity {
    /// `CVSS:3.1/AV:N/...` or empty.
    pub vector: String,
    /// `critical`, `high`, `medium`, `low`, `none`, or empty.
    pub word: String,
}

/// One fix with all its variants.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    pub id: FixId,
    pub meta: Meta,
    /// At least one; the default has `branch` and `platform` empty.
    pub variants: Vec<Variant>,
}

/// The payload of a fix for one branch or platform; the most specific that matches is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    pub branch: Option<String>,
    pub platform: Option<String>,
    /// Where it was read, for messages.
    pub file: PathBuf,
    pub payload: Payload,
}

#[derive(Debug, Clone, PartialEq, Hash)]
pub enum Payload {
    /// In the order in which they stand in the file; one path may come twice.
    Patch(Files),
    Overlay(Vec<Change>),
}

impl Payload {
    /// The paths of every single part, one or two each (a rename or copy has two).
    pub fn parts(&self) -> Vec<Vec<&TreePath>> {
        match self {
            Self::Patch(files) => files.names().map(|(old, new)| old.into_iter().chain(new).collect()).collect(),
            Self::Overlay(changes) => changes.iter().map(Change::paths).collect(),
        }
    }

    /// The payload without what it does to paths that are taken care of otherwise.
    #[must_use]
    pub fn without(&self, taken: impl Fn(&TreePath) -> bool) -> Self {
        match self {
            Self::Patch(files) => {
                let rest: Vec<_> = files.iter().filter(|f| !f.new.as_ref().is_some_and(&taken)).cloned().collect();
                Self::Patch(rest.into())
            }
            Self::Overlay(changes) => {
                let put = |c: &Change| matches!(c, Change::Put { path, .. } if taken(path));
                Self::Overlay(changes.iter().filter(|c| !put(c)).cloned().collect())
            }
        }
    }

    /// All paths that it names, with repetitions.
    pub fn paths(&self) -> impl Iterator<Item = &TreePath> {
        let (files, changes) = match self {
            Self::Patch(files) => (Some(files), &[] as &[Change]),
            Self::Overlay(changes) => (None, changes.as_slice()),
        };
        let named = files.into_iter().flat_map(Files::names).flat_map(|(old, new)| [old, new]).flatten();
        named.chain(changes.iter().flat_map(Change::paths))
    }
}

impl Change {
    /// The paths that it names, one or two.
    pub fn paths(&self) -> Vec<&TreePath> {
        match self {
            Self::Put { path, .. } | Self::Link { path, .. } | Self::Delete { path } => vec![path],
            Self::Rename { from, to } => vec![from, to],
        }
    }
}

/// What an overlay does to one path. Contents are in the store of the fixes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// The whole content; `built_on` is the pre-image's digest where the overlay states it.
    Put {
        path: TreePath,
        mode: Mode,
        digest: Digest,
        size: u64,
        built_on: Option<Digest>,
    },
    /// A link and its target.
    Link {
        path: TreePath,
        target: String,
    },
    Delete {
        path: TreePath,
    },
    Rename {
        from: TreePath,
        to: TreePath,
    },
}
