//! The most similar old file for a path that the base does not have.
//!
//! Names come first: a folder that carries a version in its name moves every file below it. Where several
//! old files could serve, their contents are compared by sketches: the smallest hashes of their content-defined
//! chunks (min-wise hashing, Broder 1997), a bounded number for each file.

use crate::tree::{Digest, Entry, Store, Tree, TreePath};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

/// Hashes kept of each file.
const SKETCH: usize = 64;
/// Old files whose contents are compared with a new one at most.
const COMPARED: usize = 24;
/// Bytes of a file that a sketch looks at: beyond that the beginning speaks for the rest.
const LOOKED_AT: usize = 8 << 20;

/// The old files of one base that could serve a new path.
pub struct Similar<'a> {
    /// Old files that change or go, by name: the likeliest origins of renames.
    by_name: BTreeMap<&'a str, Vec<(&'a TreePath, Digest, u64)>>,
    by_ending: BTreeMap<&'a str, Vec<(&'a TreePath, Digest, u64)>>,
    sketches: Mutex<HashMap<Digest, Vec<u64>>>,
}

fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, e)| e)
}

impl<'a> Similar<'a> {
    pub fn new(base: &'a Tree, gone: &[(&'a TreePath, &'a Entry)], _store: &Store) -> Self {
        let mut by_name: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        let mut by_ending: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (path, entry) in gone {
            if let Some(d) = entry.digest().filter(|_| entry.size() > 0) {
                by_ending.entry(ending(path.name())).or_default().push((*path, d, entry.size()));
            }
        }
        for (path, entry) in &base.entries {
            if let Some(d) = entry.digest().filter(|_| entry.size() > 0) {
                by_name.entry(path.name()).or_default().push((path, d, entry.size()));
            }
        }
        Self { by_name, by_ending, sketches: Mutex::new(HashMap::new()) }
    }

    /// The best old file, or none where nothing is alike. Unreadable contents only cost bytes.
    pub fn find(&self, path: &TreePath, new: &Digest, size: u64, store: &Store) -> Option<(TreePath, Digest)> {
        let mut candidates: Vec<(&TreePath, Digest, u64)> = Vec::new();
        candidates.extend(self.by_name.get(path.name()).into_iter().flatten());
        let mut same_ending: Vec<_> = self.by_ending.get(ending(path.name())).into_iter().flatten().copied().collect();
        // Near sizes first, then by path: a total order.
        same_ending.sort_by_key(|(p, _, s)| (s.abs_diff(size), *p));
        candidates.extend(same_ending);
        candidates.truncate(COMPARED);
        let wanted = self.sketch(new, store)?;
        let mut best: Option<(usize, &TreePath, Digest)> = None;
        for (old_path, digest, old_size) in candidates {
            if old_size / 16 > size || size / 16 > old_size {
                continue;
            }
            let Some(sketch) = self.sketch(&digest, store) else { continue };
            // A file of the same name is taken even if the sketches are too short to tell.
            let score = common(&wanted, &sketch) * 4 + usize::from(old_path.name() == path.name()) * 2;
            if score > best.map_or(1, |(s, _, _)| s) {
                best = Some((score, old_path, digest));
            }
        }
        best.map(|(_, p, d)| (p.clone(), d))
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
