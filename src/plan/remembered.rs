//! What plans before this one found out, by what it followed from: a cache that is only ever a cache.
//!
//! An entry's key is a digest of everything that the answer depends on, so an entry that is there is right, and one that
//! is missing costs only time.

use crate::tree::{Digest, Hasher};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher as Hashing};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Answers by key: those that were read, and those that are new.
#[derive(Debug, Default)]
pub struct Remembered {
    /// All that was remembered once, and what came since.
    read: [Answers; 2],
    new: Mutex<BTreeMap<Key, Vec<u8>>>,
    /// Nobody keeps what is new.
    fleeting: bool,
}

/// Answers that were read together.
#[derive(Debug, Default)]
struct Answers {
    /// Ascending by key.
    known: Vec<Known>,
    /// By the beginning of a key: the place of the first entry that begins so or higher.
    begins: Vec<usize>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Known {
    key: Key,
    at: Range<usize>,
    used: AtomicBool,
}

impl Answers {
    fn read(bytes: Vec<u8>) -> Self {
        let known = entries(&bytes).unwrap_or_default();
        if known.is_empty() {
            return Self::default();
        }
        let mut begins = vec![0; BEGINNINGS + 1];
        known.iter().for_each(|known| begins[known.key.beginning() + 1] += 1);
        (0..BEGINNINGS).for_each(|k| begins[k + 1] += begins[k]);
        Self { known, begins, bytes }
    }

    fn known(&self, key: Key) -> Option<&Known> {
        let (from, to) = (*self.begins.get(key.beginning())?, *self.begins.get(key.beginning() + 1)?);
        let few = self.known.get(from..to)?;
        few.binary_search_by_key(&key, |known| known.key).ok().map(|at| &few[at])
    }

    fn get(&self, key: Key) -> Option<&[u8]> {
        let known = self.known(key)?;
        known.used.store(true, Ordering::Relaxed);
        self.bytes.get(known.at.clone())
    }
}

impl Remembered {
    /// Reads what [`Remembered::bytes`] gave; of anything else, nothing is remembered.
    pub fn read(bytes: Vec<u8>) -> Self {
        Self::read_both(bytes, Vec::new())
    }

    /// The same with what [`Remembered::since`] gave after it.
    pub fn read_both(bytes: Vec<u8>, since: Vec<u8>) -> Self {
        Self { read: [Answers::read(bytes), Answers::read(since)], ..Self::default() }
    }

    /// Remembers for one run alone.
    pub(super) fn of_one_run() -> Self {
        Self { fleeting: true, ..Self::default() }
    }

    /// Whether a later run may ask: then it is worth finding out more than this one wants.
    pub(super) fn lasts(&self) -> bool {
        !self.fleeting
    }

    /// What the next plan may want: everything that this one asked for, and as much again of what it did not. None where
    /// nothing is new.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        if new.is_empty() {
            return None;
        }
        let mut all: Vec<(&Key, &[u8])> = new.iter().map(|(k, v)| (k, v.as_slice())).collect();
        let mut rest: Vec<(&Key, &[u8])> = Vec::new();
        for answers in &self.read {
            for known in answers.known.iter().filter(|known| !new.contains_key(&known.key)) {
                let to = if known.used.load(Ordering::Relaxed) { &mut all } else { &mut rest };
                to.push((&known.key, &answers.bytes[known.at.clone()]));
            }
        }
        let mut room: usize = all.iter().map(|(_, v)| v.len()).sum();
        for (key, answer) in rest {
            if let Some(left) = room.checked_sub(answer.len()) {
                room = left;
                all.push((key, answer));
            }
        }
        Some(written(all))
    }

    /// Where little is new: that, and what came since all was remembered, which then needs not be written again.
    pub fn since(&self) -> Option<Vec<u8>> {
        let new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        let [all, since] = &self.read;
        let size: usize = new.values().map(|answer| BEFORE + answer.len()).sum();
        if new.is_empty() || (since.bytes.len() + size).saturating_mul(FEWER) > all.bytes.len() {
            return None;
        }
        let before = since.known.iter().filter(|known| !new.contains_key(&known.key));
        let before = before.map(|known| (&known.key, &since.bytes[known.at.clone()]));
        Some(written(before.chain(new.iter().map(|(k, v)| (k, v.as_slice()))).collect()))
    }

    /// Whether something came since all was remembered.
    pub fn has_since(&self) -> bool {
        !self.read[1].known.is_empty()
    }

    pub(super) fn get(&self, key: Key) -> Option<Cow<'_, [u8]>> {
        if let Some(known) = self.read.iter().find_map(|answers| answers.get(key)) {
            return Some(Cow::Borrowed(known));
        }
        self.new.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned().map(Cow::Owned)
    }

    pub(super) fn put(&self, key: Key, answer: Vec<u8>) {
        self.new.lock().unwrap_or_else(PoisonError::into_inner).insert(key, answer);
    }
}

