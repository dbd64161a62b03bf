//! Deflate streams (RFC 1951) taken apart and put together again byte for byte.
//!
//! A stream is its plain bytes and what its maker decided: which matches, which blocks, which Huffman codes. Most
//! streams are zlib's, whose decisions follow from the plain bytes, the level and the hash; `predict` makes the
//! same ones, and only where a stream decides otherwise is a correction kept ([`corrections`]). The decisions are
//! those that zlib's `doc/algorithm.txt` describes; the code is our own. `docs/delta-deflate.md` specifies all of it.

mod bits;
mod corrections;
mod huffman;
mod inflate;
mod maker;
mod precedent;
mod predict;
mod recreate;
mod trees;

pub use corrections::{Choices, choose};
pub use inflate::{inflate, parse};
pub use maker::Maker;
pub use precedent::Precedent;
pub use recreate::recreate;

/// A literal byte, or a match: bit 31, then nine bits of length and sixteen of distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(u32);

impl Token {
    pub fn literal(byte: u8) -> Self {
        Self(u32::from(byte))
    }

    /// Lengths of 3 to 258, distances of 1 to 32,768.
    pub fn copy(len: usize, distance: usize) -> Self {
        Self(1 << 31 | (len as u32 & 0x1ff) << 16 | (distance as u32).wrapping_sub(1) & 0xffff)
    }

    /// Length and distance of a match.
    pub fn parts(self) -> Option<(usize, usize)> {
        (self.0 >> 31 == 1).then_some(((self.0 >> 16 & 0x1ff) as usize, (self.0 & 0xffff) as usize + 1))
    }

    pub fn byte(self) -> u8 {
        self.0 as u8
    }
}

#[cfg(test)]
mod tests;
