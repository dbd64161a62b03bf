//! `bsdiff`: the classical algorithm (Percival, "Naive differences of executable code", 2003).
//!
//! The crate finds the differences; its stream is taken apart into control, difference and extra bytes,
//! each its own zstd frame, because each compresses better alone. Decoding is ours, because the crate's
//! trusts the lengths in the stream.
//!
//! Stream: number of control bytes, their frame's length, then the same for difference and extra, then the
//! three frames. A control entry is three LEB128 numbers: bytes to add to old, bytes to insert, and how far
//! to move in old (zigzag).

use super::frame::{put_number, take_number};
use super::types::{DeltaError, Profile};
use super::zstd_codec;

/// Returns the stream and the memory in bytes that decoding needs beyond the result.
pub fn encode(old: &[u8], new: &[u8], profile: Profile) -> Result<(Vec<u8>, u64), DeltaError> {
    let fault = DeltaError::EncoderFault("the bsdiff crate made a stream of another form");
    let mut raw = Vec::new();
    bsdiff::diff(old, new, &mut raw).map_err(|_| fault.clone())?;
    let (mut control, mut add, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest: &[u8] = &raw;
    while let Some((head, after)) = rest.split_first_chunk::<24>() {
        let word = |i: usize| head.get(i..i + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes).unwrap_or(0);
        let (mix, copy, seek) = (word(0), word(8), word(16));
        // The crate writes the sign as the top bit, as bsdiff 4 does.
        let distance = (seek & !(1 << 63)) as i64;
        let distance = if seek >> 63 == 1 { -distance } else { distance };
        put_number(&mut control, mix);
        put_number(&mut control, copy);
        put_number(&mut control, ((distance << 1) ^ (distance >> 63)) as u64);
        let mix = usize::try_from(mix).map_err(|_| fault.clone())?;
        let copy = usize::try_from(copy).map_err(|_| fault.clone())?;
        let (bytes, after) = after.split_at_checked(mix).ok_or_else(|| fault.clone())?;
        add.extend_from_slice(bytes);
        let (bytes, after) = after.split_at_checked(copy).ok_or_else(|| fault.clone())?;
        extra.extend_from_slice(bytes);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(fault);
    }
    let mut out = Vec::new();
    let mut frames = Vec::new();
    let mut memory = 0;
    for part in [&control, &add, &extra] {
        let (frame, need) = zstd_codec::encode(&[], part, profile)?;
        put_number(&mut out, part.len() as u64);
        put_number(&mut out, frame.len() as u64);
        frames.extend_from_slice(&frame);
        memory += need + part.len() as u64;
    }
    out.extend_from_slice(&frames);
    Ok((out, memory))
}

/// Decodes into exactly `size` bytes.
pub fn decode(stream: &[u8], old: &[u8], size: usize, memory: u64) -> Result<Vec<u8>, DeltaError> {
    let mut rest = stream;
    let mut lengths = [(0u64, 0u64); 3];
    for l in &mut lengths {
        *l = (take_number(&mut rest)?, take_number(&mut rest)?);
    }
    let stated = lengths
        .iter()
        .try_fold(0u64, |sum, (n, _)| sum.checked_add(*n))
        .ok_or(DeltaError::Damaged("sizes that overflow"))?;
    if stated > memory {
        return Err(DeltaError::Damaged("less memory stated than its parts need"));
    }
    let mut parts = Vec::with_capacity(3);
    for (n, packed) in lengths {
        let packed = usize::try_from(packed).map_err(|_| DeltaError::Truncated)?;
        let (frame, after) = rest.split_at_checked(packed).ok_or(DeltaError::Truncated)?;
        rest = after;
        let n = usize::try_from(n).map_err(|_| DeltaError::Damaged("a part does not fit this machine"))?;
        parts.push(zstd_codec::decode(frame, &[], n, memory)?);
    }
    if !rest.is_empty() {
        return Err(DeltaError::Damaged("bytes behind the end"));
    }
    let [control, add, extra] = parts.as_slice() else { return Err(DeltaError::Truncated) };
    rebuild(control, add, extra, old, size)
}

fn rebuild(
    mut control: &[u8],
    mut add: &[u8],
    mut extra: &[u8],
    old: &[u8],
    size: usize,
) -> Result<Vec<u8>, DeltaError> {
    let outside = DeltaError::Damaged("an entry reaches outside");
    let mut new = Vec::new();
    new.try_reserve_exact(size).map_err(|_| DeltaError::OverLimit { needed: size as u64, allowed: 0 })?;
    let mut at = 0usize;
    while !control.is_empty() {
        let length = |rest: &mut &[u8]| {
            take_number(rest).and_then(|n| usize::try_from(n).map_err(|_| DeltaError::Damaged("a length is too large")))
        };
        let (mix, copy) = (length(&mut control)?, length(&mut control)?);
        let zigzag = take_number(&mut control)?;
        let distance = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        let (diff, after) = add.split_at_checked(mix).ok_or_else(|| outside.clone())?;
        add = after;
        let (insert, after) = extra.split_at_checked(copy).ok_or_else(|| outside.clone())?;
        extra = after;
        let end = at.checked_add(mix).ok_or_else(|| outside.clone())?;
        let from = old.get(at..end).ok_or_else(|| outside.clone())?;
        if mix.checked_add(copy).is_none_or(|n| n > size - new.len()) {
            return Err(DeltaError::Damaged("the result is longer than stated"));
        }
        new.extend(from.iter().zip(diff).map(|(a, b)| a.wrapping_add(*b)));
        new.extend_from_slice(insert);
        at = i64::try_from(end)
            .ok()
            .and_then(|e| e.checked_add(distance))
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| outside.clone())?;
    }
    if new.len() != size || !add.is_empty() || !extra.is_empty() {
        return Err(DeltaError::Damaged("the result is shorter than stated"));
    }
    Ok(new)
}
