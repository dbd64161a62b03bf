//! `delta`: the engine alone, on one file.

use crate::delta::{self, DecodeLimits, DeltaError, Header, PassError, Profile, Side, Source};
use crate::disk::{self, Disk};
use crate::report::{Error, ErrorCode, Result};
use serde::Serialize;
use std::fs::File;
use std::io::Write as _;
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

/// How a delta is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct EncodeOptions {
    pub profile: Profile,
    /// Most bytes that encoding may take, about; files that would take more are coded in windows.
    pub memory: Option<u64>,
    /// Replace an output that is there.
    pub force: bool,
}

/// Makes the smallest delta that the profile and the memory allow.
///
/// # Errors
/// `io` if a file cannot be read or written, `exists` for an output that is there and not to be replaced,
/// `limit` for less memory than the least that windows take.
pub fn encode(disk: &Disk, old: &Path, new: &Path, output: &Path, options: EncodeOptions) -> Result<DeltaResult> {
    refuse_existing(output, options.force)?;
    let (before, after) = (source(Side::Old, old)?, source(Side::New, new)?);
    let sizes = (before.size(), after.size());
    let (header, size) = if delta::needs_windows(sizes.0, sizes.1, options.profile, options.memory) {
        let memory = options.memory.unwrap_or(delta::MEMORY);
        if memory < delta::LEAST_MEMORY {
            let why = format!("{memory} bytes of memory are too few, {} are the least", delta::LEAST_MEMORY);
            return Err(Error::new(ErrorCode::Limit, old.display(), why).next("allow more with --memory"));
        }
        in_windows(disk, (old, &before), (new, &after), output, (options.profile, memory))?
    } else {
        let made = delta::best(Some(&read(old)?), &read(new)?, options.profile).map_err(|e| wrap(new, &e))?;
        disk.write_atomic(output, &made.bytes, 0o644)?;
        (made.header, made.bytes.len() as u64)
    };
    Ok(DeltaResult { codec: header.codec, old: sizes.0, new: sizes.1, delta: size, memory: header.memory })
}

/// The payload waits in a file of its own for the header, which is known last and stands first.
fn in_windows(
    disk: &Disk,
    (old, before): (&Path, &Source<'_>),
    (new, after): (&Path, &Source<'_>),
    output: &Path,
    (profile, memory): (Profile, u64),
) -> Result<(Header, u64)> {
    let mut payload = disk.atomic(output, 0o600)?;
    let put = |e: std::io::Error| PassError::Io(Side::Delta, e);
    let made = delta::encode_windows(before, after, profile, memory, &mut |b| payload.write_all(b).map_err(put));
    let head = made.map_err(|e| pass(e, old, new, output))?;
    let mut whole = disk.atomic(output, 0o644)?;
    whole.put(&head)?;
    let mut waiting = File::open(payload.path()).map_err(|e| Error::io(output.display(), &e))?;
    let size = std::io::copy(&mut waiting, &mut whole).map_err(|e| disk::error(output, &e))?;
    whole.commit()?;
    let header = delta::header(&head).map_err(|e| wrap(new, &e))?;
    Ok((header, head.len() as u64 + size))
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
    let (before, bytes) = (source(Side::Old, old)?, source(Side::Delta, delta_file)?);
    let limits = DecodeLimits { new_size: u64::MAX, memory: memory.unwrap_or(u64::MAX) };
    let mut new = disk.atomic(output, 0o644)?;
    let put = |e: std::io::Error| PassError::Io(Side::New, e);
    let header = delta::decode_to(&bytes, &before, limits, &mut |b| new.write_all(b).map_err(put))
        .map_err(|e| pass(e, old, output, delta_file))?;
    new.commit()?;
    Ok(DeltaResult {
        codec: header.codec,
        old: before.size(),
        new: header.new_size,
        delta: bytes.size(),
        memory: header.memory,
    })
}

fn refuse_existing(path: &Path, force: bool) -> Result<()> {
    // A rename would put a file in the place of a folder, a link or a device.
    if path.symlink_metadata().is_ok_and(|m| !m.is_file()) {
        return Err(Error::new(ErrorCode::Exists, path.display(), "what is there is no file, and is not replaced")
            .next("choose another name"));
    }
    if !force && path.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorCode::Exists, path.display(), "it is there already")
            .next("choose another name, or add --force"));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io(path.display(), &e))
}

fn source(side: Side, path: &Path) -> Result<Source<'static>> {
    File::open(path).and_then(|f| Source::file(side, f)).map_err(|e| Error::io(path.display(), &e))
}

/// Names the file that an error is about.
fn pass(error: PassError, old: &Path, new: &Path, delta_file: &Path) -> Error {
    match error {
        PassError::Delta(e) => wrap(delta_file, &e),
        PassError::Io(Side::Old, e) => Error::io(old.display(), &e),
        PassError::Io(Side::New, e) => disk::error(new, &e),
        PassError::Io(Side::Delta, e) => disk::error(delta_file, &e),
    }
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
