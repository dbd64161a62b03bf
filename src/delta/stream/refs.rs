//! Where an executable's references are: found by walking code in order and by the shape of known tables, a block at a
//! time whenever they are asked for, so that nothing is held but where each block's walk begins. A field wrongly taken
//! for a reference only costs bytes.

mod rows;

use super::bytes::u32_at;
use super::field::{self, kind::*};
use super::image::{Arch, Class, Image, Section};
use super::x86;
use rows::{frames, riscv_length, starts};

/// A walk can begin anew at every so many bytes of a section.
const BLOCK: usize = 512;
/// No field begins further behind the start of its instruction, row or record.
const REACH: usize = 20;
/// Addresses of jump tables that are collected before the first look for doubles.
const ROOM: usize = 1 << 12;
/// How many instructions may lie between a page and its low bits.
const PAIR: usize = 12;

/// The references of a file, in order of place.
pub struct Refs<'a> {
    file: &'a [u8],
    image: &'a Image,
    parts: Vec<Part>,
    /// Tables of words that count from an address.
    tables: Vec<Table>,
}

/// A section that holds references.
struct Part {
    from: usize,
    to: usize,
    addr: u64,
    rows: Rows,
    /// How far behind each block's start its first instruction or record begins ([`u32::MAX`]: there is none); of x86,
    /// how many fields there are before the block.
    starts: Vec<u32>,
    /// The fields of x86, whose instructions are looked at once: how far behind their block's start, and in the lowest
    /// four bits the kind.
    fields: Vec<u16>,
}

/// How a section's references stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    X64,
    X86,
    Arm64,
    Arm,
    RiscV,
    Pointers,
    /// Of four bytes.
    Pointers4,
    Frames,
    /// Rows of so many bytes, after so many others, with these fields.
    Even(usize, usize, &'static [(usize, u8)]),
}

/// `count` words from `at` on, which count from `base`.
#[derive(Clone, Copy)]
struct Table {
    at: u32,
    count: u32,
    base: u64,
}

impl Rows {
    fn of(s: &Section, arch: Arch) -> Option<Rows> {
        Some(match (s.class, arch) {
            (Class::Code, Arch::X64) => Rows::X64,
            (Class::Code, Arch::X86) => Rows::X86,
            (Class::Code, Arch::Arm64) => Rows::Arm64,
            (Class::Code, Arch::Arm) => Rows::Arm,
            (Class::Code, Arch::RiscV) => Rows::RiscV,
            (Class::Data, _) if arch.pointer() == 4 => Rows::Pointers4,
            (Class::Data, _) => Rows::Pointers,
            (Class::Rel, Arch::X86 | Arch::Arm) => Rows::Even(8, 0, &[(0, ABS32)]),
            (Class::Symbols, Arch::X86 | Arch::Arm) => Rows::Even(16, 0, &[(4, ABS32)]),
            (Class::Rela, Arch::X86 | Arch::Arm) => Rows::Even(12, 0, &[(0, ABS32), (8, ABS32)]),
            (Class::Rela, _) => Rows::Even(24, 0, &[(0, ABS64), (16, ABS64)]),
            (Class::Symbols, _) => Rows::Even(24, 0, &[(8, ABS64)]),
            (Class::Pdata, _) => Rows::Even(4, 0, &[(0, RVA32)]),
            (Class::EhFrame, _) => Rows::Frames,
            (Class::EhFrameHdr, _) if s.size > 12 => Rows::Even(4, 12, &[(0, BASE32)]),
            _ => return None,
        })
    }
}

