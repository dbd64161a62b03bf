//! `GIT binary patch`: base85, zlib, and git's delta instructions (git's own formats).

use super::parse::ParseError;
use super::types::{Binary, BinaryHunk};
use std::io::Read as _;
use std::sync::Arc;

/// Reads one or two binary hunks beginning at line `at`; returns the line after them.
pub fn parse(lines: &[&[u8]], at: usize, max: &mut u64) -> Result<(Binary, usize), ParseError> {
    let (forward, mut next) = match hunk(lines, at, max)? {
        Some(h) => h,
        None => return Err(error(at, "a binary patch without data")),
    };
    let mut backward = None;
    if let Some((h, n)) = hunk(lines, next, max)? {
        backward = Some(h);
        next = n;
    }
    Ok((Binary { forward, backward }, next))
}

fn error(at: usize, reason: impl std::fmt::Display) -> ParseError {
    ParseError { line: u32::try_from(at + 1).unwrap_or(u32::MAX), reason: reason.to_string() }
}

fn hunk(lines: &[&[u8]], at: usize, max: &mut u64) -> Result<Option<(BinaryHunk, usize)>, ParseError> {
    let Some(head) = lines.get(at).map(|l| l.trim_ascii_end()) else { return Ok(None) };
    let (literal, size) = match (head.strip_prefix(b"literal "), head.strip_prefix(b"delta ")) {
        (Some(n), _) => (true, n),
        (_, Some(n)) => (false, n),
        _ => return Ok(None),
    };
    let size: u64 = std::str::from_utf8(size)
        .ok()
        .and_then(|s| s.parse().ok())
        .ok_or_else(|| error(at, "the size of a binary hunk is no number"))?;
    *max = max
        .checked_sub(size)
        .ok_or_else(|| error(at, format_args!("a binary hunk says it has {size} bytes, more than the limit allows")))?;
    let mut packed = Vec::new();
    let mut i = at + 1;
    while let Some(line) = lines.get(i).map(|l| l.trim_ascii_end()).filter(|l| !l.is_empty()) {
        base85(line, &mut packed).ok_or_else(|| error(i, "a line of binary data is damaged"))?;
        i += 1;
    }
    let mut bytes = Vec::new();
    flate2::read::ZlibDecoder::new(&*packed)
        .take(size.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| error(at, format_args!("binary data cannot be inflated: {e}")))?;
    if bytes.len() as u64 != size {
        return Err(error(at, format_args!("a binary hunk says it has {size} bytes, and has another number")));
    }
    let bytes: Arc<[u8]> = bytes.into();
    // The empty line that ends the data belongs to it.
    Ok(Some((if literal { BinaryHunk::Literal(bytes) } else { BinaryHunk::Delta(bytes) }, i + 1)))
}

/// One line: its length as a letter, then groups of five digits for four bytes.
fn base85(line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    const DIGITS: &[u8; 85] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let (&first, rest) = line.split_first()?;
    let mut left = match first {
        b'A'..=b'Z' => usize::from(first - b'A') + 1,
        b'a'..=b'z' => usize::from(first - b'a') + 27,
        _ => return None,
    };
    if rest.len() != left.div_ceil(4) * 5 {
        return None;
    }
    for group in rest.chunks_exact(5) {
        let mut value: u64 = 0;
        for c in group {
            value = value * 85 + DIGITS.iter().position(|d| d == c)? as u64;
        }
        let bytes = u32::try_from(value).ok()?.to_be_bytes();
        let n = left.min(4);
        out.extend_from_slice(&bytes[..n]);
        left -= n;
    }
    Some(())
}

/// Applies git's delta instructions; `None` if they are damaged, do not fit `old`, or make more than `max` bytes.
pub fn apply_delta(old: &[u8], delta: &[u8], max: u64) -> Option<Vec<u8>> {
    let mut d = delta;
    if size(&mut d)? != old.len() as u64 {
        return None;
    }
    let total = size(&mut d)?;
    if total > max {
        return None;
    }
    let total = usize::try_from(total).ok()?;
    let mut out = Vec::new();
    while let Some((&op, rest)) = d.split_first() {
        d = rest;
        let piece = if op & 0x80 != 0 {
            let (mut offset, mut length) = (0usize, 0usize);
            for k in 0..4 {
                if op & (1 << k) != 0 {
                    offset |= usize::from(byte(&mut d)?) << (8 * k);
                }
            }
            for k in 0..3 {
                if op & (0x10 << k) != 0 {
                    length |= usize::from(byte(&mut d)?) << (8 * k);
                }
            }
            let length = if length == 0 { 0x10000 } else { length };
            old.get(offset..offset.checked_add(length)?)?
        } else if op != 0 {
            let (piece, rest) = d.split_at_checked(usize::from(op))?;
            d = rest;
            piece
        } else {
            return None;
        };
        if out.len() + piece.len() > total {
            return None;
        }
        out.extend_from_slice(piece);
    }
    (out.len() == total).then_some(out)
}

fn byte(d: &mut &[u8]) -> Option<u8> {
    let (&b, rest) = d.split_first()?;
    *d = rest;
    Some(b)
}

fn size(d: &mut &[u8]) -> Option<u64> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let b = byte(d)?;
        value |= u64::from(b & 0x7f).checked_shl(shift).filter(|_| shift < 57)?;
        if b & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}
