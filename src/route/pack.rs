//! Deltas of all routes, each made once, and their packs.

use super::memo::Memo;
use super::steps::{How, Route, Way};
use crate::bundle::{Action, Slice, Step, Steps};
use crate::delta::{self, Codec, DecodeLimits, Encoded, Header, Profile};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry, Store, TreePath};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of memory that all deltas in the making may take together, by [`delta::encode_memory`];
/// a single one that needs more runs alone.
const BUDGET: u64 = 2 << 30;

/// How far the deltas are: bytes of new content done, of all.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// All packs, and for each base its steps.
#[derive(Debug)]
pub struct Packed {
    pub packs: Vec<Vec<u8>>,
    /// In the order of the routes.
    pub bases: Vec<PackedBase>,
}

#[derive(Debug)]
pub struct PackedBase {
    pub steps: Steps,
    /// Indexes into [`Packed::packs`]; a step's slice counts in this list.
    pub packs: Vec<usize>,
    /// Bytes that the most demanding delta needs for decoding, itself, the old file and the result included.
    pub memory: u64,
}

/// Old content, if any, and new content.
type Pair = (Option<Digest>, Digest);

fn pair(way: &Way) -> Option<Pair> {
    match &way.how {
        How::Delta { old, new, .. } => Some((Some(*old), *new)),
        How::Full { new } => Some((None, *new)),
        _ => None,
    }
}

/// Makes every delta once and lays them into one pack for each set of bases that needs the same ones.
///
/// # Errors
/// `source-changed` or `io` if a content is not what it was; `internal` if an encoder is wrong.
pub fn pack(
    routes: &[Route],
    store: &Store,
    profile: Profile,
    memo: Option<&Memo<'_>>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Packed> {
    let mut users: BTreeMap<Pair, BTreeSet<usize>> = BTreeMap::new();
    let mut sizes: BTreeMap<Pair, (u64, u64)> = BTreeMap::new();
    for (i, route) in routes.iter().enumerate() {
        for way in &route.steps {
            if let Some(pair) = pair(way) {
                users.entry(pair).or_default().insert(i);
                let old = if let How::Delta { size, .. } = way.how { size } else { 0 };
                sizes.insert(pair, (old, way.after.as_ref().map_or(0, Entry::size)));
            }
        }
    }
    let mut jobs: Vec<(u64, u64, Pair)> = sizes
        .iter()
        .map(|(pair, (old, new))| {
            let both = old.saturating_add(*new);
            (delta::encode_memory(*old, *new, profile).saturating_add(both), both, *pair)
        })
        .collect();
    jobs.sort_unstable_by(|a, b| b.cmp(a));
    let total = jobs.iter().map(|(_, size, _)| size).sum();
    let done = AtomicU64::new(0);
    let make = |(_, size, pair): &(u64, u64, Pair)| -> Result<(Pair, Encoded)> {
        let made = make(pair, store, profile, memo)?;
        let done = done.fetch_add(*size, Ordering::Relaxed) + size;
        progress(Progress { done, total });
        Ok((*pair, made))
    };
    let mut deltas: BTreeMap<Pair, Encoded> = BTreeMap::new();
    let threads = rayon::current_num_threads();
    let mut rest = jobs.as_slice();
    // Largest first: as many at once as the budget holds of the first, until it holds one for every thread.
    while let Some((need, ..)) = rest.first() {
        let at_once = usize::try_from(BUDGET / (*need).max(1)).unwrap_or(usize::MAX).max(1);
        let (now, later) = rest.split_at(if at_once < threads { at_once.min(rest.len()) } else { rest.len() });
        deltas.extend(now.par_iter().with_max_len(1).map(make).collect::<Result<Vec<_>>>()?);
        rest = later;
    }
    lay(routes, users, deltas)
}

fn make((old, new): &Pair, store: &Store, profile: Profile, memo: Option<&Memo<'_>>) -> Result<Encoded> {
    let new_bytes = store.get(new)?;
    let old_bytes = old.as_ref().map(|o| store.get(o)).transpose()?;
    if let Some(known) = memo.and_then(|m| m.get(old.as_ref(), new, profile)) {
        let limits = DecodeLimits { new_size: new_bytes.len() as u64, memory: known.header.memory };
        if delta::decode(&known.bytes, old_bytes.as_deref().unwrap_or_default(), limits).is_ok_and(|b| *b == *new_bytes)
        {
            return Ok(known);
        }
    }
    let made = delta::best(old_bytes.as_deref(), &new_bytes, profile)
        .map_err(|e| Error::new(ErrorCode::Internal, new, e).next("report this as a defect of cumulate"))?;
    if let Some(memo) = memo {
        memo.put(old.as_ref(), new, profile, &made.bytes);
    }
    Ok(made)
}

/// Where each base's deltas stand: pack, offset and length, with the header.
type Places = BTreeMap<(usize, Pair), (usize, u64, u64, Header)>;

/// A delta that needs no old bytes is the same one whatever stood there before.
fn shared((old, new): Pair, header: Header) -> Pair {
    (old.filter(|_| header.codec != Codec::Full), new)
}

