//! Where an executable's bytes lie in memory: the section tables of ELF, PE and Mach-O 64.
//!
//! Own and minimal, because every byte of a delta depends on what is found: it is part of the format. What
//! lies, overlaps or is cut is skipped; then fewer references are found, and the delta is larger, never wrong.

use super::bytes::{u16_at, u32_at, u64_at};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    X64,
    Arm64,
    X86,
    Arm,
    RiscV,
    Other,
}

impl Arch {
    /// Bytes of an address.
    pub fn pointer(self) -> usize {
        if matches!(self, Arch::X86 | Arch::Arm) { 4 } else { 8 }
    }
}

/// What a section's bytes are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Code,
    Data,
    Rela,
    /// Relocations without addends.
    Rel,
    Symbols,
    EhFrame,
    EhFrameHdr,
    Pdata,
    /// Not loaded: strings, comments.
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    pub addr: u64,
    /// Bytes in memory.
    pub mem: u64,
    pub off: u64,
    /// Bytes in the file.
    pub size: u64,
    pub class: Class,
    /// FNV-1a of the name (and of how many of that name came before), to pair sections of two files.
    pub name: u64,
}

#[derive(Debug, Clone)]
pub struct Image {
    pub arch: Arch,
    /// What a relative virtual address counts from (PE), else 0.
    pub base: u64,
    pub sections: Vec<Section>,
    by_addr: Vec<u32>,
    by_off: Vec<u32>,
    low: bool,
}

/// More than any linker writes; keeps a lying header cheap.
const MAX_SECTIONS: usize = 4096;

