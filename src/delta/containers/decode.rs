//! The decoder: the old file opened, the parts' deltas, and the new file's streams deflated again.

use super::encode::{known as gaps, old_rest};
use super::scan::{opened, streams};
use super::table::{self, Made};
use super::{VERSION, need};
use crate::delta::deflate::{Maker, Precedent, recreate};
use crate::delta::{Codec, DecodeLimits, DeltaError, decode_at, header, varint};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// The new file of `size` bytes, with at most `working` bytes of memory beyond it.
///
/// # Errors
/// `over-limit` before anything is opened, `damaged`, `truncated`, and what the inner deltas give.
pub fn decode(payload: &[u8], old: &[u8], size: usize, working: u64, depth: u32) -> Result<Vec<u8>, DeltaError> {
    let (&version, mut input) = payload.split_first().ok_or(DeltaError::Truncated)?;
    if version != VERSION {
        return Err(DeltaError::UnknownCodec(version));
    }
    let opened_old = varint::take(&mut input)?;
    let opened_new = varint::take(&mut input)?;
    let pieces = varint::take(&mut input)?;
    let mut deltas = Vec::new();
    let mut inner = 0;
    for _ in 0..pieces.saturating_add(3) {
        let len = usize::try_from(varint::take(&mut input)?).map_err(|_| DeltaError::Truncated)?;
        let (delta, rest) = input.split_at_checked(len).ok_or(DeltaError::Truncated)?;
        input = rest;
        inner = inner.max(header(delta)?.memory);
        deltas.push(delta);
    }
    if !input.is_empty() {
        return Err(DeltaError::Damaged("bytes after the end"));
    }
    for delta in &deltas[..2] {
        if header(delta)?.codec != Codec::Full {
            return Err(DeltaError::Damaged("the table of streams or their corrections have an old file"));
        }
    }
    let needed = need(opened_old, opened_new, inner);
    if needed > working {
        return Err(DeltaError::OverLimit { needed, allowed: working });
    }
    let limits = DecodeLimits { new_size: opened_new, memory: inner };
    let part = |at: usize, old: &[u8]| decode_at(deltas[at], old, limits, depth + 1);

    let mut before = streams(old);
    if opened(old, &before) != opened_old {
        return Err(DeltaError::Damaged("the old file does not open to what is promised"));
    }
    let small = DecodeLimits { new_size: inner, memory: inner };
    let entries = table::read(&decode_at(deltas[0], &[], small, depth + 1)?, &gaps(&before))?;
    let corrections = decode_at(deltas[1], &[], small, depth + 1)?;
    let mut plains = Vec::new();
    let mut pieced = Vec::new();
    for entry in entries.iter().filter(|e| matches!(e.made, Made::Piece(_))) {
        let partner = before.get(entry.partner).ok_or(DeltaError::Damaged("a piece without its partner"))?;
        if plains.len() as u64 == pieces {
            return Err(DeltaError::Damaged("more pieces than deltas"));
        }
        plains.push(part(3 + plains.len(), &partner.plain)?);
        pieced.push(entry.partner);
    }
    let known: Vec<_> = before.iter().map(|s| (!s.stored()).then(|| (s.at.clone(), s.plain.len()))).collect();
    let rest = {
        let joined = old_rest(old, &before, &pieced);
        before.iter_mut().for_each(|s| s.plain = Cow::default());
        part(2, &joined)?
    };
    let total = rest.len() as u64 + plains.iter().map(|p| p.len() as u64).sum::<u64>();
    if total != opened_new || plains.len() as u64 != pieces {
        return Err(DeltaError::Damaged("the parts are not as large as promised"));
    }

    // What lies where, in order; then the slow part, all streams at once.
    let mut rest = rest.as_slice();
    let mut take = |n: usize| -> Result<&[u8], DeltaError> {
        let (taken, left) = rest.split_at_checked(n).ok_or(DeltaError::Damaged("the rest ends early"))?;
        rest = left;
        Ok(taken)
    };
    let mut corrections = corrections.as_slice();
    let mut plains = plains.iter();
    let mut parts = Vec::with_capacity(entries.len() * 2 + 1);
    for entry in &entries {
        parts.push(Part::Bytes(take(entry.gap)?));
        parts.push(match entry.made {
            Made::Same => {
                let range = before.get(entry.partner).map(|s| s.at.clone());
                Part::Bytes(range.and_then(|r| old.get(r)).ok_or(DeltaError::Damaged("a stream without its partner"))?)
            }
            Made::Rest(plain, maker) => {
                Part::Deflated(take(plain)?, maker, entry.partner, corrected(&mut corrections)?)
            }
            Made::Piece(maker) => {
                let plain = plains.next().map_or(&[][..], Vec::as_slice);
                Part::Deflated(plain, maker, entry.partner, corrected(&mut corrections)?)
            }
        });
    }
    if !corrections.is_empty() {
        return Err(DeltaError::Damaged("corrections that nothing uses"));
    }
    let made: Vec<Cow<'_, [u8]>> = parts
        .into_par_iter()
        .map(|p| match p {
            Part::Bytes(bytes) => Ok(bytes.into()),
            Part::Deflated(plain, maker, partner, mut corrections) => {
                if maker == Maker::STORED && corrections.is_empty() {
                    return Ok(plain.into());
                }
                let known = known.get(partner).and_then(Option::as_ref).filter(|_| maker.follows());
                let of = |(range, plain): &(Range<usize>, usize)| Precedent::of(old.get(range.clone())?, *plain);
                let precedent = known.and_then(of);
                let stream = recreate(plain, maker, precedent.as_ref(), &mut corrections, size)?;
                if corrections.is_empty() {
                    Ok(stream.into())
                } else {
                    Err(DeltaError::Damaged("corrections left over"))
                }
            }
        })
        .collect::<Result<_, DeltaError>>()?;
    let mut out = crate::delta::frame::reserve(size)?;
    for part in made.iter().map(AsRef::as_ref).chain([rest]) {
        if part.len() > size - out.len() {
            return Err(DeltaError::Damaged("the parts are more than the whole"));
        }
        out.extend_from_slice(part);
    }
    Ok(out)
}

/// One stream's corrections, which stand behind their length.
fn corrected<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], DeltaError> {
    let len = usize::try_from(varint::take(input)?).map_err(|_| DeltaError::Truncated)?;
    let (taken, rest) = input.split_at_checked(len).ok_or(DeltaError::Truncated)?;
    *input = rest;
    Ok(taken)
}

enum Part<'a> {
    Bytes(&'a [u8]),
    /// Plain bytes, their maker, the old stream that tells of it, and the corrections.
    Deflated(&'a [u8], Maker, usize, &'a [u8]),
}
