//! The new file's bytes, in order: copies corrected by predicted references and by changed bytes, and what is new.

use super::coder::Coder;
use super::field::{self, kind};
use super::growth::Growth;
use super::image::{Class, Image};
use super::literal::{Around, Literals, Matches};
use super::map::{Copy, Map};
use super::model::{Bits, Tier, hash2};
use super::refs::{Cursor, Refs};
use super::tables::{Learned, logs};
use super::words::Words;

/// Changed bytes are looked for in blocks of this many.
const BLOCK: usize = 32;
/// References are corrected for this many bytes at a time before the other bytes of these are.
const CHUNK: usize = 4096;

pub struct Content<'a, T> {
    pub old: &'a [u8],
    pub old_image: &'a Image,
    pub new_image: &'a Image,
    pub refs: &'a Refs<'a>,
    cursor: Cursor<'a>,
    pub map: Map<'a>,
    learned: Vec<Learned>,
    flags: Bits<4, T>,
    numbers: Bits<3, T>,
    literals: Literals<T>,
    matches: Matches,
    words: Words<T>,
    order: Order,
    history: u32,
    last_jump: i64,
    blocks: u32,
    growth: Growth,
}

impl<'a, T: Tier> Content<'a, T> {
    /// `fresh` is how many bytes no copy covers.
    pub fn new(
        old: &'a [u8],
        images: (&'a Image, &'a Image),
        refs: &'a Refs<'a>,
        map: Map<'a>,
        order: Order,
        fresh: usize,
    ) -> Self {
        let logs = logs(old.len(), images.0.is_known(), fresh).at_most(T::LOGS);
        Content {
            old,
            old_image: images.0,
            new_image: images.1,
            refs,
            cursor: refs.cursor(),
            map,
            learned: vec![Learned::default(); 1 << logs.learned],
            flags: Bits::new(logs.flags, 1000),
            numbers: Bits::new(16, 255),
            literals: Literals::new(logs.lines),
            matches: Matches::new(logs.matches, old),
            words: Words::new(),
            order,
            history: 0,
            last_jump: 0,
            blocks: 0,
            growth: Growth::new(),
        }
    }

