//! Bytes to bytes: codecs and the choice among them.
//!
//! A delta is self-describing: a header of a few bytes (codec, sizes, memory that decoding
//! needs, checks of both sides) and the codec's payload. Pure and bounded: nothing is
//! allocated that the header and the caller's [`DecodeLimits`] do not allow, and hostile
//! input never panics. The format is specified in `docs/delta-format.md`; in short:
//!
//! | field | bytes | present in | meaning |
//! |---|---|---|---|
//! | tag | 1 | all | high half: format version (1); low half: 0 full stored, 1 full zstd, 2 bsdiff, 3 zstd prefix, 4 stream, 5 containers |
//! | new_size | 1-10, varint | all | bytes of the result |
//! | memory | 1-10, varint | bsdiff, stream, containers | KiB that decoding needs beyond the result |
//! | old check | 4 | bsdiff, zstd prefix, stream, containers | first bytes of the old bytes' SHA-256 |
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
mod sparse;
pub mod stream;
mod types;
mod varint;

pub use choose::best;
pub use settings::{SETTINGS_VERSION, encode_memory};
pub use types::{Codec, DecodeLimits, DeltaError, Encoded, Header, Profile};

use header::{Parts, Tag};

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
    };
    header::join(&coded, before, new)
}

fn prove(made: &Encoded, old: Option<&[u8]>, new: &[u8], depth: u32) -> Result<(), DeltaError> {
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
    decode_at(delta, old, limits, 0)
}

/// [`decode`] within so many containers.
fn decode_at(delta: &[u8], old: &[u8], limits: DecodeLimits, depth: u32) -> Result<Vec<u8>, DeltaError> {
    let parts = header::split(delta)?;
    let Header { new_size, memory, .. } = parts.header;
    for (needed, allowed) in [(new_size, limits.new_size), (memory, limits.memory)] {
        if needed > allowed {
            return Err(DeltaError::OverLimit { needed, allowed });
        }
    }
    let size = usize::try_from(new_size)
        .map_err(|_| DeltaError::OverLimit { needed: new_size, allowed: usize::MAX as u64 })?;
    if parts.old_check.is_some_and(|check| check != header::check(old)) {
        return Err(DeltaError::WrongOld);
    }
    let new = dispatch(&parts, old, size, depth)?;
    if new.len() != size || header::check(&new) != parts.new_check {
        return Err(DeltaError::Damaged("the result is not what the header promises"));
    }
    Ok(new)
}

fn dispatch(parts: &Parts<'_>, old: &[u8], size: usize, depth: u32) -> Result<Vec<u8>, DeltaError> {
    match parts.tag {
        Tag::Stored => full::decode_stored(parts.payload, size),
        Tag::Full => frame::read(parts.payload, None, size),
        Tag::Bsdiff => bsdiff::decode(parts.payload, old, size, parts.working),
        Tag::Zstd => frame::read(parts.payload, Some(old), size),
        Tag::Stream => {
            let Header { new_size, memory, .. } = parts.header;
            stream::decode(parts.payload, old, new_size, DecodeLimits { new_size, memory })
        }
        Tag::Containers if depth > containers::DEPTH => Err(DeltaError::Damaged("containers are nested too deep")),
        Tag::Containers => containers::decode(parts.payload, old, size, parts.working, depth),
    }
}

#[cfg(test)]
mod tests;
