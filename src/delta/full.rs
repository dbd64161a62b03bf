//! `full`: the new bytes as one zstd frame, or as they are where that is not larger.

use super::header::Tag;
use super::{Coded, DeltaError, Profile, frame, settings};

/// Below this many bytes a frame's own header eats what it saves.
const TINY: usize = 64;

pub(super) fn encode(new: &[u8], profile: Profile) -> Result<Coded, DeltaError> {
    if new.len() >= TINY {
        let payload = frame::write(new, None, settings::of(profile).full)?;
        if payload.len() < new.len() {
            return Ok(Coded { tag: Tag::Full, working: 0, payload });
        }
    }
    Ok(Coded { tag: Tag::Stored, working: 0, payload: new.to_vec() })
}

pub(super) fn decode_stored(payload: &[u8], size: usize) -> Result<Vec<u8>, DeltaError> {
    match payload.len().cmp(&size) {
        std::cmp::Ordering::Less => Err(DeltaError::Truncated),
        std::cmp::Ordering::Greater => Err(DeltaError::Damaged("bytes after the end")),
        std::cmp::Ordering::Equal => {
            let mut out = frame::reserve(size)?;
            out.extend_from_slice(payload);
            Ok(out)
        }
    }
}
