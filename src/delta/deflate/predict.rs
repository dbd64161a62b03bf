//! Which token zlib would choose next: hash chains, lazy evaluation and their limits by level.
//!
//! Positions are absolute; zlib's sliding window shows only in that position 0 is never matched and that no match
//! reaches farther back than [`FAR`].

use super::Token;
use super::maker::{Follows, Hash, Maker};
use super::precedent::{Follower, Precedent, common};

const MIN: usize = 3;
const MAX: usize = 258;
const WINDOW: usize = 1 << 15;
const MASK: usize = WINDOW - 1;
/// Distances that zlib allows: its window less the lookahead that it wants.
const FAR: usize = WINDOW - (MAX + MIN + 1);
/// Matches of three bytes from farther away cost more than three literals.
const TOO_FAR: usize = 4096;
/// Tokens that are looked at again for what lazy evaluation had in hand.
const AGAIN: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Match {
    len: usize,
    distance: usize,
}

impl Match {
    const NONE: Self = Self { len: MIN - 1, distance: 0 };
}

/// Follows a stream token by token.
pub struct Predictor<'a> {
    text: &'a [u8],
    maker: Maker,
    /// The newest position of each hash, 0 for none.
    head: Vec<u32>,
    /// How far back the position before with the same hash lies (0: out of reach), by the low bits of the position.
    before: Vec<u16>,
    /// Slow levels: positions below this are in the chains.
    inserted: usize,
    pos: usize,
    /// The match at `pos` that lazy evaluation has found.
    found: Option<Match>,
    /// The match at `pos` that was predicted, once it has been.
    here: Match,
    crc: Vec<u32>,
    old: Option<Follower<'a>>,
    /// Whether the last tokens were told by the old stream, so that nothing is known about matches.
    told: bool,
    /// The last tokens that were told, the newest last.
    latest: Vec<Token>,
}

impl<'a> Predictor<'a> {
    /// Texts of 4 GiB and more are not followed. Where the maker follows one, `old` is the old stream.
    pub fn new(text: &'a [u8], maker: Maker, old: Option<&'a Precedent>) -> Self {
        let bits = if maker.hash() == Hash::Shift6 { 16 } else { 15 };
        let crc = if matches!(maker.hash(), Hash::Crc3 | Hash::Crc4) { crc_table() } else { Vec::new() };
        Self {
            text,
            maker,
            head: vec![0; 1 << bits],
            before: vec![0; WINDOW],
            inserted: 0,
            pos: 0,
            found: None,
            here: Match::NONE,
            crc,
            old: old
                .filter(|_| maker.follows())
                .map(|old| Follower::new(old, text, maker.follows == Follows::Anything)),
            told: false,
            latest: Vec::with_capacity(2 * AGAIN),
        }
    }

    /// Plain bytes that are not yet covered.
    pub fn left(&self) -> usize {
        self.text.len() - self.pos
    }

