//! The choice: candidates by sizes and cheap estimates, the smallest wins.

use super::stream::is_image;
use super::{Codec, DeltaError, Encoded, Profile, code, containers, prefix, prove, settings};

/// Beyond this many bytes a candidate is tried in full only if a quick look says it may win.
const LOOK_FIRST: usize = 1 << 20;

/// The quick look's level.
const QUICK: i32 = 3;

/// The highest level is never this many times smaller than the quick look (measured on the
/// pairs of `docs/delta-format.md`; text against its own old version comes nearest).
const GAIN: usize = 3;

/// Nor this many times, without old bytes: levels differ less there.
const GAIN_FULL: usize = 2;

/// Deltas of at least this many bytes take our own engine so long to decode that speed counts too.
const LARGE: usize = 1 << 18;

/// An opened container's delta that is so many times smaller than the file is taken at once.
const CLOSED: usize = 2;

/// The smallest delta within the profile's bounds. `full` is always a candidate; without old
/// bytes it is the only one. Ties go to the delta that needs less memory, then to the codec
/// that stands first in [`Codec`]. The winner has been decoded and compared.
///
/// # Errors
/// [`DeltaError::EncoderFault`] if a codec does not give its input back.
pub fn best(old: Option<&[u8]>, new: &[u8], profile: Profile) -> Result<Encoded, DeltaError> {
    best_at(old, new, profile, 0)
}

/// [`best`] within so many containers.
pub(super) fn best_at(old: Option<&[u8]>, new: &[u8], profile: Profile, depth: u32) -> Result<Encoded, DeltaError> {
    let code = |codec, old, new, profile| code(codec, old, new, profile, depth);
    // What is opened comes out far below any closed rival, so what it decodes at is worth some bytes there.
    let slower = if depth > 0 && !is_image(new) { settings::of(profile).slower } else { 0 };
    let mut best: Option<Encoded> = None;
    if let Some(before) = old.filter(|o| !o.is_empty() && !new.is_empty()) {
        let both = before.len() as u64 + new.len() as u64;
        let settings = settings::of(profile);
        if depth <= containers::DEPTH
            && before.len().max(new.len()) as u64 <= settings.opened
            && [before, new].into_iter().all(containers::is_container)
        {
            best = code(Codec::Containers, old, new, profile).ok();
            // What is opened and came out small has no rival among the closed.
            if let Some(made) = best.take_if(|b| b.bytes.len() * CLOSED < new.len() && !containers::is_plain(new)) {
                prove(&made, old, new, depth)?;
                return Ok(made);
            }
        }
        if both <= settings.bsdiff_tried {
            keep(&mut best, slower, code(Codec::Bsdiff, old, new, profile)?);
        }
        if before.len().max(new.len()) as u64 <= settings.stream_tried {
            keep(&mut best, slower, code(Codec::Stream, old, new, profile)?);
        }
        if both <= prefix::MOST && may_win(best.as_ref(), slower, Some(before), new)? {
            keep(&mut best, slower, code(Codec::Zstd, old, new, profile)?);
        }
    }
    if may_win(best.as_ref(), slower, None, new)? {
        keep(&mut best, slower, code(Codec::Full, old, new, profile)?);
    }
    let best = best.ok_or(DeltaError::EncoderFault("no candidate"))?;
    prove(&best, old, new, depth)?;
    Ok(best)
}

/// A delta's bytes, and so many percent more for a large one that our own engine decodes.
fn cost(made: &Encoded, slower: usize) -> usize {
    let size = made.bytes.len();
    if made.header.codec == Codec::Stream && size >= LARGE { size + size / 100 * slower } else { size }
}

fn keep(best: &mut Option<Encoded>, slower: usize, other: Encoded) {
    let rank = |e: &Encoded| (cost(e, slower), e.header.memory, e.header.codec);
    if best.as_ref().is_none_or(|b| rank(&other) < rank(b)) {
        *best = Some(other);
    }
}

/// Whether a zstd frame may come out smaller than the best so far.
fn may_win(best: Option<&Encoded>, slower: usize, old: Option<&[u8]>, new: &[u8]) -> Result<bool, DeltaError> {
    let Some(best) = best else { return Ok(true) };
    if new.len() < LOOK_FIRST {
        return Ok(true);
    }
    let quick = prefix::encode_at(old.unwrap_or_default(), new, QUICK)?;
    let gain = if old.is_some() { GAIN } else { GAIN_FULL };
    Ok(quick.payload.len() / gain < cost(best, slower))
}
