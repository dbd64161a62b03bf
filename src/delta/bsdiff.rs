//! `bsdiff`: the classical algorithm. The `bsdiff` crate finds the differences; its stream is
//! taken apart, since its own decoder reads whatever lengths a hostile stream states.
//!
//! Payload: a layout byte, then the streams, each as `varint(stored length * 2 + is a zstd
//! frame)`, for a frame whose length does not follow from control also `varint(length)`, and
//! the stored bytes. Control comes first, then the differences, whole or sparse, then extra.

use super::control::{self, Record, Records};
use super::header::Tag;
use super::source::PIECE;
use super::sparse::{self, Runs, Sparse};
use super::{Coded, DeltaError, PassError, Profile, Sink, Source, frame, settings, stream, varint};
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

/// Hands the result on piece by piece and reads old bytes where they are needed. `working` is the memory beyond the result
/// that the header states and the caller allows.
pub(super) fn decode(
    payload: &[u8],
    old: &Source<'_>,
    new_size: usize,
    working: u64,
    out: &mut Sink<'_>,
) -> Result<(), PassError> {
    let (&layout, rest) = payload.split_first().ok_or(DeltaError::Truncated)?;
    let room = working.checked_sub(frame::WORKING).ok_or(DeltaError::Damaged("less memory than any frame needs"))?;
    let old_size = size(old.size())?;
    let mut reader = Reader { rest, room };
    let control = reader.stream(None)?;
    let (mut adds, mut copies) = (0, 0);
    let mut records = Records::new(&control, old_size, new_size);
    while let Some((_, record)) = records.next()? {
        adds += record.add;
        copies += record.copy;
    }
    let columns = match layout {
        DENSE => vec![reader.stream(Some(adds))?],
        MIXED => vec![reader.stream(None)?, reader.stream(None)?],
        COLUMNS => vec![reader.stream(None)?, reader.stream(None)?, reader.stream(None)?, reader.stream(None)?],
        _ => return Err(DeltaError::Damaged("an unknown layout of streams").into()),
    };
    let extra = reader.stream(Some(copies))?;
    if !reader.rest.is_empty() {
        return Err(DeltaError::Damaged("bytes after the last stream").into());
    }
    let mut differences = match columns.as_slice() {
        [diff] => Differences::Dense(diff),
        [mixed, values] => Differences::Sparse(Sparse::new(Runs::Mixed(mixed), values)),
        [low, high, lengths, values] => Differences::Sparse(Sparse::new(Runs::Columns { low, high, lengths }, values)),
        _ => return Err(DeltaError::Damaged("an unknown layout of streams").into()),
    };
    let mut extra = &*extra;
    let mut blocks = Blocks::of(old)?;
    let most = new_size.min(PIECE as usize);
    let mut piece = frame::reserve(most)?;
    let mut records = Records::new(&control, old_size, new_size);
    while let Some((mut at, Record { mut add, mut copy, .. })) = records.next()? {
        while add > 0 {
            let n = add.min(most - piece.len());
            let from = piece.len();
            blocks.append(at, n, &mut piece)?;
            differences.add_to(piece.get_mut(from..).unwrap_or_default())?;
            (at, add) = (at + n, add - n);
            if piece.len() == most {
                out(&piece)?;
                piece.clear();
            }
        }
        while copy > 0 {
            let (now, later) = extra.split_at_checked(copy.min(most - piece.len())).ok_or(DeltaError::Truncated)?;
            piece.extend_from_slice(now);
            (extra, copy) = (later, copy - now.len());
            if piece.len() == most {
                out(&piece)?;
                piece.clear();
            }
        }
    }
    differences.finish()?;
    if piece.is_empty() { Ok(()) } else { out(&piece) }
}

/// What is added to old bytes.
enum Differences<'a> {
    Dense(&'a [u8]),
    Sparse(Sparse<'a>),
}

impl Differences<'_> {
    fn add_to(&mut self, target: &mut [u8]) -> Result<(), DeltaError> {
        match self {
            Differences::Sparse(sparse) => sparse.add_to(target),
            Differences::Dense(rest) => {
                let (now, later) = rest.split_at_checked(target.len()).ok_or(DeltaError::Truncated)?;
                target.iter_mut().zip(now).for_each(|(t, d)| *t = t.wrapping_add(*d));
                *rest = later;
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<(), DeltaError> {
        match self {
            Differences::Sparse(sparse) => sparse.finish(),
            Differences::Dense(_) => Ok(()),
        }
    }
}

/// Old bytes in blocks, the last ones of each slot: records jump to and fro, and a call of the system for each would cost more than
/// its bytes.
struct Blocks<'a> {
    old: &'a Source<'a>,
    /// Which block is in a slot, plus one, and its bytes: memory that no record reads is never touched.
    held: Vec<(u64, Vec<u8>)>,
}

/// Bytes of a block.
const BLOCK: u64 = 16 << 10;
/// Blocks that are held at most.
const SLOTS: u64 = 2 << 10;
/// Blocks that are always held. Of a larger file it is a quarter: fresh memory costs more than reading a block again, and
/// of executables a quarter is enough for nearly every block to be read once or twice.
const FEW: u64 = 256;

/// Bytes of an old file of this size that are held while it is read.
pub(super) fn held(old: u64) -> u64 {
    let all = old.div_ceil(BLOCK);
    all.min((all / 4).clamp(FEW, SLOTS)) * BLOCK
}

impl<'a> Blocks<'a> {
    fn of(old: &'a Source<'a>) -> Result<Self, DeltaError> {
        // What is in memory is read where it lies.
        let bytes = if old.held().is_some() { 0 } else { held(old.size()) };
        Ok(Self { old, held: vec![(0, Vec::new()); size(bytes / BLOCK)?] })
    }

    /// Appends `n` old bytes from `at` on, which lie in the old file.
    fn append(&mut self, at: usize, n: usize, to: &mut Vec<u8>) -> Result<(), PassError> {
        if let Some(bytes) = self.old.held() {
            to.extend_from_slice(bytes.get(at..).and_then(|b| b.get(..n)).ok_or(DeltaError::Truncated)?);
            return Ok(());
        }
        let (mut at, end) = (at as u64, at as u64 + n as u64);
        while at < end {
            let block = at / BLOCK;
            let (from, until) = (at - block * BLOCK, (end - block * BLOCK).min(BLOCK));
            let slot = block % (self.held.len() as u64).max(1);
            let (held, bytes) = self.held.get_mut(size(slot)?).ok_or(DeltaError::Truncated)?;
            if *held != block + 1 {
                let there = self.old.size().saturating_sub(block * BLOCK).min(BLOCK);
                *held = 0;
                bytes.clear();
                self.old.append(block * BLOCK, there, bytes)?;
                *held = block + 1;
            }
            to.extend_from_slice(bytes.get(from as usize..until as usize).ok_or(DeltaError::Truncated)?);
            at += until - from;
        }
        Ok(())
    }
}
