//! `full` and `zstd`: one frame, without or with the old bytes as prefix (zstd's patch-from, RFC 8878).
//!
//! Decoding happens in one pass into a buffer of the stated size, so no window is allocated.

use super::types::{DeltaError, Profile};
use zstd::zstd_safe::{CCtx, CParameter, DCtx};

/// What zstd's decoding context needs beyond the buffers, generously.
const CONTEXT: u64 = 256 << 10;
/// The largest window that zstd knows.
const MAX_WINDOW_LOG: u32 = 31;

/// Returns the frame and the memory in bytes that decoding needs beyond the result.
pub fn encode(old: &[u8], new: &[u8], profile: Profile) -> Result<(Vec<u8>, u64), DeltaError> {
    let fault = |_| DeltaError::EncoderFault("zstd refused to compress");
    let level = match profile {
        Profile::Fast => 5,
        Profile::Balanced => 19,
        Profile::Small => 22,
    };
    let mut context = CCtx::create();
    context.set_parameter(CParameter::CompressionLevel(level)).map_err(fault)?;
    // The header of the delta says the size already.
    context.set_parameter(CParameter::ContentSizeFlag(false)).map_err(fault)?;
    if !old.is_empty() {
        let span = (old.len() as u64).saturating_add(new.len() as u64).max(1 << 10);
        let log = (64 - span.leading_zeros()).clamp(10, MAX_WINDOW_LOG);
        context.set_parameter(CParameter::WindowLog(log)).map_err(fault)?;
        context.set_parameter(CParameter::EnableLongDistanceMatching(old.len() > 1 << 20)).map_err(fault)?;
        context.ref_prefix(old).map_err(fault)?;
    }
    let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(new.len()));
    context.compress2(&mut out, new).map_err(fault)?;
    out.shrink_to_fit();
    Ok((out, CONTEXT))
}

/// Decodes into exactly `size` bytes.
pub fn decode(stream: &[u8], old: &[u8], size: usize, memory: u64) -> Result<Vec<u8>, DeltaError> {
    if memory < CONTEXT {
        return Err(DeltaError::Damaged("less memory stated than zstd needs"));
    }
    let mut context = DCtx::create();
    if !old.is_empty() {
        context.ref_prefix(old).map_err(|_| DeltaError::Damaged("zstd refused the old bytes"))?;
    }
    let mut out = Vec::new();
    out.try_reserve_exact(size).map_err(|_| DeltaError::OverLimit { needed: size as u64, allowed: 0 })?;
    let n = context.decompress(&mut out, stream).map_err(|_| DeltaError::Damaged("the zstd frame is damaged"))?;
    if n != size || out.len() != size {
        return Err(DeltaError::Damaged("the zstd frame has another size"));
    }
    Ok(out)
}
