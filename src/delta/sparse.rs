//! Difference bytes are nearly all zero: the gaps between the others as numbers, the others as
//! bytes. A general compressor codes these columns better than long rows of zeros (9 % on
//! executables, 60 % on text), and the decoder skips the zeros.

use super::{DeltaError, varint};

/// Shorter gaps than this stay among the others. Which is better depends on how the file's
/// addresses lie, so an encoder tries both.
pub(super) const SHORTEST_GAPS: [usize; 2] = [1, 4];

/// The differences taken apart; the zeros after the last run are not written.
#[derive(Default)]
pub(super) struct Split {
    /// For each run: gap before it, its length (> 0), both varints.
    pub(super) mixed: Vec<u8>,
    /// The same in columns: the gaps' low bytes, the rest of the gaps and the lengths as varints.
    pub(super) low: Vec<u8>,
    pub(super) high: Vec<u8>,
    pub(super) lengths: Vec<u8>,
    /// The bytes of all runs.
    pub(super) values: Vec<u8>,
}

pub(super) fn split(diff: &[u8], shortest_gap: usize) -> Split {
    let mut out = Split::default();
    let mut rest = diff;
    loop {
        let gap = zeros(rest);
        rest = &rest[gap..];
        if rest.is_empty() {
            return out;
        }
        let mut len = 0;
        while len < rest.len() {
            let inner = zeros(&rest[len..]);
            if inner >= shortest_gap || len + inner == rest.len() {
                break;
            }
            len += inner + 1;
        }
        varint::put(&mut out.mixed, gap as u64);
        varint::put(&mut out.mixed, len as u64);
        out.low.push(gap as u8);
        varint::put(&mut out.high, gap as u64 >> 8);
        varint::put(&mut out.lengths, len as u64);
        out.values.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
    }
}

fn zeros(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| **b == 0).count()
}

/// Where the runs stand.
pub(super) enum Runs<'a> {
    Mixed(&'a [u8]),
    Columns { low: &'a [u8], high: &'a [u8], lengths: &'a [u8] },
}

impl Runs<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Runs::Mixed(rest) => rest.is_empty(),
            Runs::Columns { low, high, lengths } => low.is_empty() && high.is_empty() && lengths.is_empty(),
        }
    }

    /// Gap and length of the next run.
    fn next(&mut self) -> Result<(u64, u64), DeltaError> {
        match self {
            Runs::Mixed(rest) => Ok((varint::take(rest)?, varint::take(rest)?)),
            Runs::Columns { low, high, lengths } => {
                let (&first, after) = low.split_first().ok_or(DeltaError::Truncated)?;
                *low = after;
                let high = varint::take(high)?.checked_mul(256).ok_or(DeltaError::Damaged("a gap is too long"))?;
                Ok((high | u64::from(first), varint::take(lengths)?))
            }
        }
    }
}

/// Hands out the difference bytes of one range after another.
pub(super) struct Sparse<'a> {
    runs: Runs<'a>,
    values: &'a [u8],
    gap: u64,
    length: u64,
}

impl<'a> Sparse<'a> {
    pub(super) fn new(runs: Runs<'a>, values: &'a [u8]) -> Self {
        Self { runs, values, gap: 0, length: 0 }
    }

    /// Adds the next `target.len()` differences to `target`.
    pub(super) fn add_to(&mut self, mut target: &mut [u8]) -> Result<(), DeltaError> {
        while !target.is_empty() {
            if self.gap == 0 && self.length == 0 {
                if self.runs.is_empty() {
                    return Ok(());
                }
                (self.gap, self.length) = self.runs.next()?;
                if self.length == 0 {
                    return Err(DeltaError::Damaged("an empty run of differences"));
                }
            }
            let skip = self.gap.min(target.len() as u64) as usize;
            self.gap -= skip as u64;
            target = target.split_at_mut(skip).1;
            let len = self.length.min(target.len() as u64) as usize;
            let (now, later) = self.values.split_at_checked(len).ok_or(DeltaError::Truncated)?;
            let (head, tail) = target.split_at_mut(len);
            head.iter_mut().zip(now).for_each(|(t, d)| *t = t.wrapping_add(*d));
            self.values = later;
            self.length -= len as u64;
            target = tail;
        }
        Ok(())
    }

    /// Everything must have been used.
    pub(super) fn finish(self) -> Result<(), DeltaError> {
        if self.runs.is_empty() && self.values.is_empty() && self.gap == 0 && self.length == 0 {
            return Ok(());
        }
        Err(DeltaError::Damaged("differences are left over"))
    }
}
