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
mod tables;
mod words;
mod x86;

use super::types::{DecodeLimits, DeltaError, Profile};
use coder::{Coder, Decoder, Encoder};
use content::{Content, Order};
use image::{Image, Section};
use map::{Copy, Map};
use model::{Bits, Light, Mixed, Tier};
use refs::Refs;
pub(super) use suffix::common;

/// The version of the stream, its first byte; any change of the model is another version.
const VERSION: u8 = 5;

/// Bytes of memory that decoding takes beyond the old bytes, the result included.
fn need<T: Tier>(old: usize, refs: Option<&Refs>, copies: usize, fresh: usize, new: usize) -> u64 {
    let tables = tables::logs(old, refs.is_some(), fresh).at_most(T::LOGS).bytes() + map::memory(old);
    tables + refs.map_or(0, Refs::memory) + 24 * copies as u64 + new as u64 + (2 << 20)
}

/// Whether the bytes are an executable that the engine knows.
pub fn is_image(bytes: &[u8]) -> bool {
    Image::parse(bytes).is_known()
}

/// The copies that make `new` of `old`, in order and without overlap there.
pub fn copies(old: &[u8], new: &[u8]) -> Vec<Copy> {
    align::align(old, new, align::GAIN_PLAIN)
}

/// The stream that turns `old` into `new`.
pub fn encode(old: &[u8], new: &[u8], profile: Profile) -> Vec<u8> {
    match signature::strip(new) {
        Some(stripped) => encode_as(old, &stripped, profile, true),
        None => encode_as(old, new, profile, false),
    }
}

/// How a stream says what it says.
#[derive(Clone, Copy)]
struct Way {
    order: Order,
    /// Whether the hashes of the new file's code signature are left out.
    signed: bool,
    /// Whether the body is coded by [`Light`] models.
    light: bool,
}

impl Way {
    /// Of all three at once, for every number of the preamble costs a byte.
    fn number(self) -> u64 {
        self.order as u64 + 3 * u64::from(self.signed) + 6 * u64::from(self.light)
    }

    fn from_number(n: u64) -> Option<Way> {
        (n < 12).then_some(())?;
        Some(Way { order: Order::from_number(n % 3)?, signed: n / 3 % 2 == 1, light: n / 6 == 1 })
    }
}

fn encode_as(old: &[u8], new: &[u8], profile: Profile, signed: bool) -> Vec<u8> {
    let (old_image, new_image) = (Image::parse(old), Image::parse(new));
    let gain = if old_image.is_known() { align::GAIN_LABELLED } else { align::GAIN_PLAIN };
    let first = align::align(old, new, gain);
    let there = map::counterpart(&old_image, &new_image);
    let way = Way { order: Order::Little, signed, light: profile != Profile::Small };
    let refs = Refs::scan(old, &old_image);
    if !old_image.is_known() {
        // Words are read in copies alone: not worth two more tries where most of the cost is what is inserted.
        let worth = fresh(new.len(), &first) / INSERTED <= changed(old, new, &first);
        let orders: &[Order] = if worth { &[Order::Bytes, Order::Little, Order::Big] } else { &[Order::Bytes] };
        let tries =
            orders.iter().map(|&order| write(old, new, (&old_image, &there), &refs, &first, Way { order, ..way }));
        // The first of the smallest.
        return tries.min_by_key(Vec::len).unwrap_or_default();
    }
    let mut best = write(old, new, (&old_image, &there), &refs, &first, way);
    let new_refs = Refs::scan(new, &new_image);
    let mut copies = first;
    for _ in 0..2 {
        let map = Map::new(&old_image, &there, &copies);
        let old_labels = label::old(old, &old_image, &refs, &map);
        let new_labels = label::new(new, &new_image, &new_refs);
        copies = align::align(&old_labels, &new_labels, gain);
        let again = write(old, new, (&old_image, &there), &refs, &copies, way);
        if again.len() >= best.len() {
            break;
        }
        best = again;
    }
    best
}

fn write(old: &[u8], new: &[u8], images: (&Image, &Image), refs: &Refs, copies: &[Copy], way: Way) -> Vec<u8> {
    let mut c = Encoder::new(vec![VERSION]);
    let given = Preamble { count: copies.len() as u64, way, image: images.1.clone() };
    preamble(&mut c, images.0, Some(&given));
    if way.light {
        body::<Light>(&mut c, old, new, images, refs, copies, way.order);
    } else {
        body::<Mixed>(&mut c, old, new, images, refs, copies, way.order);
    }
    c.finish(1)
}

