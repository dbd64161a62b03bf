//! Both files with the targets of references written out, so that equal code looks equal wherever it lies:
//! the encoder aligns on these. Old targets are written as the new addresses that an earlier alignment gives them.

use super::field::{self, kind};
use super::image::Image;
use super::map::Map;
use super::refs::Refs;

/// `file` with every reference replaced by what `name` makes of its target.
fn write(file: &[u8], image: &Image, refs: &Refs, name: impl Fn(u64) -> u64) -> Vec<u8> {
    let mut out = file.to_vec();
    let mut cursor = refs.cursor();
    cursor.seek(0);
    while let Some((at, k)) = cursor.next(file.len()) {
        if k == kind::REL8 {
            continue;
        }
        let addr = image.addr_of(at as u64).unwrap_or(at as u64);
        let target = name(refs.target(at, k, addr));
        let raw = field::raw(file, at, k);
        let value = match k {
            kind::ABS64 => target,
            kind::B26 | kind::B19 | kind::B14 | kind::B24 => target >> 2,
            kind::J20 => target >> 1,
            kind::HIGH20 => target >> 12,
            kind::LOW12 => target & 4095,
            k if k & 0xF0 == kind::PAGE => target >> 12,
            k if k & 0xF0 == kind::LOW => (target & 4095) >> field::unit(k, raw as u32),
            _ => target,
        };
        let bytes = field::set(k, raw, value).to_le_bytes();
        super::bytes::put(&mut out, at, &bytes[..field::width(k)]);
    }
    out
}

pub fn old(file: &[u8], image: &Image, refs: &Refs, map: &Map) -> Vec<u8> {
    write(file, image, refs, |t| map.address(t).0)
}

pub fn new(file: &[u8], image: &Image, refs: &Refs) -> Vec<u8> {
    write(file, image, refs, |t| t)
}
