//! Contents made ahead of the one that is being written: decoding takes a processor while writing and syncing take the
//! disk. As much as the largest single content needs may be held, and a little more: see [`SPARE`].

use super::release::Release;
use super::stage::{make, meta};
use super::steps::{Making, Op};
use crate::bundle::Action;
use crate::delta::{PassError, Side};
use crate::report::{Error, ErrorCode, Result};
use std::borrow::Cow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that may be held beyond what the largest content alone needs: with the process itself below 64 MiB.
const SPARE: u64 = 28 << 20;

/// Most pieces that are ready at a time.
const READY: usize = 64;

/// One content that a delta makes.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The operation's number.
    pub n: usize,
    pub op: &'a Op,
    pub making: &'a Making,
    /// Bytes of the result.
    pub size: u64,
}

/// Bytes of a content, and the room that they take until they are dropped.
struct Piece<'r> {
    bytes: Vec<u8>,
    room: &'r Room,
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        let held = self.bytes.len() as u64;
        self.bytes = Vec::new();
        self.room.give(held);
    }
}

/// What is ready, with the operation's number.
enum Ready<'r> {
    Piece(usize, Piece<'r>),
    /// No more of it comes.
    End(usize, Result<()>),
}

/// Gives the contents of the jobs, each asked for once and in their order, to what takes their bytes.
pub type Next<'n> = dyn FnMut(Job<'_>, &mut Each<'_>) -> Result<()> + 'n;

/// Takes the next bytes of a content.
pub type Each<'e> = dyn FnMut(&[u8]) -> Result<()> + 'e;

/// Runs `write` with the contents of all jobs, which are made by another thread in the meantime.
///
/// # Errors
/// What `write` gives; through [`Next`] it is given what making a content gave.
pub fn ahead<T>(release: &Release<'_>, jobs: &[Job<'_>], write: impl FnOnce(&mut Next<'_>) -> Result<T>) -> Result<T> {
    if jobs.is_empty() {
        return write(&mut |job, _| Err(unasked(job)));
    }
    let needs = jobs.iter().map(|job| need(release, job)).collect::<Result<Vec<u64>>>()?;
    let room = &Room::of(needs.iter().copied().max().unwrap_or(0).saturating_add(SPARE));
    std::thread::scope(|scope| {
        let (ready, made) = sync_channel(READY);
        scope.spawn(move || {
            for (job, need) in jobs.iter().zip(needs) {
                if !room.take(need) || !make_one(release, job, need, room, &ready) {
                    return;
                }
            }
        });
        let done = write(&mut |job, each| taken(&made, job, each));
        room.close();
        drop(made);
        done
    })
}

/// Makes one content, for which there is room; `false` if nobody wants more.
fn make_one<'r>(
    release: &Release<'_>,
    job: &Job<'_>,
    need: u64,
    room: &'r Room,
    ready: &SyncSender<Ready<'r>>,
) -> bool {
    let mut held = 0;
    let made = make(release, job.making, job.op, job.size, &mut |bytes| {
        // A content that is held whole has its room already.
        let wanted = match &bytes {
            Cow::Owned(_) => true,
            Cow::Borrowed(bytes) => room.take(bytes.len() as u64),
        };
        if let Cow::Owned(bytes) = &bytes {
            held += bytes.len() as u64;
        }
        let piece = Piece { bytes: bytes.into_owned(), room };
        match wanted && ready.send(Ready::Piece(job.n, piece)).is_ok() {
            true => Ok(()),
            false => Err(PassError::Io(Side::New, std::io::ErrorKind::BrokenPipe.into())),
        }
    });
    room.give(need.saturating_sub(held));
    let well = made.is_ok();
    ready.send(Ready::End(job.n, made)).is_ok() && well
}

fn taken(made: &Receiver<Ready<'_>>, job: Job<'_>, each: &mut Each<'_>) -> Result<()> {
    loop {
        match made.recv() {
            Ok(Ready::Piece(n, piece)) if n == job.n => each(&piece.bytes)?,
            Ok(Ready::End(n, done)) if n == job.n => return done,
            _ => return Err(unasked(job)),
        }
    }
}

fn unasked(job: Job<'_>) -> Error {
    Error::new(ErrorCode::Internal, &job.op.path, "its content is not the next that is made")
}

/// Bytes of memory that making a content takes.
fn need(release: &Release<'_>, job: &Job<'_>) -> Result<u64> {
    let (Action::Delta { at, .. } | Action::Full { at }) = &job.making.action else { return Ok(job.size) };
    let old = match (&job.making.action, &job.making.source) {
        (Action::Delta { .. }, Some((from, _))) => meta(from)?.map_or(0, |m| m.len()),
        _ => 0,
    };
    Ok(at.length.saturating_add((release.needs)(job.making.route, *at, old)?))
}

/// Bytes that are held, and how many may be.
struct Room {
    most: u64,
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    closed: bool,
}

impl Room {
    fn of(most: u64) -> Self {
        Self { most, held: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until so much more may be held; `false` if nobody wants it any more.
    fn take(&self, bytes: u64) -> bool {
        let mut held = self.held();
        while !held.closed && held.bytes > 0 && held.bytes.saturating_add(bytes) > self.most {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        held.bytes = held.bytes.saturating_add(bytes);
        !held.closed
    }

    fn give(&self, bytes: u64) {
        let mut held = self.held();
        held.bytes = held.bytes.saturating_sub(bytes);
        self.changed.notify_all();
    }

    fn close(&self) {
        self.held().closed = true;
        self.changed.notify_all();
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
