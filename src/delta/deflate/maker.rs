//! Which program made a stream, with which settings.

/// How zlib hashes positions into chains; collisions count towards the length of a chain, so they matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// zlib with its usual memory level 8: three bytes into 15 bits.
    Shift5,
    /// Memory level 9: three bytes into 16 bits.
    Shift6,
    /// Chromium's zlib (also Node's) with CRC-32C instructions: three bytes.
    Crc3,
    /// The same on low levels: four bytes.
    Crc4,
    /// Chromium's zlib since 2022: four bytes, multiplied.
    Product,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Zlib(Hash),
    /// The crate `miniz_oxide`, which Rust programs deflate with (maturin's wheels, say). It is run, not predicted.
    Miniz,
    /// Nothing is deflated.
    Stored,
}

/// What of an old stream's tokens counts as decided for the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    Nothing,
    /// Tokens within whose reach nothing has changed.
    Settled,
    /// Every token that the new text can have.
    Anything,
}

/// The program and settings that made a stream, and how far an old stream of the same maker tells its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maker {
    pub level: u8,
    pub program: Program,
    pub follows: Follows,
}

const PROGRAMS: [Program; 7] = [
    Program::Zlib(Hash::Shift5),
    Program::Zlib(Hash::Shift6),
    Program::Zlib(Hash::Crc3),
    Program::Zlib(Hash::Crc4),
    Program::Zlib(Hash::Product),
    Program::Miniz,
    Program::Stored,
];
const FOLLOWS: [Follows; 3] = [Follows::Nothing, Follows::Settled, Follows::Anything];

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
    pub const STORED: Self = Self { level: 1, program: Program::Stored, follows: Follows::Nothing };

    /// All settings of zlib that are known, the usual ones first.
    pub fn zlib() -> impl Iterator<Item = Self> {
        let usual = [6, 9, 5, 8, 7, 4, 1, 2, 3];
        let hashes = [Hash::Shift5, Hash::Product, Hash::Crc3, Hash::Shift6, Hash::Crc4];
        let of = |hash, level| Self { level, program: Program::Zlib(hash), follows: Follows::Nothing };
        hashes.into_iter().flat_map(move |hash| usual.into_iter().map(move |level| of(hash, level)))
    }

    /// All settings of miniz, the usual ones first.
    pub fn miniz() -> impl Iterator<Item = Self> {
        let usual = [6, 9, 10, 1, 5, 8, 7, 4, 3, 2];
        usual.into_iter().map(|level| Self { level, program: Program::Miniz, follows: Follows::Nothing })
    }

    /// Level below 16, then the program, then from 128 on what is followed.
    pub fn number(self) -> u64 {
        let program = PROGRAMS.iter().position(|&p| p == self.program).unwrap_or(0) as u64;
        let follows = FOLLOWS.iter().position(|&f| f == self.follows).unwrap_or(0) as u64;
        u64::from(self.level) | program << 4 | follows << 7
    }

    pub fn of(number: u64) -> Option<Self> {
        let program = *PROGRAMS.get((number >> 4 & 7) as usize)?;
        let follows = *FOLLOWS.get(usize::try_from(number >> 7).ok()?)?;
        let level = (number & 15) as u8;
        let (most, follows_none) = match program {
            Program::Zlib(_) => (9, false),
            Program::Miniz => (10, true),
            Program::Stored => (1, true),
        };
        let fits = (1..=most).contains(&level) && !(follows_none && follows != Follows::Nothing);
        fits.then_some(Self { level, program, follows })
    }

    pub fn following(self, follows: Follows) -> Self {
        Self { follows, ..self }
    }

    /// Whether an old stream is wanted.
    pub fn follows(self) -> bool {
        self.follows != Follows::Nothing
    }

    pub fn hash(self) -> Hash {
        if let Program::Zlib(hash) = self.program { hash } else { Hash::Shift5 }
    }

    /// The limits of zlib's search (see [`LEVELS`]).
    pub fn limits(self) -> (usize, usize, usize, usize) {
        LEVELS[usize::from(self.level.clamp(1, 9)) - 1]
    }

    /// Whether a match waits for a better one behind it (levels 4 to 9).
    pub fn lazy(self) -> bool {
        self.level >= 4
    }

    /// Tokens of a whole block.
    pub fn block(self) -> usize {
        if self.hash() == Hash::Shift6 { (1 << 15) - 1 } else { (1 << 14) - 1 }
    }
}
