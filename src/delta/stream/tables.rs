//! The tables of what was learned, and their sizes.

/// What is known of one target: by how much it moves.
#[derive(Clone, Copy, Default)]
pub struct Learned {
    /// The upper 24 bits name the target, the lower 8 are the trust.
    pub key: u32,
    pub shift: i32,
}

impl Learned {
    /// Nothing where the shift is 2 GiB or more.
    pub fn of(key: u32, shift: i64, trust: u8) -> Self {
        let key = key & !0xFF | u32::from(trust);
        i32::try_from(shift).map_or(Learned::default(), |shift| Learned { key, shift })
    }

    pub fn trust(self) -> u8 {
        self.key as u8
    }

    pub fn is(self, key: u32) -> bool {
        self.key & 0xFF != 0 && (self.key ^ key) & !0xFF == 0
    }
}

/// Sizes of the tables, as powers of two.
pub struct Logs {
    pub learned: u32,
    pub flags: u32,
    pub lines: u32,
    pub matches: u32,
}

pub fn logs(old: usize, image: bool, fresh: usize) -> Logs {
    Logs {
        learned: if image { log2_ceil(old / 64).clamp(4, 19) } else { 4 },
        flags: log2_ceil(if image { old / 16 } else { old / 64 }).clamp(12, 19),
        lines: (log2_ceil(fresh) + 3).clamp(10, 18),
        matches: log2_ceil(old / 2 + fresh).clamp(10, 20),
    }
}

impl Logs {
    /// Not more than a tier has.
    pub fn at_most(self, most: [u32; 4]) -> Logs {
        let [learned, flags, lines, matches] = most;
        Logs {
            learned: self.learned.min(learned),
            flags: self.flags.min(flags),
            lines: self.lines.min(lines),
            matches: self.matches.min(matches),
        }
    }

    /// Bytes that the tables take.
    pub fn bytes(&self) -> u64 {
        (8u64 << self.learned) + (4 << self.flags) + (32 << self.lines) + (4 << self.matches) + (3 << 20)
    }
}

fn log2_ceil(n: usize) -> u32 {
    usize::BITS - n.saturating_sub(1).leading_zeros()
}
