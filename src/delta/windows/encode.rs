//! From two files to windows, coded several at once and written in order.

use super::cut::{Cutter, Window};
use super::{Sizes, anchors, decode, find};
use crate::delta::header::{self, Tag};
use crate::delta::source::{PIECE, PassError, Sink, Source};
use crate::delta::{Codec, DeltaError, Profile, best, encode as whole, varint};
use rayon::prelude::*;

/// Codes `new` against `old`, hands the payload on piece by piece, and returns the header that belongs before it.
pub fn encode(
    old: &Source<'_>,
    new: &Source<'_>,
    profile: Profile,
    sizes: &Sizes,
    out: &mut Sink<'_>,
) -> Result<Vec<u8>, PassError> {
    if old.size() > anchors::MOST {
        return Err(DeltaError::OverLimit { needed: old.size(), allowed: anchors::MOST }.into());
    }
    let (index, old_sha) = find::index(old, sizes.index)?;
    let mut writer = Writer { old, new, profile, threads: sizes.threads, waiting: Vec::new(), need: 0, out };
    let mut cutter = Cutter::new(sizes);
    let new_sha = find::matches(old, new, &index, |m| writer.take(cutter.take(m)))?;
    writer.take(cutter.finish(new.size()))?;
    writer.flush()?;
    Ok(header::bytes(Tag::Windows, new.size(), writer.need, header::finish(old_sha), header::finish(new_sha)))
}

struct Writer<'a> {
    old: &'a Source<'a>,
    new: &'a Source<'a>,
    profile: Profile,
    threads: usize,
    waiting: Vec<Window>,
    /// Memory that the largest window takes.
    need: u64,
    out: &'a mut Sink<'a>,
}

impl Writer<'_> {
    fn take(&mut self, windows: Vec<Window>) -> Result<(), PassError> {
        for window in windows {
            self.waiting.push(window);
            if self.waiting.len() == self.threads {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PassError> {
        let (old, new, profile) = (self.old, self.new, self.profile);
        let waiting = std::mem::take(&mut self.waiting);
        let coded: Vec<_> = waiting.par_iter().with_max_len(1).map(|w| code(w, old, new, profile)).collect();
        for coded in coded {
            let (bytes, need) = coded?;
            self.need = self.need.max(need);
            (self.out)(&bytes)?;
        }
        Ok(())
    }
}

/// A window's bytes, decoded once and compared, and the memory that decoding takes.
fn code(window: &Window, old: &Source<'_>, new: &Source<'_>, profile: Profile) -> Result<(Vec<u8>, u64), PassError> {
    let plan = &window.plan;
    let mut fresh = Vec::new();
    let mut at = window.start;
    for piece in &plan.pieces {
        new.append(at, piece.fresh, &mut fresh)?;
        at += piece.fresh + piece.len;
    }
    new.append(at, window.tail, &mut fresh)?;
    let end = at + window.tail;
    let mut out = Vec::new();
    let mut put = |bytes: &[u8]| {
        varint::put(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    };
    let mut plan = plan.clone();
    let near = decode::near(&plan, old)?;
    let inner = if fresh.is_empty() {
        None
    } else {
        let against = Some(near.as_slice()).filter(|n| !n.is_empty());
        Some(best(against, &fresh, profile)?)
    };
    drop((near, fresh));
    if inner.as_ref().is_none_or(|i| i.header.codec == Codec::Full) {
        plan.ranges.clear();
    }
    put(&whole(Codec::Full, None, &plan.to_bytes(), profile)?.bytes);
    put(&inner.map_or_else(Vec::new, |i| i.bytes));
    let need = prove(&out, old, new, window.start, end)?;
    Ok((out, need))
}

fn prove(stored: &[u8], old: &Source<'_>, new: &Source<'_>, start: u64, end: u64) -> Result<u64, PassError> {
    let wrong = || DeltaError::EncoderFault("a window gives other bytes back");
    let mut at = start;
    let mut compare = |bytes: &[u8]| {
        for piece in bytes.chunks(PIECE as usize) {
            let mut expected = Vec::new();
            new.append(at, piece.len() as u64, &mut expected)?;
            if expected != piece {
                return Err(wrong().into());
            }
            at += piece.len() as u64;
        }
        Ok(())
    };
    let need = decode::one(stored, old, end - start, &mut compare)?;
    if at == end { Ok(need) } else { Err(wrong().into()) }
}
