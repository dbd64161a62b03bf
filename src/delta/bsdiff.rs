//! `bsdiff`: the classical algorithm. The `bsdiff` crate finds the differences; its stream is
//! taken apart, since its own decoder reads whatever lengths a hostile stream states.
//!
//! Payload: a layout byte, then the streams, each as `varint(stored length * 2 + is a zstd
//! frame)`, for a frame whose length does not follow from control also `varint(length)`, and
//! the stored bytes. Control comes first, then the differences, whole or sparse, then extra.

use super::control::{self, Record, Records};
use super::header::Tag;
use super::sparse::{self, Runs, Sparse};
use super::{Coded, DeltaError, Profile, frame, settings, stream, varint};
use std::borrow::Cow;

/// Control, differences, extra.
const DENSE: u8 = 0;
/// Control, runs, values, extra.
const MIXED: u8 = 1;
/// Control, gaps' low bytes, gaps' high parts, lengths, values, extra.
const COLUMNS: u8 = 2;

/// The layout's byte and the streams of its differences, with whether the length has to be stated.
type Layout<'a> = (u8, Vec<(&'a [u8], bool)>);

/// Up to here the two more streams of columns may cost more than they save.
const FEW_RUNS: usize = 1 << 12;

/// The level at which layouts of large files are compared.
const QUICK: i32 = 3;

/// The crate's sorter recurses as deep as an old file wants; a stack of its own, by size.
const OWN_STACK_FROM: usize = 4096;

pub(super) fn encode(old: &[u8], new: &[u8], profile: Profile) -> Result<Coded, DeltaError> {
    let s = settings::of(profile);
    let needed = old.len() as u64 + new.len() as u64;
    if needed > s.bsdiff_most {
        return Err(DeltaError::OverLimit { needed, allowed: s.bsdiff_most });
    }
    let streams = if needed > s.bsdiff_sorted { put_together(old, new) } else { take_apart(&diff(old, new)?)? };
    let splits = sparse::SHORTEST_GAPS.map(|gap| sparse::split(&streams.diff, gap));
    let mut layouts: Vec<Layout> = Vec::new();
    for split in &splits {
        if split.mixed.len() <= FEW_RUNS {
            layouts.push((MIXED, vec![(&split.mixed, true), (&split.values, true)]));
        }
        let columns = [&split.low, &split.high, &split.lengths, &split.values];
        layouts.push((COLUMNS, columns.map(|c| (c.as_slice(), true)).to_vec()));
    }
    layouts.push((DENSE, vec![(&streams.diff, false)]));
    let write = |(layout, differences): &Layout, level: i32| -> Result<Coded, DeltaError> {
        let mut out = Writer { level, payload: vec![*layout], working: 0 };
        out.stream(&streams.control, true)?;
        for (stream, state_length) in differences {
            out.stream(stream, *state_length)?;
        }
        out.stream(&streams.extra, false)?;
        Ok(Coded { tag: Tag::Bsdiff, working: out.working + frame::WORKING, payload: out.payload })
    };
    // What is quickly smallest is so in the end, nearly always; small files are worth the certainty.
    if needed > s.bsdiff_sorted {
        let mut quick = Vec::with_capacity(layouts.len());
        for layout in &layouts {
            quick.push(write(layout, QUICK)?.payload.len());
        }
        let best = (0..layouts.len()).min_by_key(|&i| quick[i]).unwrap_or_default();
        layouts.swap(0, best);
        layouts.truncate(1);
    }
    let mut best: Option<Coded> = None;
    for layout in &layouts {
        let made = write(layout, s.streams)?;
        if best.as_ref().is_none_or(|b| made.payload.len() < b.payload.len()) {
            best = Some(made);
        }
    }
    best.ok_or(DeltaError::EncoderFault("no layout"))
}

