//! bsdiff's control records: how to walk over old, difference and extra bytes.

use super::{DeltaError, varint};

/// Add `add` difference bytes to old bytes, then copy `copy` extra bytes, then move on in old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) add: usize,
    pub(super) copy: usize,
    pub(super) seek: i64,
}

pub(super) fn put(out: &mut Vec<u8>, record: Record) {
    varint::put(out, record.add as u64);
    varint::put(out, record.copy as u64);
    varint::put(out, varint::zigzag(record.seek));
}

/// Reads records with every promise checked: old ranges lie inside old, sizes add up.
pub(super) struct Records<'a> {
    rest: &'a [u8],
    at: usize,
    old: usize,
    room: usize,
}

impl<'a> Records<'a> {
    /// `old` and `new` are the sizes of the two sides.
    pub(super) fn new(control: &'a [u8], old: usize, new: usize) -> Self {
        Self { rest: control, at: 0, old, room: new }
    }

    /// The next record and where it starts in old; `None` at the end, which must fall on the
    /// last new byte.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Record)>, DeltaError> {
        if self.rest.is_empty() {
            return if self.room == 0 { Ok(None) } else { Err(DeltaError::Truncated) };
        }
        let mut number = || varint::take(&mut self.rest);
        let (add, copy, seek) = (number()?, number()?, varint::unzigzag(number()?));
        let wrong = DeltaError::Damaged("a control record leaves its files");
        let (Ok(add), Ok(copy)) = (usize::try_from(add), usize::try_from(copy)) else { return Err(wrong) };
        let at = self.at;
        let end = at.checked_add(add).filter(|e| *e <= self.old).ok_or(wrong.clone())?;
        self.room = add.checked_add(copy).and_then(|n| self.room.checked_sub(n)).ok_or(wrong.clone())?;
        self.at = i64::try_from(end)
            .ok()
            .and_then(|e| e.checked_add(seek))
            .and_then(|p| usize::try_from(p).ok())
            .ok_or(wrong)?;
        Ok(Some((at, Record { add, copy, seek })))
    }
}
