//! Anchors: places that the content itself picks, by a rolling hash, so that equal stretches of two files pick the
//! same ones wherever they stand. Only the encoder knows them.

/// Bytes that a rolling hash sees.
pub const SPAN: usize = 64;

/// At least one of so many places (as a power of two) is no anchor: denser ones would find little more.
const DENSEST: u32 = 6;

/// Slots that are looked at for one hash.
const PROBES: usize = 8;

const POSITION: u64 = (1 << 40) - 1;

/// Most bytes of an old file whose positions fit into the index.
pub const MOST: u64 = POSITION;

const TABLE: [u64; 256] = table();

/// A hash of its own for every byte: the finalizer of MurmurHash3 over multiples of the golden ratio.
const fn table() -> [u64; 256] {
    let mut out = [0; 256];
    let mut i = 0;
    while i < 256 {
        out[i] = mix((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        i += 1;
    }
    out
}

const fn mix(mut h: u64) -> u64 {
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// The hash of the last [`SPAN`] bytes, one byte on.
#[inline]
pub fn step(hash: u64, byte: u8) -> u64 {
    (hash << 1).wrapping_add(TABLE[byte as usize])
}

/// The hash at the end of these bytes.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes[bytes.len().saturating_sub(SPAN)..].iter().fold(0, |h, &b| step(h, b))
}

/// Where the anchors of the old file end, by their hashes; of equal ones the first.
pub struct Index {
    /// 24 bits of hash and 40 of position each; 0 is empty, which no position is.
    slots: Vec<u64>,
    rate: u32,
}

impl Index {
    /// Room for the anchors of a file of `size` bytes in `memory` bytes: the larger the file, the fewer.
    pub fn new(size: u64, memory: u64) -> Self {
        let most = (memory / 8).max(64);
        let mut rate = DENSEST;
        while (size >> rate).saturating_mul(2) > most {
            rate += 1;
        }
        let slots = ((size >> rate) * 2).max(64);
        Self { slots: vec![0; usize::try_from(slots).unwrap_or(64)], rate }
    }

    #[inline]
    pub fn is_anchor(&self, hash: u64) -> bool {
        hash >> (64 - self.rate) == 0
    }

    /// The slots that a hash may stand in, and its tag in the upper 24 bits.
    fn place(&self, hash: u64) -> (impl Iterator<Item = usize> + use<>, u64) {
        let mixed = mix(hash);
        let len = self.slots.len();
        let first = ((u128::from(mixed) * len as u128) >> 64) as usize;
        ((0..PROBES).map(move |i| (first + i) % len), mixed << 40)
    }

    /// Remembers where an anchor ends; one that finds no room is forgotten.
    pub fn insert(&mut self, hash: u64, end: u64) {
        let (places, tag) = self.place(hash);
        for i in places {
            let slot = self.slots[i];
            if slot == 0 {
                self.slots[i] = tag | end;
                return;
            }
            if slot & !POSITION == tag {
                return;
            }
        }
    }

    /// Where an anchor of this hash may end in the old file.
    pub fn get(&self, hash: u64) -> Option<u64> {
        let (places, tag) = self.place(hash);
        let found = places.map(|i| self.slots[i]).take_while(|&s| s != 0).find(|s| s & !POSITION == tag);
        found.map(|s| s & POSITION)
    }
}
