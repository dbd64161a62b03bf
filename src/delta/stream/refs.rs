//! References: the fields of an executable that hold an address, found by walking code in order and by the shape
//! of known tables. A field wrongly taken for a reference only costs bytes.

use super::bytes::{u32_at, u64_at};
use super::image::{Arch, Class, Image};
use super::x86;

/// How a field holds its target. Values of the lowest kinds are numbers in the field; the numbers of arm64's
/// carry how many instructions lie between a page and its low bits.
pub mod kind {
    /// One byte, relative to the field's end.
    pub const REL8: u8 = 0;
    /// Four bytes, relative to the field's end plus 0, 1, 2 or 4.
    pub const REL32: u8 = 1;
    pub const ABS64: u8 = 6;
    pub const ABS32: u8 = 7;
    /// Four bytes, relative to the field itself.
    pub const SELF32: u8 = 8;
    /// Four bytes, relative to the image's base.
    pub const RVA32: u8 = 9;
    /// Four bytes, relative to a base that is found by place.
    pub const BASE32: u8 = 10;
    /// Four bytes: how far the target lies before the field.
    pub const BACK32: u8 = 11;
    /// Four bytes: how long the function is whose start the field before refers to; the target is its last byte.
    pub const LENGTH32: u8 = 12;
    pub const B26: u8 = 16;
    pub const B19: u8 = 17;
    pub const B14: u8 = 18;
    pub const ADR: u8 = 19;
    /// ADRP whose low bits follow 1 to 15 instructions later (0: nowhere).
    pub const PAGE: u8 = 0x20;
    /// Low bits whose ADRP stands 1 to 15 instructions before.
    pub const LOW: u8 = 0x30;
}
use kind::*;

/// References in order of place.
#[derive(Default)]
pub struct Refs {
    pub at: Vec<u32>,
    pub kind: Vec<u8>,
    /// (first byte, base address) of the tables whose fields are [`BASE32`].
    pub bases: Vec<(u32, u64)>,
}

/// Bytes that a field covers.
#[inline]
pub fn width(kind: u8) -> usize {
    match kind {
        REL8 => 1,
        ABS64 => 8,
        _ => 4,
    }
}

fn sign(v: u32, bits: u32) -> i64 {
    i64::from(((v << (32 - bits)) as i32) >> (32 - bits))
}

/// The scale (a shift) of the low bits in an arm64 instruction, if it has such: ADD, or a load or store.
fn low_scale(word: u32) -> Option<u32> {
    if word & 0xFFC0_0000 == 0x9100_0000 {
        return Some(0);
    }
    if word & 0x3B00_0000 == 0x3900_0000 {
        let vector = word & 0x0480_0000 == 0x0480_0000;
        return Some(if vector && word >> 30 == 0 { 4 } else { word >> 30 });
    }
    None
}

/// The bits of a word that belong to the field.
pub fn field_bits(kind: u8, word: u32) -> u32 {
    match kind {
        B26 => 0x03FF_FFFF,
        B19 => 0x00FF_FFE0,
        B14 => 0x0007_FFE0,
        ADR => 0x60FF_FFE0,
        k if k & 0xF0 == PAGE => 0x60FF_FFE0,
        k if k & 0xF0 == LOW => low_scale(word).map_or(0, |_| 0x003F_FC00),
        _ => u32::MAX,
    }
}

impl Refs {
    fn push(&mut self, at: usize, kind: u8) {
        self.at.push(at as u32);
        self.kind.push(kind);
    }

    pub fn base_of(&self, at: u32) -> u64 {
        let i = self.bases.partition_point(|b| b.0 <= at);
        i.checked_sub(1).map_or(0, |i| self.bases[i].1)
    }