fn diff(old: &[u8], new: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let run = || {
        let mut out = Vec::new();
        bsdiff::diff(old, new, &mut out).map(|()| out)
    };
    let fault = DeltaError::EncoderFault("bsdiff does not finish");
    if old.len() < OWN_STACK_FROM {
        return run().map_err(|_| fault);
    }
    let stack = old.len().saturating_mul(160).clamp(1 << 20, 256 << 20);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, run).ok()?;
        thread.join().ok()?.ok()
    })
    .ok_or(fault)
}

struct Streams {
    control: Vec<u8>,
    diff: Vec<u8>,
    extra: Vec<u8>,
}

/// The crate interleaves: 24 bytes of control, differences, extra, and again.
fn take_apart(mut raw: &[u8]) -> Result<Streams, DeltaError> {
    let fault = DeltaError::EncoderFault("bsdiff's stream is not as expected");
    let mut streams = Streams { control: Vec::new(), diff: Vec::new(), extra: Vec::new() };
    while !raw.is_empty() {
        let (numbers, rest) = raw.split_first_chunk::<24>().ok_or(fault.clone())?;
        let mut number = numbers.chunks_exact(8).map(|c| c.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b)));
        let mut next = || number.next().unwrap_or_default();
        let (add, copy, seek) = (next() as usize, next() as usize, next());
        let (diff, rest) = rest.split_at_checked(add).ok_or(fault.clone())?;
        let (extra, rest) = rest.split_at_checked(copy).ok_or(fault.clone())?;
        let seek = if seek >> 63 == 1 { -((seek & i64::MAX as u64) as i64) } else { seek as i64 };
        // Nothing follows the last record, so where it would go on in old is not worth a byte.
        let seek = if rest.is_empty() { 0 } else { seek };
        control::put(&mut streams.control, Record { add, copy, seek });
        streams.diff.extend_from_slice(diff);
        streams.extra.extend_from_slice(extra);
        raw = rest;
    }
    Ok(streams)
}

/// The same from our own engine's copies, whose search takes a quarter of the crate's memory and time.
fn put_together(old: &[u8], new: &[u8]) -> Streams {
    let mut streams = Streams { control: Vec::new(), diff: Vec::new(), extra: Vec::new() };
    let copies = stream::copies(old, new);
    let first = copies.first().map_or(new.len(), |c| c.new as usize);
    streams.extra.extend_from_slice(&new[..first]);
    let seek = copies.first().map_or(0, |c| i64::from(c.old));
    if first > 0 || seek != 0 {
        control::put(&mut streams.control, Record { add: 0, copy: first, seek });
    }
    for (i, c) in copies.iter().enumerate() {
        let (from, at, add) = (c.old as usize, c.new as usize, c.len as usize);
        let next = copies.get(i + 1);
        let extra = &new[at + add..next.map_or(new.len(), |n| n.new as usize)];
        let seek = next.map_or(0, |n| i64::from(n.old) - (from + add) as i64);
        control::put(&mut streams.control, Record { add, copy: extra.len(), seek });
        let pairs = new[at..at + add].iter().zip(&old[from..from + add]);
        streams.diff.extend(pairs.map(|(n, o)| n.wrapping_sub(*o)));
        streams.extra.extend_from_slice(extra);
    }
    streams
}

struct Writer {
    level: i32,
    payload: Vec<u8>,
    working: u64,
}

