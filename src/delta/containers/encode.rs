//! The encoder: streams find their partners, makers are recognised, and the parts get deltas of their own.

use super::scan::{Stream, opened, streams};
use super::table::{self, Entry, Known, Made};
use super::{LEAST_CONTAINER, LEAST_IMAGE, VERSION, is_container, need};
use crate::delta::deflate::{Choices, Maker, Precedent, choose, parse};
use crate::delta::stream::is_image;
use crate::delta::{DeltaError, Encoded, Profile, choose::best_at, varint};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// A stream is not opened if its corrections come near its own size.
const CORRECTIONS: usize = 4;

/// One stream of the new file, taken apart.
struct Opened<'a> {
    at: Range<usize>,
    plain: Cow<'a, [u8]>,
    /// The old stream that it has the most of.
    partner: usize,
    choices: Option<Choices>,
}

/// The payload, and the memory that decoding it needs beyond the result; nothing where there is nothing to open.
pub fn encode(old: &[u8], new: &[u8], profile: Profile, depth: u32) -> Result<Option<(Vec<u8>, u64)>, DeltaError> {
    let before = streams(old);
    let found = streams(new);
    if before.is_empty() || found.is_empty() {
        return Ok(None);
    }
    let partners = partners(old, &before, new, &found);
    let after = open(old, &before, new, found.into_iter().zip(partners).collect());
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    let mut entries = Vec::new();
    let mut corrections = Vec::new();
    let mut rest = Vec::new();
    let mut at = 0;
    for (i, stream) in after.iter().enumerate() {
        let partner = &stream.partner;
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
        let piece = before.get(*partner).is_some_and(|b| is_piece(&b.plain, &stream.plain));
        if choices.maker == Maker::STORED && !piece {
            continue;
        }
        let gap = rest_gap(&mut rest, new, at, stream.at.start);
        at = stream.at.end;
        varint::put(&mut corrections, choices.corrections.len() as u64);
        corrections.extend_from_slice(&choices.corrections);
        let made = if piece {
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
    let opened_new = rest.len() + pieces.iter().map(|(_, n)| after[*n].plain.len()).sum::<usize>();
    let largest = deltas.iter().map(|d| d.header.memory).max().unwrap_or(0);
    let mut payload = vec![VERSION];
    varint::put(&mut payload, opened(old, &before));
    varint::put(&mut payload, opened_new as u64);
    varint::put(&mut payload, pieces.len() as u64);
    for delta in &deltas {
        varint::put(&mut payload, delta.bytes.len() as u64);
        payload.extend_from_slice(&delta.bytes);
    }
    Ok(Some((payload, need(opened(old, &before), opened_new as u64, largest))))
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

pub fn known(streams: &[Stream<'_>]) -> Vec<Known> {
    let mut at = 0;
    let one = |s: &Stream<'_>| {
        let gap = s.at.start - at;
        at = s.at.end;
        Known { gap, plain: s.plain.len() }
    };
    streams.iter().map(one).collect()
}

/// Everything of the old file that is in no stream, and the streams' plain bytes at their places, but for pieces'.
pub fn old_rest(old: &[u8], streams: &[Stream<'_>], pieced: &[usize]) -> Vec<u8> {
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
fn open<'a>(old: &[u8], before: &[Stream<'_>], new: &[u8], found: Vec<(Stream<'a>, usize)>) -> Vec<Opened<'a>> {
    let choices = |s: &Stream<'_>, partner: usize, likely: Option<Maker>| {
        let compressed = &new[s.at.clone()];
        let known = before.get(partner);
        if known.is_some_and(|k| old[k.at.clone()] == *compressed) {
            return None; // It is taken as it is.
        }
        if s.stored() {
            return Some(Choices { maker: Maker::STORED, corrections: Vec::new() });
        }
        let parsed = parse(compressed, s.plain.len())?;
        let precedent = known.filter(|k| !k.stored()).and_then(|k| Precedent::of(&old[k.at.clone()], k.plain.len()));
        choose(&parsed, compressed, precedent.as_ref(), likely, 64 + compressed.len() / CORRECTIONS)
    };
    let largest =
        found.iter().filter(|(s, _)| !s.stored()).max_by_key(|(s, _)| (s.plain.len(), std::cmp::Reverse(s.at.start)));
    let likely = largest.and_then(|(s, partner)| choices(s, *partner, None)).map(|c| c.maker);
    let opened = |(s, partner): (Stream<'a>, usize)| Opened {
        choices: choices(&s, partner, likely),
        at: s.at,
        plain: s.plain,
        partner,
    };
    found.into_par_iter().map(opened).collect()
}

/// For each new stream the old one with the same compressed bytes, else of the same name, else the one that follows.
fn partners(old: &[u8], before: &[Stream<'_>], new: &[u8], after: &[Stream<'_>]) -> Vec<usize> {
    let mut same: HashMap<&[u8], usize> = HashMap::new();
    let mut named: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (i, s) in before.iter().enumerate().rev() {
        same.insert(&old[s.at.clone()], i);
        named.insert(&old[s.name.clone()], i);
    }
    let mut expected = 0;
    let partner = |s: &Stream<'_>| {
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
fn similar(old: &[u8], before: &[Stream<'_>], name: &[u8], expected: usize) -> usize {
    let common = |s: &Stream<'_>| old[s.name.clone()].iter().zip(name).take_while(|(a, b)| a == b).count();
    let best = before.iter().enumerate().map(|(i, s)| (common(s), std::cmp::Reverse(i))).max();
    match best {
        Some((n, std::cmp::Reverse(i))) if n * 2 > name.len() && n >= 8 => i,
        _ => expected,
    }
}
