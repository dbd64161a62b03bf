//! Bits, least significant first, as deflate has them.

pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0, held: 0, count: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.input.get(self.at) else { return };
            self.held |= u64::from(byte) << self.count;
            self.count += 8;
            self.at += 1;
        }
    }

    /// The next bits without taking them; zeros beyond the end.
    pub fn peek(&mut self, n: u32) -> u32 {
        if self.count < n {
            self.fill();
        }
        (self.held & ((1 << n) - 1)) as u32
    }

    /// Takes bits that were looked at; nothing if the input ends before.
    pub fn take(&mut self, n: u32) -> Option<()> {
        self.count = self.count.checked_sub(n)?;
        self.held >>= n;
        Some(())
    }

    /// At most 32 bits.
    pub fn bits(&mut self, n: u32) -> Option<u32> {
        let value = self.peek(n);
        self.take(n)?;
        Some(value)
    }

    /// Goes to the next whole byte; nothing if one of the skipped bits is set.
    pub fn align(&mut self) -> Option<()> {
        let n = self.count % 8;
        (self.bits(n)? == 0).then_some(())
    }

    /// Bits taken so far.
    pub fn position(&self) -> usize {
        self.at * 8 - self.count as usize
    }

    /// Whole bytes, at a whole byte.
    pub fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let start = self.position() / 8;
        let taken = self.input.get(start..start.checked_add(n)?)?;
        (self.at, self.held, self.count) = (start + n, 0, 0);
        Some(taken)
    }
}

#[derive(Default)]
pub struct Writer {
    pub out: Vec<u8>,
    held: u64,
    count: u32,
}

impl Writer {
    /// At most 32 bits.
    pub fn put(&mut self, value: u32, n: u32) {
        self.held |= u64::from(value) << self.count;
        self.count += n;
        while self.count >= 8 {
            self.out.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    pub fn align(&mut self) {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
    }
}
