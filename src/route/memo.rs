//! Deltas remembered between builds, by what goes in: a cache that is only ever a cache.

use crate::delta::{Encoded, Profile, SETTINGS_VERSION, header};
use crate::disk::Disk;
use crate::tree::Digest;
use std::path::PathBuf;

/// A folder of finished deltas. A damaged or foreign entry is passed over.
#[derive(Debug)]
pub struct Memo<'a> {
    pub dir: PathBuf,
    pub disk: &'a Disk,
}

impl Memo<'_> {
    fn path(&self, old: Option<&Digest>, new: &Digest, profile: Profile) -> PathBuf {
        let key = format!(
            "{} {SETTINGS_VERSION} {profile:?} {} {}",
            env!("CARGO_PKG_VERSION"),
            old.map_or_else(|| "-".into(), Digest::hex),
            new.hex()
        );
        let name = Digest::of(key.as_bytes()).hex();
        self.dir.join(&name[..2]).join(&name[2..])
    }

    /// A remembered delta: the digest in front of it must fit, and the caller decodes it before use.
    pub(super) fn get(&self, old: Option<&Digest>, new: &Digest, profile: Profile) -> Option<Encoded> {
        let bytes = std::fs::read(self.path(old, new, profile)).ok()?;
        let (digest, delta) = bytes.split_first_chunk::<32>()?;
        if Digest::of(delta).0 != *digest {
            return None;
        }
        Some(Encoded { header: header(delta).ok()?, bytes: delta.to_vec() })
    }

    /// Remembers a delta; a cache that cannot be written costs only time.
    pub(super) fn put(&self, old: Option<&Digest>, new: &Digest, profile: Profile, delta: &[u8]) {
        let path = self.path(old, new, profile);
        let mut bytes = Digest::of(delta).0.to_vec();
        bytes.extend_from_slice(delta);
        if let Some(parent) = path.parent()
            && self.disk.mkdir_all(parent).is_ok()
        {
            let _ = self.disk.write_atomic(&path, &bytes, 0o644);
        }
    }
}
