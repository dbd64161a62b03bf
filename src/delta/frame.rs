//! One zstd frame in memory, alone or with the old bytes as prefix.
//!
//! Frames are read in one call into a buffer of the exact size, so that no window is ever
//! allocated, whatever a hostile frame asks for: the memory is the result and [`WORKING`].

use super::DeltaError;
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Frames shorter than this are stored without their four magic bytes. It is a rule and not
/// a flag: the stored length alone says which it is.
const BARE: usize = 1 << 16;

/// Bytes that reading one frame needs beyond the result: zstd's context and prefix tables
/// (a test holds them to it), and the copy of a bare frame.
pub(super) const WORKING: u64 = 384 << 10;

/// Long-distance matching pays only where matches lie farther than the usual tables see.
const FAR: usize = 1 << 20;

/// From this level on zstd's own tables would take up to 700 MiB, whatever the files' sizes.
const DEEP: i32 = 20;
/// The tables follow the files' sizes (four to eight bytes a byte of both), and are at most 272 MiB.
const CHAIN: u32 = 26;

/// From this level on every place is compared with hundreds, which takes ten times as long on a sorted list as on other files.
const PATIENT: i32 = 16;
/// Larger files are compared with fewer: 16 cost at most 1.5 % on a database, a tar and classes.
const LARGE: usize = 4 << 20;

/// Compresses to one frame. A fresh context each time: a used one may choose other bytes.
pub(super) fn write(bytes: &[u8], prefix: Option<&[u8]>, level: i32) -> Result<Vec<u8>, DeltaError> {
    let fault = |_| DeltaError::EncoderFault("zstd refuses to compress");
    // zstd codes old and new differently if they happen to be neighbours in memory.
    let apart: Vec<u8>;
    let mut bytes = bytes;
    if prefix.is_some_and(|p| p.as_ptr_range().end == bytes.as_ptr()) {
        apart = bytes.to_vec();
        bytes = &apart;
    }
    let mut context = CCtx::try_create().ok_or(DeltaError::EncoderFault("no memory for zstd"))?;
    context.set_parameter(CParameter::CompressionLevel(level)).map_err(fault)?;
    context.set_parameter(CParameter::ContentSizeFlag(false)).map_err(fault)?;
    if let Some(prefix) = prefix {
        let both = prefix.len().saturating_add(bytes.len());
        context.set_parameter(CParameter::WindowLog(window_log(both))).map_err(fault)?;
        if level >= DEEP {
            let log = window_log(both).clamp(16, CHAIN);
            context.set_parameter(CParameter::ChainLog(log)).map_err(fault)?;
            context.set_parameter(CParameter::HashLog(log - 4)).map_err(fault)?;
        }
        if level >= PATIENT && both > LARGE {
            context.set_parameter(CParameter::SearchLog(if level >= DEEP { 5 } else { 3 })).map_err(fault)?;
        }
        if both > FAR {
            context.set_parameter(CParameter::EnableLongDistanceMatching(true)).map_err(fault)?;
        }
        context.ref_prefix(prefix).map_err(fault)?;
    }
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    context.compress2(&mut out, bytes).map_err(fault)?;
    drop(context);
    if out.len() - MAGIC.len() < BARE {
        out.drain(..MAGIC.len());
    }
    Ok(out)
}

/// The smallest window that reaches over everything, within zstd's bounds.
fn window_log(bytes: usize) -> u32 {
    bytes.checked_next_power_of_two().map_or(31, usize::trailing_zeros).clamp(10, 31)
}

/// Reads a stored frame that must give exactly `size` bytes and end where `stored` ends.
pub(super) fn read(stored: &[u8], prefix: Option<&[u8]>, size: usize) -> Result<Vec<u8>, DeltaError> {
    let bare: Vec<u8>;
    let frame = if stored.len() < BARE {
        bare = [&MAGIC, stored].concat();
        &bare
    } else {
        stored
    };
    // Only today's frame format, and only one: libzstd would also read its ancestors'.
    if !frame.starts_with(&MAGIC) {
        return Err(DeltaError::Damaged("no zstd frame where one should be"));
    }
    match zstd_safe::find_frame_compressed_size(frame) {
        Ok(n) if n == frame.len() => {}
        Ok(_) => return Err(DeltaError::Damaged("bytes after a frame")),
        Err(_) => return Err(DeltaError::Truncated),
    }
    let mut out = reserve(size)?;
    let mut context = DCtx::try_create().ok_or(no_memory(WORKING))?;
    if let Some(prefix) = prefix {
        context.ref_prefix(prefix).map_err(|_| no_memory(WORKING))?;
    }
    match context.decompress(&mut out, frame) {
        Ok(n) if n == size => Ok(out),
        _ => Err(DeltaError::Damaged("a zstd frame does not decode")),
    }
}

/// A buffer of a size that the limits have allowed already.
pub(super) fn reserve(size: usize) -> Result<Vec<u8>, DeltaError> {
    let mut out = Vec::new();
    out.try_reserve_exact(size).map_err(|_| no_memory(size as u64))?;
    Ok(out)
}

fn no_memory(needed: u64) -> DeltaError {
    DeltaError::OverLimit { needed, allowed: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_memory_that_headers_promise_holds_zstds_context_and_prefix() {
        let old = vec![7; 100_000];
        let mut context = DCtx::create();
        context.ref_prefix(&old).unwrap();
        assert!(context.sizeof() as u64 + BARE as u64 <= WORKING, "{}", context.sizeof());
    }
}
