//! Longest matches anywhere in the old bytes, by a suffix array.

use libsais::SuffixArrayConstruction;

pub struct Suffixes<'a> {
    text: &'a [u8],
    order: Vec<i32>,
    /// First place in `order` of the suffixes that begin with each pair of bytes.
    pairs: Vec<u32>,
    grams: Grams,
}

/// Which rows of so many bytes the text has: a filter that is asked before a search, for most of what is looked for
/// where files differ is nowhere. It may say yes wrongly (one in eight or so), never no.
struct Grams {
    length: usize,
    bits: Vec<u64>,
    shift: u32,
}

impl Grams {
    fn new(text: &[u8], length: usize) -> Self {
        let log = (usize::BITS - text.len().leading_zeros() + 3).clamp(10, 32);
        let mut grams = Grams { length, bits: vec![0; 1 << (log - 6)], shift: 64 - log };
        for gram in text.windows(length) {
            let bit = grams.bit(gram);
            grams.bits[bit / 64] |= 1 << (bit % 64);
        }
        grams
    }

    /// Of a gram of 8 to 16 bytes.
    #[inline]
    fn bit(&self, gram: &[u8]) -> usize {
        let word = |at: usize| gram.get(at..at + 8).map_or(0, |w| u64::from_le_bytes(w.try_into().unwrap_or_default()));
        let (a, b) = (word(0), word(self.length - 8));
        let h = (a ^ b.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((h ^ h >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> self.shift) as usize
    }

    /// Whether the text may have the first bytes of `key`.
    #[inline]
    fn may_have(&self, key: &[u8]) -> bool {
        key.get(..self.length).is_some_and(|gram| {
            let bit = self.bit(gram);
            self.bits[bit / 64] >> (bit % 64) & 1 == 1
        })
    }
}

/// Lengths of matches are counted up to here, which bounds the cost of a search in repetitive bytes.
pub const MAX_MATCH: usize = 4096;

impl<'a> Suffixes<'a> {
    /// For matches of `least` bytes (8 to 16) or more; nothing for an empty text or one of 2 GiB and more.
    pub fn new(text: &'a [u8], least: usize) -> Option<Self> {
        if text.is_empty() || text.len() >= i32::MAX as usize {
            return None;
        }
        let order =
            SuffixArrayConstruction::for_text(text).in_owned_buffer32().single_threaded().run().ok()?.into_vec();
        let mut counts = vec![0u32; 65537 + 1];
        for (i, &a) in text.iter().enumerate() {
            // A last byte alone sorts before every pair that begins with it.
            let pair = usize::from(a) << 8 | text.get(i + 1).map_or(0, |&b| usize::from(b));
            counts[pair + 1] += 1;
        }
        for i in 1..counts.len() {
            counts[i] += counts[i - 1];
        }
        Some(Suffixes { text, order, pairs: counts, grams: Grams::new(text, least) })
    }

    /// Length and place of a longest match for the start of `key` (0 if it is too short to be worth it); among the few
    /// next to it in the order that are as long, the one nearest to `near`.
    pub fn longest(&self, key: &[u8], near: i64) -> (usize, usize) {
        if !self.grams.may_have(key) {
            return (0, 0);
        }
        let key = &key[..key.len().min(MAX_MATCH)];
        if key.len() < 2 {
            return (0, 0);
        }
        let pair = usize::from(key[0]) << 8 | usize::from(key[1]);
        let (first, last) = (self.pairs[pair] as usize, self.pairs[pair + 1] as usize);
        if first >= last {
            return (0, 0);
        }
        let (mut lo, mut hi) = (first, last);
        let (mut llo, mut lhi) = (0, 0);
        while lo < hi {
            let mid = lo + (hi - lo) / 2;
            let from: usize = llo.min(lhi);
            let suffix = &self.text[self.order[mid] as usize..];
            let n = from + common(&suffix[from.min(suffix.len())..], &key[from..]);
            if n < key.len() && (n >= suffix.len() || suffix[n] < key[n]) {
                lo = mid + 1;
                llo = n;
            } else {
                hi = mid;
                lhi = n;
            }
        }
        // The best neighbours stand just before and just after the place of insertion.
        let length = |i: usize| common(&self.text[self.order[i] as usize..], key);
        let before = if lo > first { length(lo - 1) } else { 0 };
        let after = if lo < last { length(lo) } else { 0 };
        let best = before.max(after);
        let mut at = if after >= before { lo } else { lo - 1 };
        let distance = |i: usize| (i64::from(self.order[i]) - near).unsigned_abs();
        for step in 1..=24usize {
            let i = lo + step;
            if after != best || i >= last || length(i) < best {
                break;
            }
            if distance(i) < distance(at) {
                at = i;
            }
        }
        for step in 1..=24usize {
            let Some(i) = lo.checked_sub(step).filter(|&i| i >= first) else { break };
            if before != best || length(i) < best {
                break;
            }
            if distance(i) < distance(at) {
                at = i;
            }
        }
        (best, self.order[at] as usize)
    }
}

/// Bytes that two slices begin with in common.
#[inline]
pub fn common(a: &[u8], b: &[u8]) -> usize {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let mut i = 0;
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        if x != y {
            break;
        }
        i += 8;
    }
    while i < n && a[i] == b[i] {
        i += 1;
    }
    i
}
