//! Which token zlib would choose next: hash chains, lazy evaluation and their limits by level.
//!
//! Positions are absolute; zlib's sliding window shows only in that position 0 is never matched and that no match
//! reaches farther back than [`FAR`].

use super::Token;

const MIN: usize = 3;
const MAX: usize = 258;
const WINDOW: usize = 1 << 15;
const MASK: usize = WINDOW - 1;
/// Distances that zlib allows: its window less the lookahead that it wants.
const FAR: usize = WINDOW - (MAX + MIN + 1);
/// Matches of three bytes from farther away cost more than three literals.
const TOO_FAR: usize = 4096;

/// How positions are hashed into chains; collisions count towards the length of a chain, so they matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    /// zlib with its usual memory level 8: three bytes into 15 bits.
    Shift5,
    /// Memory level 9: three bytes into 16 bits.
    Shift6,
    /// Chromium's zlib (also Node's) with CRC-32C instructions: three bytes.
    Crc3,
    /// The same on low levels: four bytes.
    Crc4,
}

/// The program and settings that made a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maker {
    level: u8,
    hash: Hash,
}

/// By level: a good match, one not worth improving (or inserting, on fast levels), a nice one, longest chain.
const LEVELS: [(usize, usize, usize, usize); 9] = [
    (4, 4, 8, 4),
    (4, 5, 16, 8),
    (4, 6, 32, 32),
    (4, 4, 16, 16),
    (8, 16, 32, 32),
    (8, 16, 128, 128),
    (8, 32, 128, 256),
    (32, 128, 258, 1024),
    (32, 258, 258, 4096),
];

impl Maker {
    /// All that are known, the usual ones first.
    pub fn all() -> impl Iterator<Item = Self> {
        let usual = [6, 9, 5, 8, 7, 4, 1, 2, 3];
        let hashes = [Hash::Shift5, Hash::Crc3, Hash::Shift6, Hash::Crc4];
        hashes.into_iter().flat_map(move |hash| usual.into_iter().map(move |level| Self { level, hash }))
    }

    /// As one byte: level below 16, hash above.
    pub fn number(self) -> u8 {
        self.level | (self.hash as u8) << 4
    }

    pub fn of(number: u8) -> Option<Self> {
        let hash = *[Hash::Shift5, Hash::Shift6, Hash::Crc3, Hash::Crc4].get(usize::from(number >> 4))?;
        let level = number & 15;
        (1..=9).contains(&level).then_some(Self { level, hash })
    }

    /// Whether a match waits for a better one behind it (levels 4 to 9).
    pub fn lazy(self) -> bool {
        self.level >= 4
    }

    /// Tokens of a whole block.
    pub fn block(self) -> usize {
        if self.hash == Hash::Shift6 { (1 << 15) - 1 } else { (1 << 14) - 1 }
    }
}

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
}

impl<'a> Predictor<'a> {
    /// Texts of 4 GiB and more are not followed.
    pub fn new(text: &'a [u8], maker: Maker) -> Self {
        let bits = if maker.hash == Hash::Shift6 { 16 } else { 15 };
        let crc = if matches!(maker.hash, Hash::Crc3 | Hash::Crc4) { crc_table() } else { Vec::new() };
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

    fn settings(&self) -> (usize, usize, usize, usize) {
        LEVELS[usize::from(self.maker.level - 1)]
    }

    fn hash(&self, pos: usize) -> usize {
        let at = |i: usize| u32::from(self.text.get(pos + i).copied().unwrap_or(0));
        match self.maker.hash {
            Hash::Shift5 => ((at(0) << 10 ^ at(1) << 5 ^ at(2)) & 0x7fff) as usize,
            Hash::Shift6 => ((at(0) << 12 ^ at(1) << 6 ^ at(2)) & 0xffff) as usize,
            Hash::Crc3 | Hash::Crc4 => {
                let last = if self.maker.hash == Hash::Crc4 { at(3) } else { 0 };
                let step = |crc: u32, byte: u32| self.crc[((crc ^ byte) & 0xff) as usize] ^ crc >> 8;
                let crc = [at(0), at(1), at(2), last].into_iter().fold(0, step);
                (crc & 0x7fff) as usize
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

    fn insert_until(&mut self, end: usize) {
        while self.inserted < end {
            self.insert(self.inserted);
            self.inserted += 1;
        }
    }

    /// The longest match at an inserted position that is longer than `best`.
    fn longest(&self, pos: usize, best: usize) -> Match {
        let text = self.text;
        let most = MAX.min(text.len().saturating_sub(pos));
        let (good, _, nice, mut chain) = self.settings();
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
        if self.here.len < self.settings().1 {
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
            self.insert_until(end);
        } else if len <= self.settings().1 && self.text.len() - end >= MIN {
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

fn common(a: &[u8], b: &[u8]) -> usize {
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

/// CRC-32C (RFC 3720, B.4), bit-reversed.
fn crc_table() -> Vec<u32> {
    let step = |c: u32| if c & 1 == 1 { c >> 1 ^ 0x82f6_3b78 } else { c >> 1 };
    (0..256).map(|byte| (0..8).fold(byte, |c, _| step(c))).collect()
}