impl<'a> Refs<'a> {
    /// Those of a file; none if it is no executable that is known, or of 4 GiB and more.
    pub fn scan(file: &'a [u8], image: &'a Image) -> Refs<'a> {
        let mut refs = Refs { file, image, parts: Vec::new(), tables: Vec::new() };
        if !image.is_known() || file.len() > u32::MAX as usize {
            return refs;
        }
        let mut order: Vec<&Section> = image.sections.iter().filter(|s| s.size > 0).collect();
        order.sort_by_key(|s| s.off);
        let mut done = 0usize;
        let mut jumps: Vec<u64> = Vec::new();
        for s in order {
            let (from, to) = (s.off as usize, (s.off + s.size) as usize);
            if from < done {
                continue;
            }
            done = to;
            let Some(rows) = Rows::of(s, image.arch) else { continue };
            let mut part = Part { from, to, addr: s.addr, rows, starts: Vec::new(), fields: Vec::new() };
            match rows {
                Rows::X64 | Rows::X86 => refs.walk(&mut part, &mut jumps),
                Rows::RiscV => {
                    starts(&mut part, |at| riscv_length(file, at));
                }
                Rows::Frames => frames(file, &mut part),
                Rows::Even(4, 12, _) => {
                    refs.tables.push(Table { at: from as u32, count: ((to - from) / 4) as u32, base: s.addr });
                }
                _ => {}
            }
            part.fields.shrink_to_fit();
            refs.parts.push(part);
        }
        refs.jump_tables(jumps);
        refs
    }

    /// Notes the fields of each block's instructions, and the addresses that may be jump tables.
    fn walk(&self, part: &mut Part, jumps: &mut Vec<u64>) {
        let code = &self.file[part.from..part.to];
        let wide = part.rows == Rows::X64;
        let absolute = !wide || self.image.base == 0 && self.image.is_low();
        let least = if wide { 0x10_0000 } else { 0x1_0000 };
        let mut room = 2 * jumps.len().max(ROOM);
        let mut i = 0;
        while i < code.len() {
            while part.starts.len() * BLOCK <= i {
                part.starts.push(part.fields.len() as u32);
            }
            let (len, field) = x86::instruction(code, i, wide);
            let word = |f: usize| u32_at(code, i + f).unwrap_or(0);
            let found = match field {
                x86::Field::None => None,
                x86::Field::Rel8 => Some((len - 1, REL8)),
                x86::Field::Rel32(f) => {
                    let tail = (len - f - 4) as u8;
                    let target = part.addr.wrapping_add((i + len) as u64).wrapping_add(word(f) as i32 as u64);
                    // LEA of something aligned: perhaps a jump table.
                    if wide && f >= 2 && code[i + f - 2] == 0x8D && tail == 0 && self.leads_into_code(target, 2) == 2 {
                        jumps.push(target);
                        if jumps.len() >= room {
                            jumps.sort_unstable();
                            jumps.dedup();
                            room = 2 * jumps.len().max(ROOM);
                        }
                    }
                    (tail <= 4 && self.image.at_addr(target).is_some()).then_some((f, REL32 + tail))
                }
                x86::Field::Abs32(f) => {
                    let v = u64::from(word(f));
                    (v >= least && absolute && self.image.at_addr(v).is_some()).then_some((f, ABS32))
                }
            };
            if let Some((f, kind)) = found {
                let block = (part.starts.len() - 1) * BLOCK;
                part.fields.push(((i + f - block) as u16) << 4 | u16::from(kind));
            }
            i += len;
        }
    }

    /// How many of the words at `base`, at most `most`, lead into code when they are added to it.
    fn leads_into_code(&self, base: u64, most: u64) -> u64 {
        let image = self.image;
        if !base.is_multiple_of(4) {
            return 0;
        }
        let Some(s) = image.at_addr(base).map(|s| &image.sections[s]).filter(|s| s.class == Class::Data) else {
            return 0;
        };
        let in_code = |a: u64| image.at_addr(a).is_some_and(|s| image.sections[s].class == Class::Code);
        let start = base - s.addr;
        let at = (s.off + start) as usize;
        let words = s.size.saturating_sub(start) / 4;
        (0..words.min(most))
            .take_while(|&w| {
                u32_at(self.file, at + 4 * w as usize).is_some_and(|v| in_code(base.wrapping_add(v as i32 as u64)))
            })
            .count() as u64
    }

    fn jump_tables(&mut self, mut jumps: Vec<u64>) {
        jumps.sort_unstable();
        jumps.dedup();
        for (i, &base) in jumps.iter().enumerate() {
            let next = jumps.get(i + 1).copied().unwrap_or(u64::MAX);
            let count = self.leads_into_code(base, (next - base) / 4);
            let place = self.image.at_addr(base).map(|s| &self.image.sections[s]).map(|s| s.off + (base - s.addr));
            if let Some(at) = place.and_then(|p| u32::try_from(p).ok())
                && count >= 2
            {
                self.tables.push(Table { at, count: count as u32, base });
            }
        }
        self.tables.sort_by_key(|t| t.at);
    }

    /// The table that a place lies in or behind.
    fn table(&self, at: usize) -> Option<&Table> {
        let i = self.tables.partition_point(|t| t.at as usize <= at);
        i.checked_sub(1).map(|i| &self.tables[i])
    }

    /// What a field at `at` counts from, if it is one of a table.
    pub fn base_of(&self, at: usize) -> u64 {
        self.table(at).map_or(0, |t| t.base)
    }

    /// The address that a field refers to, given the field's own.
    pub fn target(&self, at: usize, kind: u8, addr: u64) -> u64 {
        let base = match kind {
            RVA32 => self.image.base,
            BASE32 => self.base_of(at),
            _ => 0,
        };
        field::target(self.file, at, kind, addr, base)
    }

    /// Bytes of memory that all this takes.
    pub fn memory(&self) -> u64 {
        let starts: usize = self.parts.iter().map(|p| 4 * p.starts.len() + 2 * p.fields.len()).sum();
        (starts + 2 * size_of::<Table>() * self.tables.len() + 8 * BLOCK * size_of::<(u32, u8)>()) as u64
    }

    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { refs: self, part: usize::MAX, block: 0, found: Vec::new(), next: 0, floor: 0 }
    }

    /// The references of a block of a part: of the instructions, rows or records that begin in it.
    fn block(&self, part: &Part, block: usize, found: &mut Vec<(u32, u8)>) {
        found.clear();
        let begin = part.from + block * BLOCK;
        let end = part.to.min(begin + BLOCK);
        let start = || part.starts.get(block).filter(|&&s| s != u32::MAX).map(|&s| begin + s as usize);
        match part.rows {
            Rows::X64 | Rows::X86 => {
                let bound = |b: usize| part.starts.get(b).map_or(part.fields.len(), |&n| n as usize);
                let fields = &part.fields[bound(block)..bound(block + 1)];
                found.extend(fields.iter().map(|f| (begin as u32 + u32::from(f >> 4), (f & 15) as u8)));
            }
            Rows::Arm64 => self.arm64(part, begin, end, found),
            Rows::Arm => self.arm(part, begin, end, found),
            Rows::RiscV => {
                if let Some(start) = start() {
                    self.riscv(part, start, end, found);
                }
            }
            Rows::Pointers4 => self.pointers4(part, begin, end, found),
            Rows::Pointers => self.pointers(part, begin, end, found),
            Rows::Frames => {
                if let Some(start) = start() {
                    self.frames(part, start, end, found);
                }
            }
            Rows::Even(stride, head, fields) => {
                if head > 0 && block == 0 {
                    found.push((part.from as u32 + 4, SELF32));
                }
                let first = part.from + head;
                let mut row = first + begin.saturating_sub(first).next_multiple_of(stride);
                while row < end && row + stride <= part.to {
                    found.extend(fields.iter().map(|&(at, kind)| ((row + at) as u32, kind)));
                    row += stride;
                }
            }
        }
    }
}

