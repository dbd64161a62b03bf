//! The largest new content is begun while the installation is still being hashed, which takes one processor where there
//! is one large file. Which base it is, is guessed by sizes; what a wrong guess makes is thrown away, and a right one
//! proves nothing: the result is checked like any other.

use super::ahead::Job;
use super::release::{Release, Route};
use super::stage::{decode, meta};
use crate::bundle::{Action, Class, Slice};
use crate::delta::{Codec, PassError, Side};
use crate::report::{Error, ErrorCode, Result};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

/// Bytes of a content from which on that is worth a thread.
const WORTH: u64 = 1 << 20;

/// Pieces that are ready at most, and bytes of each.
const READY: usize = 48;
const PIECE: usize = 1 << 18;

/// Bytes that are held at most beyond what decoding needs.
pub const HELD: u64 = (READY * PIECE) as u64;

/// One content that another thread has begun to make.
pub struct Early {
    of: Guess,
    pieces: Mutex<Option<Receiver<Part>>>,
}

/// What is handed on: some bytes, or how it ended.
enum Part {
    Some(Vec<u8>),
    End(Result<()>),
}

/// Which delta is decoded, against which file, to how many bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Guess {
    route: usize,
    at: Slice,
    from: PathBuf,
    size: u64,
}

impl Early {
    /// Whether this is what a job has to make.
    pub fn is_of(&self, job: &Job<'_>) -> bool {
        let of = &self.of;
        let source = job.making.source.as_ref().map(|(from, _)| from);
        let same = matches!(&job.making.action, Action::Delta { at, .. } if *at == of.at);
        same && (job.making.route, source, job.size) == (of.route, Some(&of.from), of.size)
    }

    /// Nobody wants it: its thread ends with the next piece.
    pub fn drop(&self) {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Hands on what the thread makes, as it comes; `None` where that was done before.
    pub fn hand_on(&self, out: &mut dyn FnMut(Vec<u8>) -> Result<(), PassError>) -> Option<Result<()>> {
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        loop {
            match pieces.recv() {
                Ok(Part::Some(bytes)) => {
                    if let Err(e) = out(bytes) {
                        return Some(Err(unwanted(&self.of.from, e)));
                    }
                }
                Ok(Part::End(made)) => return Some(made),
                Err(_) => {
                    let what = "the thread that decodes its delta crashed";
                    return Some(Err(Error::new(ErrorCode::Internal, self.of.from.display(), what)));
                }
            }
        }
    }
}

fn unwanted(from: &Path, e: PassError) -> Error {
    match e {
        PassError::Io(_, e) => Error::io(from.display(), &e),
        PassError::Delta(e) => Error::new(ErrorCode::BadDelta, from.display(), e),
    }
}

/// Runs `then` while another thread decodes the largest delta of the one base that the sizes fit, if there is one.
pub fn early<T>(dir: &Path, release: &Release<'_>, then: impl FnOnce(Option<&Early>) -> T) -> T {
    let Some(of) = guess(dir, release) else { return then(None) };
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(READY);
        let asked = of.clone();
        let started = Builder::new().spawn_scoped(scope, move || {
            let unwanted = || PassError::Io(Side::New, std::io::ErrorKind::BrokenPipe.into());
            let ended = decode(release, (asked.route, asked.at), &asked.from, asked.size, &mut |bytes| {
                let mut pieces = bytes.chunks(PIECE).map(|piece| send.send(Part::Some(piece.to_vec())));
                pieces.try_for_each(|sent| sent.map_err(|_| unwanted()))
            });
            let _ = send.send(Part::End(ended));
        });
        match started {
            Ok(_) => then(Some(&Early { of, pieces: Mutex::new(Some(receive)) })),
            Err(_) => then(None),
        }
    })
}

/// The largest delta of the one base whose files that deltas start from all have the sizes of those that are here.
fn guess(dir: &Path, release: &Release<'_>) -> Option<Guess> {
    let mut fit = release.routes.iter().enumerate().filter_map(|(n, route)| fits(dir, n, route));
    let one = fit.next()?;
    fit.next().is_none().then_some(one)
}

/// The largest delta of a base that is handed on piece by piece, if every file that a delta starts from has its size.
fn fits(dir: &Path, route: usize, of: &Route) -> Option<Guess> {
    let mut largest: Option<Guess> = None;
    for step in of.steps.iter().filter(|s| s.class == Class::Code) {
        let Action::Delta { from, codec, at } = &step.action else { continue };
        let full = from.under(dir);
        let here = meta(&full).ok()?.filter(Metadata::is_file)?;
        if here.len() != of.before.get(from)?.size() {
            return None;
        }
        let size = step.after.as_ref()?.size();
        // The other codecs make all of it before anybody can say that it is not wanted.
        let piecewise = matches!(codec, Codec::Bsdiff | Codec::Windows);
        if piecewise && size >= WORTH && largest.as_ref().is_none_or(|l| size > l.size) {
            largest = Some(Guess { route, at: *at, from: full, size });
        }
    }
    largest
}