/// Bytes up to which a pack is not worth being shared: naming a blob costs each of its bases about two hundred bytes,
/// and a file of it half a kilobyte.
const SMALL: u64 = 512;

/// Packs in the order of their base sets, deltas within a pack by the folders and names of the paths that take them first.
fn lay(
    routes: &[Route],
    users: BTreeMap<Pair, BTreeSet<usize>>,
    mut deltas: BTreeMap<Pair, Encoded>,
) -> Result<Packed> {
    let mut all: BTreeMap<Pair, (BTreeSet<usize>, Encoded)> = BTreeMap::new();
    let mut key: BTreeMap<Pair, Pair> = BTreeMap::new();
    for (pair, bases) in users {
        let made = deltas.remove(&pair).ok_or_else(|| lost(&pair.1))?;
        let same = shared(pair, made.header);
        key.insert(pair, same);
        all.entry(same).or_insert_with(|| (BTreeSet::new(), made)).0.extend(bases);
    }
    let mut sizes: BTreeMap<&BTreeSet<usize>, u64> = BTreeMap::new();
    for (bases, made) in all.values() {
        *sizes.entry(bases).or_default() += made.bytes.len() as u64;
    }
    let mut sets: BTreeMap<BTreeSet<usize>, Vec<&Pair>> = BTreeMap::new();
    let mut laid = BTreeSet::new();
    let taken = routes.iter().flat_map(in_place).filter_map(|pair| key.get(&pair));
    for pair in taken.filter(|p| laid.insert(*p)) {
        let Some((bases, _)) = all.get(pair) else { continue };
        if sizes.get(bases).is_some_and(|s| *s > SMALL) {
            sets.entry(bases.clone()).or_default().push(pair);
        } else {
            bases.iter().for_each(|b| sets.entry(BTreeSet::from([*b])).or_default().push(pair));
        }
    }
    let mut packs = Vec::new();
    let mut places = Places::new();
    let mut of_base: Vec<Vec<usize>> = vec![Vec::new(); routes.len()];
    for (bases, pairs) in sets {
        let mut bytes = Vec::new();
        for (pair, made) in pairs.into_iter().filter_map(|p| Some((p, &all.get(p)?.1))) {
            let place = (packs.len(), bytes.len() as u64, made.bytes.len() as u64, made.header);
            places.extend(bases.iter().map(|b| ((*b, *pair), place)));
            bytes.extend_from_slice(&made.bytes);
        }
        for b in bases {
            of_base[b].push(packs.len());
        }
        packs.push(bytes);
    }
    let bases = routes.iter().zip(of_base).enumerate().map(|(n, (route, mine))| {
        let place = |pair: Pair| key.get(&pair).and_then(|same| places.get(&(n, *same)));
        base(route, mine, &place)
    });
    Ok(Packed { bases: bases.collect::<Result<_>>()?, packs })
}

/// What a route takes, by the folders and names of its paths.
fn in_place(route: &Route) -> Vec<Pair> {
    let mut ways: Vec<(&TreePath, Pair)> = route.steps.iter().filter_map(|w| Some((&w.path, pair(w)?))).collect();
    ways.sort_by(|(a, _), (b, _)| a.place().cmp(&b.place()));
    ways.into_iter().map(|(_, pair)| pair).collect()
}

fn lost(new: &Digest) -> Error {
    Error::new(ErrorCode::Internal, new, "a delta got lost between making and packing")
        .next("report this as a defect of cumulate")
}

fn base<'p>(
    route: &Route,
    packs: Vec<usize>,
    place: &dyn Fn(Pair) -> Option<&'p (usize, u64, u64, Header)>,
) -> Result<PackedBase> {
    let mut memory = 0;
    let mut steps = Vec::new();
    for way in &route.steps {
        let mut stands = |pair: Pair, old: u64| -> Result<(Codec, Slice)> {
            let (pack, offset, length, header) = place(pair).ok_or_else(|| lost(&pair.1))?;
            let pack =
                packs.binary_search(pack).ok().and_then(|p| u32::try_from(p).ok()).ok_or_else(|| lost(&pair.1))?;
            memory = memory.max(header.memory.saturating_add(*length).saturating_add(old));
            Ok((header.codec, Slice { pack, offset: *offset, length: *length }))
        };
        let action = match &way.how {
            How::Copy { from } => Action::Copy { from: from.clone() },
            How::Delta { from, old, new, size } => match stands((Some(*old), *new), *size)? {
                (Codec::Full, at) => Action::Full { at },
                (codec, at) => Action::Delta { from: from.clone(), codec, at },
            },
            How::Full { new } => Action::Full { at: stands((None, *new), 0)?.1 },
            How::Link => Action::Link,
            How::Mode => Action::Mode,
            How::Folder => Action::Folder,
            How::Delete => Action::Delete,
        };
        steps.push(Step {
            path: way.path.clone(),
            before: way.before.clone(),
            after: way.after.clone(),
            action,
            class: way.class,
        });
    }
    Ok(PackedBase { steps: Steps { steps, config: route.config.clone() }, packs, memory })
}
