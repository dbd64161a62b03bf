//! A binary arithmetic coder (carry-propagating range coder, 32-bit range, 16-bit probabilities).

/// One side of the coder. Models are written once, generic over it: an encoder returns the bit it was
/// given, a decoder ignores that bit and returns the one it read.
pub trait Coder {
    /// True where the bits given are the truth.
    const ENCODING: bool;
    /// Codes one bit; `p1` is the probability of a 1 in 1/65536, from 1 to 65535.
    fn bit(&mut self, bit: u32, p1: u32) -> u32;
}

const TOP: u32 = 1 << 24;

pub struct Encoder {
    low: u64,
    range: u32,
    cache: u8,
    pending: u64,
    out: Vec<u8>,
}

impl Encoder {
    pub fn new(out: Vec<u8>) -> Self {
        Encoder { low: 0, range: u32::MAX, cache: 0, pending: 1, out }
    }

    fn shift(&mut self) {
        if self.low < 0xFF00_0000 || self.low > 0xFFFF_FFFF {
            let carry = (self.low >> 32) as u8;
            let mut byte = self.cache;
            while self.pending > 0 {
                self.out.push(byte.wrapping_add(carry));
                byte = 0xFF;
                self.pending -= 1;
            }
            self.cache = (self.low >> 24) as u8;
        }
        self.pending += 1;
        self.low = (self.low & 0x00FF_FFFF) << 8;
    }

    /// The bytes so far; trailing zeros are cut, for a decoder reads zeros past the end.
    pub fn finish(mut self, keep: usize) -> Vec<u8> {
        // Any value in [low, low + range) will do: take the one with most trailing zeros.
        let high = self.low + u64::from(self.range) - 1;
        for zeros in (0..32).rev() {
            let v = (high >> zeros) << zeros;
            if v >= self.low {
                self.low = v;
                break;
            }
        }
        for _ in 0..5 {
            self.shift();
        }
        while self.out.len() > keep && self.out.last() == Some(&0) {
            self.out.pop();
        }
        self.out
    }
}

impl Coder for Encoder {
    const ENCODING: bool = true;

    #[inline]
    fn bit(&mut self, bit: u32, p1: u32) -> u32 {
        let bound = (self.range >> 16) * p1;
        if bit != 0 {
            self.range = bound;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
        }
        while self.range < TOP {
            self.range <<= 8;
            self.shift();
        }
        bit
    }
}

pub struct Decoder<'a> {
    code: u32,
    range: u32,
    input: &'a [u8],
    at: usize,
}

/// The encoder cuts trailing zeros and the coder reads ahead, never further than this.
const SLACK: usize = 1 << 12;

impl<'a> Decoder<'a> {
    pub fn new(input: &'a [u8]) -> Self {
        let mut d = Decoder { code: 0, range: u32::MAX, input, at: 0 };
        for _ in 0..5 {
            d.code = (d.code << 8) | u32::from(d.next());
        }
        d
    }

    #[inline]
    fn next(&mut self) -> u8 {
        let byte = self.input.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    /// Whether far more was read than the input holds: the stream was cut.
    pub fn overrun(&self) -> bool {
        self.at > self.input.len() + SLACK
    }

    /// Whether input remains that no bit depended on.
    pub fn leftover(&self) -> bool {
        self.at < self.input.len()
    }
}

impl Coder for Decoder<'_> {
    const ENCODING: bool = false;

    #[inline]
    fn bit(&mut self, _: u32, p1: u32) -> u32 {
        let bound = (self.range >> 16) * p1;
        let bit = if self.code < bound {
            self.range = bound;
            1
        } else {
            self.code -= bound;
            self.range -= bound;
            0
        };
        while self.range < TOP {
            self.range <<= 8;
            self.code = (self.code << 8) | u32::from(self.next());
        }
        bit
    }
}
