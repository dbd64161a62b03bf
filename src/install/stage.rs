//! New contents are made and checked in the staging folder, and old ones get a second name in the
//! backup folder, before anything of the installation changes.

use super::ahead::{Each, Job, Next, ahead, no_thread};
use super::config::read;
use super::early::Early;
use super::preflight;
use super::read_back::{STEP, Wrote, as_promised, behind};
use super::release::Release;
use super::scan::{self, gone};
use super::state::State;
use super::steps::{Making, Op, What, Work, is_reversed};
use crate::bundle::{Action, Slice};
use crate::delta::{Out, Side, Source};
use crate::disk::{self, Disk, NewFile, has_holes};
use crate::report::{Error, ErrorCode, Finding, Result};
use crate::tree::{Digest, Entry, TreePath};
use std::fs::{self, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::thread::Builder;

/// Where the `n`-th operation's file lies in a folder of ours.
pub fn slot(folder: &Path, n: usize) -> PathBuf {
    folder.join(format!("{n:08}"))
}

/// From how many new files on the whole file system is synced once, instead of each file.
const MANY: usize = 512;

/// Files that are synced together, and bytes from which on that does not wait for more of them: the first sync of several
/// whose writing has begun costs what one of them alone would.
const TOGETHER: usize = 64;
const ENOUGH: u64 = 8 << 20;

/// What is done around the making of new files.
pub struct Around<'a> {
    /// Before the first of them is written, while the first contents are decoded already.
    pub before: &'a dyn Fn() -> Result<()>,
    /// While they are made.
    pub beside: &'a (dyn Fn() -> Result<()> + Sync),
    /// Once all are written, while they become durable and the last are read back.
    pub after: &'a dyn Fn() -> Result<()>,
}

/// What was staged.
#[derive(Default)]
pub struct Staged {
    /// Attributes that this user may not give.
    pub findings: Vec<Finding>,
    /// The new files by the paths that they are for, as they were read back.
    pub read: scan::Read,
}

