//! What is remembered between runs, by what goes in: finished deltas, and what plans found out. A cache that is only ever
//! a cache.

use crate::delta::{Encoded, Profile, SETTINGS_VERSION, header};
use crate::disk::Disk;
use crate::tree::Digest;
use std::path::PathBuf;

/// A folder of answers. A damaged or foreign entry is passed over.
#[derive(Debug)]
pub struct Memo<'a> {
    pub dir: PathBuf,
    pub disk: &'a Disk,
}

/// What one delta is remembered by.
fn delta_key(old: Option<&Digest>, new: &Digest, profile: Profile) -> String {
    let old = old.map_or_else(|| "-".into(), Digest::hex);
    format!("{} {SETTINGS_VERSION} {profile:?} {old} {}", env!("CARGO_PKG_VERSION"), new.hex())
}

impl Memo<'_> {
    fn path(&self, key: &str) -> PathBuf {
        let name = Digest::of(key.as_bytes()).hex();
        self.dir.join(&name[..2]).join(&name[2..])
    }

    /// A remembered delta; the caller decodes it before use.
    pub(super) fn get(&self, old: Option<&Digest>, new: &Digest, profile: Profile) -> Option<Encoded> {
        let bytes = self.recall(&delta_key(old, new, profile))?;
        Some(Encoded { header: header(&bytes).ok()?, bytes })
    }

    pub(super) fn put(&self, old: Option<&Digest>, new: &Digest, profile: Profile, delta: &[u8]) {
        self.remember(&delta_key(old, new, profile), delta);
    }

    /// What is remembered by a key, if the digest in front of it fits.
    pub fn recall(&self, key: &str) -> Option<Vec<u8>> {
        let mut bytes = std::fs::read(self.path(key)).ok()?;
        let (digest, answer) = bytes.split_first_chunk::<32>()?;
        if Digest::of(answer).0 != *digest {
            return None;
        }
        bytes.drain(..32);
        Some(bytes)
    }

    /// Remembers an answer; a cache that cannot be written costs only time.
    pub fn remember(&self, key: &str, answer: &[u8]) {
        let path = self.path(key);
        let mut bytes = Digest::of(answer).0.to_vec();
        bytes.extend_from_slice(answer);
        if let Some(parent) = path.parent()
            && self.disk.mkdir_all(parent).is_ok()
        {
            let _ = self.disk.write_atomic(&path, &bytes, 0o644);
        }
    }
}
