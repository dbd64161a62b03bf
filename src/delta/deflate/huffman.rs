//! Canonical Huffman codes of deflate (RFC 1951, 3.2.2) and its tables of lengths and distances.

use super::bits::Reader;

pub const END: usize = 256;
pub const LENGTH_BASE: [u16; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
pub const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
pub const DISTANCE_BASE: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12289, 16385, 24577,
];
pub const DISTANCE_EXTRA: [u8; 30] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
/// The order in which the lengths of the code lengths' codes stand.
pub const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Extra bits of the symbols 16, 17 and 18 among code lengths.
pub const REPEAT_EXTRA: [u8; 19] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7];

pub fn fixed_lengths() -> [u8; 288] {
    std::array::from_fn(|i| match i {
        0..=143 => 8,
        144..=255 => 9,
        256..=279 => 7,
        _ => 8,
    })
}

/// The symbol of a length, its extra bits and their number.
pub fn length_symbol(len: usize) -> (usize, u32, u32) {
    let at = LENGTH_BASE.partition_point(|&b| usize::from(b) <= len).saturating_sub(1);
    (257 + at, (len as u32).saturating_sub(u32::from(LENGTH_BASE[at])), u32::from(LENGTH_EXTRA[at]))
}

/// The symbol of a distance, its extra bits and their number.
pub fn distance_symbol(distance: usize) -> (usize, u32, u32) {
    let at = DISTANCE_BASE.partition_point(|&b| usize::from(b) <= distance).saturating_sub(1);
    (at, (distance as u32).saturating_sub(u32::from(DISTANCE_BASE[at])), u32::from(DISTANCE_EXTRA[at]))
}

/// Code and length by symbol; codes bit-reversed, as they are written.
pub fn codes(lengths: &[u8]) -> Vec<(u32, u32)> {
    let mut count = [0u32; 16];
    for &l in lengths {
        count[usize::from(l & 15)] += 1;
    }
    count[0] = 0;
    let mut next = [0u32; 16];
    for bits in 1..16 {
        next[bits] = (next[bits - 1] + count[bits - 1]) << 1;
    }
    let code = |&l: &u8| {
        let l = usize::from(l & 15);
        if l == 0 {
            return (0, 0);
        }
        let code = next[l];
        next[l] += 1;
        (code.reverse_bits() >> (32 - l), l as u32)
    };
    lengths.iter().map(code).collect()
}

/// Whether there is room for the codes that are asked for.
pub fn fit(lengths: &[u8]) -> bool {
    lengths.iter().filter(|&&l| l > 0).map(|&l| 1u64 << (15 - l.min(15))).sum::<u64>() <= 1 << 15
}

/// Decodes one code by one look at its next bits.
pub struct Table {
    bits: u32,
    /// Symbol and length; a length of 0 is no code.
    entries: Vec<(u16, u8)>,
}

impl Table {
    /// Nothing if more codes are asked for than there is room.
    pub fn new(lengths: &[u8]) -> Option<Self> {
        let bits = u32::from(lengths.iter().copied().max().unwrap_or(0).max(1));
        if bits > 15 || !fit(lengths) {
            return None;
        }
        let mut entries = vec![(0, 0); 1 << bits];
        for (symbol, (code, len)) in codes(lengths).into_iter().enumerate().filter(|(_, (_, l))| *l > 0) {
            for slot in entries.iter_mut().skip(code as usize).step_by(1 << len) {
                *slot = (symbol as u16, len as u8);
            }
        }
        Some(Self { bits, entries })
    }

    pub fn read(&self, input: &mut Reader<'_>) -> Option<usize> {
        let (symbol, len) = *self.entries.get(input.peek(self.bits) as usize)?;
        if len == 0 {
            return None;
        }
        input.take(u32::from(len))?;
        Some(usize::from(symbol))
    }
}
