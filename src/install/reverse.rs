//! An old file as what the new one lacks of it: pieces of the new one by place, and bytes of its own between them.
//!
//! It is made on the device, where there is no encoder and little memory: the new content is at hand, the old one is read
//! once, piece by piece. The form: until the old size is reached, the number of own bytes, these bytes, the number of
//! bytes taken from the new content, and where they begin there; numbers are LEB128.

use crate::report::{Error, ErrorCode, Result};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes by which a piece is found, and the fewest that count as one behind another.
const BLOCK: usize = 32;
const AGAIN: usize = 12;
/// Bytes of the old content that are held at a time.
const WINDOW: usize = 1 << 20;

/// Writes what `new` lacks of `old`.
///
/// # Errors
/// What reading and `put` give.
pub fn lacking(new: &[u8], old: &mut dyn Read, put: &mut dyn FnMut(&[u8]) -> Result<()>, at: &Path) -> Result<()> {
    let index = Index::of(new);
    let mut window = vec![0; WINDOW];
    let mut expected = 0;
    loop {
        let n = fill(old, &mut window).map_err(|e| Error::io(at.display(), &e))?;
        let bytes = &window[..n];
        let (mut done, mut here) = (0, 0);
        while here < n {
            let near = bytes.len() - here >= AGAIN && common(&bytes[here..], new, expected + here - done) >= AGAIN;
            let from = if near { Some(expected + here - done) } else { index.find(new, &bytes[here..]) };
            let Some(from) = from else {
                here += 1;
                continue;
            };
            let length = common(&bytes[here..], new, from);
            piece(&bytes[done..here], length, from, put)?;
            here += length;
            (done, expected) = (here, from + length);
        }
        if done < n {
            piece(&bytes[done..], 0, 0, put)?;
            expected += n - done;
        }
        if n < WINDOW {
            return Ok(());
        }
    }
}

/// The same for equal contents of `size` bytes.
///
/// # Errors
/// What `put` gives.
pub fn same(size: u64, put: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    put(&leb(0))?;
    put(&leb(size))?;
    put(&leb(0))
}

/// Gives the old content of `size` bytes, out of the new file and what that lacks.
///
/// # Errors
/// `bad-state` where these are no such pieces, what reading and `put` give.
pub fn whole(
    new: &File,
    kept: &mut dyn Read,
    size: u64,
    put: &mut dyn FnMut(&[u8]) -> Result<()>,
    at: &Path,
) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    let mut left = size;
    while left > 0 {
        for taken in [false, true] {
            let length = number(kept, at)?;
            let mut from = if taken { number(kept, at)? } else { 0 };
            left = left.checked_sub(length).ok_or_else(|| damaged(at))?;
            let mut more = length;
            while more > 0 {
                let n = buffer.len().min(usize::try_from(more).unwrap_or(usize::MAX));
                let bytes = &mut buffer[..n];
                let read = if taken { new.read_exact_at(bytes, from) } else { kept.read_exact(bytes) };
                read.map_err(|_| damaged(at))?;
                put(bytes)?;
                (more, from) = (more - n as u64, from.saturating_add(n as u64));
            }
        }
    }
    Ok(())
}

fn damaged(at: &Path) -> Error {
    Error::new(ErrorCode::BadState, at.display(), "what is kept of the old version does not make it again")
        .next("install the version you want from its own package")
}

fn piece(own: &[u8], taken: usize, from: usize, put: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    put(&leb(own.len() as u64))?;
    put(own)?;
    put(&leb(taken as u64))?;
    put(&leb(from as u64))
}

fn leb(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 0x7f {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn number(from: &mut dyn Read, at: &Path) -> Result<u64> {
    let mut n = 0u64;
    for shift in (0..63).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte).map_err(|_| damaged(at))?;
        n |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(n);
        }
    }
    Err(damaged(at))
}

fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match from.read(&mut buffer[n..])? {
            0 => break,
            more => n += more,
        }
    }
    Ok(n)
}

