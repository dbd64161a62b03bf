//! Bytes to bytes: codecs and the choice among them.
//!
//! A delta is self-describing: a header of a few bytes (codec, sizes, memory that decoding
//! needs, checks of both sides) and the codec's payload. Pure and bounded: nothing is
//! allocated that the header and the caller's [`DecodeLimits`] do not allow, and hostile
//! input never panics. The format is specified in `docs/delta-format.md`; in short:
//!
//! | field | bytes | present in | meaning |
//! |---|---|---|---|
//! | tag | 1 | all | high half: format version (1); low half: 0 full stored, 1 full zstd, 2 bsdiff, 3 zstd prefix, 4 stream, 5 containers, 6 windows |
//! | new_size | 1-10, varint | all | bytes of the result |
//! | memory | 1-10, varint | bsdiff, stream, containers, windows | KiB that decoding needs beyond the result |
//! | old check | 4 | bsdiff, zstd prefix, stream, containers, windows | first bytes of the old bytes' SHA-256 |
//! | new check | 4 | all | first bytes of the result's SHA-256 |
//! | payload | rest | all | the codec's own |

mod bsdiff;
mod choose;
mod containers;
mod control;
mod deflate;
mod frame;
mod full;
mod header;
mod prefix;
mod settings;
mod source;
mod sparse;
pub mod stream;
mod types;
mod varint;
mod windows;

pub use choose::best;
pub use settings::{SETTINGS_VERSION, encode_memory, needs_windows};
pub use source::{Out, PassError, Side, Sink, Source};
pub use types::{Codec, DecodeLimits, DeltaError, Encoded, Header, Profile};
pub use windows::{LEAST_MEMORY, MEMORY};

use header::{Parts, Tag};
use sha2::Digest as _;

/// A codec's bytes before they have a header.
struct Coded {
    tag: Tag,
    /// Bytes that decoding needs beyond the result, for the codecs whose header states it.
    working: u64,
    payload: Vec<u8>,
}

/// Codes `new` with one codec and proves the delta by decoding it.
///
/// # Errors
/// [`DeltaError::UnknownCodec`] for a codec that this build lacks, [`DeltaError::OverLimit`]
/// for inputs beyond the codec's bound in this profile, [`DeltaError::EncoderFault`] if a
/// codec does not give its input back.
pub fn encode(codec: Codec, old: Option<&[u8]>, new: &[u8], profile: Profile) -> Result<Encoded, DeltaError> {
    let made = code(codec, old, new, profile, 0)?;
    prove(&made, old, new, 0)?;
    Ok(made)
}

fn code(codec: Codec, old: Option<&[u8]>, new: &[u8], profile: Profile, depth: u32) -> Result<Encoded, DeltaError> {
    let before = old.unwrap_or_default();
    let coded = match codec {
        Codec::Full => full::encode(new, profile)?,
        Codec::Bsdiff => bsdiff::encode(before, new, profile)?,
        Codec::Zstd => prefix::encode(before, new, profile)?,
        Codec::Stream => {
            let payload = stream::encode(before, new, profile);
            let new_size = new.len() as u64;
            let working = stream::memory(&payload, before, new_size).saturating_sub(new_size);
            Coded { tag: Tag::Stream, working, payload }
        }
        Codec::Containers => match containers::encode(before, new, profile, depth)? {
            Some((payload, working)) => Coded { tag: Tag::Containers, working, payload },
            None => return Err(DeltaError::EncoderFault("there is nothing to open")),
        },
        Codec::Windows => return in_windows(before, new, profile),
    };
    header::join(&coded, before, new)
}

fn prove(made: &Encoded, old: Option<&[u8]>, new: &[u8], depth: u32) -> Result<(), DeltaError> {
    if made.header.codec == Codec::Windows {
        return Ok(()); // Every window has been.
    }
    let limits = DecodeLimits { new_size: made.header.new_size, memory: made.header.memory };
    match decode_at(&made.bytes, old.unwrap_or_default(), limits, depth) {
        Ok(again) if again == new => Ok(()),
        Ok(_) => Err(DeltaError::EncoderFault("other bytes came back")),
        Err(_) => Err(DeltaError::EncoderFault("the delta does not decode")),
    }
}

/// Reads the first bytes of a delta; the rest need not be there.
///
/// # Errors
/// [`DeltaError::Truncated`], [`DeltaError::UnknownCodec`] or [`DeltaError::Damaged`].
pub fn header(delta: &[u8]) -> Result<Header, DeltaError> {
    Ok(header::split(delta)?.header)
}

