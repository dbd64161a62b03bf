//! `zstd`: one frame with the old bytes as prefix; the window reaches over both.

use super::header::Tag;
use super::{Coded, DeltaError, Profile, frame, settings};

/// zstd's positions are 32 bits wide; beyond this the prefix would fall out of its window.
pub(super) const MOST: u64 = 1 << 31;

pub(super) fn encode(old: &[u8], new: &[u8], profile: Profile) -> Result<Coded, DeltaError> {
    let needed = old.len() as u64 + new.len() as u64;
    if needed > MOST {
        return Err(DeltaError::OverLimit { needed, allowed: MOST });
    }
    encode_at(old, new, settings::of(profile).prefix)
}

pub(super) fn encode_at(old: &[u8], new: &[u8], level: i32) -> Result<Coded, DeltaError> {
    Ok(Coded { tag: Tag::Zstd, working: 0, payload: frame::write(new, Some(old), level)? })
}
