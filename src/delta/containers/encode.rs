//! The encoder: streams find their partners, makers are recognised, and the parts get deltas of their own.

use super::scan::{Stream, streams};
use super::table::{self, Entry, Known, Made};
use super::{VERSION, need};
use crate::delta::deflate::{Choices, Maker, choose, parse};
use crate::delta::stream::is_image;
use crate::delta::{DeltaError, Encoded, Profile, choose::best_at, varint};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Smaller executables are compared together with everything else.
const LEAST_IMAGE: usize = 4096;
/// Smaller containers stay closed.
const LEAST_CONTAINER: usize = 512;
/// A stream is not opened if its corrections come near its own size.
const CORRECTIONS: usize = 4;

/// Whether a file begins like one that this codec opens.
pub fn is_container(file: &[u8]) -> bool {
    file.starts_with(b"PK\x03\x04") || file.starts_with(&[0x1f, 0x8b, 8])
}

/// One stream of the new file, taken apart.
struct Opened {
    at: Range<usize>,
    name: Range<usize>,
    plain: Vec<u8>,
    choices: Option<Choices>,
}

/// The payload, and the memory that decoding it needs beyond the result; nothing where there is nothing to open.
pub fn encode(old: &[u8], new: &[u8], profile: Profile, depth: u32) -> Result<Option<(Vec<u8>, u64)>, DeltaError> {
    let before = streams(old);
    let after = open(new);
    if before.is_empty() || after.is_empty() {
        return Ok(None);
    }
    let partners = partners(old, &before, new, &after);
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    let mut entries = Vec::new();
    let mut corrections = Vec::new();
    let mut rest = Vec::new();
    let mut at = 0;
    for (i, (stream, partner)) in after.iter().zip(&partners).enumerate() {
        let same = before.get(*partner).is_some_and(|b| old[b.at.clone()] == new[stream.at.clone()]);
        let Some(choices) = stream.choices.as_ref().filter(|_| !same) else {
            if same {
                entries.push(Entry {
                    gap: rest_gap(&mut rest, new, at, stream.at.start),
                    partner: *partner,
                    made: Made::Same,
                });
                at = stream.at.end;
            }
            continue;
        };
        let gap = rest_gap(&mut rest, new, at, stream.at.start);
        at = stream.at.end;
        varint::put(&mut corrections, choices.corrections.len() as u64);
        corrections.extend_from_slice(&choices.corrections);
        let made = if before.get(*partner).is_some_and(|b| is_piece(&b.plain, &stream.plain)) {
            pieces.push((*partner, i));
            Made::Piece(choices.maker)
        } else {
            rest.extend_from_slice(&stream.plain);
            Made::Rest(stream.plain.len(), choices.maker)
        };
        entries.push(Entry { gap, partner: *partner, made });
    }
    rest.extend_from_slice(&new[at..]);

    let known = known(&before);
    let pieced: Vec<usize> = pieces.iter().map(|(o, _)| *o).collect();
    let old_rest = old_rest(old, &before, &pieced);
    let table = table::write(&entries, &known);
    let inner = |old: Option<&[u8]>, new: &[u8]| best_at(old, new, profile, depth + 1);
    let mut deltas = vec![inner(None, &table)?, inner(None, &corrections)?, inner(Some(&old_rest), &rest)?];
    let made: Vec<Encoded> =
        pieces.par_iter().map(|(o, n)| inner(Some(&before[*o].plain), &after[*n].plain)).collect::<Result<_, _>>()?;
    deltas.extend(made);
    let opened_old = old.len() + before.iter().map(|s| s.plain.len()).sum::<usize>();
    let opened_new = rest.len() + pieces.iter().map(|(_, n)| after[*n].plain.len()).sum::<usize>();
    let largest = deltas.iter().map(|d| d.header.memory).max().unwrap_or(0);
    let mut payload = vec![VERSION];
    varint::put(&mut payload, opened_old as u64);
    varint::put(&mut payload, opened_new as u64);
    varint::put(&mut payload, pieces.len() as u64);
    for delta in &deltas {
        varint::put(&mut payload, delta.bytes.len() as u64);
        payload.extend_from_slice(&delta.bytes);
    }
    Ok(Some((payload, need(opened_old as u64, opened_new as u64, largest))))
}

