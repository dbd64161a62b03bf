//! What is remembered between runs, by what goes in: finished deltas, what plans found out, and what was read of folders. A
//! cache that is only ever a cache.

use crate::delta::{Encoded, Profile, SETTINGS_VERSION, header};
use crate::disk::Disk;
use crate::tree::Digest;
use std::io::Read as _;
use std::path::PathBuf;

/// No answer has more bytes; what lies there and is longer is none.
const LONGEST: u64 = 1 << 30;

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
        let path = self.path(key);
        // Whoever opens a pipe waits for its other end.
        let there = path.symlink_metadata().ok().filter(|m| m.is_file() && m.len() <= LONGEST)?;
        let mut digest = [0; 32];
        let length = usize::try_from(there.len()).ok()?.checked_sub(digest.len())?;
        let mut file = std::fs::File::open(path).ok()?;
        file.read_exact(&mut digest).ok()?;
        let mut answer = Vec::with_capacity(length);
        file.take(LONGEST).read_to_end(&mut answer).ok()?;
        (Digest::of(&answer).0 == digest).then_some(answer)
    }

    /// Remembers an answer; a cache that cannot be written costs only time.
    pub fn remember(&self, key: &str, answer: &[u8]) {
        if answer.len() as u64 > LONGEST - 32 {
            return;
        }
        let path = self.path(key);
        let mut bytes = Vec::with_capacity(32 + answer.len());
        bytes.extend_from_slice(&Digest::of(answer).0);
        bytes.extend_from_slice(answer);
        if let Some(parent) = path.parent()
            && self.disk.mkdir_all(parent).is_ok()
        {
            let _ = self.disk.write_atomic(&path, &bytes, 0o644);
        }
    }
}
