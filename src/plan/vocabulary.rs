//! The words of the start tree: a name that stands there is introduced by no fix.

use super::hints::{SHORTEST, is_word};
use super::remembered::{Key, Remembered};
use super::types::PlanInput;
use crate::report::Error;
use crate::tree::{Digest, Entry, Store, Tree};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};

/// Larger files of the start tree are data, not source: they define no names.
const LARGEST: u64 = 1 << 20;
/// Of a tree with more words than this, none are remembered.
const MOST: usize = 1 << 20;
/// Bytes of a word's key that are kept.
const SHORT: usize = 8;

/// Which of the words stand in the start tree.
///
/// # Errors
/// `io`, `source-changed` where a file of it cannot be read.
pub(super) fn in_tree<'w>(wanted: &HashSet<&'w [u8]>, input: &PlanInput<'_>) -> Result<HashSet<&'w [u8]>, Error> {
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let contents = contents(input.start);
    if let Some(remembered) = input.remembered.filter(|r| r.lasts()) {
        let key = Key::of("vocabulary", &contents);
        let known = remembered.get(key);
        let known = known.or_else(|| learn(remembered, key, &contents, input.store).map(std::borrow::Cow::Owned));
        if let Some(all) = known {
            let all: Vec<&[u8]> = all.chunks_exact(SHORT).collect();
            return Ok(wanted.iter().copied().filter(|w| all.binary_search(&short(w).as_slice()).is_ok()).collect());
        }
    }
    collect(&contents, input.store, |w| wanted.get(w).copied())
}

/// The digests of all files that may define names.
fn contents(tree: &Tree) -> BTreeSet<Digest> {
    let files = tree.entries.values().filter_map(|e| match e {
        Entry::File { digest, size, .. } if *size <= LARGEST => Some(*digest),
        _ => None,
    });
    files.collect()
}

/// The keys of all words, sorted, where they are not too many and every file can be read.
fn learn(remembered: &Remembered, key: Key, contents: &BTreeSet<Digest>, store: &Store) -> Option<Vec<u8>> {
    let found = contents.par_iter().map(|digest| {
        let bytes = store.get(digest).ok()?;
        let all: HashSet<&[u8]> = words(&bytes).collect();
        Some(all.into_iter().map(short).collect::<HashSet<_>>())
    });
    let all = found.try_reduce(HashSet::new, |a, b| {
        let (mut all, few) = if a.len() < b.len() { (b, a) } else { (a, b) };
        all.extend(few);
        (all.len() <= MOST).then_some(all)
    })?;
    let mut all: Vec<[u8; SHORT]> = all.into_iter().collect();
    all.sort_unstable();
    let bytes = all.concat();
    remembered.put(key, bytes.clone());
    Some(bytes)
}

fn short(word: &[u8]) -> [u8; SHORT] {
    Key::of("word", word).begins()
}

/// What is wanted of the words of all files.
fn collect<'w>(
    contents: &BTreeSet<Digest>,
    store: &Store,
    wanted: impl Fn(&[u8]) -> Option<&'w [u8]> + Sync,
) -> Result<HashSet<&'w [u8]>, Error> {
    let found = contents.par_iter().map(|digest| -> Result<HashSet<&'w [u8]>, Error> {
        let bytes = store.get(digest)?;
        Ok(words(&bytes).filter_map(&wanted).collect())
    });
    found.try_reduce(HashSet::new, |mut a, b| {
        a.extend(b);
        Ok(a)
    })
}

/// The words of a text; binary files have none.
fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = if memchr::memchr(0, &bytes[..bytes.len().min(8192)]).is_some() { &[] } else { bytes };
    text.split(|b| !is_word(*b)).filter(|w| w.len() >= SHORTEST)
}
