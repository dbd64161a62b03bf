//! The fields of an executable that hold an address: how each kind is read, written and what it refers to.

use super::bytes::{u32_at, u64_at};

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
    /// The 24 bits of arm's B and BL.
    pub const B24: u8 = 20;
    /// The 20 bits of RISC-V's JAL.
    pub const J20: u8 = 21;
    /// RISC-V's AUIPC, whose lower 12 bits the next instruction holds.
    pub const HIGH20: u8 = 22;
    /// Those 12 bits.
    pub const LOW12: u8 = 23;
    /// ADRP whose low bits follow 1 to 15 instructions later (0: nowhere).
    pub const PAGE: u8 = 0x20;
    /// Low bits whose ADRP stands 1 to 15 instructions before.
    pub const LOW: u8 = 0x30;
}
use kind::*;

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
pub fn low_scale(word: u32) -> Option<u32> {
    if word & 0xFFC0_0000 == 0x9100_0000 {
        return Some(0);
    }
    if word & 0x3B00_0000 == 0x3900_0000 {
        let vector = word & 0x0480_0000 == 0x0480_0000;
        return Some(if vector && word >> 30 == 0 { 4 } else { word >> 30 });
    }
    None
}

/// RISC-V's stores hold their 12 bits in two parts.
fn is_store(word: u32) -> bool {
    matches!(word & 0x7F, 0x23 | 0x27)
}

/// The 12 bits of a RISC-V instruction.
fn low12(word: u32) -> u32 {
    if is_store(word) { word >> 25 << 5 | word >> 7 & 31 } else { word >> 20 }
}

/// The bits of a word that belong to the field.
pub fn field_bits(kind: u8, word: u32) -> u32 {
    match kind {
        B26 => 0x03FF_FFFF,
        B19 => 0x00FF_FFE0,
        B14 => 0x0007_FFE0,
        ADR => 0x60FF_FFE0,
        B24 => 0x00FF_FFFF,
        J20 | HIGH20 => 0xFFFF_F000,
        LOW12 if is_store(word) => 0xFE00_0F80,
        LOW12 => 0xFFF0_0000,
        k if k & 0xF0 == PAGE => 0x60FF_FFE0,
        k if k & 0xF0 == LOW => low_scale(word).map_or(0, |_| 0x003F_FC00),
        _ => u32::MAX,
    }
}

/// The address that a field of `kind` at `at` refers to, given the field's own address and what it counts from: the
/// image's base ([`RVA32`]) or the table's ([`BASE32`]).
pub fn target(f: &[u8], at: usize, kind: u8, addr: u64, base: u64) -> u64 {
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
        RVA32 => base.wrapping_add(u64::from(w)),
        BASE32 => base.wrapping_add(w as i32 as u64),
        B26 => add(sign(w & 0x03FF_FFFF, 26) * 4),
        B19 => add(sign((w >> 5) & 0x7FFFF, 19) * 4),
        B14 => add(sign((w >> 5) & 0x3FFF, 14) * 4),
        ADR => add(sign(((w >> 5) & 0x7FFFF) << 2 | (w >> 29) & 3, 21)),
        B24 => add(sign(w & 0x00FF_FFFF, 24) * 4 + 8),
        J20 => add(sign(get(J20, u64::from(w)) as u32, 20) * 2),
        HIGH20 => add((i64::from(w as i32) & !0xFFF) + sign(low12(u32_at(f, at + 4).unwrap_or(0)), 12)),
        LOW12 => {
            let high = at.checked_sub(4).and_then(|p| u32_at(f, p)).unwrap_or(0);
            add((i64::from(high as i32) & !0xFFF) - 4 + sign(low12(w), 12))
        }
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
        B24 => (rel.wrapping_sub(8) >> 2) & 0x00FF_FFFF,
        J20 => (rel >> 1) & 0xF_FFFF,
        HIGH20 => (rel.wrapping_add(0x800) >> 12) & 0xF_FFFF,
        LOW12 => rel.wrapping_add(4) & 0xFFF,
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
        B24 => 24,
        J20 | HIGH20 => 20,
        LOW12 => 12,
        k if k == ADR || k & 0xF0 == PAGE => 21,
        k if k & 0xF0 == LOW => 12,
        _ => 32,
    }
}

/// How far the target moves when the number in a field grows by one, as a shift.
pub fn unit(kind: u8, word: u32) -> u32 {
    match kind {
        B26 | B19 | B14 | B24 => 2,
        J20 => 1,
        HIGH20 => 12,
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
        B24 => w & 0x00FF_FFFF,
        J20 => w >> 31 << 19 | (w >> 12 & 0xFF) << 11 | (w >> 20 & 1) << 10 | w >> 21 & 0x3FF,
        HIGH20 => w >> 12,
        LOW12 => low12(w),
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
        B24 => keep | v & 0x00FF_FFFF,
        J20 => keep | (v >> 19 & 1) << 31 | (v >> 11 & 0xFF) << 12 | (v >> 10 & 1) << 20 | (v & 0x3FF) << 21,
        HIGH20 => keep | v << 12,
        LOW12 if is_store(keep) => keep | (v >> 5 & 0x7F) << 25 | (v & 31) << 7,
        LOW12 => keep | v << 20,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An instruction with another target written into it refers to that target, and keeps all other bits.
    #[test]
    fn fields_hold_what_is_written_into_them() {
        let words: &[(u8, u32)] = &[
            (B24, 0xEB00_1234),
            (B24, 0x0AFF_FFF0),
            (J20, 0x0010_00EF),
            (J20, 0xFE1F_F06F),
            (HIGH20, 0x0000_1517),
            (B26, 0x9400_0010),
            (B19, 0x5400_0041),
            (ADR, 0x1000_0020),
        ];
        for &(kind, word) in words {
            for moved in [-4096i64, -8, 0, 4, 64, 8192] {
                let addr = 0x40_0000u64;
                let file = [&word.to_le_bytes()[..], &[0; 8]].concat();
                let unit = 1i64 << unit(kind, word);
                let target = target(&file, 0, kind, addr, 0).wrapping_add_signed(moved / unit * unit);
                let value = encode(kind, addr, target, 0, word);
                let again = set(kind, u64::from(word), value) as u32;
                assert_eq!(again & !field_bits(kind, word), word & !field_bits(kind, word), "{kind} {word:08X}");
                assert_eq!(get(kind, u64::from(again)), value);
                let file = [&again.to_le_bytes()[..], &[0; 8]].concat();
                assert_eq!(super::target(&file, 0, kind, addr, 0), target, "{kind} {word:08X} {moved}");
            }
        }
    }

    #[test]
    fn the_two_halves_of_riscv_addresses_agree() {
        // auipc a0, 1; then addi a0, a0, -16, ld a1, 8(a0), sd a1, -8(a0)
        for low in [0xFF05_0513u32, 0x0085_3583, 0xFEB5_3C23] {
            let file = [0x0000_1517u32.to_le_bytes(), low.to_le_bytes()].concat();
            let addr = 0x1_0000u64;
            let there = target(&file, 0, HIGH20, addr, 0);
            assert_eq!(target(&file, 4, LOW12, addr + 4, 0), there);
            let moved = there + 0x12_3458;
            let high = set(HIGH20, 0x0000_1517, encode(HIGH20, addr, moved, 0, 0));
            let low = set(LOW12, u64::from(low), encode(LOW12, addr + 4, moved, 0, low));
            let file = [(high as u32).to_le_bytes(), (low as u32).to_le_bytes()].concat();
            assert_eq!(target(&file, 0, HIGH20, addr, 0), moved);
        }
    }
}