    /// The references of a file.
    pub fn scan(file: &[u8], image: &Image) -> Refs {
        let mut refs = Refs::default();
        if !image.is_known() || file.len() > u32::MAX as usize {
            return refs;
        }
        let mut order: Vec<usize> = (0..image.sections.len()).collect();
        order.sort_by_key(|&i| (image.sections[i].off, i));
        let mut done = 0usize;
        let mut tables = Vec::new();
        for i in order {
            let s = &image.sections[i];
            let (from, to) = (s.off as usize, (s.off + s.size) as usize);
            if s.size == 0 || from < done {
                continue;
            }
            done = to;
            match (s.class, image.arch) {
                (Class::Code, Arch::X64) => code_x64(&mut refs, file, (from, to, s.addr), image, &mut tables),
                (Class::Code, Arch::Arm64) => code_arm64(&mut refs, file, from, to),
                (Class::Data, _) => pointers(&mut refs, file, from, to, image),
                (Class::Rela, _) => rows(&mut refs, from, to, 24, &[(0, ABS64), (16, ABS64)]),
                (Class::Symbols, _) => rows(&mut refs, from, to, 24, &[(8, ABS64)]),
                (Class::Pdata, _) => rows(&mut refs, from, to, 4, &[(0, RVA32)]),
                (Class::EhFrame, _) => frames(&mut refs, file, from, to),
                (Class::EhFrameHdr, _) if to - from > 12 => {
                    refs.push(from + 4, SELF32);
                    refs.bases.push((from as u32, s.addr));
                    rows(&mut refs, from + 12, to, 4, &[(0, BASE32)]);
                }
                _ => {}
            }
        }
        refs.jump_tables(file, image, tables);
        refs
    }

    /// Adds the entries of jump tables: runs of words behind an address that code loads, which added to that address
    /// lie in code.
    fn jump_tables(&mut self, file: &[u8], image: &Image, mut tables: Vec<u64>) {
        tables.sort_unstable();
        tables.dedup();
        let in_code = |a: u64| image.at_addr(a).is_some_and(|s| image.sections[s].class == Class::Code);
        let mut found: Vec<u32> = Vec::new();
        for (i, &base) in tables.iter().enumerate() {
            let next = tables.get(i + 1).copied().unwrap_or(u64::MAX);
            let Some(s) = image.at_addr(base).map(|s| &image.sections[s]).filter(|s| s.class == Class::Data) else {
                continue;
            };
            let start = base - s.addr;
            let words = (s.size.saturating_sub(start).min(next - base) / 4) as usize;
            let at = (s.off + start) as usize;
            let count = (0..words)
                .take_while(|w| u32_at(file, at + 4 * w).is_some_and(|v| in_code(base.wrapping_add(v as i32 as u64))))
                .count();
            if count >= 2 {
                self.bases.push((at as u32, base));
                found.extend((0..count).map(|w| (at + 4 * w) as u32));
            }
        }
        self.bases.sort_unstable();
        found.sort_unstable();
        self.merge(&found);
    }

    /// Takes in sorted places of jump table entries, in place: there are millions of references. Where two overlap, the
    /// higher kind (at one place) or the earlier one stays.
    fn merge(&mut self, found: &[u32]) {
        debug_assert!(self.at.is_sorted(), "sections are walked in order of the file");
        let key = |at: u32, kind: u8| (at, u8::MAX - kind);
        let (mut i, mut j) = (self.at.len(), found.len());
        self.at.resize(i + j, 0);
        self.kind.resize(i + j, 0);
        while let Some(last) = j.checked_sub(1) {
            let to = i + j - 1;
            let own = i.checked_sub(1).filter(|&o| key(self.at[o], self.kind[o]) > key(found[last], BASE32));
            if let Some(own) = own {
                (self.at[to], self.kind[to]) = (self.at[own], self.kind[own]);
                i = own;
            } else {
                (self.at[to], self.kind[to]) = (found[last], BASE32);
                j = last;
            }
        }
        let (mut kept, mut end) = (0, 0);
        for i in 0..self.at.len() {
            let (at, kind) = (self.at[i], self.kind[i]);
            if at as usize >= end {
                end = at as usize + width(kind);
                (self.at[kept], self.kind[kept]) = (at, kind);
                kept += 1;
            }
        }
        self.at.truncate(kept);
        self.kind.truncate(kept);
    }
}

