//! What a patch says, as values.

use crate::tree::{Digest, TreePath};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What git's six-digit modes can say about a path in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    File,
    Exec,
    Symlink,
}

/// What a patch does to one path (or, renaming and copying, to two).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePatch {
    /// `None` where the patch creates the file.
    pub old: Option<TreePath>,
    /// `None` where the patch deletes the file.
    pub new: Option<TreePath>,
    /// Whether it began with `diff --git`; plain unified patches leave creation and deletion to be guessed.
    pub git: bool,
    pub rename: bool,
    pub copy: bool,
    /// From `old mode`, `deleted file mode` or the mode on the `index` line.
    pub old_mode: Option<Mode>,
    /// From `new mode` or `new file mode`.
    pub new_mode: Option<Mode>,
    /// The abbreviated or full git blob ids of the `index` line.
    pub index: Option<(String, String)>,
    pub body: Body,
    /// Which mail of the file it stands in, from 0. Mails apply one after the other; within one, renames and
    /// copies start from what stood there before the mail, as git writes them.
    pub mail: u32,
    /// Line in the patch file where this file's part begins, from 1.
    pub line: u32,
}

impl FilePatch {
    /// Whether it is more than a header, or hunks of nothing but context.
    pub fn changes_something(&self) -> bool {
        let mode = self.new_mode.is_some() && self.new_mode != self.old_mode;
        self.old != self.new || self.rename || self.copy || mode || !matches!(self.body, Body::Nothing)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Body {
    /// Only the path or mode changes (or an empty file is created or deleted).
    Nothing,
    Text(Vec<Hunk>),
    Binary(Binary),
}

/// A `GIT binary patch`: forward, and backward where it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binary {
    pub forward: BinaryHunk,
    pub backward: Option<BinaryHunk>,
}

/// Inflated data of one binary hunk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BinaryHunk {
    Literal(Arc<[u8]>),
    /// Git's delta instructions with their stated result size.
    Delta(Arc<[u8]>),
}

/// One hunk. Line numbers are 1-based as written in the patch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hunk {
    pub old_start: u64,
    pub old_len: u64,
    pub new_start: u64,
    pub new_len: u64,
    pub lines: Vec<Line>,
    /// Line in the patch file of the `@@` line, from 1.
    pub line: u32,
    /// What stands behind the second `@@`: most often the line of the file, cut off, that begins the function around it.
    pub section: Arc<[u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineKind {
    Context,
    Remove,
    Add,
}

/// One line of a hunk with its line end, if it has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    pub kind: LineKind,
    pub bytes: Arc<[u8]>,
}

/// One part of a patch that does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    pub path: TreePath,
    /// Index into the file patch's hunks, where a hunk is to blame.
    pub hunk: Option<usize>,
    /// Line in the patch file.
    pub line: u32,
    pub reason: RejectReason,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum RejectReason {
    #[error("the file is not there")]
    Missing,
    #[error("the file is there already")]
    Exists,
    #[error("a file or link stands where a folder is needed: {0}")]
    ParentIsFile(TreePath),
    #[error("the hunk's lines are not found (fuzz is not allowed)")]
    HunkNotFound,
    #[error(
        "the hunk has no lines around its change (diff -U0), so nothing says where it belongs: make the patch anew with -U3"
    )]
    NoContext,
    #[error(
        "the hunk's lines are there, but it has none behind its last change, so it has to end the file, and does not"
    )]
    NotAtEnd,
    #[error("the hunk's lines are there, but with other line ends (CRLF in one of the two, LF in the other)")]
    OtherLineEnds,
    #[error("the hunk's lines are there, but only one of file and patch has a newline at the end of the file")]
    OtherLastLine,
    #[error("it is a folder; a fix deletes and renames files, each by its name")]
    IsFolder,
    #[error("the file's kind is not what the patch expects")]
    WrongKind,
    #[error("the binary pre-image is another one")]
    WrongPreImage,
    #[error("it is built on {0}, and another content stands there")]
    NotBuiltOn(Digest),
    #[error("the binary patch carries no data")]
    NoBinaryData,
    #[error("it is built on another content, and what stands there now changed the same lines")]
    BothChanged,
    #[error("it is built on another content, and lines repeat so that it is not certain what either changed")]
    Uncertain,
    #[error("the binary delta is damaged")]
    BadBinary,
    #[error("the file is deleted, but content would be left")]
    DeleteLeavesContent,
}
