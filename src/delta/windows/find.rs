//! Stretches of the new file that stand in the old one too, found from anchors and stretched as far as they go.

use super::anchors::{self, Index, SPAN};
use crate::delta::source::{PassError, Source};
use crate::delta::stream::common;
use sha2::Digest as _;

/// The shortest stretch that counts.
const LEAST: usize = 32;
/// Bytes of the new file that are looked at together.
const SEGMENT: u64 = 4 << 20;
/// Bytes before a segment into which a stretch may grow backward.
const KEPT: usize = 1 << 16;
/// Bytes of the old file around a place that is looked at, and those that follow where a stretch goes on.
const NEAR: u64 = 1 << 12;
const FAR: u64 = 1 << 17;

/// A stretch of both files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    pub new: u64,
    pub old: u64,
    pub len: u64,
}

/// The anchors of the old file, and the file's SHA-256.
pub fn index(old: &Source<'_>, memory: u64) -> Result<(Index, sha2::Sha256), PassError> {
    let mut index = Index::new(old.size(), memory);
    let mut sha = sha2::Sha256::new();
    let (mut hash, mut at) = (0u64, 0u64);
    old.pass(|bytes| {
        sha.update(bytes);
        for &b in bytes {
            hash = anchors::step(hash, b);
            at += 1;
            if index.is_anchor(hash) && at >= SPAN as u64 {
                index.insert(hash, at);
            }
        }
        Ok(())
    })?;
    Ok((index, sha))
}

/// Gives all stretches in order of the new file, without overlap there, and returns the new file's SHA-256.
pub fn matches(
    old: &Source<'_>,
    new: &Source<'_>,
    index: &Index,
    mut each: impl FnMut(Match) -> Result<(), PassError>,
) -> Result<sha2::Sha256, PassError> {
    let mut sha = sha2::Sha256::new();
    let mut finder =
        Finder { old: View { source: old, at: 0, bytes: Vec::new() }, index, open: None, done: 0, ahead: 0 };
    let mut buffer: Vec<u8> = Vec::new();
    let mut read = 0;
    while read < new.size() {
        buffer.drain(..buffer.len().saturating_sub(KEPT));
        let from = buffer.len();
        new.append(read, SEGMENT.min(new.size() - read), &mut buffer)?;
        sha.update(&buffer[from..]);
        finder.segment(&buffer, read - from as u64, from, &mut each)?;
        read += (buffer.len() - from) as u64;
    }
    if let Some(last) = finder.open {
        each(last)?;
    }
    Ok(sha)
}

struct Finder<'a> {
    old: View<'a>,
    index: &'a Index,
    /// A stretch that reached the end of what was read.
    open: Option<Match>,
    /// Where the last stretch ends in the new file.
    done: u64,
    /// Old position less new position of the last stretch.
    ahead: i64,
}

impl Finder<'_> {
    /// Looks at `new[from..]`; `base` is the position of `new[0]`.
    fn segment(
        &mut self,
        new: &[u8],
        base: u64,
        from: usize,
        each: &mut impl FnMut(Match) -> Result<(), PassError>,
    ) -> Result<(), PassError> {
        let mut i = from;
        if let Some(mut m) = self.open.take() {
            let more = self.old.forward(m.old + m.len, &new[i..])?;
            m.len += more as u64;
            i += more;
            self.done = base + i as u64;
            if i == new.len() {
                self.open = Some(m);
                return Ok(());
            }
            each(m)?;
        }
        let mut hash = anchors::hash(&new[..i]);
        while i < new.len() {
            hash = anchors::step(hash, new[i]);
            i += 1;
            if !self.index.is_anchor(hash) {
                continue;
            }
            let end = base + i as u64;
            let floor = usize::try_from(self.done.saturating_sub(base)).unwrap_or(usize::MAX).min(i);
            // Where the last stretch was is the likeliest place, and the index knows only the first of equals.
            for here in [end.checked_add_signed(self.ahead), self.index.get(hash)].into_iter().flatten() {
                let back = self.old.backward(here, &new[floor..i])?;
                if back < LEAST {
                    continue;
                }
                let more = self.old.forward(here, &new[i..])?;
                let m = Match { new: end - back as u64, old: here - back as u64, len: (back + more) as u64 };
                i += more;
                self.done = base + i as u64;
                self.ahead = here as i64 - end as i64;
                if i == new.len() {
                    self.open = Some(m);
                    return Ok(());
                }
                each(m)?;
                hash = anchors::hash(&new[..i]);
                break;
            }
        }
        Ok(())
    }
}

/// The old file through a piece of it that is held.
struct View<'a> {
    source: &'a Source<'a>,
    at: u64,
    bytes: Vec<u8>,
}

impl View<'_> {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    fn hold(&mut self, from: u64, to: u64) -> Result<(), PassError> {
        self.bytes.clear();
        self.at = from;
        self.source.append(from, to.min(self.source.size()).saturating_sub(from), &mut self.bytes)
    }

    /// How many bytes from `here` on are those that `new` begins with.
    fn forward(&mut self, here: u64, new: &[u8]) -> Result<usize, PassError> {
        let mut n = 0;
        while n < new.len() {
            let pos = here + n as u64;
            if pos >= self.source.size() {
                break;
            }
            if pos < self.at || pos >= self.end() {
                let ahead = if n > 0 { FAR } else { NEAR };
                self.hold(pos, pos + ahead)?;
            }
            let held = &self.bytes[(pos - self.at) as usize..];
            let same = common(held, &new[n..]);
            n += same;
            if same < held.len() {
                break;
            }
        }
        Ok(n)
    }

    /// How many bytes before `here` are those that `new` ends with.
    fn backward(&mut self, here: u64, new: &[u8]) -> Result<usize, PassError> {
        if here > self.source.size() {
            return Ok(0);
        }
        let mut n = 0;
        while n < new.len() {
            let pos = here - n as u64;
            if pos == 0 {
                break;
            }
            if pos <= self.at || pos > self.end() {
                self.hold(pos.saturating_sub(NEAR), pos + NEAR)?;
            }
            let held = &self.bytes[..(pos - self.at) as usize];
            let left = &new[..new.len() - n];
            let same = held.iter().rev().zip(left.iter().rev()).take_while(|(a, b)| a == b).count();
            n += same;
            if same < held.len() {
                break;
            }
        }
        Ok(n)
    }
}
