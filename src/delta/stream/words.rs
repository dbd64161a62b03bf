//! Words of tables: numbers that grew by what their neighbours grew by, as offsets into something that moved do.

use super::coder::Coder;
use super::model::{Bits, Tier, hash2};

/// Growths that were seen last, in any column.
const RECENT: usize = 4;
/// Candidates: by value, closely and roughly, the recent ones, and none.
const CANDIDATES: usize = 3 + RECENT;
const LOG: u32 = 14;

pub struct Words<T> {
    bits: Bits<3, T>,
    /// Growth by the number's upper bits.
    close: Vec<u32>,
    rough: Vec<u32>,
    recent: [u32; RECENT],
    /// Which candidates were right, latest lowest, four bits each.
    outcomes: u32,
}

impl<T: Tier> Words<T> {
    pub fn new() -> Self {
        Words {
            bits: Bits::new(18, 255),
            close: vec![0; 1 << LOG],
            rough: vec![0; 1 << LOG],
            recent: [0; RECENT],
            outcomes: 0,
        }
    }

    /// Codes a word as its growth; nothing if that is no likely number, then its bytes follow one by one.
    pub fn code<C: Coder>(&mut self, c: &mut C, was: u32, now: u32, at: usize) -> Option<u32> {
        let slot = |shift: u32| (hash2(was >> shift, shift) >> (32 - LOG)) as usize;
        let (close, rough) = (slot(6), slot(14));
        let mut given = [0; CANDIDATES];
        given[0] = self.close[close];
        given[1] = self.rough[rough];
        given[2..2 + RECENT].copy_from_slice(&self.recent);
        let grown = now.wrapping_sub(was);
        let top = hash2(was >> 12, at as u32 >> 2 & 1);
        let mut rank = 0u32;
        for i in 0..CANDIDATES {
            if given[..i].contains(&given[i]) {
                continue;
            }
            let contexts = [
                hash2(i as u32 | (self.outcomes & 0xFFF) << 4, 0x81),
                hash2(i as u32, top),
                hash2(i as u32 | (self.outcomes >> 4 & 0xFF0) | (at as u32 >> 2 & 7) << 16, 32 - was.leading_zeros()),
            ];
            let zero = usize::from(given[i] == 0);
            if self.bits.bit(c, u32::from(given[i] == grown), &contexts, 128 + i * 2 + zero) == 1 {
                return Some(self.learn(was, given[i], rank, (close, rough)));
            }
            rank += 1;
        }
        let number = (grown as i32).unsigned_abs() < 1 << 14;
        let contexts = [self.outcomes & 0xFFF, top, 32 - was.leading_zeros()];
        if self.bits.bit(c, u32::from(!number), &contexts, 150) == 1 {
            self.outcomes = self.outcomes << 4 | 15;
            return None;
        }
        let base = given[0];
        let d = self.bits.signed(c, i64::from(grown.wrapping_sub(base) as i32), 3, &[0, top, self.outcomes & 0xF]);
        Some(self.learn(was, base.wrapping_add(d as u32), 14, (close, rough)))
    }

    fn learn(&mut self, was: u32, grown: u32, rank: u32, (close, rough): (usize, usize)) -> u32 {
        self.outcomes = self.outcomes << 4 | rank;
        self.close[close] = grown;
        self.rough[rough] = grown;
        let k = self.recent.iter().position(|&g| g == grown).unwrap_or(RECENT - 1);
        self.recent.copy_within(0..k, 1);
        self.recent[0] = grown;
        was.wrapping_add(grown)
    }
}