    /// The covered bytes from `start` on.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.text.get(start..self.pos).unwrap_or_default()
    }

    pub fn position(&self) -> usize {
        self.pos
    }

    /// The next byte as a token.
    pub fn literal(&self) -> Token {
        Token::literal(self.text.get(self.pos).copied().unwrap_or(0))
    }

    fn slow(&self) -> bool {
        self.maker.lazy()
    }

    fn hash(&self, pos: usize) -> usize {
        let at = |i: usize| u32::from(self.text.get(pos + i).copied().unwrap_or(0));
        match self.maker.hash() {
            Hash::Shift5 => ((at(0) << 10 ^ at(1) << 5 ^ at(2)) & 0x7fff) as usize,
            Hash::Shift6 => ((at(0) << 12 ^ at(1) << 6 ^ at(2)) & 0xffff) as usize,
            Hash::Crc3 | Hash::Crc4 => {
                let last = if self.maker.hash() == Hash::Crc4 { at(3) } else { 0 };
                let step = |crc: u32, byte: u32| self.crc[((crc ^ byte) & 0xff) as usize] ^ crc >> 8;
                let crc = [at(0), at(1), at(2), last].into_iter().fold(0, step);
                (crc & 0x7fff) as usize
            }
            Hash::Product => {
                let four = at(0) | at(1) << 8 | at(2) << 16 | at(3) << 24;
                (four.wrapping_mul(66521).wrapping_add(66521) >> 16 & 0x7fff) as usize
            }
        }
    }

    fn insert(&mut self, pos: usize) {
        if pos + MIN <= self.text.len() {
            let hash = self.hash(pos);
            let head = self.head[hash] as usize;
            self.before[pos & MASK] = if head == 0 || pos - head > WINDOW { 0 } else { (pos - head) as u16 };
            self.head[hash] = pos as u32;
        }
    }

    /// What has gone out of reach is left out.
    fn insert_until(&mut self, end: usize) {
        self.inserted = self.inserted.max(end.saturating_sub(WINDOW + 1));
        while self.inserted < end {
            self.insert(self.inserted);
            self.inserted += 1;
        }
    }

    /// The longest match at an inserted position that is longer than `best`.
    fn longest(&self, pos: usize, best: usize) -> Match {
        let text = self.text;
        let most = MAX.min(text.len().saturating_sub(pos));
        let (good, _, nice, mut chain) = self.maker.limits();
        let none = Match { len: best, distance: 0 };
        if most < MIN || best >= most {
            return none;
        }
        if self.slow() && best >= good {
            chain >>= 2;
        }
        let nice = nice.min(most);
        let (mut len, mut distance) = (best, 0);
        let mut step = usize::from(self.before[pos & MASK]);
        if step == 0 || step > FAR {
            return none;
        }
        let mut at = pos - step;
        let limit = pos.saturating_sub(FAR);
        let here = &text[pos..pos + most];
        let mut tail = Tail::of(text, pos, len);
        loop {
            if tail.agrees(text, at) {
                let same = common(here, &text[at..at + most]);
                if same > len {
                    (len, distance) = (same, pos - at);
                    if len >= nice {
                        break;
                    }
                    tail = Tail::of(text, pos, len);
                }
            }
            step = usize::from(self.before[at & MASK]);
            chain -= 1;
            if step == 0 || chain == 0 || at <= limit + step {
                break;
            }
            at -= step;
        }
        Match { len, distance }
    }

    /// As lazy evaluation sees it: nothing where a match of three bytes is too far.
    fn lazily(&mut self, pos: usize, best: usize) -> Match {
        self.insert_until(pos + 1);
        let found = self.longest(pos, best);
        if found.len <= best || (found.len == MIN && found.distance > TOO_FAR) { Match::NONE } else { found }
    }

    /// The token that the maker would choose at this position, of which there is one.
    pub fn next(&mut self) -> Token {
        if let Some(token) = self.old.as_mut().and_then(|old| old.token(self.pos)) {
            (self.told, self.found, self.here) = (true, None, Match::NONE);
            return token;
        }
        if std::mem::take(&mut self.told) && self.slow() {
            self.look_again();
        }
        self.latest.clear();
        self.search()
    }

    /// What lazy evaluation would have in hand here: it depends on the tokens since the last match.
    fn look_again(&mut self) {
        let pos = self.pos;
        let literals = self.latest.iter().rev().take(AGAIN).take_while(|t| t.parts().is_none()).count();
        self.pos -= literals;
        while self.pos < pos {
            let token = self.literal();
            self.search();
            if self.pass(token).is_none() {
                self.pos = pos;
            }
        }
    }

    fn search(&mut self) -> Token {
        let literal = self.literal();
        if !self.slow() {
            self.insert(self.pos);
            self.here = self.longest(self.pos, MIN - 1);
            return if self.here.len >= MIN { Token::copy(self.here.len, self.here.distance) } else { literal };
        }
        self.here = match self.found.take() {
            Some(found) => found,
            None => self.lazily(self.pos, MIN - 1),
        };
        if self.here.len < MIN {
            return literal;
        }
        if self.here.len < self.maker.limits().1 {
            let after = self.lazily(self.pos + 1, self.here.len);
            if after.len > self.here.len {
                self.found = Some(after);
                return literal;
            }
        }
        Token::copy(self.here.len, self.here.distance)
    }

    /// Goes on by the token that was really chosen, after [`next`](Self::next). Nothing if it does not fit the text.
    pub fn accept(&mut self, token: Token) -> Option<()> {
        if self.told {
            if self.latest.len() == 2 * AGAIN {
                self.latest.drain(..AGAIN);
            }
            self.latest.push(token);
        }
        self.pass(token)
    }

    fn pass(&mut self, token: Token) -> Option<()> {
        let Some((len, distance)) = token.parts() else {
            (self.text.get(self.pos) == Some(&token.byte())).then_some(())?;
            if self.slow() && self.found.is_none() && self.here.len >= MIN {
                // The maker did not take the match that is here, perhaps for a better one behind it.
                let after = self.lazily(self.pos + 1, self.here.len);
                self.found = Some(after).filter(|f| f.len > self.here.len);
            }
            self.pos += 1;
            return Some(());
        };
        self.found = None;
        let from = self.pos.checked_sub(distance)?;
        if !(MIN..=MAX).contains(&len) || self.text.get(self.pos..self.pos + len)? != self.text.get(from..from + len)? {
            return None;
        }
        let end = self.pos + len;
        if self.slow() {
            if !self.told {
                self.insert_until(end);
            }
        } else if len <= self.maker.limits().1 && self.text.len() - end >= MIN {
            (self.pos + 1..end).for_each(|p| self.insert(p));
        }
        self.pos = end;
        Some(())
    }

    /// Goes on over a stored block.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        let end = self.pos.checked_add(count).filter(|&e| e <= self.text.len())?;
        if self.slow() {
            self.insert_until(end);
        } else {
            (self.pos..end).for_each(|p| self.insert(p));
        }
        self.found = None;
        self.pos = end;
        Some(())
    }
}

/// The last bytes that a match must have to be longer than the best so far: most candidates fail there.
struct Tail {
    offset: usize,
    mask: u32,
    bytes: u32,
}

impl Tail {
    fn of(text: &[u8], pos: usize, best: usize) -> Self {
        let (offset, mask) = if best < 3 { (0, 0xff_ffff) } else { (best - 3, u32::MAX) };
        let mut tail = Tail { offset, mask, bytes: 0 };
        tail.bytes = tail.at(text, pos);
        tail
    }

    #[inline]
    fn at(&self, text: &[u8], pos: usize) -> u32 {
        let from = pos + self.offset;
        let read = |n: usize| text.get(from + n).map_or(0, |&b| u32::from(b) << (8 * n));
        match text.get(from..).and_then(|t| t.first_chunk::<4>()) {
            Some(four) => u32::from_le_bytes(*four) & self.mask,
            None => (0..4).map(read).sum::<u32>() & self.mask,
        }
    }

    #[inline]
    fn agrees(&self, text: &[u8], at: usize) -> bool {
        self.at(text, at) == self.bytes
    }
}

/// CRC-32C (RFC 3720, B.4), bit-reversed.
fn crc_table() -> Vec<u32> {
    let step = |c: u32| if c & 1 == 1 { c >> 1 ^ 0x82f6_3b78 } else { c >> 1 };
    (0..256).map(|byte| (0..8).fold(byte, |c, _| step(c))).collect()
}
