//! Where the members of a tar file lie (POSIX ustar, and GNU tar's variant of it), and those of a universal Mach-O file.

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

/// Spaces, then digits up to a space or NUL; no sign, which the standard library would take.
fn octal(field: &[u8]) -> Option<usize> {
    let start = field.iter().position(|&b| b != b' ')?;
    let digits = field[start..].split(|&b| b == 0 || b == b' ').next()?;
    if !digits.iter().all(|b| (b'0'..=b'7').contains(b)) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// Processor (as a name) and place of the executables of a universal Mach-O file, in order of place (Apple's `mach-o/fat.h`; numbers are big-endian).
pub fn slices(file: &[u8]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let big = |at: usize| file.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    // A Java class begins alike; its version, which stands here, is 45 at least.
    let count = big(4).filter(|n| big(0) == Some(0xCAFE_BABE) && (1..=16).contains(n))?;
    let mut slices = Vec::with_capacity(count);
    for i in 0..count {
        let (at, len) = (big(16 + 20 * i)?, big(20 + 20 * i)?);
        slices.push((8 + 20 * i..12 + 20 * i, at..at.checked_add(len).filter(|&end| end <= file.len())?));
    }
    slices.sort_by_key(|(_, at)| at.start);
    slices.windows(2).all(|pair| pair[0].1.end <= pair[1].1.start).then_some(slices)
}
