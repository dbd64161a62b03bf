//! `delta`: the engine alone, on one file.

use crate::delta::{self, DecodeLimits, DeltaError, Profile};
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use serde::Serialize;
use std::path::Path;

/// What came out of one encoding or decoding; sizes and memory in bytes.
#[derive(Debug, Serialize)]
pub struct DeltaResult {
    pub codec: delta::Codec,
    pub old: u64,
    pub new: u64,
    pub delta: u64,
    /// What decoding needs beyond the old bytes, the result included.
    pub memory: u64,
}

/// Makes the smallest delta that the profile allows.
///
/// # Errors
/// `io` if a file cannot be read or written, `exists` for an output that is there and not to be replaced.
pub fn encode(
    disk: &Disk,
    old: &Path,
    new: &Path,
    output: &Path,
    profile: Profile,
    force: bool,
) -> Result<DeltaResult> {
    refuse_existing(output, force)?;
    let (old_bytes, new_bytes) = (read(old)?, read(new)?);
    let made = delta::best(Some(&old_bytes), &new_bytes, profile).map_err(|e| wrap(new, &e))?;
    disk.write_atomic(output, &made.bytes, 0o644)?;
    Ok(DeltaResult {
        codec: made.header.codec,
        old: old_bytes.len() as u64,
        new: new_bytes.len() as u64,
        delta: made.bytes.len() as u64,
        memory: made.header.memory,
    })
}

/// Makes the new file again.
///
/// # Errors
/// `bad-delta` if the delta is damaged or belongs to other old bytes, `limit` if it needs more than `memory` bytes.
pub fn decode(
    disk: &Disk,
    old: &Path,
    delta_file: &Path,
    output: &Path,
    memory: Option<u64>,
    force: bool,
) -> Result<DeltaResult> {
    refuse_existing(output, force)?;
    let (old_bytes, bytes) = (read(old)?, read(delta_file)?);
    let header = delta::header(&bytes).map_err(|e| wrap(delta_file, &e))?;
    let limits = DecodeLimits { new_size: header.new_size, memory: memory.unwrap_or(header.memory) };
    let new = delta::decode(&bytes, &old_bytes, limits).map_err(|e| wrap(delta_file, &e))?;
    disk.write_atomic(output, &new, 0o644)?;
    Ok(DeltaResult {
        codec: header.codec,
        old: old_bytes.len() as u64,
        new: new.len() as u64,
        delta: bytes.len() as u64,
        memory: header.memory,
    })
}

fn refuse_existing(path: &Path, force: bool) -> Result<()> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorCode::Exists, path.display(), "it is there already")
            .next("choose another name, or add --force"));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io(path.display(), &e))
}

fn wrap(path: &Path, error: &DeltaError) -> Error {
    let (code, next) = match error {
        DeltaError::OverLimit { .. } => (ErrorCode::Limit, "allow more with --memory"),
        DeltaError::UnknownCodec(_) => (ErrorCode::UnknownFormat, "use a newer cumulate"),
        DeltaError::WrongOld => (ErrorCode::BadDelta, "give the old file that the delta was made from"),
        DeltaError::EncoderFault(_) => (ErrorCode::Internal, "report this with the two files"),
        DeltaError::Truncated | DeltaError::Damaged(_) => (ErrorCode::BadDelta, "get the delta again"),
    };
    Error::new(code, path.display(), error).next(next)
}
