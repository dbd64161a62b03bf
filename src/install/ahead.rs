//! Contents made ahead of the one that is being written: decoding takes processors while writing and syncing take the
//! disk. Several are made at a time, as long as they fit beside each other: as much as the largest single content needs may
//! be held, and a little more, see [`SPARE`].

use super::early::{Early, HELD};
use super::release::Release;
use super::stage::{blamed, make, meta};
use super::steps::{Making, Op};
use crate::bundle::Action;
use crate::delta::{PassError, Side};
use crate::report::{Error, ErrorCode, Result};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that may be held beyond what the largest content alone needs: with the process itself below 64 MiB.
const SPARE: u64 = 28 << 20;

/// Most pieces of one content that are ready at a time: of the one that is written few, which stay in the processor's
/// caches and in memory that is there already.
const READY: usize = 64;
const READY_FIRST: usize = 8;

/// Most contents that are made at a time.
const MAKERS: usize = 4;

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

/// Gives the contents of the jobs, each asked for once and in their order, to what takes their bytes. Nobody has checked
/// them yet.
pub type Next<'n> = dyn FnMut(Job<'_>, &mut Each<'_>) -> Result<()> + 'n;

/// Takes the next bytes of a content.
pub type Each<'e> = dyn FnMut(&[u8]) -> Result<()> + 'e;