/// What follows the preamble.
fn body<T: Tier>(
    c: &mut Encoder,
    old: &[u8],
    new: &[u8],
    (image, there): (&Image, &Image),
    refs: &Refs,
    copies: &[Copy],
    order: Order,
) {
    let _ = control::copies::<_, T>(c, copies, copies.len(), old.len() as u64, new.len() as u64);
    let map = Map::new(image, there, copies);
    let content: Content<T> = Content::new(old, (image, there), refs, map, order, fresh(new.len(), copies));
    content.run(c, copies, new.len(), new);
}

/// Inserted bytes for each changed one from which on reading words hardly matters.
const INSERTED: usize = 16;

/// How many bytes of the copies changed.
fn changed(old: &[u8], new: &[u8], copies: &[Copy]) -> usize {
    let pairs = copies.iter().flat_map(|c| {
        let part = |from: u32| from as usize..(from + c.len) as usize;
        old[part(c.old)].iter().zip(&new[part(c.new)])
    });
    pairs.filter(|(o, n)| o != n).count()
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
    let over = DeltaError::OverLimit { needed: new_size, allowed: limits.new_size };
    let size = usize::try_from(new_size).ok().filter(|_| new_size <= limits.new_size).ok_or(over)?;
    let image = Image::parse(old);
    let mut c = Decoder::new(body);
    let head = preamble(&mut c, &image, None).ok_or(DeltaError::Damaged("an unknown way of coding"))?;
    let mut out = if head.way.light {
        read::<Light>(c, old, (&image, &head), size, limits)?
    } else {
        read::<Mixed>(c, old, (&image, &head), size, limits)?
    };
    if head.way.signed {
        signature::fill(&mut out);
    }
    Ok(out)
}

/// What follows the preamble.
fn read<T: Tier>(
    mut c: Decoder,
    old: &[u8],
    (image, head): (&Image, &Preamble),
    size: usize,
    limits: DecodeLimits,
) -> Result<Vec<u8>, DeltaError> {
    let allowed = |needed: u64| {
        if needed > limits.memory { Err(DeltaError::OverLimit { needed, allowed: limits.memory }) } else { Ok(()) }
    };
    let count =
        usize::try_from(head.count).ok().filter(|&n| n <= size).ok_or(DeltaError::Damaged("too many copies"))?;
    allowed(need::<T>(old.len(), None, count, 0, size))?;
    let copies = control::copies::<_, T>(&mut c, &[], count, old.len() as u64, size as u64)
        .ok_or(DeltaError::Damaged("a copy lies outside the files"))?;
    if c.overrun() {
        return Err(DeltaError::Truncated);
    }
    let refs = Refs::scan(old, image);
    let fresh = fresh(size, &copies);
    allowed(need::<T>(old.len(), image.is_known().then_some(&refs), count, fresh, size))?;
    let map = Map::new(image, &head.image, &copies);
    let content: Content<T> = Content::new(old, (image, &head.image), &refs, map, head.way.order, fresh);
    let out = content.run(&mut c, &copies, size, &[]);
    if c.overrun() {
        return Err(DeltaError::Truncated);
    }
    if c.leftover() {
        return Err(DeltaError::Damaged("bytes after the end"));
    }
    if out.len() != size {
        return Err(DeltaError::Damaged("the wrong number of bytes"));
    }
    Ok(out)
}

/// What [`decode`] will need at most for a stream, from its head and the old bytes.
pub fn memory(stream: &[u8], old: &[u8], new_size: u64) -> u64 {
    let image = Image::parse(old);
    let mut c = Decoder::new(stream.get(1..).unwrap_or(&[]));
    let head = preamble(&mut c, &image, None);
    let refs = image.is_known().then(|| Refs::scan(old, &image));
    let new = usize::try_from(new_size).unwrap_or(usize::MAX);
    let count = usize::try_from(head.as_ref().map_or(u64::MAX, |h| h.count)).unwrap_or(usize::MAX).min(new);
    if head.is_some_and(|h| h.way.light) {
        need::<Light>(old.len(), refs.as_ref(), count, new, new)
    } else {
        need::<Mixed>(old.len(), refs.as_ref(), count, new, new)
    }
}

struct Preamble {
    count: u64,
    way: Way,
    /// The old file's sections where they lie in the new one.
    image: Image,
}

/// Nothing for a way that no encoder writes.
fn preamble<C: Coder>(c: &mut C, old: &Image, given: Option<&Preamble>) -> Option<Preamble> {
    let bits: &mut Bits<3, Mixed> = &mut Bits::new(12, 255);
    let mut number = |id: u32, of: fn(&Preamble) -> u64| bits.number(c, given.map_or(0, of), id, &[0; 3]);
    let count = number(1, |g| g.count);
    let way = Way::from_number(number(7, |g| g.way.number()))?;
    let image = given.map_or(old, |g| &g.image);
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
    let image = Image::new(old.arch, old.base.wrapping_add_signed(base), sections);
    Some(Preamble { count, way, image })
}
