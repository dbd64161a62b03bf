//! The header in front of every delta, and the dispatch to the codecs.
//!
//! | field | bytes | meaning |
//! |---|---|---|
//! | tag | 1 | 0 full stored, 1 full zstd, 2 bsdiff, 3 zstd with prefix, 4 stream; others are unknown |
//! | new size | 1 to 9 | LEB128 |
//! | memory | 1 to 9 | LEB128, KiB that decoding needs beyond the result |
//! | new check | 4 | first bytes of the result's SHA-256 |
//! | old check | 4 | first bytes of the old bytes' SHA-256; only where the codec reads them |

use super::types::{Codec, DecodeLimits, DeltaError, Encoded, Header, Profile};
use super::{bsdiff_codec, stream, zstd_codec};
use crate::tree::Digest;

const STORED: u8 = 0;
const FULL: u8 = 1;
const BSDIFF: u8 = 2;
const ZSTD: u8 = 3;
const STREAM: u8 = 4;

/// Makes a delta with one codec, decodes it again and compares.
///
/// # Errors
/// [`DeltaError::EncoderFault`] if the codec cannot do it; that is a defect, not an input's fault.
pub fn encode(codec: Codec, old: Option<&[u8]>, new: &[u8], profile: Profile) -> Result<Encoded, DeltaError> {
    let old_bytes = old.unwrap_or_default();
    let (tag, stream, memory) = match codec {
        Codec::Full => {
            let (packed, memory) = zstd_codec::encode(&[], new, profile)?;
            if packed.len() < new.len() { (FULL, packed, memory) } else { (STORED, new.to_vec(), 0) }
        }
        Codec::Bsdiff => {
            let (stream, memory) = bsdiff_codec::encode(old_bytes, new, profile)?;
            (BSDIFF, stream, memory)
        }
        Codec::Zstd => {
            let (stream, memory) = zstd_codec::encode(old_bytes, new, profile)?;
            (ZSTD, stream, memory)
        }
        Codec::Stream => {
            let packed = stream::encode(old_bytes, new, profile);
            let memory = stream::memory(&packed, old_bytes, new.len() as u64);
            (STREAM, packed, memory.saturating_sub(new.len() as u64))
        }
    };
    let kib = memory.div_ceil(1024);
    let mut bytes = vec![tag];
    put_number(&mut bytes, new.len() as u64);
    put_number(&mut bytes, kib);
    bytes.extend_from_slice(&check(new));
    if reads_old(codec) {
        bytes.extend_from_slice(&check(old_bytes));
    }
    bytes.extend_from_slice(&stream);
    let header = header(&bytes)?;
    let limits = DecodeLimits { new_size: header.new_size, memory: header.memory };
    if decode(&bytes, old_bytes, limits)? != new {
        return Err(DeltaError::EncoderFault("the delta decodes to something else"));
    }
    Ok(Encoded { header, bytes })
}

/// Reads the first bytes of a delta.
///
/// # Errors
/// [`DeltaError::Truncated`], [`DeltaError::Damaged`], [`DeltaError::UnknownCodec`].
pub fn header(delta: &[u8]) -> Result<Header, DeltaError> {
    parse(delta).map(|p| p.header)
}

/// Makes the new bytes again.
///
/// # Errors
/// Any [`DeltaError`]; nothing is allocated beyond `limits`, and the result is never other bytes than those
/// that were encoded (as far as four bytes of SHA-256 tell; bundles check all 32).
pub fn decode(delta: &[u8], old: &[u8], limits: DecodeLimits) -> Result<Vec<u8>, DeltaError> {
    let p = parse(delta)?;
    if p.header.new_size > limits.new_size {
        return Err(DeltaError::OverLimit { needed: p.header.new_size, allowed: limits.new_size });
    }
    if p.header.memory > limits.memory {
        return Err(DeltaError::OverLimit { needed: p.header.memory, allowed: limits.memory });
    }
    if p.old_check.is_some_and(|c| c != check(old)) {
        return Err(DeltaError::WrongOld);
    }
    let size =
        usize::try_from(p.header.new_size).map_err(|_| DeltaError::Damaged("the result does not fit this machine"))?;
    let memory = p.header.memory.saturating_sub(p.header.new_size);
    let new = match p.tag {
        STORED if p.stream.len() == size => p.stream.to_vec(),
        STORED => return Err(DeltaError::Damaged("stored bytes of another length")),
        FULL => zstd_codec::decode(p.stream, &[], size, memory)?,
        BSDIFF => bsdiff_codec::decode(p.stream, old, size, memory)?,
        STREAM => {
            let limits = DecodeLimits { new_size: p.header.new_size, memory: p.header.memory };
            stream::decode(p.stream, old, p.header.new_size, limits)?
        }
        _ => zstd_codec::decode(p.stream, old, size, memory)?,
    };
    if check(&new) != p.new_check {
        return Err(DeltaError::Damaged("the result is not what was encoded"));
    }
    Ok(new)
}

struct Parsed<'a> {
    tag: u8,
    header: Header,
    new_check: [u8; 4],
    old_check: Option<[u8; 4]>,
    stream: &'a [u8],
}

fn parse(delta: &[u8]) -> Result<Parsed<'_>, DeltaError> {
    let (&tag, mut rest) = delta.split_first().ok_or(DeltaError::Truncated)?;
    let codec = match tag {
        STORED | FULL => Codec::Full,
        BSDIFF => Codec::Bsdiff,
        ZSTD => Codec::Zstd,
        STREAM => Codec::Stream,
        other => return Err(DeltaError::UnknownCodec(other)),
    };
    let new_size = take_number(&mut rest)?;
    let kib = take_number(&mut rest)?;
    let memory = kib
        .checked_mul(1024)
        .and_then(|m| m.checked_add(new_size))
        .ok_or(DeltaError::Damaged("sizes that overflow"))?;
    let new_check = take_check(&mut rest)?;
    let old_check = if reads_old(codec) { Some(take_check(&mut rest)?) } else { None };
    Ok(Parsed { tag, header: Header { codec, new_size, memory }, new_check, old_check, stream: rest })
}

fn reads_old(codec: Codec) -> bool {
    codec != Codec::Full
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let d = Digest::of(bytes).0;
    [d[0], d[1], d[2], d[3]]
}

fn take_check(rest: &mut &[u8]) -> Result<[u8; 4], DeltaError> {
    let (check, after) = rest.split_first_chunk::<4>().ok_or(DeltaError::Truncated)?;
    *rest = after;
    Ok(*check)
}

/// LEB128, shortest form.
pub(super) fn put_number(out: &mut Vec<u8>, mut n: u64) {
    loop {
        let low = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Reads a number of at most nine bytes; padded forms are refused, so that one delta has one spelling.
pub(super) fn take_number(rest: &mut &[u8]) -> Result<u64, DeltaError> {
    let mut n = 0u64;
    for i in 0..9 {
        let (&b, after) = rest.split_first().ok_or(DeltaError::Truncated)?;
        *rest = after;
        n |= u64::from(b & 0x7f) << (7 * i);
        if b & 0x80 == 0 {
            if b == 0 && i > 0 {
                return Err(DeltaError::Damaged("a number in a padded form"));
            }
            return Ok(n);
        }
    }
    Err(DeltaError::Damaged("a number that is too long"))
}