/// Walks references in order of place.
pub struct Cursor<'r> {
    refs: &'r Refs<'r>,
    part: usize,
    block: usize,
    found: Vec<(u32, u8)>,
    next: usize,
    /// Nothing before this place is wanted.
    floor: usize,
}

impl Cursor<'_> {
    /// To the first reference at `place` or behind it.
    pub fn seek(&mut self, place: usize) {
        let parts = &self.refs.parts;
        let part = parts.partition_point(|p| p.to <= place);
        let Some(p) = parts.get(part) else {
            (self.part, self.next) = (parts.len(), 0);
            self.found.clear();
            return;
        };
        let block = place.saturating_sub(REACH).saturating_sub(p.from) / BLOCK;
        self.floor = place;
        if (part, block) == (self.part, self.block) {
            self.skip();
        } else {
            self.load(part, block);
        }
    }

    fn skip(&mut self) {
        self.next = self.found.partition_point(|f| (f.0 as usize) < self.floor);
    }

    fn load(&mut self, part: usize, block: usize) {
        (self.part, self.block) = (part, block);
        self.refs.block(&self.refs.parts[part], block, &mut self.found);
        self.skip();
    }

    /// The next reference before `limit`, which the walk then passes.
    pub fn next(&mut self, limit: usize) -> Option<(usize, u8)> {
        loop {
            if let Some(&(at, kind)) = self.found.get(self.next) {
                if at as usize >= limit {
                    return None;
                }
                self.next += 1;
                return Some((at as usize, kind));
            }
            let part = self.refs.parts.get(self.part)?;
            let begin = part.from + (self.block + 1) * BLOCK;
            if begin < part.to {
                if begin >= limit {
                    return None;
                }
                self.load(self.part, self.block + 1);
            } else {
                let next = self.part + 1;
                if self.refs.parts.get(next)?.from >= limit {
                    return None;
                }
                self.load(next, 0);
            }
        }
    }
}
