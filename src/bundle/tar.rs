//! The one form of a `.cup` file: a ustar archive in which every byte is determined.
//!
//! Entries are `oci-layout`, `index.json`, then `blobs/sha256/HEX` in digest order; then two zero
//! blocks. A header is a function of name and size, so reading one is: take the name and size that
//! it states, make the header anew, and compare.

use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

pub(super) const BLOCK: u64 = 512;
/// What ends the archive.
pub(super) const END: u64 = 2 * BLOCK;
/// From this size on the eleven octal digits do not suffice.
const OCTAL_LIMIT: u64 = 1 << 33;
/// Most entries that are looked at.
const MAX_ENTRIES: usize = 1 << 20;

/// The header of a regular file: mode 0644, owner 0, time 0.
pub(super) fn header(name: &str, size: u64) -> [u8; 512] {
    let mut h = [0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| h[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes().get(..100).unwrap_or(name.as_bytes()));
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size < OCTAL_LIMIT {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        // GNU's base-256: a set top bit, then the number, big-endian.
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    let sum: u32 = h.iter().map(|b| u32::from(*b)).sum();
    h[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    h
}

/// Zeros after a content so that the next header begins on a block.
pub(super) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK
}

pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Where every content of the archive stands.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Offset and size of `oci-layout`.
    pub(super) layout: (u64, u64),
    pub(super) index: (u64, u64),
    pub(super) blobs: BTreeMap<Digest, (u64, u64)>,
}

/// Reads every header and all padding, no contents.
///
/// # Errors
/// `bad-bundle` for anything that is not the one form, `limit` for too many entries, `io`.
pub(super) fn scan(file: &File, length: u64, subject: &str) -> Result<Entries> {
    let bad = |why: String| {
        Error::new(ErrorCode::BadBundle, subject, why).next("fetch the bundle again from where it was released")
    };
    let mut entries = Entries::default();
    let mut at = 0u64;
    for number in 0.. {
        if number > MAX_ENTRIES {
            return Err(Error::new(ErrorCode::Limit, subject, format!("more than {MAX_ENTRIES} entries")));
        }
        let block = block(file, at, length, subject)?;
        if block == [0; 512] {
            break;
        }
        let (name, size) = stated(&block).ok_or_else(|| bad(format!("no bundle's tar header at byte {at}")))?;
        if header(&name, size) != block {
            return Err(bad(format!("the tar header at byte {at} is not in canonical form")));
        }
        let content = at + BLOCK;
        let end = content.checked_add(size).and_then(|e| e.checked_add(padding(size)));
        let end = end.filter(|e| *e <= length).ok_or_else(|| bad(format!("truncated in '{name}'")))?;
        let mut zeros = [0u8; 512];
        let zeros = &mut zeros[..padding(size) as usize];
        file.read_exact_at(zeros, content + size).map_err(|e| Error::io(subject, &e))?;
        if zeros.iter().any(|b| *b != 0) {
            return Err(bad(format!("bytes hidden in the padding after '{name}'")));
        }
        match number {
            0 if name == "oci-layout" => entries.layout = (content, size),
            1 if name == "index.json" => entries.index = (content, size),
            2.. => {
                let digest = name.strip_prefix("blobs/sha256/").and_then(Digest::from_hex);
                let digest = digest.ok_or_else(|| bad(format!("an entry that no bundle has: '{name}'")))?;
                if entries.blobs.last_key_value().is_some_and(|(last, _)| *last >= digest) {
                    return Err(bad(format!("'{name}' stands twice or out of order")));
                }
                entries.blobs.insert(digest, (content, size));
            }
            _ => return Err(bad(format!("'{name}' where oci-layout and index.json are expected"))),
        }
        at = end;
    }
    if entries.index == (0, 0) {
        return Err(bad("it has no oci-layout and index.json at its beginning".into()));
    }
    if block(file, at + BLOCK, length, subject)? != [0; 512] || at + END != length {
        return Err(bad(format!("it does not end with two zero blocks at byte {at}")));
    }
    Ok(entries)
}

fn block(file: &File, at: u64, length: u64, subject: &str) -> Result<[u8; 512]> {
    if at.checked_add(BLOCK).is_none_or(|end| end > length) {
        return Err(Error::new(ErrorCode::BadBundle, subject, format!("truncated at byte {length}"))
            .next("fetch the bundle again from where it was released"));
    }
    let mut block = [0; 512];
    file.read_exact_at(&mut block, at).map_err(|e| Error::io(subject, &e))?;
    Ok(block)
}

/// Name and size as a header states them; whether it is canonical shows when it is made anew.
fn stated(block: &[u8; 512]) -> Option<(String, u64)> {
    let name = block[..100].split(|b| *b == 0).next()?;
    let name = std::str::from_utf8(name).ok().filter(|n| n.bytes().all(|b| b.is_ascii_graphic()))?;
    let size = if block[124] == 0x80 {
        u64::from_be_bytes(block[128..136].try_into().ok()?)
    } else {
        let digits = std::str::from_utf8(&block[124..135]).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        u64::from_str_radix(digits, 8).ok()?
    };
    Some((name.to_owned(), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GNU tar 1.34 and the `tar` crate agree with us on every field.
    #[test]
    fn others_read_our_headers() {
        for size in [0, 1, 511, 512, 513, OCTAL_LIMIT - 1, OCTAL_LIMIT, u64::MAX >> 2] {
            let name = blob_name(&Digest::of(b"x"));
            let h = header(&name, size);
            let read = ::tar::Header::from_byte_slice(&h);
            assert_eq!(read.entry_size().unwrap(), size);
            assert_eq!(read.path().unwrap().to_str().unwrap(), name);
            assert_eq!((read.mode().unwrap(), read.uid().unwrap(), read.mtime().unwrap()), (0o644, 0, 0));
            let sum: u32 =
                h.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
            assert_eq!(read.cksum().unwrap(), sum);
            assert_eq!(stated(&h), Some((name, size)));
        }
    }
}
