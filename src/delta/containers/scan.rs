//! Where deflate streams lie in a file: behind zip's local headers and gzip's, wherever those stand.
//!
//! Encoder and decoder look at the old file in the same way, so nothing about its streams is in a delta. What looks
//! like a stream but does not inflate stays plain bytes.

use crate::delta::deflate::inflate;
use memchr::memmem;
use std::ops::Range;

const ZIP: &[u8] = b"PK\x03\x04";
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// Shorter streams are not worth their entry.
const LEAST: usize = 24;
/// Plain bytes that a file's streams may have in all: so many times its size, and this many more.
const RATIO: usize = 64;
const SPARE: usize = 1 << 20;

/// One stream of a file.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The compressed bytes, in the file.
    pub at: Range<usize>,
    /// The name that its header gives it, in the file.
    pub name: Range<usize>,
    pub plain: Vec<u8>,
}

/// The most plain bytes that the streams of a file of this size may have, failed attempts included.
pub fn most_plain(file: usize) -> usize {
    file.saturating_mul(RATIO).saturating_add(SPARE)
}

/// All streams in the order of the file; they do not overlap.
pub fn streams(file: &[u8]) -> Vec<Stream> {
    let mut found = Vec::new();
    let mut budget = most_plain(file.len());
    let finder = memmem::Finder::new(ZIP);
    let mut at = 0;
    let mut gzip = file.starts_with(GZIP);
    while at < file.len() {
        let head = if gzip { Some(at) } else { finder.find(&file[at..]).map(|i| at + i) };
        let Some(start) = head else { break };
        let header = if gzip { gzip_header(file, start) } else { zip_header(file, start) };
        at = start + ZIP.len();
        gzip = false;
        let Some((name, data)) = header else { continue };
        let mut plain = Vec::new();
        let used = inflate(&file[data..], budget, &mut plain);
        budget = budget.saturating_sub(plain.len().max(1));
        let Some(used) = used.filter(|&n| n >= LEAST) else { continue };
        at = data + used;
        // Another member may follow the trailer.
        gzip = file[start..].starts_with(GZIP) && file.get(at + 8..).is_some_and(|f| f.starts_with(GZIP));
        if gzip {
            at += 8;
        }
        plain.shrink_to_fit();
        found.push(Stream { at: data..data + used, name, plain });
    }
    found
}

fn word(file: &[u8], at: usize) -> Option<usize> {
    file.get(at..at + 2).map(|b| usize::from(b[0]) | usize::from(b[1]) << 8)
}

/// Name and start of the data (APPNOTE.TXT 4.3.7), if the data are deflated and not encrypted.
fn zip_header(file: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let (flags, method) = (word(file, at + 6)?, word(file, at + 8)?);
    if method != 8 || flags & 1 == 1 {
        return None;
    }
    let name = at + 30..at + 30 + word(file, at + 26)?;
    let data = name.end + word(file, at + 28)?;
    (data < file.len()).then_some((name, data))
}

/// Name and start of the data (RFC 1952).
fn gzip_header(file: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let flags = *file.get(at + 3)?;
    let mut next = at + 10;
    if flags & 4 != 0 {
        next += 2 + word(file, next)?;
    }
    let mut name = next..next;
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = next + memchr::memchr(0, file.get(next..)?)?;
            if flag == 8 {
                name = next..end;
            }
            next = end + 1;
        }
    }
    if flags & 2 != 0 {
        next += 2;
    }
    (next < file.len()).then_some((name, next))
}
