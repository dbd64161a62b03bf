//! Where the members of a tar file lie (POSIX ustar, and GNU tar's variant of it).

use std::ops::Range;

const BLOCK: usize = 512;

pub fn is_tar(file: &[u8]) -> bool {
    file.get(257..262) == Some(b"ustar")
}

/// Name and contents of each regular file, as places in the tar file, up to the first block that is no header.
pub fn members(file: &[u8]) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut at = 0usize;
    std::iter::from_fn(move || {
        loop {
            let header = file.get(at..)?.get(..BLOCK).filter(|h| is_tar(h))?;
            let size = octal(&header[124..136])?;
            let data = at + BLOCK;
            let end = data.checked_add(size).filter(|&e| e <= file.len())?;
            let name = at..at + header[..100].iter().position(|&b| b == 0).unwrap_or(100);
            at = end.checked_next_multiple_of(BLOCK)?;
            if matches!(header[156], b'0' | 0) {
                return Some((name, data..end));
            }
        }
    })
}

fn octal(digits: &[u8]) -> Option<usize> {
    let digits = digits.trim_ascii().split(|&b| b == 0 || b == b' ').next()?;
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}
