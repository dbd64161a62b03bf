//! Unified, git and git-binary patches on bytes: parse, apply strictly, merge three-way.
//!
//! Knows paths and bytes, nothing of fixes. Where tools differ, `git apply` is the reference
//! (context must match, an offset is allowed, fuzz is not). Linear in input; every length
//! that a patch states is checked before it is used.

mod apply;
mod binary;
mod body;
mod diff;
mod hunk;
mod names;
mod parse;
mod place;
mod prose;
mod three_way;
mod types;

pub use apply::{Applied, Changes, FileState, apply_all, blob_id};
pub use diff::{Edit, edits, stretch};
pub use parse::{ParseError, ParseOptions, parse, split_lines};
pub use place::{Placed, apply_hunks};
pub use prose::quoted;
pub use three_way::{Contested, Unmerged, three_way};
pub use types::{Binary, BinaryHunk, Body, FilePatch, Hunk, Line, LineKind, Mode, Reject, RejectReason};