/// Runs `write` with the contents of all jobs, which are made by other threads in the meantime.
///
/// # Errors
/// What `write` gives; through [`Next`] it is given what making a content gave.
pub fn ahead<T>(
    release: &Release<'_>,
    jobs: &[Job<'_>],
    early: Option<&Early>,
    write: impl FnOnce(&mut Next<'_>) -> Result<T>,
) -> Result<T> {
    let early = early.filter(|early| {
        let wanted = jobs.iter().any(|job| early.is_of(job));
        if !wanted {
            early.drop();
        }
        wanted
    });
    if jobs.is_empty() {
        return write(&mut |job, _| Err(unasked(job)));
    }
    let needs = &jobs.iter().map(|job| need(release, job)).collect::<Result<Vec<u64>>>()?;
    let spare = SPARE - early.map_or(0, |_| HELD);
    let line = &Line::of(needs.iter().copied().max().unwrap_or(0).saturating_add(spare));
    std::thread::scope(|scope| {
        let _closed = ClosedBy(line);
        for n in 0..rayon::current_num_threads().min(MAKERS).min(jobs.len()) {
            let started = std::thread::Builder::new().spawn_scoped(scope, move || {
                let _closed = ClosedBy(line);
                while let Some((place, job)) = line.admit(needs).and_then(|n| Some((n, jobs.get(n)?))) {
                    if !make_one(release, job, early, (place, needs[place]), line) {
                        return;
                    }
                }
            });
            // Fewer are enough; without any nothing would ever come.
            if let (Err(e), 0) = (started, n) {
                return Err(no_thread(&e));
            }
        }
        let mut place = 0;
        let done = write(&mut |job, each| {
            if jobs.get(place).is_none_or(|next| next.n != job.n) {
                return Err(unasked(job));
            }
            place += 1;
            line.taken(place - 1, job, each)
        });
        line.close();
        done
    })
}

/// A limit of processes or of memory does not let a thread start.
pub(super) fn no_thread(e: &std::io::Error) -> Error {
    Error::new(ErrorCode::Io, "thread", format!("it cannot be started: {e}"))
        .next("allow the command more processes or memory ('ulimit -u', 'ulimit -v'), then run it again")
}

/// Makes one content, for which there is room, or takes over what was begun early; `false` if nobody wants more.
fn make_one(
    release: &Release<'_>,
    job: &Job<'_>,
    early: Option<&Early>,
    (place, need): (usize, u64),
    line: &Line,
) -> bool {
    let unwanted = || PassError::Io(Side::New, std::io::ErrorKind::BrokenPipe.into());
    let piece = |bytes: Vec<u8>| match line.take(place, bytes.len() as u64) && line.put(place, bytes) {
        true => Ok(()),
        false => Err(unwanted()),
    };
    let mut held = 0;
    let begun = early.filter(|early| early.is_of(job)).and_then(|early| early.hand_on(&mut { piece }));
    let made = match begun {
        Some(made) => made.map_err(|e| match &job.making.source {
            Some((from, old)) => blamed(from, *old, e),
            None => e,
        }),
        None => make(release, job.making, job.op, job.size, &mut |bytes| match bytes {
            // A content that is held whole has its room already.
            Cow::Owned(bytes) => {
                held += bytes.len() as u64;
                if line.put(place, bytes) { Ok(()) } else { Err(unwanted()) }
            }
            Cow::Borrowed(bytes) => piece(bytes.to_vec()),
        }),
    };
    let well = made.is_ok();
    line.end(place, need.saturating_sub(held), made);
    well
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

/// The contents between those who make them and the one who writes them, by their places among the jobs.
struct Line {
    /// Bytes that may be held.
    most: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: u64,
    /// The job that is made next.
    next: usize,
    /// The job that is written.
    head: usize,
    /// From that one on.
    ready: VecDeque<Ready>,
    closed: bool,
}

impl State {
    fn get(&self, place: usize) -> Option<&Ready> {
        self.ready.get(place.checked_sub(self.head)?)
    }

    fn pieces(&self, place: usize) -> usize {
        self.get(place).map_or(0, |r| r.pieces.len())
    }

    fn of(&mut self, place: usize) -> Option<&mut Ready> {
        let at = place.checked_sub(self.head)?;
        while self.ready.len() <= at {
            self.ready.push_back(Ready::default());
        }
        self.ready.get_mut(at)
    }
}

/// What is there of one content, and how it ended.
#[derive(Default)]
struct Ready {
    pieces: VecDeque<Vec<u8>>,
    end: Option<Result<()>>,
}

/// Closes the line where a thread does not come to its end, so that nobody waits for it.
struct ClosedBy<'l>(&'l Line);

impl Drop for ClosedBy<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

impl Line {
    fn of(most: u64) -> Self {
        Self { most, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The next job, as soon as there is room for what it needs; none if there are no more, or nobody wants them.
    fn admit(&self, needs: &[u64]) -> Option<usize> {
        let mut state = self.wait(|s| {
            let fits = |need: &u64| s.bytes == 0 || s.bytes.saturating_add(*need) <= self.most;
            needs.get(s.next).is_none_or(fits)
        });
        let (place, need) = (state.next, *needs.get(state.next).filter(|_| !state.closed)?);
        state.bytes = state.bytes.saturating_add(need);
        state.next += 1;
        Some(place)
    }

    /// Waits until so much more of a content may be held; `false` if nobody wants it any more. What is written always
    /// gets on: whatever is held for later ones waits for it.
    fn take(&self, place: usize, bytes: u64) -> bool {
        let first = |s: &State| place == s.head && s.pieces(place) == 0;
        let mut state = self.wait(|s| s.bytes.saturating_add(bytes) <= self.most || first(s));
        state.bytes = state.bytes.saturating_add(bytes);
        !state.closed
    }

    /// The next piece of a content, for which there is room; `false` if nobody wants it any more.
    fn put(&self, place: usize, piece: Vec<u8>) -> bool {
        let mut state = self.wait(|s| s.pieces(place) < if place == s.head { READY_FIRST } else { READY });
        if let Some(ready) = state.of(place) {
            ready.pieces.push_back(piece);
        }
        self.changed.notify_all();
        !state.closed
    }

    fn end(&self, place: usize, unused: u64, made: Result<()>) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(unused);
        if let Some(ready) = state.of(place) {
            ready.end = Some(made);
        }
        self.changed.notify_all();
    }

    /// Hands on the content of the job at a place.
    fn taken(&self, place: usize, job: Job<'_>, each: &mut Each<'_>) -> Result<()> {
        loop {
            let mut state = self.wait(|s| s.get(place).is_some_and(|r| !r.pieces.is_empty() || r.end.is_some()));
            let Some(ready) = state.of(place) else { return Err(unasked(job)) };
            let Some(piece) = ready.pieces.pop_front() else {
                let end = ready.end.take();
                state.ready.pop_front();
                state.head += 1;
                self.changed.notify_all();
                return end.unwrap_or_else(|| Err(unasked(job)));
            };
            drop(state);
            let held = piece.len() as u64;
            let done = each(&piece);
            drop(piece);
            let mut state = self.state();
            state.bytes = state.bytes.saturating_sub(held);
            self.changed.notify_all();
            drop(state);
            done?;
        }
    }

    fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// The state once it is so, or closed.
    fn wait(&self, so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.state();
        while !state.closed && !so(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
