//! Probabilities: adaptive counters and a logistic mixer, in integers only, for the bytes depend on them.
//!
//! Probabilities are of a 1, in 1/65536. *Stretched* ones are ln(p / (1 - p)) in units of 1/170.67, from -2047 to 2047.

use super::coder::Coder;
use std::marker::PhantomData;

/// 65536 / (1 + exp(-x / 170.67)) at x = -2048, -2016, ... 2048.
const SQUASH: [u32; 129] = [
    1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 25, 30, 36, 44, 53, 64, 77, 92, 111, 134,
    162, 195, 236, 284, 342, 412, 497, 598, 720, 867, 1042, 1253, 1506, 1808, 2168, 2598, 3108, 3713, 4427, 5266, 6249,
    7392, 8714, 10230, 11955, 13898, 16062, 18442, 21025, 23788, 26695, 29705, 32768, 35831, 38841, 41748, 44511,
    47094, 49474, 51638, 53581, 55306, 56822, 58144, 59287, 60270, 61109, 61823, 62428, 62938, 63368, 63728, 64030,
    64283, 64494, 64669, 64816, 64938, 65039, 65124, 65194, 65252, 65300, 65341, 65374, 65402, 65425, 65444, 65459,
    65472, 65483, 65492, 65500, 65506, 65511, 65515, 65519, 65522, 65524, 65526, 65528, 65529, 65530, 65531, 65532,
    65533, 65533, 65534, 65534, 65535, 65535, 65535, 65535, 65535, 65535, 65535, 65535,
];

/// The probability of a stretched one.
#[inline]
pub const fn squash(x: i32) -> u32 {
    let x = if x < -2047 {
        -2047
    } else if x > 2047 {
        2047
    } else {
        x
    } + 2048;
    let (i, f) = ((x >> 5) as usize, (x & 31) as u32);
    (SQUASH[i] * (32 - f) + SQUASH[i + 1] * f + 16) >> 5
}

const fn build_stretch() -> [i16; 4096] {
    let mut t = [2047i16; 4096];
    let (mut x, mut next) = (-2047i32, 0usize);
    while x <= 2047 {
        let v = (squash(x) >> 4) as usize;
        while next <= v {
            t[next] = x as i16;
            next += 1;
        }
        x += 1;
    }
    t
}

static STRETCH: [i16; 4096] = build_stretch();

/// The inverse of [`squash`], to 12 bits.
#[inline]
pub fn stretch(p: u32) -> i32 {
    i32::from(STRETCH[(p >> 4) as usize & 4095])
}

/// 65536 / (n + 1.5): the step of a counter that has seen n bits.
const fn build_step() -> [u32; 1024] {
    let mut t = [0; 1024];
    let mut n = 0;
    while n < 1024 {
        t[n] = (131072 / (2 * n + 3)) as u32;
        n += 1;
    }
    t
}

static STEP: [u32; 1024] = build_step();

/// A counter of 22 bits of probability and 10 of how many bits it saw (up to a limit).
#[derive(Clone, Copy)]
pub struct Counter(u32);

impl Counter {
    pub const NEW: Counter = Counter(1 << 31);

    #[inline]
    pub fn p(self) -> u32 {
        self.0 >> 16
    }

    #[inline]
    pub fn update(&mut self, bit: u32, limit: u32) {
        let n = self.0 & 1023;
        let p = i64::from(self.0 >> 10);
        let target = if bit != 0 { (1 << 22) - 1 } else { 0 };
        let p = p + (((target - p) * i64::from(STEP[n as usize])) >> 16);
        self.0 = ((p as u32) << 10) | if n < limit { n + 1 } else { n };
    }
}

/// A counter in 16 bits: 12 of probability, 4 of count. Zero is "never seen", which reads as one half.
#[inline]
pub fn small_p(s: u16) -> u32 {
    u32::from(s >> 4)
}

/// 65536 / (n + 1.6), slowing down to 1/22.
const SMALL_STEP: [i32; 16] =
    [40960, 25206, 18204, 14247, 11703, 9930, 8623, 7620, 6827, 6183, 5650, 5201, 4600, 4000, 3500, 3000];

#[inline]
pub fn small_update(s: &mut u16, bit: u32) {
    let n = usize::from(*s & 15);
    let p = i32::from(*s >> 4);
    let target = if bit != 0 { 4095 } else { 0 };
    let p = p + (((target - p) * SMALL_STEP[n] + 32768) >> 16);
    *s = ((p as u16) << 4) | (if n < 15 { n + 1 } else { n }) as u16;
}

pub const SMALL_NEW: u16 = 2048 << 4;

/// Weighs N stretched inputs; one set of weights per selector.
pub struct Mixer<const N: usize> {
    weights: Vec<[i32; N]>,
    rate: i32,
}

impl<const N: usize> Mixer<N> {
    pub fn new(sets: usize, start: i32, rate: i32) -> Self {
        Mixer { weights: vec![[start; N]; sets], rate }
    }

    /// The weighted sum, stretched.
    #[inline]
    pub fn mix(&self, inputs: &[i32; N], used: usize, set: usize) -> i32 {
        let w = &self.weights[set];
        let mut sum = 0i32;
        for i in 0..used {
            sum = sum.wrapping_add((inputs[i].wrapping_mul(w[i])) >> 8);
        }
        (sum >> 8).clamp(-2047, 2047)
    }