impl Writer {
    fn stream(&mut self, bytes: &[u8], state_length: bool) -> Result<(), DeltaError> {
        if bytes.len() > 16 {
            let frame = frame::write(bytes, None, self.level)?;
            if frame.len() + 3 < bytes.len() {
                varint::put(&mut self.payload, frame.len() as u64 * 2 + 1);
                if state_length {
                    varint::put(&mut self.payload, bytes.len() as u64);
                }
                self.payload.extend_from_slice(&frame);
                self.working += bytes.len() as u64;
                return Ok(());
            }
        }
        varint::put(&mut self.payload, bytes.len() as u64 * 2);
        self.payload.extend_from_slice(bytes);
        Ok(())
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// What the header allows streams to take.
    room: u64,
}

impl<'a> Reader<'a> {
    /// `length` is what the stream must come to, where that is known already.
    fn stream(&mut self, length: Option<usize>) -> Result<Cow<'a, [u8]>, DeltaError> {
        let word = varint::take(&mut self.rest)?;
        let coded = word & 1 == 1;
        let size = match length {
            Some(n) => n,
            None if coded => size(varint::take(&mut self.rest)?)?,
            None => size(word / 2)?,
        };
        let (stored, rest) = self.rest.split_at_checked(self::size(word / 2)?).ok_or(DeltaError::Truncated)?;
        self.rest = rest;
        if !coded {
            return if stored.len() == size {
                Ok(stored.into())
            } else {
                Err(DeltaError::Damaged("a stream of another length"))
            };
        }
        self.room = self
            .room
            .checked_sub(size as u64)
            .ok_or(DeltaError::Damaged("a stream needs more memory than the header states"))?;
        Ok(frame::read(stored, None, size)?.into())
    }
}

fn size(n: u64) -> Result<usize, DeltaError> {
    usize::try_from(n).map_err(|_| DeltaError::Damaged("a stream is too long"))
}

/// `working` is the memory beyond the result that the header states and the caller allows.
pub(super) fn decode(payload: &[u8], old: &[u8], new_size: usize, working: u64) -> Result<Vec<u8>, DeltaError> {
    let (&layout, rest) = payload.split_first().ok_or(DeltaError::Truncated)?;
    let room = working.checked_sub(frame::WORKING).ok_or(DeltaError::Damaged("less memory than any frame needs"))?;
    let mut reader = Reader { rest, room };
    let control = reader.stream(None)?;
    let (mut adds, mut copies) = (0, 0);
    let mut records = Records::new(&control, old.len(), new_size);
    while let Some((_, record)) = records.next()? {
        adds += record.add;
        copies += record.copy;
    }
    let columns = match layout {
        DENSE => vec![reader.stream(Some(adds))?],
        MIXED => vec![reader.stream(None)?, reader.stream(None)?],
        COLUMNS => vec![reader.stream(None)?, reader.stream(None)?, reader.stream(None)?, reader.stream(None)?],
        _ => return Err(DeltaError::Damaged("an unknown layout of streams")),
    };
    let extra = reader.stream(Some(copies))?;
    if !reader.rest.is_empty() {
        return Err(DeltaError::Damaged("bytes after the last stream"));
    }
    let (mut sparse, mut diff_rest, mut extra_rest) = match columns.as_slice() {
        [diff] => (None, &**diff, &*extra),
        [mixed, values] => (Some(Sparse::new(Runs::Mixed(mixed), values)), &[][..], &*extra),
        [low, high, lengths, values] => {
            (Some(Sparse::new(Runs::Columns { low, high, lengths }, values)), &[][..], &*extra)
        }
        _ => return Err(DeltaError::Damaged("an unknown layout of streams")),
    };
    let mut out = frame::reserve(new_size)?;
    let mut records = Records::new(&control, old.len(), new_size);
    while let Some((at, record)) = records.next()? {
        let start = out.len();
        let from = old.get(at..).and_then(|o| o.get(..record.add)).ok_or(DeltaError::Truncated)?;
        out.extend_from_slice(from);
        let target = out.get_mut(start..).unwrap_or_default();
        if let Some(sparse) = &mut sparse {
            sparse.add_to(target)?;
        } else {
            let (now, later) = diff_rest.split_at_checked(record.add).ok_or(DeltaError::Truncated)?;
            target.iter_mut().zip(now).for_each(|(t, d)| *t = t.wrapping_add(*d));
            diff_rest = later;
        }
        let (now, later) = extra_rest.split_at_checked(record.copy).ok_or(DeltaError::Truncated)?;
        out.extend_from_slice(now);
        extra_rest = later;
    }
    if let Some(sparse) = sparse {
        sparse.finish()?;
    }
    Ok(out)
}