fn rows(refs: &mut Refs, from: usize, to: usize, stride: usize, fields: &[(usize, u8)]) {
    for row in (from..to).step_by(stride) {
        if row + stride <= to {
            for &(at, kind) in fields {
                refs.push(row + at, kind);
            }
        }
    }
}

fn code_x64(refs: &mut Refs, file: &[u8], (from, to, addr): (usize, usize, u64), image: &Image, tables: &mut Vec<u64>) {
    let code = &file[from..to];
    let mut i = 0;
    while i < code.len() {
        let (len, field) = x86::instruction(&code[i..code.len().min(i + 16)]);
        let end = addr.wrapping_add((i + len) as u64);
        match field {
            x86::Field::Rel8 => refs.push(from + i + len - 1, REL8),
            x86::Field::Rel32(f) => {
                let disp = u32_at(code, i + f).unwrap_or(0);
                let tail = (len - f - 4) as u8;
                let target = end.wrapping_add(disp as i32 as u64);
                if tail <= 4 && image.at_addr(target).is_some() {
                    refs.push(from + i + f, REL32 + tail);
                    // LEA of something aligned: perhaps a jump table.
                    if f >= 2 && code[i + f - 2] == 0x8D && target.is_multiple_of(4) {
                        tables.push(target);
                    }
                }
            }
            x86::Field::Abs32(f) => {
                let v = u64::from(u32_at(code, i + f).unwrap_or(0));
                if v >= 0x10_0000 && image.base == 0 && image.at_addr(v).is_some() && low_image(image) {
                    refs.push(from + i + f, ABS32);
                }
            }
            x86::Field::None => {}
        }
        i += len;
    }
}

/// Whether the image is linked to a fixed address that fits 32 bits, so that code may hold absolute addresses.
fn low_image(image: &Image) -> bool {
    image.sections.iter().filter(|s| s.mem > 0).all(|s| s.addr >= 0x1_0000)
}

fn code_arm64(refs: &mut Refs, file: &[u8], from: usize, to: usize) {
    // Places of low bits that an ADRP before them claimed.
    let mut low: Vec<(usize, u8)> = Vec::new();
    for at in (from..to).step_by(4) {
        let Some(w) = u32_at(file, at) else { break };
        if let Some(i) = low.iter().position(|l| l.0 == at) {
            let (_, distance) = low.swap_remove(i);
            refs.push(at, LOW | distance);
            continue;
        }
        let kind = if w & 0x7C00_0000 == 0x1400_0000 {
            B26
        } else if w & 0xFF00_0010 == 0x5400_0000 || w & 0x7E00_0000 == 0x3400_0000 || w & 0x3B00_0000 == 0x1800_0000 {
            B19
        } else if w & 0x7E00_0000 == 0x3600_0000 {
            B14
        } else if w & 0x9F00_0000 == 0x1000_0000 {
            ADR
        } else if w & 0x9F00_0000 == 0x9000_0000 {
            let register = w & 31;
            let mut found = 0;
            for d in 1..=12u8 {
                let Some(next) = u32_at(file, at + 4 * usize::from(d)).filter(|_| at + 4 * usize::from(d) < to) else {
                    break;
                };
                if low_scale(next).is_some() && (next >> 5) & 31 == register {
                    found = d;
                    if !low.iter().any(|l| l.0 == at + 4 * usize::from(d)) {
                        low.push((at + 4 * usize::from(d), d));
                    }
                    break;
                }
                if next & 31 == register && next & 0x9F00_0000 == 0x9000_0000 {
                    break;
                }
            }
            PAGE | found
        } else {
            continue;
        };
        refs.push(at, kind);
    }
}