    /// Moves the weights of a set after `bit` came where `p` was expected.
    #[inline]
    pub fn update(&mut self, inputs: &[i32; N], used: usize, set: usize, bit: u32, p: u32) {
        let err = ((bit as i32) << 16) - p as i32;
        let err = (err * self.rate) >> 10;
        let w = &mut self.weights[set];
        for i in 0..used {
            // Weights stay within +-8, so that no product overflows.
            w[i] = (w[i] + ((inputs[i] * err + (1 << 13)) >> 14)).clamp(-(1 << 19), 1 << 19);
        }
    }
}

/// How much is spent on a bit.
pub trait Tier {
    /// Contexts of a flag or a number's bit, from the first on, at most.
    const FLAGS: usize;
    /// Contexts of a byte's bit, from the first on.
    const BYTES: usize;
    /// Most slots of what is learned of targets, of flags, of lines for bytes, and of matches, as powers of two.
    const LOGS: [u32; 4];
}

/// As small as it gets.
pub struct Mixed;

/// Decodes in half the time: fewer contexts, in tables that stay in a core's cache.
pub struct Light;

impl Tier for Mixed {
    const FLAGS: usize = 4;
    const BYTES: usize = 7;
    const LOGS: [u32; 4] = [18, 19, 18, 18];
}

impl Tier for Light {
    const FLAGS: usize = 2;
    const BYTES: usize = 3;
    const LOGS: [u32; 4] = [17, 17, 15, 18];
}

/// Single bits under K hashed contexts each, mixed: flags and numbers.
pub struct Bits<const K: usize, T> {
    slots: Vec<Counter>,
    mask: u32,
    mixer: Mixer<K>,
    limit: u32,
    tier: PhantomData<T>,
}

#[inline]
pub fn hash2(a: u32, b: u32) -> u32 {
    let h = a.wrapping_mul(0x9E37_79B1) ^ b.wrapping_mul(0x85EB_CA6B).rotate_left(15);
    (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D)
}

/// Sets of mixer weights in every [`Bits`].
pub const SETS: usize = 1024;

impl<const K: usize, T: Tier> Bits<K, T> {
    const USED: usize = if T::FLAGS < K { T::FLAGS } else { K };

    pub fn new(log_slots: u32, limit: u32) -> Self {
        Bits {
            slots: vec![Counter::NEW; 1 << log_slots],
            mask: (1 << log_slots) - 1,
            mixer: Mixer::new(SETS, 65536 * 5 / 4 / Self::USED as i32, 40),
            limit,
            tier: PhantomData,
        }
    }

    /// Codes a bit; `set` (below [`SETS`]) chooses the mixer's weights.
    #[inline]
    pub fn bit<C: Coder>(&mut self, c: &mut C, bit: u32, contexts: &[u32; K], set: usize) -> u32 {
        let mut inputs = [0i32; K];
        let mut at = [0usize; K];
        for i in 0..Self::USED {
            let h = hash2(contexts[i], i as u32 + 1);
            at[i] = ((h ^ (h >> 16)) & self.mask) as usize;
            inputs[i] = stretch(self.slots[at[i]].p());
        }
        let set = set & (SETS - 1);
        let p = squash(self.mixer.mix(&inputs, Self::USED, set)).clamp(1, 65535);
        let bit = c.bit(bit, p);
        self.mixer.update(&inputs, Self::USED, set, bit, p);
        for &i in &at[..Self::USED] {
            self.slots[i].update(bit, self.limit);
        }
        bit
    }

    /// Codes a number: its length in bits as a path in a tree, then the bits below the leading one, the
    /// upper three with their prefix as context.
    pub fn number<C: Coder>(&mut self, c: &mut C, value: u64, id: u32, contexts: &[u32; K]) -> u64 {
        let length = 64 - value.leading_zeros();
        let mut node = 1u32;
        for i in (0..7).rev() {
            let b = self.node(c, (length >> i) & 1, hash2(id, node), contexts, id as usize * 8 + 1);
            node = node * 2 + b;
        }
        let length = (node & 127).min(64);
        if length < 2 {
            return u64::from(length);
        }
        let mut v = 1u64;
        for i in (0..length - 1).rev() {
            let known = length - 1 - i;
            let prefix = if known <= 3 { v as u32 } else { 16 + i };
            let key = hash2(id ^ 0x5A00, length * 64 + prefix);
            let b = self.node(c, (value >> i) as u32 & 1, key, contexts, id as usize * 8 + 2 + known.min(5) as usize);
            v = v * 2 + u64::from(b);
        }
        v
    }

    /// A signed number: small ones of either sign are near zero.
    pub fn signed<C: Coder>(&mut self, c: &mut C, value: i64, id: u32, contexts: &[u32; K]) -> i64 {
        let z = ((value << 1) ^ (value >> 63)) as u64;
        let z = self.number(c, z, id, contexts);
        ((z >> 1) as i64) ^ -((z & 1) as i64)
    }

    #[inline]
    fn node<C: Coder>(&mut self, c: &mut C, bit: u32, key: u32, contexts: &[u32; K], set: usize) -> u32 {
        let mut ctx = [0; K];
        for i in 0..Self::USED {
            ctx[i] = hash2(contexts[i], key);
        }
        self.bit(c, bit, &ctx, set)
    }
}
