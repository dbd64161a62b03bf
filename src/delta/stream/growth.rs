//! How changed bytes grow: one that changes after the same growths, as far behind them, is expected to grow as it did
//! then; numbers in tables and instructions that move together show it.

use super::model::hash2;

/// Trust in a growth that was seen once or more, at most; and how far the table's slots go.
const MOST: u8 = 15;
const LOG: u32 = 16;

pub struct Growth {
    /// By how much the last changed bytes grew, the latest lowest, and how often in a row one grew as the one before.
    last: u32,
    alike: u32,
    /// By how much a byte grew in the same place, and how often in a row.
    after: Vec<(u8, u8)>,
}

/// What is expected of the next byte, if it changes.
#[derive(Clone, Copy)]
pub struct Expected {
    /// Growth, modulo 256.
    pub by: u32,
    /// From 1 to 30; above 15 if it was seen in this place.
    pub trust: u32,
    slot: usize,
}

impl Growth {
    pub fn new() -> Self {
        Self { last: 0, alike: 0, after: vec![(0, 0); 1 << LOG] }
    }

    /// `run` says of the bytes before, the nearest lowest, whether they changed.
    pub fn expected(&self, run: u32) -> Expected {
        let slot = hash2(self.last & 0xFFFF | run.trailing_zeros().min(15) << 16, 0x91) >> (32 - LOG);
        let slot = slot as usize;
        match self.after[slot] {
            (_, 0) => Expected { by: self.last & 0xFF, trust: 1 + self.alike, slot },
            (by, seen) => Expected { by: by.into(), trust: 15 + u32::from(seen), slot },
        }
    }

    /// A byte grew by so much, modulo 256.
    pub fn learn(&mut self, expected: Expected, grown: u32) {
        let place = &mut self.after[expected.slot];
        *place = match *place {
            (by, seen) if seen > 0 && u32::from(by) == grown => (by, (seen + 1).min(MOST)),
            (by, seen) if seen > 1 => (by, seen / 2),
            _ => (grown as u8, 1),
        };
        self.alike = if grown == self.last & 0xFF { (self.alike + 1).min(14) } else { self.alike / 2 };
        self.last = self.last << 8 | grown;
    }
}