/// Makes every new file and link, durable, with its final mode, owner, extended attributes and holes, and of this time if
/// one is given, and reads back every file. `early` may have begun to make one of them.
///
/// # Errors
/// `bad-delta` if a content is not what the bundle promises, `source-changed`, `no-space`, `io`; what `around` gives.
pub fn stage(
    disk: &Disk,
    state: &State,
    release: &Release<'_>,
    work: &Work,
    mtime: Option<i64>,
    (around, early): (&Around<'_>, Option<&Early>),
) -> Result<Staged> {
    let folder = state.stage();
    let now = |op: &Op| op.what == What::Put && !is_reversed(&work.reversed, op);
    let ops: Vec<(usize, &Op)> = work.ops.iter().enumerate().filter(|(_, op)| now(op)).collect();
    let jobs: Vec<Job<'_>> = ops.iter().filter_map(|(n, op)| job(*n, op, work.makings.get(n)?)).collect();
    let staged = ahead(release, &jobs, early, |next| {
        (around.before)()?;
        disk.mkdir(&folder, 0o700)?;
        put(disk, state, release, (work, &ops), mtime, next, around)
    })?;
    disk.sync_folder(&folder)?;
    Ok(staged)
}

/// Writes what is to be put, in the order of the operations. One more thread reads it back behind the writing, and one makes
/// it durable, so that waiting for the disk keeps nothing else from going on.
fn put(
    disk: &Disk,
    state: &State,
    release: &Release<'_>,
    (work, ops): (&Work, &[(usize, &Op)]),
    mtime: Option<i64>,
    next: &mut Next<'_>,
    around: &Around<'_>,
) -> Result<Staged> {
    let folder = &state.stage();
    let crashed =
        || Error::new(ErrorCode::Internal, folder.display(), "a thread that syncs, reads or keeps files crashed");
    let many = work.makings.len() >= MANY;
    std::thread::scope(|scope| {
        let (written, waiting) = sync_channel(TOGETHER);
        let synced = match many {
            true => None,
            false => Some(Builder::new().spawn_scoped(scope, move || sync(&waiting)).map_err(|e| no_thread(&e))?),
        };
        let (tell, told) = channel();
        let reader = Builder::new().spawn_scoped(scope, move || behind(folder, &told)).map_err(|e| no_thread(&e))?;
        let beside = Builder::new().spawn_scoped(scope, around.beside).map_err(|e| no_thread(&e))?;
        // Where nobody reads any more, that is told at the end.
        let tell = move |n, whole| drop(tell.send(Wrote { n, whole }));
        let mut next = |job: Job<'_>, each: &mut Each<'_>| {
            let mut more = 0;
            next(job, &mut |bytes| {
                each(bytes)?;
                more += bytes.len();
                if more >= STEP {
                    tell(job.n, false);
                    more = 0;
                }
                Ok(())
            })
        };
        let done = write(disk, state, work, ops, mtime, &mut next, &mut |n, mut new, size| {
            tell(n, true);
            if many {
                return true;
            }
            // What is that large is synced at once.
            if size < ENOUGH {
                new.begin();
            }
            written.send((new, size)).is_ok()
        });
        drop((written, tell));
        let all = || Builder::new().spawn_scoped(scope, || disk.sync_file_system(folder)).map_err(|e| no_thread(&e));
        let synced = match synced {
            None if many && done.is_ok() => Some(all()?),
            synced => synced,
        };
        let done = done.and_then(|findings| {
            let done = (around.after)();
            let done = beside.join().unwrap_or_else(|_| Err(crashed())).and(done);
            let read = reader.join().unwrap_or_else(|_| Err(crashed()))?;
            let read = as_promised(release, work, ops, read)?;
            done.map(|()| Staged { findings, read })
        });
        // Where writing stopped because syncing did, that is why.
        synced.map_or(Ok(()), |s| s.join().unwrap_or_else(|_| Err(crashed()))).and(done)
    })
}

/// Makes files durable as they come.
fn sync(waiting: &Receiver<(NewFile<'_>, u64)>) -> Result<()> {
    let (mut files, mut bytes) = (Vec::new(), 0);
    loop {
        let next = waiting.recv().ok();
        let last = next.is_none();
        files.extend(next.map(|(file, size)| {
            bytes += size;
            file
        }));
        if last || files.len() >= TOGETHER || bytes >= ENOUGH {
            files.drain(..).try_for_each(|file| file.sync())?;
            bytes = 0;
        }
        if last {
            return Ok(());
        }
    }
}

/// Writes what is to be put and hands on every operation's file, which is not durable yet, with its size; `false` where that is in vain.
fn write<'a>(
    disk: &'a Disk,
    state: &State,
    work: &Work,
    ops: &[(usize, &Op)],
    mtime: Option<i64>,
    next: &mut Next<'_>,
    written: &mut dyn FnMut(usize, NewFile<'a>, u64) -> bool,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let folder = state.stage();
    for (n, op) in ops {
        let to = slot(&folder, *n);
        match (&op.after, work.makings.get(n)) {
            (Some(Entry::Symlink { target }), Some(_)) => {
                disk.symlink(target, &to)?;
                if let Some(like) = parent_of(&state.dir, &op.path)? {
                    disk.keep_owner(&to, &like)?;
                }
            }
            (Some(Entry::File { size, exec, .. }), Some(making)) => {
                let (new, lost) = file(disk, state, (*n, op, making), &to, (*size, *exec), mtime, next)?;
                findings.extend(preflight::lost(&op.path, lost));
                if !written(*n, new, *size) {
                    break;
                }
            }
            _ => return Err(Error::new(ErrorCode::Internal, &op.path, "an operation has no content")),
        }
    }
    Ok(findings)
}

/// What a delta has to make for an operation, if anything.
pub fn job<'a>(n: usize, op: &'a Op, making: &'a Making) -> Option<Job<'a>> {
    let decoded = making.made.is_none() && matches!(making.action, Action::Delta { .. } | Action::Full { .. });
    match &op.after {
        Some(Entry::File { size, .. }) if decoded => Some(Job { n, op, making, size: *size }),
        _ => None,
    }
}

/// The new file of one operation, neither synced nor checked yet, and the attributes that it could not have. It lies in our
/// own folder and goes if its content is not the promised one.
pub fn file<'a>(
    disk: &'a Disk,
    state: &State,
    (n, op, making): (usize, &Op, &Making),
    to: &Path,
    (size, exec): (u64, bool),
    mtime: Option<i64>,
    next: &mut Next<'_>,
) -> Result<(NewFile<'a>, Vec<String>)> {
    let like_at = making.like.as_ref().map(|path| path.under(&state.dir));
    let like = match &like_at {
        Some(full) => meta(full)?.filter(Metadata::is_file),
        None => None,
    };
    let mut new = disk.create(to, 0o600)?;
    match (&making.action, &making.source) {
        _ if making.made.is_some() => new.put(making.made.as_deref().unwrap_or_default())?,
        (Action::Copy { .. } | Action::Mode, Some((from, _))) => {
            let mut old = scan::open(from)?;
            let mut buffer = vec![0; 1 << 18];
            loop {
                let n = old.read(&mut buffer).map_err(|e| Error::io(from.display(), &e))?;
                if n == 0 {
                    break;
                }
                new.put(&buffer[..n])?;
            }
        }
        _ => next(Job { n, op, making, size }, &mut |bytes| new.put(bytes))?,
    }
    if like.as_ref().is_some_and(has_holes) {
        new.dig_holes()?;
    }
    match &like {
        Some(old) => disk.keep_owner(to, old)?,
        None => {
            if let Some(parent) = parent_of(&state.dir, &op.path)? {
                disk.keep_owner(to, &parent)?;
            }
        }
    }
    // Setting the mode afterwards brings an access control list into line with it.
    let mut most = 0o7777;
    let lost = match (&like, &like_at) {
        (Some(_), Some(full)) => disk.keep_attributes(to, full)?,
        _ => {
            let above = op.path.ancestors().map(|p| p.under(&state.dir)).find(|full| full.is_dir());
            most = disk.access_of_folder(to, &above.unwrap_or_else(|| state.dir.clone()))?;
            Vec::new()
        }
    };
    let mode = match (&like, meta(to)?) {
        (Some(old), Some(own)) => with_exec(disk::mode_like(&own, old), exec),
        (Some(old), None) => with_exec(old.mode() & 0o777, exec),
        (None, _) => with_exec(0o644, exec) & most,
    };
    new.set_mode(mode)?;
    if let Some(seconds) = mtime {
        disk.set_mtime(to, seconds, 0)?;
    }
    Ok((new, lost))
}

/// The content that a delta makes, checked.
///
/// # Errors
/// `bad-delta`, `source-changed`, `io`.
pub fn decoded(release: &Release<'_>, (op, making): (&Op, &Making), (digest, size): (Digest, u64)) -> Result<Vec<u8>> {
    // All of it at once: what grows as it comes is copied again and again, and is there twice meanwhile.
    let mut made = Vec::new();
    let whole = usize::try_from(size).unwrap_or(usize::MAX);
    made.try_reserve_exact(whole)
        .map_err(|_| Error::new(ErrorCode::Limit, &op.path, format!("there is no memory for its {size} bytes")))?;
    make(release, making, op, size, &mut |bytes| {
        if made.is_empty() && bytes.len() == whole {
            made = bytes.into_owned();
        } else {
            made.extend_from_slice(&bytes);
        }
        Ok(())
    })?;
    proved(op, making, Digest::of(&made), (digest, size))?;
    Ok(made)
}

/// Hands on what a delta makes of the file as it stands.
pub fn make(release: &Release<'_>, making: &Making, op: &Op, size: u64, out: &mut Out<'_>) -> Result<()> {
    match (&making.action, &making.source) {
        (Action::Delta { at, .. }, Some((from, old))) => {
            decode(release, (making.route, *at), from, size, out).map_err(|e| blamed(from, *old, e))
        }
        (Action::Full { at }, _) => (release.decode)(making.route, *at, &Source::bytes(Side::Old, &[]), size, out),
        _ => Err(Error::new(ErrorCode::Internal, &op.path, "an operation has no source")),
    }
}

/// Hands on what a route's delta makes of a file.
///
/// # Errors
/// `bad-delta`, `io`.
pub fn decode(
    release: &Release<'_>,
    (route, at): (usize, Slice),
    from: &Path,
    size: u64,
    out: &mut Out<'_>,
) -> Result<()> {
    let file = Source::file(Side::Old, scan::open(from)?).map_err(|e| Error::io(from.display(), &e))?;
    (release.decode)(route, at, &file, size, out)
}

/// A content that has the promised digest proves what it was made of; only another one makes us read the old file again.
pub fn proved(op: &Op, making: &Making, made: Digest, entry: (Digest, u64)) -> Result<()> {
    promised(op, made, entry).map_err(|e| match &making.source {
        Some((from, old)) => blamed(from, *old, e),
        None => e,
    })
}

/// The error, or that the file it was made of is not the one that was looked at.
pub fn blamed(from: &Path, old: Digest, error: Error) -> Error {
    read(from, old).err().unwrap_or(error)
}

pub fn promised(op: &Op, made: Digest, (digest, size): (Digest, u64)) -> Result<()> {
    if made == digest {
        return Ok(());
    }
    let what = format!("its step makes {made}, not the promised {digest} ({size} bytes)");
    Err(Error::new(ErrorCode::BadDelta, &op.path, what).next("get the bundle again from where it was published"))
}

/// Full mode bits with the executable bit as the target has it: whoever may read may then execute.
fn with_exec(mode: u32, exec: bool) -> u32 {
    match (mode & 0o100 != 0, exec) {
        (false, true) => mode | 0o100 | (mode & 0o044) >> 2,
        (true, false) => mode & !0o111,
        _ => mode,
    }
}

pub fn meta(full: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(full) {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if gone(&e) => Ok(None),
        Err(e) => Err(Error::io(full.display(), &e)),
    }
}

/// The nearest folder above a path that is there already: what is new takes after it.
pub fn parent_of(dir: &Path, path: &TreePath) -> Result<Option<Metadata>> {
    for folder in path.ancestors() {
        if let Some(meta) = meta(&folder.under(dir))?.filter(Metadata::is_dir) {
            return Ok(Some(meta));
        }
    }
    meta(dir)
}
