//! Deltas of all routes, each made once, and their packs.

use super::memo::Memo;
use super::steps::{How, Route, Way};
use crate::bundle::{Action, Slice, Step, Steps};
use crate::delta::{self, DecodeLimits, Encoded, Profile};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Store};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Contents above this many bytes (old and new together) are encoded one at a time, so that memory stays bounded.
const BIG: u64 = 64 << 20;

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
    /// Bytes that the most demanding delta needs for decoding.
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
    let mut sizes: BTreeMap<Pair, u64> = BTreeMap::new();
    for (i, route) in routes.iter().enumerate() {
        for way in &route.steps {
            if let Some(pair) = pair(way) {
                users.entry(pair).or_default().insert(i);
                let size = |e: &Option<crate::tree::Entry>| e.as_ref().map_or(0, |e| e.size());
                sizes.insert(pair, size(&way.after).saturating_add(size(&way.before)));
            }
        }
    }
    let total = sizes.values().sum();
    let done = AtomicU64::new(0);
    let make = |(pair, size): (&Pair, &u64)| -> Result<(Pair, Encoded)> {
        let made = make(pair, store, profile, memo)?;
        let done = done.fetch_add(*size, Ordering::Relaxed) + size;
        progress(Progress { done, total });
        Ok((*pair, made))
    };
    let (big, small): (Vec<_>, Vec<_>) = sizes.iter().partition(|(_, size)| **size > BIG);
    let mut deltas: BTreeMap<Pair, Encoded> = BTreeMap::new();
    for job in big {
        deltas.extend([make(job)?]);
    }
    deltas.extend(small.into_par_iter().map(make).collect::<Result<Vec<_>>>()?);
    Ok(lay(routes, &users, &deltas))
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

/// Packs in the order of their base sets, deltas within a pack in the order of their digests.
fn lay(routes: &[Route], users: &BTreeMap<Pair, BTreeSet<usize>>, deltas: &BTreeMap<Pair, Encoded>) -> Packed {
    let mut sets: BTreeMap<&BTreeSet<usize>, Vec<&Pair>> = BTreeMap::new();
    for (pair, bases) in users {
        sets.entry(bases).or_default().push(pair);
    }
    let mut packs = Vec::new();
    let mut place: BTreeMap<&Pair, (usize, u64, u64)> = BTreeMap::new();
    let mut of_base: Vec<Vec<usize>> = vec![Vec::new(); routes.len()];
    for (bases, pairs) in sets {
        let mut bytes = Vec::new();
        for pair in pairs {
            if let Some(d) = deltas.get(pair) {
                place.insert(pair, (packs.len(), bytes.len() as u64, d.bytes.len() as u64));
                bytes.extend_from_slice(&d.bytes);
            }
        }
        for b in bases {
            of_base[*b].push(packs.len());
        }
        packs.push(bytes);
    }
    let bases = routes.iter().zip(of_base).map(|(route, mine)| base(route, mine, &place, deltas)).collect();
    Packed { packs, bases }
}

fn base(
    route: &Route,
    packs: Vec<usize>,
    place: &BTreeMap<&Pair, (usize, u64, u64)>,
    deltas: &BTreeMap<Pair, Encoded>,
) -> PackedBase {
    let mut memory = 0;
    let mut steps = Vec::new();
    for way in &route.steps {
        let made = pair(way).and_then(|p| Some((deltas.get(&p)?, place.get(&p)?)));
        let at = made.map(|(d, (pack, offset, length))| {
            memory = memory.max(d.header.memory);
            let pack = packs.binary_search(pack).unwrap_or(usize::MAX);
            Slice { pack: u32::try_from(pack).unwrap_or(u32::MAX), offset: *offset, length: *length }
        });
        let codec = made.map(|(d, _)| d.header.codec);
        let action = match (&way.how, at, codec) {
            (How::Copy { from }, ..) => Action::Copy { from: from.clone() },
            (How::Delta { .. }, Some(at), Some(delta::Codec::Full)) => Action::Full { at },
            (How::Delta { from, .. }, Some(at), Some(codec)) => Action::Delta { from: from.clone(), codec, at },
            (How::Full { .. }, Some(at), _) => Action::Full { at },
            (How::Link, ..) => Action::Link,
            (How::Mode, ..) => Action::Mode,
            (How::Folder, ..) => Action::Folder,
            (How::Delete | How::Delta { .. } | How::Full { .. }, ..) => Action::Delete,
        };
        steps.push(Step {
            path: way.path.clone(),
            before: way.before.clone(),
            after: way.after.clone(),
            action,
            class: way.class,
        });
    }
    PackedBase { steps: Steps { steps, config: route.config.clone() }, packs, memory }
}
