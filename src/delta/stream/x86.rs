//! How long an x86 instruction is, of 64 or 32 bits, and which of its bytes hold an address. Enough of the encoding to walk code
//! in order (Intel SDM volume 2, appendix A); what is not known counts as one byte, and the walk goes on.

/// Where an instruction refers to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    None,
    /// A relative jump of one byte, the last of the instruction.
    Rel8,
    /// Four bytes relative to the end of the instruction: their offset.
    Rel32(usize),
    /// Four bytes of displacement or immediate that may be an absolute address: their offset.
    Abs32(usize),
}

/// What follows an opcode.
const NONE: u8 = 0;
const MODRM: u8 = 1;
const IMM8: u8 = 2;
const IMM32: u8 = 4;
const REL8: u8 = 8;
const REL32: u8 = 16;
const OTHER: u8 = 32;

const fn one_byte() -> [u8; 256] {
    let mut t = [NONE; 256];
    let mut i = 0;
    while i < 0x40 {
        t[i] = match i & 7 {
            0..=3 => MODRM,
            4 => IMM8,
            5 => IMM32,
            _ => NONE,
        };
        i += 1;
    }
    t[0x63] = MODRM;
    t[0x68] = IMM32;
    t[0x69] = MODRM | IMM32;
    t[0x6A] = IMM8;
    t[0x6B] = MODRM | IMM8;
    i = 0x70;
    while i < 0x80 {
        t[i] = REL8;
        i += 1;
    }
    i = 0x80;
    while i < 0x90 {
        t[i] = MODRM;
        i += 1;
    }
    t[0x80] = MODRM | IMM8;
    t[0x81] = MODRM | IMM32;
    t[0x83] = MODRM | IMM8;
    t[0xA8] = IMM8;
    t[0xA9] = IMM32;
    i = 0xB0;
    while i < 0xC0 {
        t[i] = if i < 0xB8 { IMM8 } else { IMM32 };
        i += 1;
    }
    t[0xC0] = MODRM | IMM8;
    t[0xC1] = MODRM | IMM8;
    t[0xC6] = MODRM | IMM8;
    t[0xC7] = MODRM | IMM32;
    t[0xCD] = IMM8;
    i = 0xD0;
    while i < 0xD4 {
        t[i] = MODRM;
        i += 1;
    }
    i = 0xD8;
    while i < 0xE0 {
        t[i] = MODRM;
        i += 1;
    }
    i = 0xE0;
    while i < 0xE8 {
        t[i] = if i < 0xE4 { REL8 } else { IMM8 };
        i += 1;
    }
    t[0xE8] = REL32;
    t[0xE9] = REL32;
    t[0xEB] = REL8;
    t[0xF6] = MODRM;
    t[0xF7] = MODRM;
    t[0xFE] = MODRM;
    t[0xFF] = MODRM;
    // Moffs, enter, ret imm16: taken apart below.
    t[0xA0] = OTHER;
    t[0xA1] = OTHER;
    t[0xA2] = OTHER;
    t[0xA3] = OTHER;
    t[0xC2] = OTHER;
    t[0xC8] = OTHER;
    t[0xCA] = OTHER;
    t
}

const fn two_byte() -> [u8; 256] {
    let mut t = [MODRM; 256];
    let none = [0x05, 0x06, 0x07, 0x08, 0x09, 0x0B, 0x0E, 0x77, 0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA];
    let mut i = 0;
    while i < none.len() {
        t[none[i]] = NONE;
        i += 1;
    }
    i = 0x30;
    while i < 0x38 {
        t[i] = NONE;
        i += 1;
    }
    i = 0x80;
    while i < 0x90 {
        t[i] = REL32;
        i += 1;
    }
    i = 0xC8;
    while i < 0xD0 {
        t[i] = NONE;
        i += 1;
    }
    let imm = [0x70, 0x71, 0x72, 0x73, 0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6];
    i = 0;
    while i < imm.len() {
        t[imm[i]] = MODRM | IMM8;
        i += 1;
    }
    t
}

static ONE: [u8; 256] = one_byte();
static TWO: [u8; 256] = two_byte();

/// No instruction is longer, and none is looked at further.
const LONGEST: usize = 16;

/// The length of the instruction at a place in `code` (at least 1) and its reference.
#[inline]
pub fn instruction(code: &[u8], at: usize, wide: bool) -> (usize, Field) {
    let rest = code.get(at..).unwrap_or_default();
    let (mut padded, size) = ([0; LONGEST], rest.len().min(LONGEST));
    let window = rest.first_chunk().unwrap_or_else(|| {
        padded[..size].copy_from_slice(rest);
        &padded
    });
    let (length, field) = if wide { walk::<true>(window) } else { walk::<false>(window) };
    if length <= size { (length, field) } else { (1, Field::None) }
}