fn pointers(refs: &mut Refs, file: &[u8], from: usize, to: usize, image: &Image) {
    let mut at = from.next_multiple_of(8);
    while at + 8 <= to {
        let v = u64_at(file, at).unwrap_or(0);
        if v >= 0x1000 && image.at_addr(v).is_some() {
            refs.push(at, ABS64);
        } else if image.base != 0 {
            for half in [at, at + 4] {
                let v = u64::from(u32_at(file, half).unwrap_or(0));
                let target = image.at_addr(image.base + v);
                if v >= 0x1000 && target.is_some_and(|s| image.sections[s].class == Class::Code) {
                    refs.push(half, RVA32);
                }
            }
        }
        at += 8;
    }
}

/// The starts of functions in unwind tables: every FDE's first field after its CIE pointer.
fn frames(refs: &mut Refs, file: &[u8], from: usize, to: usize) {
    let mut at = from;
    while at + 12 <= to {
        let length = u32_at(file, at).unwrap_or(0) as usize;
        if length == 0 || length >= 0xFFFF_FFF0 || length > to - at {
            break;
        }
        if u32_at(file, at + 4) != Some(0) && length >= 12 {
            refs.push(at + 4, BACK32);
            refs.push(at + 8, SELF32);
            refs.push(at + 12, LENGTH32);
            // A pointer to the function's exception table, where the augmentation is just that.
            if file.get(at + 16) == Some(&4) && length >= 17 + 4 - 4 {
                refs.push(at + 17, SELF32);
            }
        }
        at += 4 + length;
    }
}

/// What reading a field needs: the bytes around it, and where they lie.
pub struct Site<'a> {
    pub file: &'a [u8],
    pub image: &'a Image,
    pub refs: &'a Refs,
}

impl Site<'_> {
    /// The address that a field refers to, given the address of the field.
    pub fn target(&self, at: usize, kind: u8, addr: u64) -> u64 {
        let f = self.file;
        if kind == REL8 {
            return addr.wrapping_add(1).wrapping_add(f.get(at).map_or(0, |&b| b as i8 as i64 as u64));
        }
        if kind == ABS64 {
            return u64_at(f, at).unwrap_or(0);
        }
        let w = u32_at(f, at).unwrap_or(0);
        let add = |d: i64| addr.wrapping_add(d as u64);
        match kind {
            REL32..=5 => add(i64::from(w as i32) + 4 + i64::from(kind - REL32)),
            ABS32 => u64::from(w),
            SELF32 => add(i64::from(w as i32)),
            BACK32 => add(-i64::from(w)),
            LENGTH32 => {
                let begin = at.checked_sub(4).and_then(|p| u32_at(f, p)).unwrap_or(0);
                add(i64::from(begin as i32) - 4 + i64::from(w) - 1)
            }
            RVA32 => self.image.base + u64::from(w),
            BASE32 => self.refs.base_of(at as u32).wrapping_add(w as i32 as u64),
            B26 => add(sign(w & 0x03FF_FFFF, 26) * 4),
            B19 => add(sign((w >> 5) & 0x7FFFF, 19) * 4),
            B14 => add(sign((w >> 5) & 0x3FFF, 14) * 4),
            ADR => add(sign(((w >> 5) & 0x7FFFF) << 2 | (w >> 29) & 3, 21)),
            k if k & 0xF0 == PAGE => {
                let page = page_of(w, addr);
                let low = match k & 15 {
                    0 => 0,
                    d => low_of(u32_at(f, at + 4 * usize::from(d)).unwrap_or(0)),
                };
                page.wrapping_add(low)
            }
            k => {
                let back = 4 * usize::from(k & 15);
                let page = at.checked_sub(back).and_then(|p| u32_at(f, p)).unwrap_or(0);
                page_of(page, addr.wrapping_sub(back as u64)).wrapping_add(low_of(w))
            }
        }
    }
}

fn page_of(word: u32, addr: u64) -> u64 {
    (addr & !4095).wrapping_add((sign(((word >> 5) & 0x7FFFF) << 2 | (word >> 29) & 3, 21) as u64) << 12)
}

fn low_of(word: u32) -> u64 {
    low_scale(word).map_or(0, |s| u64::from((word >> 10) & 0xFFF) << s)
}

