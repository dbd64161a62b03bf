//! Where the streams of a file lie: behind zip's local headers and gzip's, wherever those stand, in tar files, and in universal
//! Mach-O files.
//!
//! A stream is deflated or, if it is an executable or a container itself, stored. Encoder and decoder look at the old
//! file in the same way, so nothing about its streams is in a delta. What looks like a deflated stream but does not
//! inflate stays plain bytes.

use super::members::{is_tar, members, slices};
use super::{LEAST_CONTAINER, LEAST_IMAGE, is_container};
use crate::delta::deflate::inflate;
use crate::delta::stream::is_image;
use memchr::memmem;
use std::borrow::Cow;
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
pub struct Stream<'a> {
    /// The compressed or stored bytes, in the file.
    pub at: Range<usize>,
    /// The name that its header gives it, in the file.
    pub name: Range<usize>,
    /// Borrowed from the file where they are stored there.
    pub plain: Cow<'a, [u8]>,
}

impl Stream<'_> {
    pub fn stored(&self) -> bool {
        matches!(self.plain, Cow::Borrowed(_))
    }
}

/// What the streams of a file take in memory when they are opened, and the file.
pub fn opened(file: &[u8], streams: &[Stream<'_>]) -> u64 {
    let plain = streams.iter().filter(|s| !s.stored()).map(|s| s.plain.len() as u64).sum::<u64>();
    (file.len() as u64).saturating_add(plain)
}

/// The most plain bytes that the streams of a file of this size may have, failed attempts included.
pub fn most_plain(file: usize) -> usize {
    file.saturating_mul(RATIO).saturating_add(SPARE)
}

/// All streams in the order of the file; they do not overlap.
pub fn streams(file: &[u8]) -> Vec<Stream<'_>> {
    let mut found = Vec::new();
    if is_tar(file) {
        found.extend(members(file).filter_map(|(name, at)| stored(file, name, at)));
        return found;
    }
    if let Some(slices) = slices(file) {
        found.extend(slices.into_iter().filter_map(|(name, at)| stored(file, name, at)));
        return found;
    }
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
        if !file[start..].starts_with(GZIP) && word(file, start + 8) == Some(0) {
            let size = long(file, start + 18).unwrap_or(0);
            // What lies in a stored zip file is found by this very search.
            let zipped = file[data..].starts_with(ZIP);
            if let Some(stream) = stored(file, name, data..data.saturating_add(size)).filter(|_| !zipped) {
                at = stream.at.end;
                found.push(stream);
            }
            continue;
        }
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
        found.push(Stream { at: data..data + used, name, plain: plain.into() });
    }
    found
}

/// A stored stream, if it is worth a delta of its own.
fn stored(file: &[u8], name: Range<usize>, at: Range<usize>) -> Option<Stream<'_>> {
    let plain = file.get(at.clone())?;
    let image = plain.len() >= LEAST_IMAGE && is_image(plain);
    (image || plain.len() >= LEAST_CONTAINER && is_container(plain)).then(|| Stream { at, name, plain: plain.into() })
}

fn word(file: &[u8], at: usize) -> Option<usize> {
    file.get(at..at + 2).map(|b| usize::from(b[0]) | usize::from(b[1]) << 8)
}

fn long(file: &[u8], at: usize) -> Option<usize> {
    Some(word(file, at)? | word(file, at + 2)? << 16)
}

/// Name and start of the data (APPNOTE.TXT 4.3.7), if the data are deflated or stored and not encrypted.
fn zip_header(file: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let (flags, method) = (word(file, at + 6)?, word(file, at + 8)?);
    if (method != 8 && method != 0) || flags & 1 == 1 {
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
