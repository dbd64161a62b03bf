//! What each kind of section holds: the references of the instructions, words or records that begin in a range.

use super::{BLOCK, PAIR, Part, Refs};
use crate::delta::stream::bytes::{u32_at, u64_at};
use crate::delta::stream::field::{self, kind::*};
use crate::delta::stream::image::Class;

impl Refs<'_> {
    /// Branches, and the addresses that lie between functions.
    pub(super) fn arm(&self, part: &Part, begin: usize, end: usize, found: &mut Vec<(u32, u8)>) {
        for at in (begin..end.min(part.to.saturating_sub(3))).step_by(4) {
            let w = u32_at(self.file, at).unwrap_or(0);
            if w & 0x0E00_0000 == 0x0A00_0000 && w >> 28 != 15 {
                found.push((at as u32, B24));
            } else if w >= 0x1_0000 && part.addr > 0 && self.image.at_addr(u64::from(w)).is_some() {
                found.push((at as u32, ABS32));
            }
        }
    }

    /// Jumps, and AUIPC where the next instruction adds the lower bits.
    pub(super) fn riscv(&self, part: &Part, mut at: usize, end: usize, found: &mut Vec<(u32, u8)>) {
        let word = |at: usize| if at + 4 <= part.to { u32_at(self.file, at) } else { None };
        while at < end {
            let len = riscv_length(self.file, at);
            let w = if len == 4 { word(at).unwrap_or(0) } else { 0 };
            if w & 0x7F == 0x6F {
                found.push((at as u32, J20));
            } else if w & 0x7F == 0x17
                && let Some(next) = word(at + 4)
                && matches!(next & 0x7F, 0x03 | 0x07 | 0x13 | 0x1B | 0x23 | 0x27 | 0x67)
                && next >> 15 & 31 == w >> 7 & 31
            {
                found.push((at as u32, HIGH20));
                found.push((at as u32 + 4, LOW12));
                at += 4;
            }
            at += len;
        }
    }

    pub(super) fn pointers4(&self, part: &Part, begin: usize, end: usize, found: &mut Vec<(u32, u8)>) {
        for at in (begin.next_multiple_of(4)..end.min(part.to.saturating_sub(3))).step_by(4) {
            let v = u32_at(self.file, at).unwrap_or(0);
            if v >= 0x1000 && self.image.at_addr(u64::from(v)).is_some() {
                found.push((at as u32, ABS32));
            }
        }
    }

    pub(super) fn arm64(&self, part: &Part, begin: usize, end: usize, found: &mut Vec<(u32, u8)>) {
        // Low bits in this block whose page stands before it are found by going back so far.
        let mut low: [(usize, u8); PAIR + 1] = [(usize::MAX, 0); PAIR + 1];
        let word = |at: usize| if at < part.to { u32_at(self.file, at) } else { None };
        let mut at = begin.saturating_sub(4 * PAIR).max(part.from);
        while at < end {
            let Some(w) = word(at) else { break };
            let claim = &mut low[at / 4 % (PAIR + 1)];
            let claimed = if claim.0 == at { Some(claim.1) } else { None };
            let kind = if let Some(distance) = claimed {
                LOW | distance
            } else if w & 0x7C00_0000 == 0x1400_0000 {
                B26
            } else if w & 0xFF00_0010 == 0x5400_0000 || w & 0x7E00_0000 == 0x3400_0000 || w & 0x3B00_0000 == 0x1800_0000
            {
                B19
            } else if w & 0x7E00_0000 == 0x3600_0000 {
                B14
            } else if w & 0x9F00_0000 == 0x1000_0000 {
                ADR
            } else if w & 0x9F00_0000 == 0x9000_0000 {
                let mut distance = 0;
                for d in 1..=PAIR {
                    let there = at + 4 * d;
                    let Some(next) = word(there) else { break };
                    if field::low_scale(next).is_some() && (next >> 5) & 31 == w & 31 {
                        distance = d as u8;
                        let claim = &mut low[there / 4 % (PAIR + 1)];
                        if claim.0 != there {
                            *claim = (there, distance);
                        }
                        break;
                    }
                    if next & 31 == w & 31 && next & 0x9F00_0000 == 0x9000_0000 {
                        break;
                    }
                }
                PAGE | distance
            } else {
                at += 4;
                continue;
            };
            if at >= begin {
                found.push((at as u32, kind));
            }
            at += 4;
        }
    }

    /// Aligned words that are addresses, and the entries of jump tables, which go before them.
    pub(super) fn pointers(&self, part: &Part, begin: usize, end: usize, found: &mut Vec<(u32, u8)>) {
        let image = self.image;
        let mut entry = begin;
        // Most blocks have no jump table.
        let plain = self.next_entry(begin.saturating_sub(3), end + 8).is_none();
        let free = |from: usize, to: usize| plain || self.next_entry(from.saturating_sub(3), to).is_none();
        let entries = |until: usize, entry: &mut usize, found: &mut Vec<(u32, u8)>| {
            while !plain && *entry < until {
                let Some(next) = self.next_entry(*entry, until) else { break };
                found.push((next as u32, BASE32));
                *entry = next + 4;
            }
        };
        let mut at = begin.next_multiple_of(8);
        while at < end {
            entries(at, &mut entry, found);
            let v = if at + 8 <= part.to { u64_at(self.file, at) } else { None };
            let Some(v) = v else { break };
            if v >= 0x1000 && image.at_addr(v).is_some() {
                if free(at, at + 8) {
                    found.push((at as u32, ABS64));
                }
            } else if image.base != 0 {
                for (half, v) in [(at, v & 0xFFFF_FFFF), (at + 4, v >> 32)] {
                    let target = image.at_addr(image.base.wrapping_add(v));
                    if v >= 0x1000
                        && target.is_some_and(|s| image.sections[s].class == Class::Code)
                        && free(half, half + 4)
                    {
                        entries(half, &mut entry, found);
                        found.push((half as u32, RVA32));
                    }
                }
            }
            at += 8;
        }
        entries(end.min(part.to.saturating_sub(3)), &mut entry, found);
    }

    /// The first entry of a jump table in a range.
    fn next_entry(&self, from: usize, to: usize) -> Option<usize> {
        let mut i = self.tables.partition_point(|t| t.at as usize <= from).saturating_sub(1);
        while let Some(t) = self.tables.get(i).filter(|t| (t.at as usize) < to) {
            let first = t.at as usize + from.saturating_sub(t.at as usize).next_multiple_of(4);
            if first < to && (first - t.at as usize) / 4 < t.count as usize {
                return Some(first);
            }
            i += 1;
        }
        None
    }

    /// What an unwind table's entries refer to: their CIE, their function's start and end, its exception table.
    pub(super) fn frames(&self, part: &Part, mut at: usize, end: usize, found: &mut Vec<(u32, u8)>) {
        while at < end {
            let Some(length) = record(self.file, at, part.to) else { return };
            if u32_at(self.file, at + 4) != Some(0) && length >= 12 {
                found.extend([(at + 4, BACK32), (at + 8, SELF32), (at + 12, LENGTH32)].map(|(p, k)| (p as u32, k)));
                // A pointer to the function's exception table, where the augmentation is just that.
                if self.file.get(at + 16) == Some(&4) && length >= 17 {
                    found.push(((at + 17) as u32, SELF32));
                }
            }
            at += 4 + length;
        }
    }
}

/// How many bytes follow the length of an unwind table's record, if one stands there.
fn record(file: &[u8], at: usize, to: usize) -> Option<usize> {
    let length = u32_at(file, at).filter(|_| at + 12 <= to)? as usize;
    (length != 0 && length < 0xFFFF_FFF0 && length <= to - at - 4).then_some(length)
}

/// Notes where each block's first instruction or record is, given how long the one at a place is.
pub(super) fn starts(part: &mut Part, length: impl Fn(usize) -> usize) {
    let mut at = part.from;
    while at < part.to {
        while part.starts.len() * BLOCK <= at - part.from {
            part.starts.push((at - part.from - part.starts.len() * BLOCK) as u32);
        }
        at += length(at);
    }
}

/// Where the unwind table's records are.
pub(super) fn frames(file: &[u8], part: &mut Part) {
    let end = part.to;
    starts(part, |at| record(file, at, end).map_or(end, |length| 4 + length));
}

/// Instructions of two bytes end in other bits than `11`.
pub(super) fn riscv_length(file: &[u8], at: usize) -> usize {
    if file.get(at).is_some_and(|b| b & 3 == 3) { 4 } else { 2 }
}