fn written(mut all: Vec<(&Key, &[u8])>) -> Vec<u8> {
    all.sort_unstable();
    all.dedup_by_key(|(key, _)| **key);
    let mut out = Vec::with_capacity(all.iter().map(|(_, v)| BEFORE + v.len()).sum());
    for (key, answer) in all {
        let Ok(length) = u32::try_from(answer.len()) else { continue };
        out.extend_from_slice(&key.0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(answer);
    }
    out
}

/// What came since is this many times smaller than all, or is put to it.
const FEWER: usize = 8;
/// Bytes before an answer: its key and its length.
const BEFORE: usize = 20;
/// Beginnings of keys that are told apart: keys are digests, so few have the same.
const BEGINNINGS: usize = 1 << 12;

fn entries(bytes: &[u8]) -> Option<Vec<Known>> {
    let mut out: Vec<Known> = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (key, after) = rest.split_first_chunk::<16>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let from = bytes.len() - after.len();
        rest = after.get(length..)?;
        if out.last().is_some_and(|last| last.key >= Key(*key)) {
            return None;
        }
        out.push(Known { key: Key(*key), at: from..from + length, used: AtomicBool::new(false) });
    }
    Some(out)
}

/// Stands for everything that went into it: the first half of a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// `what` is the question; nothing else begins so.
    pub(super) fn of(what: &str, on: impl Hash) -> Self {
        let mut into = Into { few: [0; FEW], length: 0, more: None };
        (what, on).hash(&mut into);
        Self::of_digest(&into.digest())
    }

    /// What is a digest already stands for what went into that.
    pub(super) fn of_digest(digest: &Digest) -> Self {
        let mut out = [0; 16];
        out.copy_from_slice(&digest.0[..16]);
        Self(out)
    }

    fn beginning(&self) -> usize {
        usize::from(u16::from_be_bytes([self.0[0], self.0[1]]) >> 4)
    }

    pub(super) fn begins<const N: usize>(&self) -> [u8; N] {
        std::array::from_fn(|i| self.0[i])
    }
}

/// Most keys are of less than this many bytes, in many pieces: those are put side by side first.
const FEW: usize = 256;

struct Into {
    few: [u8; FEW],
    length: usize,
    more: Option<Hasher>,
}

impl Into {
    fn digest(self) -> Digest {
        let few = &self.few[..self.length];
        match self.more {
            None => Digest::of(few),
            Some(mut hasher) => {
                hasher.update(few);
                hasher.finish()
            }
        }
    }
}

impl Hashing for Into {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(free) = self.few.get_mut(self.length..self.length + bytes.len()) {
            free.copy_from_slice(bytes);
            self.length += bytes.len();
            return;
        }
        let hasher = self.more.get_or_insert_with(Hasher::new);
        hasher.update(&self.few[..self.length]);
        hasher.update(bytes);
        self.length = 0;
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_the_next_time_and_damage_is_nothing() {
        let first = Remembered::default();
        assert_eq!(first.bytes(), None);
        let (a, b) = (Key::of("a", 1), Key::of("a", 2));
        first.put(a, b"one".to_vec());
        first.put(b, Vec::new());
        let bytes = first.bytes().unwrap();
        let next = Remembered::read(bytes.clone());
        assert_eq!((next.get(a).as_deref(), next.get(b).as_deref()), (Some(&b"one"[..]), Some(&[][..])));
        assert_eq!(next.bytes(), None, "nothing is new");
        for cut in 1..bytes.len() {
            let part = Remembered::read(bytes[..cut].to_vec());
            assert!(part.get(a).is_none_or(|v| *v == b"one"[..]), "{cut}");
        }
    }

    #[test]
    fn a_little_that_is_new_is_written_beside_all_and_a_lot_is_put_to_it() {
        let first = Remembered::default();
        (0..100).for_each(|k| first.put(Key::of("old", k), vec![0; 10]));
        assert_eq!(first.since(), None);
        let (all, mut since) = (first.bytes().unwrap(), Vec::new());
        let mut times = 0;
        loop {
            let next = Remembered::read_both(all.clone(), since.clone());
            assert_eq!(next.has_since(), times > 0);
            assert!((0..times).all(|k| next.get(Key::of("new", k)).is_some()));
            assert!((0..100).all(|k| next.get(Key::of("old", k)).is_some()));
            assert_eq!(next.since(), None, "nothing is new");
            next.put(Key::of("new", times), vec![1; 10]);
            times += 1;
            match next.since() {
                Some(bytes) => since = bytes,
                None => {
                    let all = Remembered::read(next.bytes().unwrap());
                    assert!((0..100).all(|k| all.get(Key::of("old", k)).is_some()));
                    assert!((0..times).all(|k| all.get(Key::of("new", k)).is_some()));
                    break;
                }
            }
        }
        assert!((5..20).contains(&times), "{times}");
    }

    #[test]
    fn what_nobody_asks_for_goes_when_there_is_more_of_it_than_of_the_rest() {
        let first = Remembered::default();
        (0..100).for_each(|k| first.put(Key::of("old", k), vec![0; 10]));
        let next = Remembered::read(first.bytes().unwrap());
        next.put(Key::of("new", 0), vec![0; 50]);
        let left = Remembered::read(next.bytes().unwrap());
        assert_eq!((0..100).filter(|k| left.get(Key::of("old", *k)).is_some()).count(), 5);
        assert!(left.get(Key::of("new", 0)).is_some());
    }
}
