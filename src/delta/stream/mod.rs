//! Our own engine: a delta is the new bytes minus the *projected* old ones.
//!
//! The copy map comes first in the stream. The decoder finds references in the old executable, maps each target
//! through the copy map and the section tables, and predicts the new bytes; what is left is coded by mixed
//! contexts in one arithmetic-coded stream. A wrong prediction only costs bytes. `docs/delta-stream.md` specifies it.

mod align;
mod bytes;
mod coder;
mod content;
mod control;
mod field;
mod growth;
mod image;
mod label;
mod literal;
mod map;
mod model;
mod refs;
mod signature;
mod suffix;
mod words;
mod x86;

use super::types::{DecodeLimits, DeltaError, Profile};
use coder::{Coder, Decoder, Encoder};
use content::{Content, Order};
use image::{Image, Section};
use map::{Copy, Map};
use model::Bits;
use refs::Refs;
pub(super) use suffix::common;

/// The version of the stream, its first byte; any change of the model is another version.
const VERSION: u8 = 4;

/// Bytes of memory that decoding takes beyond the old bytes, the result included.
fn need(old: usize, refs: Option<&Refs>, copies: usize, fresh: usize, new: usize) -> u64 {
    let tables = content::logs(old, refs.is_some(), fresh).bytes();
    tables + refs.map_or(0, Refs::memory) + 24 * copies as u64 + new as u64 + (2 << 20)
}

/// Whether the bytes are an executable that the engine knows.
pub fn is_image(bytes: &[u8]) -> bool {
    Image::parse(bytes).is_known()
}

/// The stream that turns `old` into `new`.
pub fn encode(old: &[u8], new: &[u8], profile: Profile) -> Vec<u8> {
    match signature::strip(new) {
        Some(stripped) => encode_as(old, &stripped, profile, true),
        None => encode_as(old, new, profile, false),
    }
}

/// `signed`: the hashes of the new file's code signature are left out.
fn encode_as(old: &[u8], new: &[u8], profile: Profile, signed: bool) -> Vec<u8> {
    let (old_image, new_image) = (Image::parse(old), Image::parse(new));
    let gain = if old_image.is_known() { align::GAIN_LABELLED } else { align::GAIN_PLAIN };
    let first = align::align(old, new, gain);
    let there = map::counterpart(&old_image, &new_image);
    if !old_image.is_known() {
        let orders: &[Order] = match profile {
            Profile::Fast => &[Order::Bytes],
            Profile::Balanced | Profile::Small => &[Order::Bytes, Order::Little, Order::Big],
        };
        let none = Refs::scan(old, &old_image);
        let tries = orders.iter().map(|&o| write(old, new, (&old_image, &there), &none, &first, o, signed));
        // The first of the smallest.
        return tries.min_by_key(Vec::len).unwrap_or_default();
    }
    let refs = Refs::scan(old, &old_image);
    let mut best = write(old, new, (&old_image, &there), &refs, &first, Order::Little, signed);
    if profile == Profile::Fast {
        return best;
    }
    let new_refs = Refs::scan(new, &new_image);
    let mut copies = first;
    for _ in 0..2 {
        let map = Map::new(&old_image, &there, &copies);
        let old_labels = label::old(old, &old_image, &refs, &map);
        let new_labels = label::new(new, &new_image, &new_refs);
        copies = align::align(&old_labels, &new_labels, gain);
        let again = write(old, new, (&old_image, &there), &refs, &copies, Order::Little, signed);
        if again.len() >= best.len() {
            break;
        }
        best = again;
    }
    best
}

fn write(
    old: &[u8],
    new: &[u8],
    (image, there): (&Image, &Image),
    refs: &Refs,
    copies: &[Copy],
    order: Order,
    signed: bool,
) -> Vec<u8> {
    let mut c = Encoder::new(vec![VERSION]);
    let mut bits = Bits::new(12, 255);
    let given = Preamble { count: copies.len() as u64, order: order as u64, signed, image: there.clone() };
    preamble(&mut c, &mut bits, image, Some(&given));
    let _ = control::copies(&mut c, copies, copies.len(), old.len() as u64, new.len() as u64);
    let map = Map::new(image, there, copies);
    let content = Content::new(old, (image, there), refs, map, order, fresh(new.len(), copies));
    content.run(&mut c, copies, new.len(), new);
    c.finish(1)
}

fn fresh(new: usize, copies: &[Copy]) -> usize {
    copies.iter().fold(new, |n, c| n.saturating_sub(c.len as usize))
}

