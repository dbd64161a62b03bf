//! Contents made ahead of the one that is being written: decoding takes a processor while writing and syncing take the
//! disk. As much as the largest single content needs may be held, and a little more: see [`SPARE`].

use super::release::Release;
use super::stage::{made_of, meta};
use super::steps::{Making, Op};
use crate::bundle::Action;
use crate::report::{Error, ErrorCode, Result};
use std::ops::Deref;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that may be held beyond what the largest content alone needs: with the process itself below 64 MiB.
const SPARE: u64 = 28 << 20;

/// Most contents that are ready at a time.
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

/// A content, and the room that it takes until it is dropped.
pub struct Made<'r> {
    bytes: Vec<u8>,
    room: Option<&'r Room>,
}

impl Deref for Made<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let held = self.bytes.len() as u64;
        self.bytes = Vec::new();
        if let Some(room) = self.room {
            room.give(held);
        }
    }
}

/// Gives the contents of the jobs, each asked for once and in their order.
pub type Next<'n, 'r> = dyn FnMut(Job<'_>) -> Result<Made<'r>> + 'n;

/// Runs `write` with the contents of all jobs, which are made by another thread in the meantime.
///
/// # Errors
/// What `write` gives; through [`Next`] it is given what making a content gave.
pub fn ahead<T>(
    release: &Release<'_>,
    jobs: &[Job<'_>],
    write: impl FnOnce(&mut Next<'_, '_>) -> Result<T>,
) -> Result<T> {
    let make = |job: &Job<'_>| made_of(release, job.making, job.op, job.size);
    if jobs.len() < 2 {
        return write(&mut |job| Ok(Made { bytes: make(&job)?, room: None }));
    }
    let needs = jobs.iter().map(|job| need(release, job)).collect::<Result<Vec<u64>>>()?;
    let room = &Room::of(needs.iter().copied().max().unwrap_or(0).saturating_add(SPARE));
    std::thread::scope(|scope| {
        let (ready, made) = sync_channel(READY);
        scope.spawn(move || {
            for (job, need) in jobs.iter().zip(needs) {
                if !room.take(need) {
                    return;
                }
                let bytes = make(job);
                let held = bytes.as_ref().map_or(0, |b| b.len() as u64);
                room.give(need.saturating_sub(held));
                let failed = bytes.is_err();
                let made = bytes.map(|bytes| Made { bytes, room: Some(room) });
                if ready.send((job.n, made)).is_err() || failed {
                    return;
                }
            }
        });
        let done = write(&mut |job| taken(&made, job));
        room.close();
        drop(made);
        done
    })
}

fn taken<'r>(made: &Receiver<(usize, Result<Made<'r>>)>, job: Job<'_>) -> Result<Made<'r>> {
    match made.recv() {
        Ok((n, made)) if n == job.n => made,
        _ => Err(Error::new(ErrorCode::Internal, &job.op.path, "its content is not the next that is made")),
    }
}

/// Bytes of memory that making a content takes: the old file, the delta, and what it states.
fn need(release: &Release<'_>, job: &Job<'_>) -> Result<u64> {
    let (Action::Delta { at, .. } | Action::Full { at }) = &job.making.action else { return Ok(job.size) };
    let old = match (&job.making.action, &job.making.source) {
        (Action::Delta { .. }, Some((from, _))) => meta(from)?.map_or(0, |m| m.len()),
        _ => 0,
    };
    let stated = (release.needs)(job.making.route, *at)?;
    Ok(old.saturating_add(at.length).saturating_add(stated.max(job.size)))
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