fn rest_gap(rest: &mut Vec<u8>, new: &[u8], at: usize, start: usize) -> usize {
    rest.extend_from_slice(&new[at..start]);
    start - at
}

/// Executables and containers have codecs of their own.
fn is_piece(old: &[u8], new: &[u8]) -> bool {
    let both = |f: fn(&[u8]) -> bool, least: usize| old.len().min(new.len()) >= least && f(old) && f(new);
    both(is_image, LEAST_IMAGE) || both(is_container, LEAST_CONTAINER)
}

pub fn known(streams: &[Stream]) -> Vec<Known> {
    let mut at = 0;
    let one = |s: &Stream| {
        let gap = s.at.start - at;
        at = s.at.end;
        Known { gap, plain: s.plain.len() }
    };
    streams.iter().map(one).collect()
}

/// Everything of the old file that is in no stream, and the streams' plain bytes at their places, but for pieces'.
pub fn old_rest(old: &[u8], streams: &[Stream], pieced: &[usize]) -> Vec<u8> {
    let pieced: std::collections::HashSet<usize> = pieced.iter().copied().collect();
    let mut rest = Vec::with_capacity(old.len() + streams.iter().map(|s| s.plain.len()).sum::<usize>());
    let mut at = 0;
    for (i, s) in streams.iter().enumerate() {
        rest.extend_from_slice(&old[at..s.at.start]);
        if !pieced.contains(&i) {
            rest.extend_from_slice(&s.plain);
        }
        at = s.at.end;
    }
    rest.extend_from_slice(&old[at..]);
    rest
}

/// The new file's streams with their makers. Most of a file has one maker, that of its largest stream.
fn open(new: &[u8]) -> Vec<Opened> {
    let found = streams(new);
    let choices = |s: &Stream, likely: Option<Maker>| {
        let compressed = &new[s.at.clone()];
        let parsed = parse(compressed, s.plain.len())?;
        choose(&parsed, compressed, likely, 64 + compressed.len() / CORRECTIONS)
    };
    let largest = found.iter().max_by_key(|s| (s.plain.len(), std::cmp::Reverse(s.at.start)));
    let likely = largest.and_then(|s| choices(s, None)).map(|c| c.maker);
    found
        .into_par_iter()
        .map(|s| Opened { choices: choices(&s, likely), at: s.at, name: s.name, plain: s.plain })
        .collect()
}

/// For each new stream the old one with the same compressed bytes, else of the same name, else the one that follows.
fn partners(old: &[u8], before: &[Stream], new: &[u8], after: &[Opened]) -> Vec<usize> {
    let mut same: HashMap<&[u8], usize> = HashMap::new();
    let mut named: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (i, s) in before.iter().enumerate().rev() {
        same.insert(&old[s.at.clone()], i);
        named.insert(&old[s.name.clone()], i);
    }
    let mut expected = 0;
    let partner = |s: &Opened| {
        let bytes = &new[s.at.clone()];
        let next = before.get(expected).is_some_and(|b| old[b.at.clone()] == *bytes);
        let found = if next { Some(expected) } else { same.get(bytes).copied() };
        let own = found.or_else(|| named.get(&new[s.name.clone()]).copied());
        let own = own.unwrap_or_else(|| similar(old, before, &new[s.name.clone()], expected));
        expected = own + 1;
        own
    };
    after.iter().map(partner).collect()
}

/// Libraries carry digests and versions in their names: the longest common beginning wins, if it is a long one.
fn similar(old: &[u8], before: &[Stream], name: &[u8], expected: usize) -> usize {
    let common = |s: &Stream| old[s.name.clone()].iter().zip(name).take_while(|(a, b)| a == b).count();
    let best = before.iter().enumerate().map(|(i, s)| (common(s), std::cmp::Reverse(i))).max();
    match best {
        Some((n, std::cmp::Reverse(i))) if n * 2 > name.len() && n >= 8 => i,
        _ => expected,
    }
}