/// What was read behind the window's end makes the instruction longer than that.
#[inline]
fn walk<const WIDE: bool>(c: &[u8; LONGEST]) -> (usize, Field) {
    let byte = |i: usize| c[i % LONGEST];
    let mut i = 0;
    let (mut wide, mut short) = (false, false);
    let mut op = byte(0);
    while matches!(op, 0x66 | 0x67 | 0xF0 | 0xF2 | 0xF3 | 0x2E | 0x36 | 0x3E | 0x26 | 0x64 | 0x65) && i < 8 {
        short |= op == 0x66;
        i += 1;
        op = byte(i);
    }
    if WIDE && op & 0xF0 == 0x40 {
        wide = op & 8 != 0;
        i += 1;
        op = byte(i);
    }
    i += 1;
    let mut what = ONE[usize::from(op)];
    // LES, LDS and BOUND, where 64 bits have vectors.
    let vector = WIDE || byte(i) & 0xC0 == 0xC0;
    match op {
        0xC4 | 0xC5 | 0x62 if !vector => what = MODRM,
        0x0F => {
            op = byte(i);
            i += 1;
            what = match op {
                0x38 => {
                    i += 1;
                    MODRM
                }
                0x3A => {
                    i += 1;
                    MODRM | IMM8
                }
                _ => TWO[usize::from(op)],
            };
            op = 0x0F;
        }
        0xC5 => {
            what = TWO[usize::from(byte(i + 1))] & (MODRM | IMM8);
            i += 2;
        }
        0xC4 | 0x62 => {
            let map = byte(i) & 7;
            i += if op == 0x62 { 3 } else { 2 };
            let o = byte(i);
            i += 1;
            what = match map {
                3 => MODRM | IMM8,
                1 => TWO[usize::from(o)] & (MODRM | IMM8),
                _ => MODRM,
            };
        }
        0xB8..=0xBF if wide => return (i + 8, Field::None),
        0xA0..=0xA3 if WIDE => return (i + 8, Field::None),
        0xA0..=0xA3 => return (i + 4, Field::Abs32(i)),
        0x9A | 0xEA if !WIDE => return (i + 6, Field::None),
        0xC2 | 0xCA => return (i + 2, Field::None),
        0xC8 => return (i + 3, Field::None),
        _ => {}
    }
    let mut field = Field::None;
    if what & MODRM != 0 {
        let modrm = byte(i);
        i += 1;
        let (mode, rm) = (modrm >> 6, modrm & 7);
        let mut disp = match mode {
            1 => 1,
            2 => 4,
            _ => 0,
        };
        if mode != 3 && rm == 4 {
            let sib = byte(i);
            i += 1;
            if mode == 0 && sib & 7 == 5 {
                disp = 4;
            }
        }
        if mode == 0 && rm == 5 {
            field = if WIDE { Field::Rel32(i) } else { Field::Abs32(i) };
            disp = 4;
        } else if disp == 4 {
            field = Field::Abs32(i);
        }
        i += disp;
        if matches!(op, 0xF6 | 0xF7) && modrm & 0x30 == 0 {
            what |= if op == 0xF6 { IMM8 } else { IMM32 };
        }
    }
    if what & IMM8 != 0 {
        i += 1;
    }
    if what & IMM32 != 0 {
        if field == Field::None && !short {
            field = Field::Abs32(i);
        }
        i += if short { 2 } else { 4 };
    }
    if what & REL8 != 0 {
        i += 1;
        field = Field::Rel8;
    }
    if what & REL32 != 0 {
        field = Field::Rel32(i);
        i += 4;
    }
    (i, field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_references_of_common_instructions() {
        let table: &[(&[u8], usize, Field)] = &[
            (&[0xC3], 1, Field::None),
            (&[0xE8, 1, 2, 3, 4], 5, Field::Rel32(1)),
            (&[0x0F, 0x84, 1, 2, 3, 4], 6, Field::Rel32(2)),
            (&[0x74, 5], 2, Field::Rel8),
            (&[0x48, 0x8D, 0x3D, 1, 2, 3, 4], 7, Field::Rel32(3)),
            (&[0x48, 0x81, 0xEC, 1, 2, 3, 4], 7, Field::Abs32(3)),
            (&[0x80, 0x3D, 1, 2, 3, 4, 9], 7, Field::Rel32(2)),
            (&[0x49, 0xBA, 1, 2, 3, 4, 5, 6, 7, 8], 10, Field::None),
            (&[0x66, 0x0F, 0x6F, 0x05, 1, 2, 3, 4], 8, Field::Rel32(4)),
            (&[0xC5, 0xF8, 0x28, 0x05, 1, 2, 3, 4], 8, Field::Rel32(4)),
            (&[0xC4, 0xE3, 0x7D, 0x39, 0xC1, 1], 6, Field::None),
            (&[0x62, 0xF1, 0xFE, 0x48, 0x6F, 0x05, 1, 2, 3, 4], 10, Field::Rel32(6)),
            (&[0xC5, 0xF8, 0x77], 3, Field::None),
            (&[0x48, 0x8B, 0x44, 0x24, 8], 5, Field::None),
            (&[0xF6, 0x05, 1, 2, 3, 4, 7], 7, Field::Rel32(2)),
            (&[0xE8, 1], 1, Field::None),
        ];
        for (code, len, field) in table {
            assert_eq!(instruction(code, 0, true), (*len, *field), "{code:02X?}");
        }
    }

    #[test]
    fn the_same_bytes_are_other_instructions_in_32_bits() {
        let table: &[(&[u8], usize, Field)] = &[
            (&[0x48], 1, Field::None),
            (&[0xE8, 1, 2, 3, 4], 5, Field::Rel32(1)),
            (&[0xA1, 1, 2, 3, 4], 5, Field::Abs32(1)),
            (&[0x8B, 0x0D, 1, 2, 3, 4], 6, Field::Abs32(2)),
            (&[0xC5, 0x06], 2, Field::None),
            (&[0xC5, 0xF8, 0x28, 0x05, 1, 2, 3, 4], 8, Field::Abs32(4)),
            (&[0x68, 1, 2, 3, 4], 5, Field::Abs32(1)),
        ];
        for (code, len, field) in table {
            assert_eq!(instruction(code, 0, false), (*len, *field), "{code:02X?}");
        }
    }
}
