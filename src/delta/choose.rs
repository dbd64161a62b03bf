//! Which codec: the sizes decide which candidates are tried, the smallest result wins.

use super::frame::encode;
use super::types::{Codec, DeltaError, Encoded, Profile};

/// Old bytes above which the suffix sorting of `bsdiff` costs more than people pay, by profile.
fn bsdiff_limit(profile: Profile) -> usize {
    match profile {
        Profile::Fast => 0,
        // Our own engine is there for larger ones.
        Profile::Balanced | Profile::Small => 1 << 20,
    }
}

/// Bytes of either side above which our engine takes more memory and time than people pay.
const STREAM_LIMIT: usize = 256 << 20;

/// The smallest delta that the profile allows; `old` is `None` where nothing similar is there.
///
/// # Errors
/// [`DeltaError::EncoderFault`], a defect.
pub fn best(old: Option<&[u8]>, new: &[u8], profile: Profile) -> Result<Encoded, DeltaError> {
    let Some(old) = old.filter(|o| !o.is_empty()) else { return encode(Codec::Full, None, new, profile) };
    let mut best = encode(Codec::Zstd, Some(old), new, profile)?;
    if new.len() <= bsdiff_limit(profile) && old.len() <= bsdiff_limit(profile) {
        keep_smaller(&mut best, encode(Codec::Bsdiff, Some(old), new, profile)?);
    }
    if profile != Profile::Fast && new.len() <= STREAM_LIMIT && old.len() <= STREAM_LIMIT {
        keep_smaller(&mut best, encode(Codec::Stream, Some(old), new, profile)?);
    }
    // A quick look tells whether the content alone could come near the delta.
    let quick = encode(Codec::Full, None, new, Profile::Fast)?;
    if quick.bytes.len() / 3 <= best.bytes.len() {
        keep_smaller(&mut best, quick);
        keep_smaller(&mut best, encode(Codec::Full, None, new, profile)?);
    }
    Ok(best)
}

/// The first candidate wins a tie, so the choice is a total order.
fn keep_smaller(best: &mut Encoded, other: Encoded) {
    if other.bytes.len() < best.bytes.len() {
        *best = other;
    }
}