/// Turns `old` and a delta into the new bytes.
///
/// `old` is ignored by deltas that need none ([`Codec::Full`]). The result has been checked
/// against 4 bytes of its SHA-256; callers that know the whole digest compare that too.
///
/// # Errors
/// [`DeltaError::OverLimit`] before anything is allocated beyond `limits`,
/// [`DeltaError::WrongOld`] for other old bytes, and [`DeltaError::Truncated`],
/// [`DeltaError::Damaged`] or [`DeltaError::UnknownCodec`] for bad deltas.
pub fn decode(delta: &[u8], old: &[u8], limits: DecodeLimits) -> Result<Vec<u8>, DeltaError> {
    let header = header(delta)?;
    if header.codec != Codec::Windows {
        return decode_at(delta, old, limits, 0);
    }
    // The result is held here, so it counts.
    let memory = limits.memory.saturating_sub(header.new_size);
    let (delta, old) = (Source::bytes(Side::Delta, delta), Source::bytes(Side::Old, old));
    let mut out = Vec::new();
    let made = decode_to(&delta, &old, DecodeLimits { memory, ..limits }, &mut |bytes| {
        out.try_reserve(bytes.len()).map_err(|_| DeltaError::OverLimit { needed: header.new_size, allowed: 0 })?;
        out.extend_from_slice(bytes);
        Ok(())
    });
    made.map_err(whole).map(|_| out)
}

/// [`decode`] for callers that have proved the whole digest of `old` and will prove the result's: the header's short checks are
/// not compared, for each is another pass over a file. `bsdiff` and `windows` hand on piece by piece and read `old`
/// where it is needed; the other codecs hold both files.
///
/// # Errors
/// As [`decode_to`], but for [`DeltaError::WrongOld`] and what the check of the result would give.
pub fn decode_proved(delta: &[u8], old: &Source<'_>, limits: DecodeLimits, out: &mut Out<'_>) -> Result<(), PassError> {
    let parts = header::split(delta)?;
    limits.allow(parts.header)?;
    let mut made = 0;
    let mut pieces = |bytes: &[u8]| {
        made += bytes.len() as u64;
        out(bytes.into())
    };
    match parts.tag {
        Tag::Bsdiff => {
            bsdiff::decode(parts.payload, old, size(parts.header.new_size)?, parts.working, &mut pieces)?;
        }
        Tag::Windows => {
            let at = (delta.len() - parts.payload.len()) as u64;
            let delta = Source::bytes(Side::Delta, delta);
            windows::decode((&delta, at), old, parts.header.new_size, parts.working, &mut pieces)?;
        }
        tag => {
            let mut before = Vec::new();
            if !matches!(tag, Tag::Stored | Tag::Full) {
                old.append(0, old.size(), &mut before)?;
            }
            let new = made_of(&parts, &before, limits, 0)?;
            return out(new.into());
        }
    }
    if made == parts.header.new_size { Ok(()) } else { Err(UNPROMISED.into()) }
}

/// Bytes of memory that [`decode_proved`] needs for a delta beside the delta itself, with an old file of this size.
pub fn decode_memory(header: &Header, old: u64) -> u64 {
    match header.codec {
        Codec::Full | Codec::Windows => header.memory,
        Codec::Bsdiff => header.memory.saturating_sub(header.new_size).saturating_add(bsdiff::held(old)),
        Codec::Zstd | Codec::Stream | Codec::Containers => header.memory.saturating_add(old),
    }
}

/// The error of a pass over bytes in memory, which are always there.
fn whole(error: PassError) -> DeltaError {
    match error {
        PassError::Delta(e) => e,
        PassError::Io(..) => DeltaError::Truncated,
    }
}

/// [`decode`] for files that are read by position, old bytes and delta alike; the result is handed on as it comes.
/// A delta of windows holds no more than it states; the other codecs hold both files and the delta.
///
/// What has been handed on is worth nothing before this returns: only then its check has been compared.
///
/// # Errors
/// As [`decode`], and [`PassError::Io`] with what the sources or `out` gave.
pub fn decode_to(
    delta: &Source<'_>,
    old: &Source<'_>,
    limits: DecodeLimits,
    out: &mut Sink<'_>,
) -> Result<Header, PassError> {
    let mut head = Vec::new();
    delta.append(0, delta.size().min(header::MOST), &mut head)?;
    let parts = header::split(&head)?;
    let header = parts.header;
    limits.allow(header)?;
    if header.codec != Codec::Windows {
        let (mut bytes, mut before) = (Vec::new(), Vec::new());
        delta.append(0, delta.size(), &mut bytes)?;
        old.append(0, old.size(), &mut before)?;
        out(&decode_at(&bytes, &before, limits, 0)?)?;
        return Ok(header);
    }
    let mut sha = sha2::Sha256::new();
    old.pass(|bytes| {
        sha.update(bytes);
        Ok(())
    })?;
    if parts.old_check != Some(header::finish(sha)) {
        return Err(DeltaError::WrongOld.into());
    }
    let mut sha = sha2::Sha256::new();
    let at = (head.len() - parts.payload.len()) as u64;
    windows::decode((delta, at), old, header.new_size, parts.working, &mut |bytes| {
        sha.update(bytes);
        out(bytes)
    })?;
    if header::finish(sha) != parts.new_check {
        return Err(UNPROMISED.into());
    }
    Ok(header)
}

