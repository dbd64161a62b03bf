//! The plan of a window as bytes: numbers in columns, where like stands beside like.

use crate::delta::DeltaError;
use crate::delta::varint::{put, take, unzigzag, zigzag};

/// Some new bytes, then a copy out of the old file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub fresh: u64,
    pub old: u64,
    pub len: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub pieces: Vec<Piece>,
    /// What of the old file the new bytes are coded against: from and to, in order, without overlap.
    pub ranges: Vec<(u64, u64)>,
}

/// Bytes of memory that a plan may take for each of its own bytes.
pub const HELD: u64 = 16;

impl Plan {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.pieces.len() as u64);
        put(&mut out, self.ranges.len() as u64);
        self.pieces.iter().for_each(|p| put(&mut out, p.fresh));
        let mut expected = 0u64;
        for p in &self.pieces {
            put(&mut out, zigzag(p.old.wrapping_sub(expected) as i64));
            expected = p.old + p.len;
        }
        self.pieces.iter().for_each(|p| put(&mut out, p.len));
        let mut end = 0;
        for &(from, to) in &self.ranges {
            put(&mut out, from - end);
            end = to;
        }
        self.ranges.iter().for_each(|(from, to)| put(&mut out, to - from));
        out
    }

    /// Reads a plan for an old file of `old` bytes.
    pub fn read(mut bytes: &[u8], old: u64) -> Result<Self, DeltaError> {
        const OUTSIDE: DeltaError = DeltaError::Damaged("a window reaches outside the old file");
        let input = &mut bytes;
        let counts = (take(input)?, take(input)?);
        // A piece takes three numbers and a range two, of a byte at least.
        if counts.0.saturating_mul(3).saturating_add(counts.1.saturating_mul(2)) > input.len() as u64 {
            return Err(DeltaError::Truncated);
        }
        let mut column = |count: u64| (0..count).map(|_| take(input)).collect::<Result<Vec<u64>, _>>();
        let (fresh, seek, len) = (column(counts.0)?, column(counts.0)?, column(counts.0)?);
        let (gap, size) = (column(counts.1)?, column(counts.1)?);
        if !input.is_empty() {
            return Err(DeltaError::Damaged("bytes after a window's plan"));
        }
        let end = |from: u64, len: u64| from.checked_add(len).filter(|&to| len > 0 && to <= old).ok_or(OUTSIDE);
        let mut plan = Plan { pieces: Vec::with_capacity(fresh.len()), ranges: Vec::with_capacity(gap.len()) };
        let mut expected = 0u64;
        for ((fresh, seek), len) in fresh.into_iter().zip(seek).zip(len) {
            let old = expected.checked_add_signed(unzigzag(seek)).ok_or(OUTSIDE)?;
            expected = end(old, len)?;
            plan.pieces.push(Piece { fresh, old, len });
        }
        let mut last = 0u64;
        for (gap, size) in gap.into_iter().zip(size) {
            let from = last.checked_add(gap).ok_or(OUTSIDE)?;
            last = end(from, size)?;
            plan.ranges.push((from, last));
        }
        Ok(plan)
    }

    /// Bytes of all ranges.
    pub fn near(&self) -> u64 {
        self.ranges.iter().map(|(from, to)| to - from).sum()
    }

    /// New bytes before the last copy, and bytes of all copies; both stay below the largest number.
    pub fn made(&self) -> Result<(u64, u64), DeltaError> {
        let sum = |of: fn(&Piece) -> u64| self.pieces.iter().try_fold(0u64, |n, p| n.checked_add(of(p)));
        sum(|p| p.fresh).zip(sum(|p| p.len)).ok_or(DeltaError::Damaged("a window is larger than any file"))
    }
}
