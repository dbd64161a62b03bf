//! The most similar old file for a path that the base does not have.
//!
//! Names come first: a folder that carries a version in its name moves every file below it. Where several
//! old files could serve, their contents are compared by sketches: the smallest hashes of their content-defined
//! chunks (min-wise hashing, Broder 1997), a bounded number for each file.

use crate::tree::{Digest, Entry, Store, TreePath};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

/// An old file that serves.
pub struct Found {
    pub from: TreePath,
    pub old: Digest,
    pub size: u64,
}

/// Hashes kept of each file.
const SKETCH: usize = 64;
/// Old files whose contents are compared with a new one at most.
const COMPARED: usize = 24;
/// Bytes of a file that a sketch looks at: beyond that the beginning speaks for the rest.
const LOOKED_AT: usize = 8 << 20;

type Old<'a> = (u64, &'a TreePath, Digest);

/// The old files of one base that could serve a new path. Every list is sorted by size, so that
/// the nearest sizes are found without looking at the others, however many there are.
pub struct Similar<'a> {
    /// By path without its numbers: a version in a folder's name moves everything below it.
    by_shape: BTreeMap<String, Vec<Old<'a>>>,
    by_name: BTreeMap<&'a str, Vec<Old<'a>>>,
    /// Only old files that change or go: the likeliest origins of renames.
    by_ending: BTreeMap<&'a str, Vec<Old<'a>>>,
    sketches: Mutex<HashMap<Digest, Vec<u64>>>,
}

fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, e)| e)
}

/// The path with every number in it as one `0`.
fn shape(path: &TreePath) -> String {
    let mut out = String::with_capacity(path.as_str().len());
    for c in path.as_str().chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('0') {
            out.push('0');
        }
    }
    out
}

/// The `most` files of a list whose sizes are nearest.
fn nearest<'l, 'a>(list: Option<&'l Vec<Old<'a>>>, size: u64, most: usize) -> Vec<&'l Old<'a>> {
    let list = list.map(Vec::as_slice).unwrap_or_default();
    let middle = list.partition_point(|(s, ..)| *s < size);
    let mut near: Vec<_> =
        list[middle.saturating_sub(most)..list.len().min(middle.saturating_add(most))].iter().collect();
    near.sort_by_key(|(s, p, _)| (s.abs_diff(size), *p));
    near.truncate(most);
    near
}

impl<'a> Similar<'a> {
    pub fn new(base: impl Iterator<Item = (&'a TreePath, &'a Entry)>, gone: &[(&'a TreePath, &'a Entry)]) -> Self {
        let mut by_shape: BTreeMap<String, Vec<Old<'a>>> = BTreeMap::new();
        let mut by_name: BTreeMap<&str, Vec<Old<'a>>> = BTreeMap::new();
        let mut by_ending: BTreeMap<&str, Vec<Old<'a>>> = BTreeMap::new();
        for (path, entry) in gone {
            if let Some(d) = entry.digest().filter(|_| entry.size() > 0) {
                by_ending.entry(ending(path.name())).or_default().push((entry.size(), *path, d));
            }
        }
        for (path, entry) in base {
            if let Some(d) = entry.digest().filter(|_| entry.size() > 0) {
                by_shape.entry(shape(path)).or_default().push((entry.size(), path, d));
                by_name.entry(path.name()).or_default().push((entry.size(), path, d));
            }
        }
        by_shape.values_mut().chain(by_name.values_mut()).chain(by_ending.values_mut()).for_each(|l| l.sort_unstable());
        Self { by_shape, by_name, by_ending, sketches: Mutex::new(HashMap::new()) }
    }

    /// The best old file, or none where nothing is alike. Unreadable contents only cost bytes.
    pub fn find(&self, path: &TreePath, new: &Digest, size: u64, store: &Store) -> Option<Found> {
        let shaped = nearest(self.by_shape.get(&shape(path)), size, COMPARED / 3);
        let named = nearest(self.by_name.get(path.name()), size, COMPARED / 3);
        let ended = nearest(self.by_ending.get(ending(path.name())), size, COMPARED / 3);
        let ranks = shaped.into_iter().map(|o| (3, o)).chain(named.into_iter().map(|o| (2, o)));
        let candidates = ranks.chain(ended.into_iter().map(|o| (0, o)));
        let mut wanted: Option<Vec<u64>> = None;
        let mut best: Option<(usize, &Old<'a>)> = None;
        for (rank, old) in candidates {
            if old.0 / 16 > size || size / 16 > old.0 {
                continue;
            }
            if wanted.is_none() {
                wanted = Some(self.sketch(new, store)?);
            }
            let Some(sketch) = self.sketch(&old.2, store) else { continue };
            // A file of the same shape or name is taken even if the sketches are too short to tell.
            let score = common(wanted.as_deref().unwrap_or_default(), &sketch) * 4 + rank;
            if score > best.map_or(1, |(s, _)| s) {
                best = Some((score, old));
            }
        }
        best.map(|(_, (size, p, d))| Found { from: (*p).clone(), old: *d, size: *size })
    }

    fn sketch(&self, digest: &Digest, store: &Store) -> Option<Vec<u64>> {
        if let Some(s) = self.sketches.lock().ok()?.get(digest) {
            return Some(s.clone());
        }
        let bytes = store.get(digest).ok()?;
        let made = sketch(&bytes);
        self.sketches.lock().ok()?.insert(*digest, made.clone());
        Some(made)
    }
}

/// The smallest hashes of the content's chunks; chunks end where a rolling hash of 32 bytes says so.
fn sketch(bytes: &[u8]) -> Vec<u64> {
    let bytes = &bytes[..bytes.len().min(LOOKED_AT)];
    let (mut rolling, mut hash, mut length) = (0u32, 0xcbf2_9ce4_8422_2325u64, 0usize);
    let mut hashes = Vec::new();
    for &b in bytes {
        rolling = (rolling << 1).wrapping_add(u32::from(b).wrapping_mul(0x9e37_79b1));
        hash = (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        length += 1;
        if (length >= 16 && rolling >> 26 == 0) || length == 1024 {
            hashes.push(hash);
            (hash, length) = (0xcbf2_9ce4_8422_2325, 0);
        }
    }
    if length > 0 {
        hashes.push(hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes.truncate(SKETCH);
    hashes
}

/// How many hashes two sorted sketches share.
fn common(a: &[u64], b: &[u64]) -> usize {
    a.iter().filter(|h| b.binary_search(h).is_ok()).count()
}