/// How many bytes are the same from here and from there on.
fn common(bytes: &[u8], new: &[u8], from: usize) -> usize {
    let there = new.get(from..).unwrap_or_default();
    bytes.iter().zip(there).take_while(|(a, b)| a == b).count()
}

/// Where blocks of the new content begin, by their bytes.
struct Index {
    places: Vec<u32>,
    shift: u32,
}

impl Index {
    fn of(new: &[u8]) -> Self {
        let bits = (new.len() / BLOCK).next_power_of_two().trailing_zeros().clamp(4, 26);
        let mut index = Self { places: vec![u32::MAX; 1 << bits], shift: u64::BITS - bits };
        for (n, block) in new.chunks_exact(BLOCK).enumerate() {
            // What stands first stays: blocks of zeros would push out everything else otherwise.
            let place = &mut index.places[hash(block, index.shift)];
            if *place == u32::MAX {
                *place = u32::try_from(n).unwrap_or(u32::MAX);
            }
        }
        index
    }

    fn find(&self, new: &[u8], bytes: &[u8]) -> Option<usize> {
        let block = bytes.get(..BLOCK)?;
        let from = self.places[hash(block, self.shift)] as usize * BLOCK;
        (new.get(from..from + BLOCK) == Some(block)).then_some(from)
    }
}

/// A few words of a block tell blocks apart well enough, and it is compared anyway.
fn hash(block: &[u8], shift: u32) -> usize {
    let word = |at: usize| block[at..at + 8].iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let mixed = word(0) ^ word(8).rotate_left(19) ^ word(16).rotate_left(37) ^ word(24).rotate_left(53);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn numbers(n: usize, mut seed: u32) -> Vec<u8> {
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        (0..n).map(|_| next()).collect()
    }

    fn push(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
        out.extend_from_slice(bytes);
        Ok(())
    }

    fn kept(new: &[u8], old: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        lacking(new, &mut &*old, &mut |b| push(&mut out, b), Path::new("old")).unwrap();
        out
    }

    fn back(new: &[u8], kept: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(new).unwrap();
        let mut out = Vec::new();
        whole(&file, &mut &*kept, size as u64, &mut |b| push(&mut out, b), Path::new("old"))?;
        Ok(out)
    }

    #[test]
    fn whatever_the_old_content_was_comes_back() {
        let text = numbers(3_000_000, 1);
        let mut edited = text.clone();
        for at in (0..edited.len()).step_by(50_000) {
            edited[at] ^= 1;
        }
        edited.splice(7000..7010, numbers(3000, 5));
        let zeros = vec![0; 100_000];
        let cases: [(&[u8], &[u8], usize); 9] = [
            (&text, &edited, 8000),
            (&edited, &text, 2000),
            (&text, &text, 40),
            (&text, &[], 0),
            (&[], &text[..5000], 5010),
            (&text[..31], &text[..31], 40),
            (&text[100..], &text[..70_000], 200),
            (&zeros, &text[..1000], 1010),
            (&text, &zeros, 100_010),
        ];
        for (n, (new, old, most)) in cases.into_iter().enumerate() {
            let kept = kept(new, old);
            assert!(kept.len() <= most, "case {n}: {} bytes, expected at most {most}", kept.len());
            assert!(back(new, &kept, old.len()).unwrap() == old, "case {n}");
        }
    }

    #[test]
    fn what_is_damaged_is_told_and_makes_no_more_than_the_old_size() {
        let new = numbers(2000, 1);
        let old = [&new[500..1900], b"own bytes", &new[..400]].concat();
        let kept = kept(&new, &old);
        for end in 0..kept.len() {
            let e = back(&new, &kept[..end], old.len()).unwrap_err();
            assert_eq!(e.code, ErrorCode::BadState);
        }
        for at in 0..kept.len() {
            for flip in [0x01, 0x40, 0x80, 0xff] {
                let mut bad = kept.clone();
                bad[at] ^= flip;
                if let Ok(made) = back(&new, &bad, old.len()) {
                    assert_eq!(made.len(), old.len());
                }
            }
        }
    }
}
