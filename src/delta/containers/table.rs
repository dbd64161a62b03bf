//! The table of the new file's streams: four columns of numbers, in the order of the streams.

use crate::delta::DeltaError;
use crate::delta::deflate::Maker;
use crate::delta::varint;

/// How one stream of the new file is made. Its partner is a stream of the old file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Bytes of the rest before it.
    pub gap: usize,
    pub partner: usize,
    pub made: Made,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// The partner's compressed bytes.
    Same,
    /// So many plain bytes of the rest, deflated.
    Rest(usize, Maker),
    /// A piece against the partner's plain bytes, deflated.
    Piece(Maker),
}

/// What the decoder knows of an old stream.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Bytes that are in no stream before it.
    pub gap: usize,
    pub plain: usize,
}

const GAP: u8 = 4;
const PARTNER: u8 = 8;
const MAKER: u8 = 16;

/// Columns: what each entry is, then the numbers that could not be foreseen.
///
/// An entry's byte: 0 same, 1 rest, 2 piece; plus 4 if its gap is not the partner's, 8 if its partner is not the one
/// behind the last partner, 16 if its maker is not the last one.
pub fn write(entries: &[Entry], old: &[Known]) -> Vec<u8> {
    let (mut kinds, mut numbers) = (Vec::with_capacity(entries.len()), Vec::new());
    let (mut expected, mut last) = (0usize, None);
    for e in entries {
        let known = old.get(e.partner).copied().unwrap_or(Known { gap: 0, plain: 0 });
        let (mut kind, maker, plain) = match e.made {
            Made::Same => (0, None, None),
            Made::Rest(n, maker) => (1, Some(maker), Some(n)),
            Made::Piece(maker) => (2, Some(maker), None),
        };
        if e.partner != expected {
            kind |= PARTNER;
            varint::put(&mut numbers, varint::zigzag(e.partner as i64 - expected as i64));
        }
        if e.gap != known.gap {
            kind |= GAP;
            varint::put(&mut numbers, varint::zigzag(e.gap as i64 - known.gap as i64));
        }
        if maker.is_some() && maker != last {
            kind |= MAKER;
            varint::put(&mut numbers, maker.map_or(0, Maker::number));
        }
        if let Some(n) = plain {
            varint::put(&mut numbers, varint::zigzag(n as i64 - known.plain as i64));
        }
        kinds.push(kind);
        (expected, last) = (e.partner + 1, maker.or(last));
    }
    let mut out = Vec::with_capacity(kinds.len() + numbers.len() + 4);
    varint::put(&mut out, entries.len() as u64);
    out.extend(kinds);
    out.extend(numbers);
    out
}

pub fn read(mut table: &[u8], old: &[Known]) -> Result<Vec<Entry>, DeltaError> {
    const BAD: DeltaError = DeltaError::Damaged("the table of streams is none");
    let input = &mut table;
    let count = usize::try_from(varint::take(input)?).map_err(|_| BAD)?;
    let (kinds, mut numbers) = input.split_at_checked(count).ok_or(DeltaError::Truncated)?;
    let (mut expected, mut last) = (0usize, None);
    let moved = |numbers: &mut &[u8], from: usize| -> Result<usize, DeltaError> {
        let by = varint::unzigzag(varint::take(numbers)?);
        i64::try_from(from).ok().and_then(|f| f.checked_add(by)).and_then(|n| usize::try_from(n).ok()).ok_or(BAD)
    };
    let mut entries = Vec::with_capacity(count);
    for &kind in kinds {
        let partner = if kind & PARTNER != 0 { moved(&mut numbers, expected)? } else { expected };
        let known = match (old.get(partner).copied(), kind & 3) {
            (Some(known), _) => known,
            (None, 1) => Known { gap: 0, plain: 0 },
            (None, _) => return Err(BAD),
        };
        let gap = if kind & GAP != 0 { moved(&mut numbers, known.gap)? } else { known.gap };
        if kind & MAKER != 0 {
            last = Some(Maker::of(varint::take(&mut numbers)?).ok_or(BAD)?);
        }
        let made = match (kind & !(GAP | PARTNER | MAKER), last) {
            (0, _) => Made::Same,
            (1, Some(maker)) => Made::Rest(moved(&mut numbers, known.plain)?, maker),
            (2, Some(maker)) => Made::Piece(maker),
            _ => return Err(BAD),
        };
        entries.push(Entry { gap, partner, made });
        expected = partner.checked_add(1).ok_or(BAD)?;
    }
    if numbers.is_empty() { Ok(entries) } else { Err(BAD) }
}
