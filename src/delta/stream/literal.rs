//! Bytes that no prediction covers: contexts of several orders, a match model over everything known, mixed.

use super::coder::Coder;
use super::model::{Counter, Mixer, SMALL_NEW, Tier, hash2, small_p, small_update, squash, stretch};
use std::marker::PhantomData;

/// Hashed contexts of a byte.
pub const CONTEXTS: usize = 7;
const INPUTS: usize = CONTEXTS + 2;
/// Counters of one nibble: a check, and one for every node of the nibble's tree.
type Line = [u16; 16];

pub struct Literals<T> {
    lines: Vec<Line>,
    mask: u32,
    by_match: Mixer<INPUTS>,
    by_bits: Mixer<INPUTS>,
    matched: Vec<Counter>,
    order0: Vec<Counter>,
    /// Whether a long match goes on, by mode and length.
    hits: Vec<Counter>,
    tier: PhantomData<T>,
}

/// A match this long is followed by one flag a byte, not by eight bits.
const LONG: u32 = 16;

/// What a byte is coded under.
pub struct Around {
    pub contexts: [u32; CONTEXTS],
    /// The byte that followed the longest match, and a measure of trust from 1 to 31 (0: no match).
    pub expected: u8,
    pub trust: u32,
    /// 0 to 3: inserted, or a byte changed in a copy; in code or not.
    pub mode: u32,
}

impl<T: Tier> Literals<T> {
    /// Order 0 and the match come behind the contexts.
    const USED: usize = T::BYTES + 2;

    /// `log` of the number of lines.
    pub fn new(log: u32) -> Self {
        Literals {
            lines: vec![[SMALL_NEW; 16]; 1 << log],
            mask: (1 << log) - 1,
            by_match: Mixer::new(4 * 32 * 2, 162_000 / Self::USED as i32, 90),
            by_bits: Mixer::new(4 * 256, 162_000 / Self::USED as i32, 90),
            matched: vec![Counter::NEW; 32 * 256],
            order0: vec![Counter::NEW; 4 * 256],
            hits: vec![Counter::NEW; 4 * 64],
            tier: PhantomData,
        }
    }

    /// Codes whether the byte is what a match of `run` bytes expects; `run` is at least [`LONG`].
    #[inline]
    pub fn goes_on<C: Coder>(&mut self, c: &mut C, hit: bool, mode: u32, run: u32) -> bool {
        let class = if run < 48 { (run - LONG) / 2 } else { 16 + (run / 32).min(47) };
        let counter = &mut self.hits[(mode * 64 + class) as usize];
        let bit = c.bit(u32::from(hit), counter.p().clamp(32, 65520));
        counter.update(bit, 1000);
        bit == 1
    }

    /// The line of a hash: itself or its neighbour, the less used one is taken over.
    #[inline]
    fn line(&mut self, h: u32) -> usize {
        let check = (h >> 16) as u16 | 1;
        let a = (h.wrapping_mul(0x9E37_79B1) >> 7 & self.mask) as usize;
        let b = a ^ 1;
        if self.lines[a][0] == check {
            return a;
        }
        if self.lines[b][0] == check {
            return b;
        }
        let i = if self.lines[a][1] & 15 <= self.lines[b][1] & 15 { a } else { b };
        // The other one ages, so that a line once busy does not stay for ever.
        let other = &mut self.lines[i ^ 1][1];
        if *other & 15 > 0 {
            *other -= 1;
        }
        self.lines[i] = [SMALL_NEW; 16];
        self.lines[i][0] = check;
        i
    }

    pub fn code<C: Coder>(&mut self, c: &mut C, byte: u8, around: &Around) -> u8 {
        let mut partial = 1u32;
        let mut at = [0usize; CONTEXTS];
        let mut trust = around.trust.min(31);
        let expected = u32::from(around.expected) | 256;
        let mode = around.mode as usize;
        for bit_index in 0..8u32 {
            if bit_index == 0 || bit_index == 4 {
                for (i, line) in at.iter_mut().enumerate().take(T::BYTES) {
                    let h = hash2(around.contexts[i].wrapping_add(i as u32), partial | (bit_index << 8));
                    *line = self.line(h);
                }
            }
            let node =
                if bit_index < 4 { partial } else { (1 << (bit_index - 4)) | partial & ((1 << (bit_index - 4)) - 1) };
            let node = (node & 15) as usize;
            let mut inputs = [0i32; INPUTS];
            for i in 0..T::BYTES {
                inputs[i] = stretch(small_p(self.lines[at[i]][node]) << 4);
            }
            let bit_expected = (expected >> (7 - bit_index)) & 1;
            let m = (trust * 8 + bit_index) as usize;
            if trust > 0 {
                let s = stretch(self.matched[m].p());
                inputs[T::BYTES] = if bit_expected == 1 { s } else { -s };
            }
            let zero = mode * 256 + partial as usize;
            inputs[T::BYTES + 1] = stretch(self.order0[zero].p());
            let set_a = (mode * 32 + trust as usize) * 2 + usize::from(bit_index >= 4);
            let set_b = mode * 256 + partial as usize;
            let mixed = if T::BYTES == CONTEXTS {
                (self.by_match.mix(&inputs, Self::USED, set_a) + self.by_bits.mix(&inputs, Self::USED, set_b)) >> 1
            } else {
                self.by_match.mix(&inputs, Self::USED, set_a)
            };
            let p = squash(mixed).clamp(32, 65504);
            let bit = c.bit((u32::from(byte) >> (7 - bit_index)) & 1, p);
            self.by_match.update(&inputs, Self::USED, set_a, bit, p);
            if T::BYTES == CONTEXTS {
                self.by_bits.update(&inputs, Self::USED, set_b, bit, p);
            }
            for &line in &at[..T::BYTES] {
                small_update(&mut self.lines[line][node], bit);
            }
            self.order0[zero].update(bit, 250);
            if trust > 0 {
                self.matched[m].update(u32::from(bit == bit_expected), 250);
                if bit != bit_expected {
                    trust = 0;
                }
            }
            partial = partial * 2 + bit;
        }
        partial as u8
    }
}

