//! What the maker of the old stream decided about the same text: where nothing has changed within a window's reach,
//! a maker decides the same again, and nothing has to be searched for.

use super::Token;
use super::inflate::follow;
use std::ops::Range;

/// Bytes that are looked up, and how far apart those of the old text are that can be found.
const ANCHOR: usize = 32;
/// The same text goes on after a change of the same length if so many bytes say so.
const AGAIN: usize = 16;
/// A token follows from the window before it (32 KiB) and from as much text after it as a maker looks at.
const BEHIND: usize = 1 << 15;
const AHEAD: usize = 262;
const ROLL: u64 = 0x9e37_79b9_7f4a_7c15;

/// One old stream: its plain bytes and its tokens, in at most 2.2 bytes for each plain byte.
pub struct Precedent {
    plain: Vec<u8>,
    /// A bit for each plain byte that begins a token; one more stands at the end.
    starts: Vec<u64>,
    /// Matches before every eighth word of `starts`.
    ranks: Vec<u32>,
    /// The distance less one of every match.
    distances: Vec<u16>,
    /// One more than where an anchor stands, by its hash; 0 for none.
    anchors: Vec<u32>,
}

impl Precedent {
    /// Nothing for a stream that does not parse, or of 4 GiB.
    pub fn of(stream: &[u8], plain: usize) -> Option<Self> {
        u32::try_from(plain).ok()?;
        let mut starts = vec![0u64; plain / 64 + 1];
        let mut distances = Vec::new();
        let mut at = 0usize;
        let parsed = follow(stream, plain, |token, _| {
            starts[at / 64] |= 1 << (at % 64);
            at += token.parts().map_or(1, |(len, distance)| {
                distances.push((distance - 1) as u16);
                len
            });
        })?;
        (parsed.plain.len() == plain && at == plain).then_some(())?;
        starts[at / 64] |= 1 << (at % 64);
        let mut made = Self { plain: parsed.plain, starts, ranks: Vec::new(), distances, anchors: Vec::new() };
        let mut rank = 0;
        for word in 0..made.starts.len() {
            if word % 8 == 0 {
                made.ranks.push(rank);
            }
            rank += made.matches(word).count_ones();
        }
        made.anchors = made.index();
        Some(made)
    }

    fn index(&self) -> Vec<u32> {
        let mut anchors = vec![0u32; (self.plain.len() / ANCHOR).next_power_of_two()];
        let mask = anchors.len() - 1;
        for (i, bytes) in self.plain.chunks_exact(ANCHOR).enumerate() {
            let slot = &mut anchors[slot(hash(bytes), mask)];
            if *slot == 0 {
                *slot = (i * ANCHOR) as u32 + 1;
            }
        }
        anchors
    }

    /// The starts of a word that are no literals': the next byte begins no token.
    fn matches(&self, word: usize) -> u64 {
        let next = self.starts.get(word + 1).map_or(0, |w| w & 1);
        let is = self.starts[word];
        is & !(is >> 1 | next << 63) & if word + 1 == self.starts.len() { !self.end() } else { u64::MAX }
    }

    /// The bit behind the last plain byte.
    fn end(&self) -> u64 {
        1 << (self.plain.len() % 64)
    }

    /// The token that begins at an old position.
    fn token(&self, at: usize) -> Option<Token> {
        let (word, bit) = (at / 64, at % 64);
        let is = *self.starts.get(word)?;
        if is >> bit & 1 == 0 {
            return None;
        }
        if self.matches(word) >> bit & 1 == 0 {
            return self.plain.get(at).map(|&b| Token::literal(b));
        }
        let before = self.matches(word) & ((1 << bit) - 1);
        let rank = (word / 8 * 8..word).map(|w| self.matches(w).count_ones()).sum::<u32>() + before.count_ones();
        let distance = *self.distances.get((self.ranks[word / 8] + rank) as usize)?;
        let mut next = is & !(u64::MAX >> (63 - bit));
        let mut word = word;
        while next == 0 {
            word += 1;
            next = *self.starts.get(word)?;
        }
        let len = word * 64 + next.trailing_zeros() as usize - at;
        Some(Token::copy(len, usize::from(distance) + 1))
    }
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |h: u64, &b| h.wrapping_mul(ROLL).wrapping_add(u64::from(b) + 1))
}