/// The new bytes, of exactly `new_size`.
pub fn decode(stream: &[u8], old: &[u8], new_size: u64, limits: DecodeLimits) -> Result<Vec<u8>, DeltaError> {
    let (&version, body) = stream.split_first().ok_or(DeltaError::Truncated)?;
    if version != VERSION {
        return Err(DeltaError::UnknownCodec(version));
    }
    let over = |needed: u64, allowed: u64| DeltaError::OverLimit { needed, allowed };
    if new_size > limits.new_size {
        return Err(over(new_size, limits.new_size));
    }
    let size = usize::try_from(new_size).map_err(|_| over(new_size, limits.new_size))?;
    let image = Image::parse(old);
    let mut c = Decoder::new(body);
    let mut bits = Bits::new(12, 255);
    let head = preamble(&mut c, &mut bits, &image, None);
    let count =
        usize::try_from(head.count).ok().filter(|&n| n <= size).ok_or(DeltaError::Damaged("too many copies"))?;
    let order = Order::from_number(head.order).ok_or(DeltaError::Damaged("an unknown order of words"))?;
    let least = need(old.len(), None, count, 0, size);
    if least > limits.memory {
        return Err(over(least, limits.memory));
    }
    let copies = control::copies(&mut c, &[], count, old.len() as u64, new_size)
        .ok_or(DeltaError::Damaged("a copy lies outside the files"))?;
    if c.overrun() {
        return Err(DeltaError::Truncated);
    }
    let refs = Refs::scan(old, &image);
    let fresh = fresh(size, &copies);
    let needed = need(old.len(), image.is_known().then_some(&refs), count, fresh, size);
    if needed > limits.memory {
        return Err(over(needed, limits.memory));
    }
    let map = Map::new(&image, &head.image, &copies);
    let mut out = Content::new(old, (&image, &head.image), &refs, map, order, fresh).run(&mut c, &copies, size, &[]);
    if c.overrun() {
        return Err(DeltaError::Truncated);
    }
    if c.leftover() {
        return Err(DeltaError::Damaged("bytes after the end"));
    }
    if out.len() != size {
        return Err(DeltaError::Damaged("the wrong number of bytes"));
    }
    if head.signed {
        signature::fill(&mut out);
    }
    Ok(out)
}

/// What [`decode`] will need at most for a stream, from its head and the old bytes.
pub fn memory(stream: &[u8], old: &[u8], new_size: u64) -> u64 {
    let image = Image::parse(old);
    let mut c = Decoder::new(stream.get(1..).unwrap_or(&[]));
    let head = preamble(&mut c, &mut Bits::new(12, 255), &image, None);
    let refs = image.is_known().then(|| Refs::scan(old, &image));
    let new = usize::try_from(new_size).unwrap_or(usize::MAX);
    need(old.len(), refs.as_ref(), usize::try_from(head.count).unwrap_or(usize::MAX).min(new), new, new)
}

struct Preamble {
    count: u64,
    /// An [`Order`].
    order: u64,
    /// Whether the hashes of the new file's code signature follow from the rest.
    signed: bool,
    /// The old file's sections where they lie in the new one.
    image: Image,
}

fn preamble<C: Coder>(c: &mut C, bits: &mut Bits<3>, old: &Image, given: Option<&Preamble>) -> Preamble {
    let count = bits.number(c, given.map_or(0, |g| g.count), 1, &[0; 3]);
    let order = bits.number(c, given.map_or(0, |g| g.order), 7, &[0; 3]);
    let image = given.map_or(old, |g| &g.image);
    let signed = bits.number(c, given.map_or(0, |g| u64::from(g.signed)), 8, &[0; 3]) > 0;
    let moved = |a: u64, b: u64| b.wrapping_sub(a) as i64;
    let base = if old.is_known() { bits.signed(c, moved(old.base, image.base), 2, &[0; 3]) } else { 0 };
    let mut shift = [0i64; 3];
    let mut sections = Vec::with_capacity(old.sections.len());
    for (o, n) in old.sections.iter().zip(&image.sections) {
        let mut field = |i: usize, a: u64, b: u64| {
            let s = bits.signed(c, moved(a, b).wrapping_sub(shift[i]), 3 + i as u32, &[0; 3]);
            shift[i] = shift[i].wrapping_add(s);
            a.wrapping_add_signed(shift[i]) & (u64::MAX >> 2)
        };
        let (addr, off) = (field(0, o.addr, n.addr), field(1, o.off, n.off));
        shift[2] = 0;
        let mut field = |i: usize, a: u64, b: u64| {
            a.wrapping_add_signed(bits.signed(c, moved(a, b), 3 + i as u32, &[0; 3])) & (u64::MAX >> 2)
        };
        let (mem, size) = (field(2, o.mem, n.mem), field(3, o.size, n.size));
        sections.push(Section { addr, off, mem, size, ..*o });
    }
    Preamble { count, order, signed, image: Image::new(old.arch, old.base.wrapping_add_signed(base), sections) }
}