/// The longest earlier occurrence of what was just written, in the old file or in the new one so far.
pub struct Matches {
    table: Vec<u32>,
    mask: u32,
    /// Place in "old, then new" of the byte expected next; 0 is none.
    at: usize,
    /// Bytes that agreed in a row.
    run: u32,
    missed: bool,
}

/// Bytes hashed to look for an occurrence.
const SEEN: usize = 6;

impl Matches {
    pub fn new(log: u32, old: &[u8]) -> Self {
        let mut m = Matches { table: vec![0; 1 << log], mask: (1 << log) - 1, at: 0, run: 0, missed: false };
        let step = (old.len() >> log).max(1);
        let mut i = SEEN;
        while i <= old.len() {
            let h = m.slot(&old[i - SEEN..i]);
            m.table[h] = i as u32;
            i += step;
        }
        m
    }

    #[inline]
    fn slot(&self, tail: &[u8]) -> usize {
        let a = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
        let b = u32::from(tail[4]) | u32::from(tail[5]) << 8;
        let h = hash2(a, b);
        ((h ^ h >> 16) & self.mask) as usize
    }

    /// Follows the old file from `at` on, as long as nothing better is found.
    pub fn follow(&mut self, at: usize) {
        self.at = at;
        self.run = 0;
        self.missed = false;
    }

    /// Looks for an occurrence if none is followed.
    #[inline]
    pub fn seek(&mut self, old: &[u8], new: &[u8]) {
        if self.at != 0 && self.run >= 8 || new.len() < SEEN {
            return;
        }
        let slot = self.slot(&new[new.len() - SEEN..]);
        let at = self.table[slot] as usize;
        if at == 0 {
            return;
        }
        let byte = |i: usize| if i < old.len() { old.get(i) } else { new.get(i - old.len()) };
        let mut run = 0;
        while run < 32 && run < at && run < new.len() && byte(at - 1 - run) == Some(&new[new.len() - 1 - run]) {
            run += 1;
        }
        if run >= SEEN && run as u32 > self.run {
            self.at = at;
            self.run = run as u32;
            self.missed = false;
        }
    }

    /// The byte expected next and the trust in it.
    #[inline]
    pub fn expected(&self, old: &[u8], new: &[u8]) -> (u8, u32) {
        if self.at == 0 {
            return (0, 0);
        }
        let byte = if self.at < old.len() { old.get(self.at) } else { new.get(self.at - old.len()) };
        match byte {
            Some(&b) => {
                let trust = match self.run {
                    0..=15 => 1 + self.run,
                    16..=31 => 16 + (self.run - 16) / 4,
                    r => 20 + (r.min(400) - 32) / 64,
                };
                (b, if self.missed && trust < 9 { 26 + trust / 2 } else { trust })
            }
            None => (0, 0),
        }
    }

    /// How many bytes agreed in a row, where that is many.
    #[inline]
    pub fn long(&self) -> Option<u32> {
        (self.at != 0 && self.run >= LONG).then_some(self.run)
    }

    /// Learns the byte that came; `new` already ends with it.
    #[inline]
    pub fn update(&mut self, old: &[u8], new: &[u8], expected: u8, trust: u32) {
        let byte = new[new.len() - 1];
        if self.at != 0 {
            self.at += 1;
            if trust > 0 && byte == expected {
                self.run += 1;
            } else {
                // A single miss does not end it: code differs by operands.
                if self.missed && self.run < 2 {
                    self.at = 0;
                }
                self.missed = true;
                self.run = 0;
            }
        }
        if new.len() >= SEEN {
            let slot = self.slot(&new[new.len() - SEEN..]);
            self.table[slot] = (old.len() + new.len()) as u32;
        }
    }
}