    /// Codes everything; an encoder gives the new file as `want`, a decoder an empty slice.
    pub fn run<C: Coder>(mut self, c: &mut C, copies: &[Copy], new_len: usize, want: &[u8]) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::with_capacity(new_len);
        let mut follow = 0usize;
        for copy in copies {
            self.insert(c, &mut out, copy.new as usize, follow, Some(copy), want);
            self.copy(c, &mut out, copy, want);
            follow = (copy.old + copy.len) as usize;
        }
        self.insert(c, &mut out, new_len, follow, None, want);
        out
    }

    fn is_code(&self, place: usize) -> bool {
        self.new_image.at_off(place as u64).is_some_and(|s| self.new_image.sections[s].class == Class::Code)
    }

    fn insert<C: Coder>(
        &mut self,
        c: &mut C,
        out: &mut Vec<u8>,
        end: usize,
        follow: usize,
        next: Option<&Copy>,
        want: &[u8],
    ) {
        if out.len() >= end {
            return;
        }
        let code = self.is_code(out.len());
        self.matches.follow(follow);
        let start = out.len();
        while out.len() < end {
            let at = out.len();
            self.matches.seek(self.old, out);
            let (expected, mut trust) = self.matches.expected(self.old, out);
            let mode = u32::from(code);
            if trust > 0
                && let Some(run) = self.matches.long()
            {
                let hit = C::ENCODING && want.get(at) == Some(&expected);
                if self.literals.goes_on(c, hit, mode, run) {
                    out.push(expected);
                    self.matches.update(self.old, out, expected, trust);
                    continue;
                }
                trust = 0;
            }
            // What stands at the same distance behind the last copy, and before the next one.
            let after = self.old.get(follow + (at - start)).map_or(256, |&b| u32::from(b));
            let before = next
                .and_then(|n| (n.old as usize).checked_sub(end - at))
                .and_then(|i| self.old.get(i))
                .map_or(256, |&b| u32::from(b));
            let b = |k: usize| at.checked_sub(k).and_then(|i| out.get(i)).map_or(0, |&b| u32::from(b));
            let tail = b(1) | b(2) << 8 | b(3) << 16 | b(4) << 24;
            let salt = mode << 4;
            let around = Around {
                contexts: [
                    hash2(tail & 0xFFFF, 0x202 + salt),
                    hash2(before << 9 | u32::from(expected) | u32::from(trust > 0) << 8, 0x707 + salt),
                    hash2(tail & 0xFF, 0x101 + salt),
                    hash2(tail & 0xFF_FFFF, 0x303 + salt),
                    hash2(tail, 0x404),
                    hash2(hash2(tail, b(5) | b(6) << 8), 0x505),
                    hash2(after << 8 | b(1), 0x606 + salt),
                ],
                expected,
                trust,
                mode,
            };
            let byte = self.literals.code(c, want.get(at).copied().unwrap_or(0), &around);
            out.push(byte);
            self.matches.update(self.old, out, expected, trust);
        }
    }

    fn copy<C: Coder>(&mut self, c: &mut C, out: &mut Vec<u8>, copy: &Copy, want: &[u8]) {
        let (old, len) = (copy.old as usize, copy.len as usize);
        let code = self.is_code(out.len());
        self.cursor.seek(old);
        let mut fixed = vec![false; CHUNK + 8];
        for from in (0..len).step_by(CHUNK) {
            let to = len.min(from + CHUNK);
            let start = out.len().max(copy.new as usize + from);
            let base = copy.new as usize + from;
            // A field of the last chunk may have reached into this one.
            fixed.copy_within(CHUNK.., 0);
            fixed[8..].fill(false);
            let ahead = start - base;
            out.extend_from_slice(&self.old[old + from + ahead..old + to]);
            let mut missed = [0u8; CHUNK / BLOCK + 1];
            while let Some((r, kind)) = self.cursor.next(old + to) {
                let w = field::width(kind);
                if r + w > old + len {
                    continue;
                }
                // A field across the chunk's end is completed first.
                let end = copy.new as usize + (r - old) + w;
                while out.len() < end {
                    out.push(self.old[old + (out.len() - copy.new as usize)]);
                }
                let place = copy.new as usize + (r - old);
                match self.reference(c, out, r, place, kind, want) {
                    Coded::Not => {}
                    Coded::Yes { hit } => {
                        let i = place - base;
                        fixed[i..i + w].fill(true);
                        missed[i / BLOCK] |= u8::from(!hit);
                    }
                }
            }
            let salt = u32::from(code);
            for (block, &missed) in (from..to).step_by(BLOCK).zip(&missed) {
                let here = (block - from)..(to - from).min(block - from + BLOCK);
                let dirty = C::ENCODING && here.clone().any(|i| !fixed[i] && out.get(base + i) != want.get(base + i));
                let left = (len - block).min(255) / BLOCK;
                let contexts = [
                    hash2(self.blocks & 0xFF, 0x11 + salt),
                    hash2(u32::from(missed) << 8 | self.blocks & 15, 0x22 + salt),
                    hash2((block / BLOCK).min(8) as u32 * 16 + left as u32, 0x33 + (self.blocks & 1)),
                    hash2((len as u32).leading_zeros() * 64 + (self.blocks & 0xFF).count_ones(), 0x44 + salt),
                ];
                let dirty = self.flags.bit(c, u32::from(dirty), &contexts, (self.blocks & 7) as usize);
                self.blocks = self.blocks << 1 | dirty;
                if dirty == 1 {
                    self.changed(c, out, base, old + from, here, &fixed, code, want);
                }
            }
        }
    }

    /// Codes which bytes of a block changed, and to what.
    #[expect(clippy::too_many_arguments, reason = "one call, in the middle of the loop above")]
    fn changed<C: Coder>(
        &mut self,
        c: &mut C,
        out: &mut [u8],
        base: usize,
        old: usize,
        block: std::ops::Range<usize>,
        fixed: &[bool],
        code: bool,
        want: &[u8],
    ) {
        let salt = u32::from(code) << 6;
        let mut run = 0u32;
        let (mut skip, end) = (0, block.end);
        for i in block {
            if fixed[i] || i < skip {
                run <<= 1;
                continue;
            }
            let place = base + i;
            if !code
                && self.order != Order::Bytes
                && (old + i).is_multiple_of(4)
                && i + 4 <= end
                && !fixed[i + 1..i + 4].contains(&true)
            {
                let now = C::ENCODING.then(|| super::bytes::u32_at(want, place)).flatten().unwrap_or(0);
                let was = super::bytes::u32_at(out, place).unwrap_or(0);
                let turn = |w: u32| if self.order == Order::Big { w.swap_bytes() } else { w };
                if let Some(word) = self.words.code(c, turn(was), turn(now), old + i) {
                    super::bytes::put(out, place, &turn(word).to_le_bytes());
                    run = 0;
                    skip = i + 4;
                    continue;
                }
            }
            let o = |k: i64| self.old.get((old as i64 + i as i64 + k) as usize).map_or(0, |&b| u32::from(b));
            let n = |k: usize| (base + i).checked_sub(k).and_then(|p| out.get(p)).map_or(0, |&b| u32::from(b));
            let differs = u32::from(C::ENCODING && want.get(place) != out.get(place));
            let expected = self.growth.expected(run);
            let contexts = [
                hash2(hash2(run & 0xFF, expected.by), 0x51 + salt),
                hash2(o(0) << 16 | o(-1) << 8 | o(-2), 0x52 + salt),
                hash2(hash2(o(0) << 16 | n(1) << 8 | n(2), o(-1)), 0x53 + (run & 1)),
                hash2(hash2(o(1) << 16 | o(0) << 8 | o(-1), run & 3), 0x54 + salt),
            ];
            let differs = self.flags.bit(c, differs, &contexts, 16 + (run & 15) as usize);
            run = run << 1 | differs;
            if differs == 0 {
                continue;
            }
            let mode = 2 + u32::from(code);
            let around = Around {
                contexts: [
                    hash2(o(0) << 8 | o(-1), 0x801 + salt),
                    hash2(o(0) << 16 | n(1) << 8 | n(2), 0x802 + salt),
                    hash2(n(1) << 8 | n(2), 0x803 + salt),
                    hash2(o(0), 0x804 + salt),
                    hash2(hash2(o(0) << 24 | o(1) << 16 | o(-1) << 8 | n(1), o(-2)), 0x805),
                    hash2(o(1) << 16 | n(1) << 8 | o(2), 0x806),
                    hash2(n(1), 0x807 + salt),
                ],
                expected: (o(0) + expected.by) as u8,
                trust: expected.trust,
                mode,
            };
            let byte = self.literals.code(c, want.get(place).copied().unwrap_or(0), &around);
            out[place] = byte;
            self.growth.learn(expected, u32::from(byte).wrapping_sub(o(0)) & 0xFF);
        }
    }

    /// Codes one field, if its prediction is in any doubt; `at` in the old file, `place` in the new one.
    fn reference<C: Coder>(&mut self, c: &mut C, out: &mut [u8], at: usize, place: usize, k: u8, want: &[u8]) -> Coded {
        let old_addr = self.old_image.addr_of(at as u64).unwrap_or(at as u64);
        let new_addr = self.new_image.addr_of(place as u64).unwrap_or(place as u64);
        let target = self.refs.target(at, k, old_addr);
        let (base, raw) = match k {
            kind::RVA32 => (self.new_image.base, field::raw(out, place, k)),
            kind::LENGTH32 => {
                let begin = place.checked_sub(4).and_then(|p| super::bytes::u32_at(out, p)).unwrap_or(0);
                let begin = new_addr.wrapping_sub(4).wrapping_add(begin as i32 as u64);
                (begin, field::raw(out, place, k))
            }
            kind::BASE32 => (self.moved(self.refs.base_of(at)), field::raw(out, place, k)),
            _ => (0, field::raw(out, place, k)),
        };
        let (mapped, sure) = self.map.address(target);
        let was = field::get(k, raw);
        let encode = |t: u64| field::encode(k, new_addr, t, base, raw as u32);
        let by_map = encode(mapped);
        let hash = hash2(target as u32, (target >> 32) as u32);
        let slot = hash as usize & (self.learned.len() - 1);
        let known = self.learned[slot];
        // The slot knows the hash's lower bits already.
        let key = hash & !0xFFF | (target as u32) << 8 & 0xF00;
        let local = matches!(k, kind::REL8 | kind::B19 | kind::B14 | kind::LENGTH32);
        let has = !local && known.is(key);
        let by_memory = if has { encode(target.wrapping_add_signed(known.shift.into())) } else { by_map };
        if sure && by_map == was && by_memory == was && (local || !has || known.trust() > 2) && k != kind::ABS64 {
            return Coded::Not;
        }
        // Where instructions are words, the one around the field must be the same, else these are plain bytes.
        let now = field::raw(want, place, k);
        let bits_of = field::field_bits(k, raw as u32);
        let kind_class = u32::from(if k >= 0x20 { k & 0xF0 } else { k });
        if k >= kind::B26 {
            let other = u32::from(C::ENCODING && (now ^ raw) as u32 & !bits_of != 0);
            let contexts = [
                kind_class + 0x300,
                hash2(self.history & 15, 0x301),
                hash2(raw as u32 & !bits_of, 0x302),
                hash2(self.blocks & 15, 0x303),
            ];
            if self.flags.bit(c, other, &contexts, 40) == 1 {
                return Coded::Not;
            }
        }
        let actual = field::get(k, now);
        let opcode = u32::from(at.checked_sub(1).and_then(|i| self.old.get(i)).copied().unwrap_or(0))
            | u32::from(at.checked_sub(2).and_then(|i| self.old.get(i)).copied().unwrap_or(0)) << 8;
        let trust = if has { u32::from(known.trust()).min(15) } else { 0 };
        let agree = u32::from(by_map == by_memory) | u32::from(sure) << 1 | u32::from(by_memory == was) << 2;
        let state = trust << 3 | agree;
        let contexts = [
            hash2(state << 8 | kind_class, 0x61),
            hash2(target as u32, 0x62),
            hash2(hash2(state, opcode), 0x63),
            hash2(hash2(self.history & 0x3F, state), kind_class),
        ];
        let miss = self.flags.bit(c, u32::from(actual != by_memory), &contexts, 64 + state as usize);
        self.history = self.history << 1 | miss;
        let mut value = by_memory;
        if miss == 1 {
            let mut open = true;
            let mut tries = 0;
            for other in [by_map, was] {
                if other == by_memory || tries > 0 && other == by_map {
                    continue;
                }
                tries += 1;
                let contexts = [
                    hash2(kind_class, 0x70 + tries),
                    hash2(state, 0x72 + tries),
                    hash2(self.history & 15, 0x74 + tries),
                    hash2(opcode, 0x76 + tries),
                ];
                if self.flags.bit(c, u32::from(actual == other), &contexts, 200 + tries as usize) == 1 {
                    value = other;
                    open = false;
                    break;
                }
            }
            if open {
                let width = field::bits(k);
                let shift = 64 - width;
                let d = ((actual.wrapping_sub(by_memory) << shift) as i64) >> shift;
                let d = self.numbers.signed(
                    c,
                    d,
                    8 + (kind_class >> 4),
                    &[kind_class, hash2(self.last_jump as u32, kind_class), hash2(opcode, u32::from(sure))],
                );
                self.last_jump = d;
                value = by_memory.wrapping_add(d as u64) & (u64::MAX >> shift);
            }
        }
        // What the target's new address is then known to be.
        if !local {
            let step = ((value.wrapping_sub(by_memory) << (64 - field::bits(k))) as i64 >> (64 - field::bits(k)))
                << field::unit(k, raw as u32);
            let assumed = if has { known.shift.into() } else { mapped.wrapping_sub(target) as i64 };
            let entry = &mut self.learned[slot];
            if miss == 0 {
                let trust = if has { known.trust().saturating_add(1) } else { 1 };
                *entry = Learned::of(key, assumed, trust);
            } else if has && known.trust() > 3 {
                *entry = Learned { key: key & !0xFF | u32::from(known.trust() / 2), ..known };
            } else {
                *entry = Learned::of(key, assumed.wrapping_add(step), 1);
            }
        }
        let bytes = field::set(k, raw, value).to_le_bytes();
        super::bytes::put(out, place, &bytes[..field::width(k)]);
        Coded::Yes { hit: miss == 0 }
    }

    /// Where the base of a table is now: a section's start moves with the section.
    fn moved(&self, addr: u64) -> u64 {
        match self.old_image.at_addr(addr) {
            Some(i) if self.old_image.sections[i].addr == addr => self.new_image.sections[i].addr,
            _ => self.map.address(addr).0,
        }
    }
}

/// How the aligned words of data are read, where they are tried as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Not at all.
    Bytes,
    Little,
    Big,
}

impl Order {
    pub fn from_number(n: u64) -> Option<Order> {
        [Order::Bytes, Order::Little, Order::Big].get(usize::try_from(n).ok()?).copied()
    }
}

enum Coded {
    /// Left to the plain bytes.
    Not,
    Yes {
        hit: bool,
    },
}