fn fnv(name: &[u8]) -> u64 {
    name.iter().fold(0xCBF2_9CE4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

impl Image {
    /// The file's sections, or none if it is no executable that is known.
    pub fn parse(file: &[u8]) -> Image {
        let (arch, base, mut sections) = elf(file)
            .or_else(|| pe(file))
            .or_else(|| macho(file))
            .or_else(|| bare(file))
            .unwrap_or((Arch::Other, 0, Vec::new()));
        let len = file.len() as u64;
        sections.retain(|s| {
            s.addr.checked_add(s.mem).is_some_and(|e| e < 1 << 62)
                && s.off.checked_add(s.size).is_some_and(|e| e <= len)
        });
        for i in 0..sections.len() {
            let earlier = sections[..i].iter().filter(|s| s.name == sections[i].name).count().min(1);
            sections[i].name = sections[i].name.wrapping_add((earlier * (i + 1)) as u64);
        }
        Image::new(arch, base, sections)
    }

    pub fn new(arch: Arch, base: u64, sections: Vec<Section>) -> Image {
        let mut by_addr: Vec<u32> = (0..sections.len() as u32).filter(|&i| sections[i as usize].mem > 0).collect();
        by_addr.sort_by_key(|&i| (sections[i as usize].addr, i));
        let mut by_off: Vec<u32> = (0..sections.len() as u32).filter(|&i| sections[i as usize].size > 0).collect();
        by_off.sort_by_key(|&i| (sections[i as usize].off, i));
        let low = sections.iter().filter(|s| s.mem > 0).all(|s| s.addr >= 0x1_0000);
        Image { arch, base, sections, by_addr, by_off, low }
    }

    /// Whether it is linked to a fixed address that fits 32 bits, so that code may hold absolute addresses.
    pub fn is_low(&self) -> bool {
        self.low
    }

    pub fn is_known(&self) -> bool {
        self.arch != Arch::Other
    }

    /// The section that holds an address.
    #[inline]
    pub fn at_addr(&self, addr: u64) -> Option<usize> {
        let i = self.by_addr.partition_point(|&i| self.sections[i as usize].addr <= addr);
        let i = *self.by_addr.get(i.checked_sub(1)?)? as usize;
        let s = &self.sections[i];
        (addr - s.addr < s.mem).then_some(i)
    }

    /// The section that holds a byte of the file.
    #[inline]
    pub fn at_off(&self, off: u64) -> Option<usize> {
        let i = self.by_off.partition_point(|&i| self.sections[i as usize].off <= off);
        let i = *self.by_off.get(i.checked_sub(1)?)? as usize;
        let s = &self.sections[i];
        (off - s.off < s.size).then_some(i)
    }

    /// The address of a byte of the file.
    #[inline]
    pub fn addr_of(&self, off: u64) -> Option<u64> {
        let s = &self.sections[self.at_off(off)?];
        (s.mem > 0).then(|| s.addr + (off - s.off))
    }
}

fn class_of(name: &[u8], loaded: bool, code: bool) -> Class {
    match name {
        _ if code => Class::Code,
        b".eh_frame" | b"__eh_frame" => Class::EhFrame,
        b".eh_frame_hdr" => Class::EhFrameHdr,
        b".pdata" => Class::Pdata,
        _ if loaded => Class::Data,
        _ => Class::Plain,
    }
}

type Parsed = Option<(Arch, u64, Vec<Section>)>;

fn elf(f: &[u8]) -> Parsed {
    let wide = match f.get(..6)? {
        b"\x7FELF\x02\x01" => true,
        b"\x7FELF\x01\x01" => false,
        _ => return None,
    };
    let arch = match (u16_at(f, 18)?, wide) {
        (62, true) => Arch::X64,
        (183, true) => Arch::Arm64,
        (243, true) => Arch::RiscV,
        (3, false) => Arch::X86,
        (40, false) => Arch::Arm,
        _ => return None,
    };
    // A number of the file's own width: its place in 64 bits and in 32.
    let number = |at: usize, wide_at: usize, narrow_at: usize| {
        if wide { u64_at(f, at.checked_add(wide_at)?) } else { u32_at(f, at.checked_add(narrow_at)?).map(u64::from) }
    };
    let (row, counts) = if wide { (64, 60) } else { (40, 48) };
    let table = usize::try_from(number(0, 40, 32)?).ok()?;
    let (count, names) = (usize::from(u16_at(f, counts)?), usize::from(u16_at(f, counts + 2)?));
    let header = |i: usize| table.checked_add(i * row);
    let strings = header(names).and_then(|h| number(h, 24, 16)).unwrap_or(0);
    let mut sections = Vec::new();
    for i in 0..count.min(MAX_SECTIONS) {
        let h = header(i)?;
        let Some(align_end) = h.checked_add(row) else { break };
        if align_end > f.len() {
            break;
        }
        let (kind, flags) = (u32_at(f, h + 4)?, number(h, 8, 8)?);
        let (addr, off, size) = (number(h, 16, 12)?, number(h, 24, 16)?, number(h, 32, 20)?);
        let name_at = usize::try_from(strings.checked_add(u64::from(u32_at(f, h)?))?).ok()?;
        let name = f.get(name_at..).unwrap_or(&[]);
        let name = &name[..name.iter().take(64).position(|&b| b == 0).unwrap_or(0)];
        let loaded = flags & 2 != 0 && (flags & 0x400 == 0 || kind != 8);
        if kind == 0 || size == 0 {
            continue;
        }
        let class = match kind {
            4 => Class::Rela,
            9 => Class::Rel,
            2 | 11 => Class::Symbols,
            _ => class_of(name, loaded, flags & 4 != 0),
        };
        // What has no bytes in the file may claim any place there.
        let (off, size_in_file) = if kind == 8 { (0, 0) } else { (off, size) };
        let mem = if loaded { size } else { 0 };
        sections.push(Section { addr, mem, off, size: size_in_file, class, name: fnv(name) });
    }
    Some((arch, 0, sections))
}

fn pe(f: &[u8]) -> Parsed {
    if f.get(..2)? != b"MZ" {
        return None;
    }
    let h = u32_at(f, 60)? as usize;
    if f.get(h..h.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    let arch = match u16_at(f, h + 4)? {
        0x8664 => Arch::X64,
        0xAA64 => Arch::Arm64,
        0x014C => Arch::X86,
        _ => return None,
    };
    let (count, optional) = (usize::from(u16_at(f, h + 6)?), usize::from(u16_at(f, h + 20)?));
    let base = if arch == Arch::X86 { u64::from(u32_at(f, h + 24 + 28)?) } else { u64_at(f, h + 24 + 24)? };
    let base = base & ((1 << 61) - 1);
    let mut sections = Vec::new();
    for i in 0..count.min(MAX_SECTIONS) {
        let s = h + 24 + optional + i * 40;
        let Some(name) = f.get(s..s + 8) else { break };
        let name = &name[..name.iter().position(|&b| b == 0).unwrap_or(8)];
        let (mem, addr) = (u64::from(u32_at(f, s + 8)?), base + u64::from(u32_at(f, s + 12)?));
        let (size, off) = (u64::from(u32_at(f, s + 16)?), u64::from(u32_at(f, s + 20)?));
        let class = class_of(name, true, u32_at(f, s + 36)? & 0x2000_0000 != 0);
        sections.push(Section { addr, mem: mem.max(1), off, size, class, name: fnv(name) });
    }
    Some((arch, base, sections))
}

/// Smaller files without a header are not looked at.
const LEAST_BARE: usize = 1 << 14;
/// One word of so many calls something in the file, at least, where it is code: by chance it is one of 2,000.
const CALLS: usize = 100;

/// Code without a header, as firmware has it: one section from address 0. Calls are relative, so that is enough.
fn bare(f: &[u8]) -> Parsed {
    if f.len() < LEAST_BARE {
        return None;
    }
    let (mut arm, mut arm64) = (0usize, 0usize);
    for (i, word) in f.chunks_exact(4).enumerate() {
        let w = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        let inside = |words: i64| (0..f.len() as i64 / 4).contains(&(i as i64 + words));
        arm += usize::from(w >> 24 == 0xEB && inside(2 + i64::from((w << 8) as i32 >> 8)));
        arm64 += usize::from(w >> 26 == 0x25 && inside(i64::from((w << 6) as i32 >> 6)));
    }
    let arch = match (arm.max(arm64) * CALLS >= f.len() / 4, arm >= arm64) {
        (false, _) => return None,
        (true, true) => Arch::Arm,
        (true, false) => Arch::Arm64,
    };
    let size = f.len() as u64;
    Some((arch, 0, vec![Section { addr: 0, mem: size, off: 0, size, class: Class::Code, name: 0 }]))
}

fn macho(f: &[u8]) -> Parsed {
    if u32_at(f, 0)? != 0xFEED_FACF {
        return None;
    }
    let arch = match u32_at(f, 4)? {
        0x0100_0007 => Arch::X64,
        0x0100_000C => Arch::Arm64,
        _ => return None,
    };
    let mut sections = Vec::new();
    let mut at = 32usize;
    for _ in 0..u32_at(f, 16)?.min(1024) {
        let (Some(command), Some(size)) = (u32_at(f, at), u32_at(f, at + 4)) else { break };
        if command == 0x19 {
            for i in 0..(u32_at(f, at + 64).unwrap_or(0) as usize).min(256) {
                let s = at + 72 + i * 80;
                let Some(flags) = u32_at(f, s + 64) else { break };
                let name = f.get(s..s + 16)?;
                let name = &name[..name.iter().position(|&b| b == 0).unwrap_or(16)];
                let (addr, mem, off) = (u64_at(f, s + 32)?, u64_at(f, s + 40)?, u64::from(u32_at(f, s + 48)?));
                let zero_fill = matches!(flags & 0xFF, 1 | 0xC | 0x12);
                let class = class_of(name, true, flags & 0x8000_0000 != 0);
                let size = if zero_fill { 0 } else { mem };
                sections.push(Section { addr, mem, off, size, class, name: fnv(f.get(s..s + 32)?) });
            }
        }
        at = at.checked_add((size as usize).max(8))?;
        if sections.len() > MAX_SECTIONS {
            break;
        }
    }
    Some((arch, 0, sections))
}