/// Which hash loses the byte that was added [`ANCHOR`] bytes ago: `ROLL` to that power.
fn leaving() -> u64 {
    (0..ANCHOR).fold(1, |power: u64, _| power.wrapping_mul(ROLL))
}

fn slot(hash: u64, mask: usize) -> usize {
    (hash.wrapping_mul(ROLL) >> 32) as usize & mask
}

/// Follows a new text along an old one.
pub struct Follower<'a> {
    old: &'a Precedent,
    text: &'a [u8],
    /// Whether a token counts wherever both texts have it, not only where its maker saw nothing else.
    anywhere: bool,
    /// The stretch of the new text that is the same in the old one, and what to add to come there.
    same: Range<usize>,
    shift: usize,
    /// Anchors before this are looked up; the hash of the one that begins there, if it is known.
    seen: usize,
    rolled: Option<u64>,
    leaving: u64,
}

impl<'a> Follower<'a> {
    pub fn new(old: &'a Precedent, text: &'a [u8], anywhere: bool) -> Self {
        let same = 0..common(text, &old.plain);
        Self { old, text, anywhere, same, shift: 0, seen: 0, rolled: None, leaving: leaving() }
    }

    /// The token that the old stream has for what stands at `pos`; positions never go back.
    pub fn token(&mut self, pos: usize) -> Option<Token> {
        if pos >= self.same.end && !self.seek(pos) {
            return None;
        }
        let at = pos.wrapping_add(self.shift);
        let settled = self.settled(pos);
        if !settled && !self.anywhere {
            return None;
        }
        let token = self.old.token(at)?;
        let (len, distance) = token.parts().unwrap_or((1, 0));
        let ends = self.same.end == self.text.len() && self.same.end.wrapping_add(self.shift) == self.old.plain.len();
        let left = self.same.end - pos;
        if settled && (ends || left >= len + AHEAD) {
            return Some(token);
        }
        let there = self.anywhere && left >= len && distance <= pos;
        let source = pos.wrapping_sub(distance);
        (there && (distance == 0 || self.text[source..pos].iter().cycle().take(len).eq(&self.text[pos..pos + len])))
            .then_some(token)
    }

    /// Whether everything that a maker could refer to is the same.
    fn settled(&self, pos: usize) -> bool {
        pos - self.same.start >= BEHIND || (self.same.start == 0 && self.shift == 0)
    }

    /// Finds the stretch that `pos` is in.
    fn seek(&mut self, pos: usize) -> bool {
        let at = pos.wrapping_add(self.shift);
        let (new, old) = (self.text.get(pos..).unwrap_or_default(), self.old.plain.get(at..).unwrap_or_default());
        let len = common(new, old);
        if len >= AGAIN {
            self.same = pos..pos + len;
            return true;
        }
        if self.seen < self.same.end {
            (self.seen, self.rolled) = (self.same.end, None);
        }
        while self.seen <= pos && self.seen + ANCHOR <= self.text.len() {
            let from = self.seen;
            let hash = self.rolled.unwrap_or_else(|| hash(&self.text[from..from + ANCHOR]));
            self.seen += 1;
            self.rolled = self.text.get(from + ANCHOR).map(|&next| {
                let left = (u64::from(self.text[from]) + 1).wrapping_mul(self.leaving);
                hash.wrapping_mul(ROLL).wrapping_add(u64::from(next) + 1).wrapping_sub(left)
            });
            let found = self.old.anchors[slot(hash, self.old.anchors.len() - 1)];
            let Some(found) = (found as usize).checked_sub(1) else { continue };
            let len = common(&self.text[from..], &self.old.plain[found..]);
            if len >= ANCHOR && from + len > pos {
                self.same = from..from + len;
                self.shift = found.wrapping_sub(from);
                return true;
            }
        }
        false
    }
}

/// How many bytes two texts begin with alike.
pub fn common(a: &[u8], b: &[u8]) -> usize {
    let mut n = 0;
    while let (Some(x), Some(y)) = (a[n..].first_chunk::<8>(), b[n..].first_chunk::<8>()) {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return n + (differ.trailing_zeros() / 8) as usize;
        }
        n += 8;
    }
    n + a[n..].iter().zip(&b[n..]).take_while(|(x, y)| x == y).count()
}
