//! Whether what was written is what was promised: every new file is read back from the staging folder, while it becomes durable.

use super::config::read;
use super::release::Release;
use super::scan::{self, Found, Seen, Stamp};
use super::stage::{make, promised, proved, slot};
use super::state::State;
use super::steps::{Making, Op, Work};
use crate::bundle::Action;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry, Hasher};
use rayon::prelude::*;
use std::path::Path;

/// Reads every new file back and checks that it is the promised one.
pub fn read_back(state: &State, release: &Release<'_>, work: &Work, ops: &[(usize, &Op)]) -> Result<scan::Read> {
    let folder = state.stage();
    let read = ops.par_iter().filter_map(|(n, op)| {
        let (making, file) = (work.makings.get(n)?, op.after.as_ref().is_some_and(Entry::is_file));
        file.then(|| Ok((op.path.clone(), read_one(release, (op, making), &slot(&folder, *n))?)))
    });
    read.collect()
}

/// Reads one new file back and checks that it is the promised one.
///
/// # Errors
/// `bad-delta`, `source-changed`, `io`.
pub fn read_one(release: &Release<'_>, (op, making): (&Op, &Making), at: &Path) -> Result<(Stamp, Entry)> {
    let Some(Entry::File { digest, size, .. }) = &op.after else {
        return Err(Error::new(ErrorCode::Internal, &op.path, "an operation has no content"));
    };
    match scan::look(at)? {
        Seen { found: Found::Entry(entry), stamp: Some(stamp) } if entry.digest() == Some(*digest) => {
            Ok((stamp, entry))
        }
        _ => Err(why_other(release, (op, making), (*digest, *size))),
    }
}

/// Why a new file is not the promised one: it is made once more, since either its delta lies or the disk does.
fn why_other(release: &Release<'_>, (op, making): (&Op, &Making), entry: (Digest, u64)) -> Error {
    let made = match (&making.made, &making.action, &making.source) {
        (Some(bytes), ..) => promised(op, Digest::of(bytes), entry),
        (None, Action::Copy { .. } | Action::Mode, Some((from, old))) => read(from, *old).map(|_| ()),
        _ => {
            let mut hasher = Hasher::new();
            let made = make(release, making, op, entry.1, &mut |bytes| {
                hasher.update(&bytes);
                Ok(())
            });
            made.and_then(|()| proved(op, making, hasher.finish(), entry))
        }
    };
    let what = "what was written is not what can be read there";
    let other = || Error::new(ErrorCode::Io, &op.path, what).next("look at the disk, then run the same command again");
    made.err().unwrap_or_else(other)
}
