//! The digests of a folder's files as an earlier run found them, each with the stamp that the file had then.
//!
//! A list of paths, ascending: length (2 bytes), path, stamp, digest.

use super::{Digest, Stamp};

/// What follows a path.
const REST: usize = Stamp::LENGTH + 32;

/// One file of a folder.
pub(super) struct Known<'a> {
    pub(super) path: &'a str,
    stamp: &'a [u8],
    digest: &'a [u8],
}

impl Known<'_> {
    /// The digest, if the file has the same stamp still.
    pub(super) fn digest(&self, now: &Stamp) -> Option<Digest> {
        (*self.stamp == now.to_bytes()).then(|| self.digest.try_into().ok().map(Digest)).flatten()
    }
}

/// Every file in turn; of bytes that are no such list, those before the fault.
pub(super) fn known(mut bytes: &[u8]) -> impl Iterator<Item = Known<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (path, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (data, rest) = rest.split_at_checked(REST)?;
        bytes = rest;
        let (stamp, digest) = data.split_at(Stamp::LENGTH);
        Some(Known { path: std::str::from_utf8(path).ok()?, stamp, digest })
    })
}

/// One more file at the end of a list.
pub(super) fn note(list: &mut Vec<u8>, path: &str, stamp: Stamp, digest: &Digest) {
    let Ok(length) = u16::try_from(path.len()) else { return };
    list.extend_from_slice(&length.to_le_bytes());
    list.extend_from_slice(path.as_bytes());
    list.extend_from_slice(&stamp.to_bytes());
    list.extend_from_slice(&digest.0);
}
