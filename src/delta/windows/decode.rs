//! Window by window: plan, ranges, new bytes; what is made is handed on at once.

use super::layout::Plan;
use super::need;
use crate::delta::source::{PIECE, PassError, Sink, Source};
use crate::delta::{Codec, DecodeLimits, DeltaError, decode as whole, header, varint};

const FOREIGN: DeltaError = DeltaError::Damaged("a window is of a codec that it cannot be of");

/// The payload from `at` to the delta's end.
struct Payload<'a> {
    delta: &'a Source<'a>,
    at: u64,
}

impl Payload<'_> {
    fn left(&self) -> u64 {
        self.delta.size() - self.at
    }

    fn number(&mut self) -> Result<u64, PassError> {
        let mut bytes = Vec::new();
        self.delta.append(self.at, self.left().min(10), &mut bytes)?;
        let mut rest = bytes.as_slice();
        let n = varint::take(&mut rest)?;
        self.at += (bytes.len() - rest.len()) as u64;
        Ok(n)
    }

    /// A length and so many bytes, at most `most` of them.
    fn stored(&mut self, most: u64) -> Result<Vec<u8>, PassError> {
        let len = self.number()?;
        if len > most {
            return Err(DeltaError::OverLimit { needed: len, allowed: most }.into());
        }
        if len > self.left() {
            return Err(DeltaError::Truncated.into());
        }
        let mut bytes = Vec::new();
        self.delta.append(self.at, len, &mut bytes)?;
        self.at += len;
        Ok(bytes)
    }
}

/// Makes `new_size` bytes from the payload that begins at `at`, within `working` bytes of memory.
pub fn decode(
    (delta, at): (&Source<'_>, u64),
    old: &Source<'_>,
    new_size: u64,
    working: u64,
    out: &mut Sink<'_>,
) -> Result<(), PassError> {
    let mut payload = Payload { delta, at };
    let mut left = new_size;
    while left > 0 {
        left -= window(&mut payload, old, left, working, out)?.0;
    }
    if payload.left() > 0 {
        return Err(DeltaError::Damaged("bytes after the last window").into());
    }
    Ok(())
}

/// Decodes one stored window alone; gives the bytes of memory that it takes.
pub fn one(stored: &[u8], old: &Source<'_>, size: u64, out: &mut Sink<'_>) -> Result<u64, PassError> {
    let delta = Source::bytes(crate::delta::Side::Delta, stored);
    Ok(window(&mut Payload { delta: &delta, at: 0 }, old, size, u64::MAX, out)?.1)
}

/// One window of at most `left` bytes; gives how many it has and the memory that it takes.
fn window(
    payload: &mut Payload<'_>,
    old: &Source<'_>,
    left: u64,
    working: u64,
    out: &mut Sink<'_>,
) -> Result<(u64, u64), PassError> {
    let fits = |needed: Option<u64>| match needed {
        Some(n) if n <= working => Ok(n),
        _ => Err(DeltaError::OverLimit { needed: needed.unwrap_or(u64::MAX), allowed: working }),
    };
    let stored = payload.stored(working)?;
    let head = header(&stored)?;
    if head.codec != Codec::Full {
        return Err(FOREIGN.into());
    }
    let stored_len = stored.len() as u64;
    fits(need(stored_len, head.new_size, 0, 0, 0))?;
    let bytes = whole(&stored, &[], DecodeLimits { new_size: head.new_size, memory: head.memory })?;
    let plan = Plan::read(&bytes, old.size())?;
    let (before, copied) = plan.made()?;
    let spare = working - fits(need(stored_len, head.new_size, plan.near(), 0, 0))?;
    let coded = payload.stored(spare)?;
    let (fresh, inner) = if coded.is_empty() {
        (0, 0)
    } else {
        let inner = header(&coded)?;
        if inner.codec == Codec::Windows {
            return Err(FOREIGN.into());
        }
        (inner.new_size, inner.memory)
    };
    let made = fresh.checked_add(copied).filter(|&n| n > 0 && n <= left && before <= fresh);
    let made = made.ok_or(DeltaError::Damaged("a window makes more than the file or nothing"))?;
    let needed = fits(need(stored_len, head.new_size, plan.near(), coded.len() as u64, inner))?;
    let new = if coded.is_empty() {
        Vec::new()
    } else {
        let near = near(&plan, old)?;
        whole(&coded, &near, DecodeLimits { new_size: fresh, memory: inner })?
    };
    let mut rest = new.as_slice();
    for piece in &plan.pieces {
        let (now, later) = rest.split_at(usize::try_from(piece.fresh).unwrap_or(usize::MAX).min(rest.len()));
        rest = later;
        if !now.is_empty() {
            out(now)?;
        }
        copy(old, piece.old, piece.len, out)?;
    }
    if !rest.is_empty() {
        out(rest)?;
    }
    Ok((made, needed))
}

/// The old bytes of all ranges, end to end.
pub fn near(plan: &Plan, old: &Source<'_>) -> Result<Vec<u8>, PassError> {
    let mut bytes = Vec::new();
    let len = plan.near();
    let room = usize::try_from(len).ok().and_then(|n| bytes.try_reserve_exact(n).ok());
    room.ok_or(DeltaError::OverLimit { needed: len, allowed: 0 })?;
    for &(from, to) in &plan.ranges {
        old.append(from, to - from, &mut bytes)?;
    }
    Ok(bytes)
}

fn copy(old: &Source<'_>, from: u64, len: u64, out: &mut Sink<'_>) -> Result<(), PassError> {
    let mut buffer = Vec::new();
    let (mut at, end) = (from, from + len);
    while at < end {
        buffer.clear();
        old.append(at, PIECE.min(end - at), &mut buffer)?;
        out(&buffer)?;
        at += buffer.len() as u64;
    }
    Ok(())
}
