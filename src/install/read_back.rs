//! Whether what was written is what was promised: every new file is read back from the staging folder, while it is being
//! written and becomes durable.

use super::config::read;
use super::release::Release;
use super::scan::{self, Found, Seen, Stamp};
use super::stage::{make, promised, proved, slot};
use super::steps::{Making, Op, Work};
use crate::bundle::Action;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry, Hasher};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::mpsc::Receiver;

/// Bytes after which whoever reads a file back is told of more.
pub const STEP: usize = 1 << 20;

/// What was written: some of an operation's file, or the whole of it with its attributes.
pub struct Wrote {
    pub n: usize,
    pub whole: bool,
}

/// Reads new files back behind whoever writes them, as far as each is there: by operation, what each is once it is whole.
///
/// # Errors
/// `io`.
pub fn behind(folder: &Path, told: &Receiver<Wrote>) -> Result<BTreeMap<usize, (Stamp, Entry)>> {
    let mut out = BTreeMap::new();
    let mut buffer = vec![0; 1 << 17];
    let mut now: Option<(usize, File, Hasher, u64)> = None;
    while let Ok(wrote) = told.recv() {
        let at = slot(folder, wrote.n);
        let (n, mut file, mut hasher, mut size) = match now.take().filter(|(n, ..)| *n == wrote.n) {
            Some(now) => now,
            None => (wrote.n, scan::open(&at)?, Hasher::new(), 0),
        };
        loop {
            let read = file.read(&mut buffer).map_err(|e| Error::io(at.display(), &e))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            size += read as u64;
        }
        if !wrote.whole {
            now = Some((n, file, hasher, size));
        } else if let Some(stamp) = scan::stamp(&at)? {
            let entry = Entry::File { digest: hasher.finish(), size, exec: stamp.mode & 0o100 != 0 };
            out.insert(n, (stamp, entry));
        }
    }
    Ok(out)
}

/// Checks that every new file, as it was read back, is the promised one.
///
/// # Errors
/// `bad-delta`, `source-changed`, `io`.
pub fn as_promised(
    release: &Release<'_>,
    work: &Work,
    ops: &[(usize, &Op)],
    mut read: BTreeMap<usize, (Stamp, Entry)>,
) -> Result<scan::Read> {
    let mut out = scan::Read::new();
    for (n, op) in ops {
        let (Some(making), Some(Entry::File { digest, size, .. })) = (work.makings.get(n), &op.after) else { continue };
        match read.remove(n) {
            Some((stamp, entry)) if entry.digest() == Some(*digest) && stamp.size == *size => {
                out.insert(op.path.clone(), (stamp, entry));
            }
            _ => return Err(why_other(release, (op, making), (*digest, *size))),
        }
    }
    Ok(out)
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