/// The number that a field of `kind` at `addr` holds to refer to `target`: of as many bits as [`bits`] says.
/// `base` is the image's, the table's or the function's; `word` the instruction (arm64).
pub fn encode(kind: u8, addr: u64, target: u64, base: u64, word: u32) -> u64 {
    let rel = target.wrapping_sub(addr);
    match kind {
        REL8 => rel.wrapping_sub(1) & 0xFF,
        ABS64 => target,
        REL32..=5 => rel.wrapping_sub(4 + u64::from(kind - REL32)) & 0xFFFF_FFFF,
        ABS32 => target & 0xFFFF_FFFF,
        SELF32 => rel & 0xFFFF_FFFF,
        BACK32 => addr.wrapping_sub(target) & 0xFFFF_FFFF,
        LENGTH32 => target.wrapping_add(1).wrapping_sub(base) & 0xFFFF_FFFF,
        RVA32 | BASE32 => target.wrapping_sub(base) & 0xFFFF_FFFF,
        B26 => (rel >> 2) & 0x03FF_FFFF,
        B19 => (rel >> 2) & 0x7FFFF,
        B14 => (rel >> 2) & 0x3FFF,
        ADR => rel & 0x1F_FFFF,
        k if k & 0xF0 == PAGE => ((target & !4095).wrapping_sub(addr & !4095) >> 12) & 0x1F_FFFF,
        _ => (target & 4095) >> low_scale(word).unwrap_or(0),
    }
}

/// Bits of the number in a field.
pub fn bits(kind: u8) -> u32 {
    match kind {
        REL8 => 8,
        ABS64 => 64,
        B26 => 26,
        B19 => 19,
        B14 => 14,
        k if k == ADR || k & 0xF0 == PAGE => 21,
        k if k & 0xF0 == LOW => 12,
        _ => 32,
    }
}

/// How far the target moves when the number in a field grows by one, as a shift.
pub fn unit(kind: u8, word: u32) -> u32 {
    match kind {
        B26 | B19 | B14 => 2,
        k if k & 0xF0 == PAGE => 12,
        k if k & 0xF0 == LOW => low_scale(word).unwrap_or(0),
        _ => 0,
    }
}

/// The number in a field's bytes (little-endian, as many as [`width`]).
pub fn get(kind: u8, raw: u64) -> u64 {
    let w = raw as u32;
    u64::from(match kind {
        REL8 => w & 0xFF,
        ABS64 => return raw,
        B26 => w & 0x03FF_FFFF,
        B19 => (w >> 5) & 0x7FFFF,
        B14 => (w >> 5) & 0x3FFF,
        k if k == ADR || k & 0xF0 == PAGE => ((w >> 5) & 0x7FFFF) << 2 | (w >> 29) & 3,
        k if k & 0xF0 == LOW => (w >> 10) & 0xFFF,
        _ => w,
    })
}

/// A field's bytes with another number in it.
pub fn set(kind: u8, raw: u64, value: u64) -> u64 {
    let v = value as u32;
    let keep = raw as u32 & !field_bits(kind, raw as u32);
    u64::from(match kind {
        REL8 => v & 0xFF,
        ABS64 => return value,
        B26 => keep | v & 0x03FF_FFFF,
        B19 => keep | (v & 0x7FFFF) << 5,
        B14 => keep | (v & 0x3FFF) << 5,
        k if k == ADR || k & 0xF0 == PAGE => keep | (v >> 2 & 0x7FFFF) << 5 | (v & 3) << 29,
        k if k & 0xF0 == LOW && field_bits(k, keep) != 0 => keep | (v & 0xFFF) << 10,
        k if k & 0xF0 == LOW => raw as u32,
        _ => v,
    })
}

/// A field's bytes as a number, as many as [`width`] says.
pub fn raw(bytes: &[u8], at: usize, kind: u8) -> u64 {
    match width(kind) {
        1 => bytes.get(at).map_or(0, |&b| u64::from(b)),
        8 => u64_at(bytes, at).unwrap_or(0),
        _ => u64::from(u32_at(bytes, at).unwrap_or(0)),
    }
}