/// Codes files that do not fit into memory, within about `memory` bytes, and proves every window by decoding it.
///
/// The payload is handed on as it comes; the returned bytes are the header that belongs in front of it. The same
/// files, profile and memory give the same bytes, whatever the threads.
///
/// # Errors
/// As [`encode`], and [`PassError::Io`] with what the sources or `payload` gave.
pub fn encode_windows(
    old: &Source<'_>,
    new: &Source<'_>,
    profile: Profile,
    memory: u64,
    payload: &mut dyn FnMut(&[u8]) -> Result<(), PassError>,
) -> Result<Vec<u8>, PassError> {
    let sizes = windows::Sizes::of(memory, old.size(), profile, rayon::current_num_threads());
    windows::encode(old, new, profile, &sizes, payload)
}

fn in_windows(old: &[u8], new: &[u8], profile: Profile) -> Result<Encoded, DeltaError> {
    let (old, new) = (Source::bytes(Side::Old, old), Source::bytes(Side::New, new));
    let mut payload = Vec::new();
    let made = encode_windows(&old, &new, profile, windows::MEMORY, &mut |bytes| {
        payload.extend_from_slice(bytes);
        Ok(())
    });
    let mut bytes = made.map_err(whole)?;
    bytes.append(&mut payload);
    Ok(Encoded { header: header(&bytes)?, bytes })
}

/// [`decode`] within so many containers.
fn decode_at(delta: &[u8], old: &[u8], limits: DecodeLimits, depth: u32) -> Result<Vec<u8>, DeltaError> {
    let parts = header::split(delta)?;
    limits.allow(parts.header)?;
    if parts.old_check.is_some_and(|check| check != header::check(old)) {
        return Err(DeltaError::WrongOld);
    }
    let new = made_of(&parts, old, limits, depth)?;
    if header::check(&new) != parts.new_check {
        return Err(UNPROMISED);
    }
    Ok(new)
}

const UNPROMISED: DeltaError = DeltaError::Damaged("the result is not what the header promises");

/// The result, of the size that the header promises; neither side is checked.
fn made_of(parts: &Parts<'_>, old: &[u8], limits: DecodeLimits, depth: u32) -> Result<Vec<u8>, DeltaError> {
    limits.allow(parts.header)?;
    let new_size = parts.header.new_size;
    let size = size(new_size)?;
    let new = dispatch(parts, old, size, depth)?;
    if new.len() == size { Ok(new) } else { Err(UNPROMISED) }
}

fn size(new: u64) -> Result<usize, DeltaError> {
    usize::try_from(new).map_err(|_| DeltaError::OverLimit { needed: new, allowed: usize::MAX as u64 })
}

fn dispatch(parts: &Parts<'_>, old: &[u8], size: usize, depth: u32) -> Result<Vec<u8>, DeltaError> {
    match parts.tag {
        Tag::Stored => full::decode_stored(parts.payload, size),
        Tag::Full => frame::read(parts.payload, None, size),
        Tag::Bsdiff => {
            let mut new = frame::reserve(size)?;
            let old = Source::bytes(Side::Old, old);
            bsdiff::decode(parts.payload, &old, size, parts.working, &mut |bytes| {
                new.extend_from_slice(bytes);
                Ok(())
            })
            .map_err(whole)?;
            Ok(new)
        }
        Tag::Zstd => frame::read(parts.payload, Some(old), size),
        Tag::Stream => {
            let Header { new_size, memory, .. } = parts.header;
            stream::decode(parts.payload, old, new_size, DecodeLimits { new_size, memory })
        }
        Tag::Windows => Err(DeltaError::Damaged("windows within another delta")),
        Tag::Containers if depth > containers::DEPTH => Err(DeltaError::Damaged("containers are nested too deep")),
        Tag::Containers => containers::decode(parts.payload, old, size, parts.working, depth),
    }
}

#[cfg(test)]
mod tests;
